//! Skills: Markdown for models, by name.

use bytes::Bytes;

use super::{
    Listing, Page, UserDataStore, UserDataStoreError,
    keys::{self, SkillLayout},
};
use crate::{Timestamp, services::user_data::Name};

type Answer<T> = Result<T, UserDataStoreError>;

/// A skill as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    /// The text.
    pub content: String,
    /// When it was uploaded, as who uploaded it noted: ISO 8601. Where stores keep no notes, that of `modified`.
    pub uploaded_at: String,
    /// When the object was written, as the store says.
    pub modified: Timestamp,
}

/// A skill in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSkill {
    /// Its name.
    pub name: Name,
    /// Bytes of it.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
}

impl UserDataStore {
    /// Writes a skill, over one of the same name, and returns its key. `now` is noted with it.
    ///
    /// In a directory, a skill of the other layout is removed just before the new one is written, because a file cannot
    /// be where a directory is; everywhere else, after.
    ///
    /// # Errors
    /// [`UserDataStoreError::TooLarge`], [`UserDataStoreError::TooManySkills`], and what the store says.
    pub async fn put_skill(
        &self,
        user: &Name,
        name: &Name,
        content: &str,
        now: Timestamp,
    ) -> Answer<String> {
        let limit = self.limits.skill_bytes;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
            return Err(UserDataStoreError::TooLarge { what: "skill", limit });
        }
        let key = keys::skill(user, name, self.layout);
        let other = keys::skill(user, name, self.layout.other());
        let _writing = self.lock(user).await;
        let replaces_other = self.objects.exists(&other).await?;
        if !replaces_other && !self.objects.exists(&key).await? {
            self.check_count(user).await?;
        }
        if replaces_other && self.objects.is_disk() {
            self.objects.delete(&other).await?;
        }
        let at = now.to_rfc3339_millis();
        let notes = [("userId", user.as_str()), ("uploadedAt", at.as_str())];
        let bytes = Bytes::copy_from_slice(content.as_bytes());
        self.objects.put(&key, bytes, "text/markdown", &notes).await?;
        if replaces_other && !self.objects.is_disk() {
            self.objects.delete(&other).await?;
        }
        Ok(key)
    }

    async fn check_count(&self, user: &Name) -> Answer<()> {
        let limit = self.limits.skills;
        let listed = self.skills(user, &Page { after: None, limit: Some(limit) }).await?;
        if listed.items.len() >= limit {
            return Err(UserDataStoreError::TooManySkills { limit });
        }
        Ok(())
    }

    /// A user's skill, in whichever layout it is; the store's own comes first.
    ///
    /// # Errors
    /// [`UserDataStoreError::Damaged`] if it is no text, and what the store says.
    pub async fn skill(&self, user: &Name, name: &Name) -> Answer<Option<Skill>> {
        for layout in [self.layout, self.layout.other()] {
            let key = keys::skill(user, name, layout);
            let limit = self.limits.skill_bytes;
            let Some(object) = self.objects.get(&key, "skill", limit).await? else { continue };
            let uploaded_at = match object.metadata("uploadedAt") {
                Some(noted) => noted.to_owned(),
                None => object.modified.to_rfc3339_millis(),
            };
            let content = String::from_utf8(object.bytes.to_vec());
            let content = content.map_err(|_| UserDataStoreError::Damaged { key })?;
            return Ok(Some(Skill { content, uploaded_at, modified: object.modified }));
        }
        Ok(None)
    }

    /// A user's skills, of both layouts. Nobody's are none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn skills(&self, user: &Name, page: &Page) -> Answer<Listing<ListedSkill>> {
        let name = |rest: &str| keys::skill_name(rest).map(|name| name.as_str().to_owned());
        let folder = keys::skills(user);
        let (found, more) = self.objects.list(&folder, page.after(), page.size(), name).await?;
        let items: Vec<_> = found
            .into_iter()
            .filter_map(|(name, listed)| {
                let name = keys::skill_name(&name)?;
                Some(ListedSkill { name, size: listed.size, modified: listed.modified })
            })
            .collect();
        let cursor = items.last().filter(|_| more).map(|last| last.name.clone());
        Ok(Listing { items, cursor })
    }

    /// Deletes a skill in both layouts, and returns the key that it has, or would have had.
    ///
    /// # Errors
    /// What the store says. That it is not there is no error.
    pub async fn delete_skill(&self, user: &Name, name: &Name) -> Answer<String> {
        let _writing = self.lock(user).await;
        for layout in [SkillLayout::Flat, SkillLayout::Nested] {
            self.objects.delete(&keys::skill(user, name, layout)).await?;
        }
        Ok(keys::skill(user, name, self.layout))
    }
}
