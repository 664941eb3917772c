//! User data: skills, conversations and settings of users, kept for the agents that work for them. Nothing is encrypted
//! end to end. The guide is `docs/guides/user-data-service.md`.
//!
//! With the feature `user-data-store`, [`store`] is what a service keeps them in.

mod names;
#[cfg(feature = "user-data-store")]
pub mod store;

pub use self::names::{Name, NameError, NameKind};
