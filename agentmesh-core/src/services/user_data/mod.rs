//! User data: skills, conversations and settings of users, kept for the agents that work for them. Nothing is encrypted
//! end to end. The guide is `docs/guides/user-data.md`.

mod names;

pub use self::names::{Name, NameError, NameKind};
