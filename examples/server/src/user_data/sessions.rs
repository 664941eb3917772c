//! Which session was prepared for whom, and the token that lets a client into it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use agentmesh_core::{Timestamp, services::user_data::Name};

use super::secret::Secret;

/// Sessions remembered; the oldest go first.
const MAX: usize = 10_000;

struct Prepared {
    user: Name,
    token: Secret,
    at: Timestamp,
}

/// See the module.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<Name, Prepared>>);

/// What a preparation changed.
pub(super) struct Changed {
    /// The token of the session; that of the preparation before, if it was for the same user.
    pub(super) token: String,
    /// It was another user's.
    pub(super) other_user: bool,
    /// A session that was forgotten for it.
    pub(super) evicted: Option<Name>,
}

impl Sessions {
    /// Notes that a session was prepared. `fresh` becomes its token if it has none.
    pub(super) fn prepare(
        &self,
        session: &Name,
        user: &Name,
        fresh: String,
        now: Timestamp,
    ) -> Changed {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get_mut(session);
        let other_user = before.as_ref().is_some_and(|before| before.user != *user);
        if let Some(before) = before.filter(|_| !other_user) {
            before.at = now;
            let token = before.token.expose().to_owned();
            return Changed { token, other_user, evicted: None };
        }
        let evicted = if all.len() >= MAX && !other_user {
            all.iter().min_by_key(|(_, one)| one.at).map(|(name, _)| name.clone())
        } else {
            None
        };
        if let Some(evicted) = &evicted {
            all.remove(evicted);
        }
        let token = Secret::new(fresh.clone());
        all.insert(session.clone(), Prepared { user: user.clone(), token, at: now });
        Changed { token: fresh, other_user, evicted }
    }

    /// Whose it is.
    pub(super) fn user(&self, session: &Name) -> Option<Name> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(session).map(|one| one.user.clone())
    }

    /// Whether this is the session's token.
    pub(super) fn admits(&self, session: &Name, token: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(session).is_some_and(|one| one.token.is(token))
    }

    pub(super) fn forget(&self, session: &Name) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }
}

#[cfg(test)]
mod tests {
    use agentmesh_core::services::user_data::NameKind;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(NameKind::Session, text).unwrap()
    }

    #[test]
    fn a_token_stays_until_the_session_is_another_users_or_forgotten() {
        let sessions = Sessions::default();
        let at = Timestamp::from_millis;
        let prepare = |user, fresh: &str| {
            sessions.prepare(&name("s"), &name(user), fresh.to_owned(), at(0)).token
        };
        assert_eq!(prepare("a", "first"), "first");
        assert_eq!(prepare("a", "second"), "first");
        assert!(sessions.admits(&name("s"), "first") && !sessions.admits(&name("t"), "first"));
        assert_eq!(prepare("b", "third"), "third");
        assert!(!sessions.admits(&name("s"), "first"));
        assert_eq!(sessions.user(&name("s")), Some(name("b")));
        sessions.forget(&name("s"));
        assert!(!sessions.admits(&name("s"), "third"));
    }

    #[test]
    fn the_oldest_is_forgotten_for_one_too_many() {
        let sessions = Sessions::default();
        let prepare = |n: usize| {
            let at = Timestamp::from_millis(u64::try_from(n).unwrap());
            sessions.prepare(&name(&format!("s{n}")), &name("u"), "t".to_owned(), at).evicted
        };
        assert!((0..MAX).all(|n| prepare(n).is_none()));
        assert_eq!(prepare(MAX), Some(name("s0")));
    }
}
