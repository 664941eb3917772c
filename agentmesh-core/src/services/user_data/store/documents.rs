//! Conversations and settings: JSON objects, kept as they came.

use bytes::Bytes;
use serde_json::{Map, Value, value::RawValue};

use super::{Listing, Page, UserDataStore, UserDataStoreError, keys, objects::Object};
use crate::{Timestamp, services::user_data::Name};

type Answer<T> = Result<T, UserDataStoreError>;

const JSON: &str = "application/json";
/// The member of a conversation that must be there.
const CONVERSATION_ID: &str = "conversationId";

/// A conversation as it is stored.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// What was saved, byte by byte.
    pub body: Box<RawValue>,
    /// When it was saved, as who saved it noted: ISO 8601. Where stores keep no notes, that of `modified`.
    pub saved_at: String,
    /// When the object was written, as the store says.
    pub modified: Timestamp,
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedConversation {
    /// Its id.
    pub id: Name,
    /// Bytes of it.
    pub size: u64,
    /// When it was saved.
    pub modified: Timestamp,
}

/// A settings document as it is stored.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What was saved, byte by byte.
    pub body: Box<RawValue>,
    /// When it was saved, as [`Conversation::saved_at`].
    pub saved_at: String,
    /// When the object was written, as the store says.
    pub modified: Timestamp,
}

impl UserDataStore {
    /// Writes a conversation, over one of the same id, and returns its key. The body is kept as it is; it must be a JSON
    /// object whose `conversationId` is `id`.
    ///
    /// # Errors
    /// [`UserDataStoreError::NotJson`], [`UserDataStoreError::TooLarge`], and what the store says.
    pub async fn put_conversation(
        &self,
        user: &Name,
        id: &Name,
        body: Bytes,
        now: Timestamp,
    ) -> Answer<String> {
        check_size("conversation", &body, self.limits.conversation_bytes)?;
        let wanted = "a JSON object with its conversationId";
        let not_json = || UserDataStoreError::NotJson { what: "conversation", wanted };
        let read: Map<String, Value> = serde_json::from_slice(&body).map_err(|_| not_json())?;
        let named = read.get(CONVERSATION_ID).and_then(Value::as_str);
        let named = named
            .and_then(|id| Name::new(crate::services::user_data::NameKind::Conversation, id).ok());
        if named.as_ref() != Some(id) {
            return Err(not_json());
        }
        let key = keys::conversation(user, id);
        let at = now.to_rfc3339_millis();
        let notes =
            [("userId", user.as_str()), ("conversationId", id.as_str()), ("savedAt", at.as_str())];
        self.objects.put(&key, body, JSON, &notes).await?;
        Ok(key)
    }

    /// A user's conversation.
    ///
    /// # Errors
    /// [`UserDataStoreError::Damaged`] if it is no JSON, and what the store says.
    pub async fn conversation(&self, user: &Name, id: &Name) -> Answer<Option<Conversation>> {
        let key = keys::conversation(user, id);
        let limit = self.limits.conversation_bytes;
        let Some(object) = self.objects.get(&key, "conversation", limit).await? else {
            return Ok(None);
        };
        let (body, saved_at) = read(&object, key)?;
        Ok(Some(Conversation { body, saved_at, modified: object.modified }))
    }

    /// A user's conversations. Nobody's are none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn conversations(
        &self,
        user: &Name,
        page: &Page,
    ) -> Answer<Listing<ListedConversation>> {
        let folder = keys::conversations(user);
        let id = |rest: &str| keys::conversation_id(rest).map(|id| id.as_str().to_owned());
        let (found, more) = self.objects.list(&folder, page.after(), page.size(), id).await?;
        let items: Vec<_> = found
            .into_iter()
            .filter_map(|(id, listed)| {
                let id = keys::conversation_id(&format!("{id}.json"))?;
                Some(ListedConversation { id, size: listed.size, modified: listed.modified })
            })
            .collect();
        let cursor = items.last().filter(|_| more).map(|last| last.id.clone());
        Ok(Listing { items, cursor })
    }

    /// Deletes a conversation, and returns the key that it has, or would have had.
    ///
    /// # Errors
    /// What the store says. That it is not there is no error.
    pub async fn delete_conversation(&self, user: &Name, id: &Name) -> Answer<String> {
        let key = keys::conversation(user, id);
        self.objects.delete(&key).await?;
        Ok(key)
    }

    /// Writes a settings document, over one of the same name, and returns its key. The body is any JSON object.
    ///
    /// # Errors
    /// [`UserDataStoreError::NotJson`], [`UserDataStoreError::TooLarge`], and what the store says.
    pub async fn put_settings(
        &self,
        user: &Name,
        name: &Name,
        body: Bytes,
        now: Timestamp,
    ) -> Answer<String> {
        check_size("settings", &body, self.limits.settings_bytes)?;
        if serde_json::from_slice::<Map<String, Value>>(&body).is_err() {
            return Err(UserDataStoreError::NotJson { what: "settings", wanted: "a JSON object" });
        }
        let key = keys::settings(user, name);
        let at = now.to_rfc3339_millis();
        let notes = [("userId", user.as_str()), ("savedAt", at.as_str())];
        self.objects.put(&key, body, JSON, &notes).await?;
        Ok(key)
    }

    /// A user's settings document.
    ///
    /// # Errors
    /// [`UserDataStoreError::Damaged`] if it is no JSON, and what the store says.
    pub async fn settings(&self, user: &Name, name: &Name) -> Answer<Option<Settings>> {
        let key = keys::settings(user, name);
        let limit = self.limits.settings_bytes;
        let Some(object) = self.objects.get(&key, "settings", limit).await? else {
            return Ok(None);
        };
        let (body, saved_at) = read(&object, key)?;
        Ok(Some(Settings { body, saved_at, modified: object.modified }))
    }

    /// Deletes a settings document, and returns the key that it has, or would have had.
    ///
    /// # Errors
    /// What the store says. That it is not there is no error.
    pub async fn delete_settings(&self, user: &Name, name: &Name) -> Answer<String> {
        let key = keys::settings(user, name);
        self.objects.delete(&key).await?;
        Ok(key)
    }
}

fn check_size(what: &'static str, body: &Bytes, limit: u64) -> Answer<()> {
    if u64::try_from(body.len()).unwrap_or(u64::MAX) > limit {
        return Err(UserDataStoreError::TooLarge { what, limit });
    }
    Ok(())
}

fn read(object: &Object, key: String) -> Answer<(Box<RawValue>, String)> {
    let body = serde_json::from_slice(&object.bytes);
    let body = body.map_err(|_| UserDataStoreError::Damaged { key })?;
    let saved_at = match object.metadata("savedAt") {
        Some(noted) => noted.to_owned(),
        None => object.modified.to_rfc3339_millis(),
    };
    Ok((body, saved_at))
}
