//! Which session a token is for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    session::PollSession,
    token::{Name, Token},
};

type Sessions = HashMap<Name, Arc<PollSession>>;

/// The sessions that there are, and for a while those that there were: their clients may not have heard yet why they
/// ended.
#[derive(Debug, Default)]
pub(crate) struct Polls(Mutex<Sessions>);

impl Polls {
    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn insert(&self, session: &Arc<PollSession>) {
        self.lock().insert(session.token.name(), Arc::clone(session));
    }

    pub(super) fn find(&self, token: &Token) -> Option<Arc<PollSession>> {
        let session = self.lock().get(&token.name()).cloned()?;
        session.token.is(token).then_some(session)
    }

    pub(super) fn all(&self) -> Vec<Arc<PollSession>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn remove(&self, session: &PollSession) {
        let mut sessions = self.lock();
        sessions.remove(&session.token.name());
        if sessions.is_empty() {
            sessions.shrink_to_fit();
        }
    }
}
