//! Who is who: the key that may do everything, tokens of single users, or anybody where that was asked for.

use std::fmt;

use agentmesh_core::services::user_data::{Name, NameKind};
use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

use super::{UserDataConfig, answer::Refusal, secret::Secret};

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// May do everything.
    Operator,
    /// May do everything with their own data.
    User(Name),
}

impl Principal {
    /// Refuses what is another user's.
    pub(super) fn check(&self, user: &Name) -> Result<(), Refusal> {
        match self {
            Self::User(own) if own != user => Err(Refusal::forbidden()),
            _ => Ok(()),
        }
    }
}

/// Tells who asks.
pub(super) struct Access {
    api_key: Option<Secret>,
    users: Option<DecodingKey>,
    anybody: bool,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl Access {
    pub(super) fn new(config: &UserDataConfig) -> Self {
        let users = config.jwt_secret.as_ref();
        Self {
            api_key: config.api_key.clone(),
            users: users.map(|secret| DecodingKey::from_secret(secret.expose().as_bytes())),
            anybody: config.insecure,
        }
    }

    /// Whether no token is needed where a client could not send one.
    pub(super) const fn is_open(&self) -> bool {
        self.anybody
    }

    /// Whose request this is. Even where anybody may come they say so in a header, which pages of other origins cannot
    /// set.
    pub(super) fn of_request(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Refusal::unauthorized());
        };
        let value = value.to_str().ok().and_then(|value| value.split_once(' '));
        let Some((scheme, token)) = value else { return Err(Refusal::unauthorized()) };
        let token = token.trim_matches(' ');
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(Refusal::unauthorized());
        }
        self.of_token(token).ok_or_else(Refusal::unauthorized)
    }

    /// Whose token this is.
    pub(super) fn of_token(&self, token: &str) -> Option<Principal> {
        if self.api_key.as_ref().is_some_and(|key| key.is(token)) {
            return Some(Principal::Operator);
        }
        if let Some(user) = self.users.as_ref().and_then(|key| user(token, key)) {
            return Some(Principal::User(user));
        }
        self.anybody.then_some(Principal::Operator)
    }
}

fn user(token: &str, key: &DecodingKey) -> Option<Name> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = 0;
    validation.set_required_spec_claims(&["exp", "sub"]);
    validation.validate_aud = false;
    let claims = decode::<Claims>(token, key, &validation).ok()?.claims;
    Name::new(NameKind::User, &claims.sub).ok()
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("anybody", &self.anybody).finish_non_exhaustive()
    }
}
