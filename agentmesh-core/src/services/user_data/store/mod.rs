//! The store behind a service of user data: skills, conversations and settings, in a directory, in memory, or in a bucket
//! of S3 or R2, under the keys of the deployed services.
//!
//! ```text
//! users/{user}/skills/{name}               or users/{user}/skills/{name}/SKILL.md
//! users/{user}/conversations/{id}.json
//! users/{user}/settings/{name}.json
//! ```
//! A write replaces the whole object or does nothing; in a directory it is on the disk when the call returns. Names come as
//! [`Name`], so nothing outside the user's folder can be reached. Nothing is encrypted.
//!
//! `keys` is what the keys are, `objects` and `disk` what they are in, `skills` and `documents` what is in the objects.

mod config;
mod disk;
mod documents;
mod error;
mod keys;
mod objects;
mod skills;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

use tokio::sync::{Mutex, MutexGuard};

use self::objects::Objects;
pub use self::{
    config::{UserDataLimits, UserDataStoreConfig},
    documents::{Conversation, ListedConversation, Settings},
    error::UserDataStoreError,
    keys::SkillLayout,
    skills::{ListedSkill, Skill},
};
use super::Name;

/// Objects of a listing at most; then there is a cursor.
const MAX_LISTED: usize = 100_000;
/// Users whose skills are written at a time.
const LOCKS: usize = 64;

/// What part of a list to return.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Names after this one only.
    pub after: Option<Name>,
    /// So many at most. `None`: all, but never more than 100,000.
    pub limit: Option<usize>,
}

impl Page {
    fn size(&self) -> usize {
        self.limit.map_or(MAX_LISTED, |limit| limit.clamp(1, MAX_LISTED))
    }

    fn after(&self) -> Option<&str> {
        self.after.as_ref().map(Name::as_str)
    }
}

/// A part of a list, in the order of the names' bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The part.
    pub items: Vec<T>,
    /// The last name of it, if there are more: `after` of the next [`Page`].
    pub cursor: Option<Name>,
}

/// Keeps what users have. See the module for what it guarantees.
pub struct UserDataStore {
    objects: Objects,
    layout: SkillLayout,
    limits: UserDataLimits,
    /// Counting a user's skills and writing one must not be interrupted by another writing of this process.
    locks: [Mutex<()>; LOCKS],
    hasher: RandomState,
}

impl UserDataStore {
    /// Opens a store. Makes the directory if it has one; a bucket is not asked for anything yet.
    ///
    /// # Errors
    /// [`UserDataStoreError::Config`]: a directory that cannot be used, a bucket that is not described well enough.
    pub fn open(config: UserDataStoreConfig) -> Result<Self, UserDataStoreError> {
        Ok(Self {
            objects: config.open()?,
            layout: config.layout,
            limits: config.limits,
            locks: [const { Mutex::const_new(()) }; LOCKS],
            hasher: RandomState::new(),
        })
    }

    /// Where it writes skills.
    pub const fn layout(&self) -> SkillLayout {
        self.layout
    }

    /// What it keeps at most.
    pub const fn limits(&self) -> UserDataLimits {
        self.limits
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`UserDataStoreError::Unavailable`]
    pub async fn check(&self) -> Result<(), UserDataStoreError> {
        self.objects.exists("users/.check").await.map(drop)
    }

    async fn lock(&self, user: &Name) -> Option<MutexGuard<'_, ()>> {
        let hash = usize::try_from(self.hasher.hash_one(user) % 64).unwrap_or(0);
        match self.locks.get(hash) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        }
    }
}

impl fmt::Debug for UserDataStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserDataStore").field("layout", &self.layout).finish_non_exhaustive()
    }
}
