//! Skills, conversations and settings of users, and the sandboxes of their agents. Answers are JSON, under the names of
//! the service.

use std::{fmt, sync::Arc, time::Duration};

use agentmesh_core::services::user_data::{
    Conversation, RetryPolicy, SecretText, Timeouts, UserDataClient as CoreClient,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{FacadeError, owned::Owned};

/// How to reach the service, without the key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserDataSettings {
    /// The service's base URL.
    pub base_url: String,
    /// Whether `http` may reach other machines.
    pub allow_insecure: bool,
    /// For one try of most requests.
    pub request_timeout_ms: Option<u64>,
    /// Of `setup` and `destroy_sandbox`.
    pub setup_timeout_ms: Option<u64>,
    /// Of what is stored.
    pub upload_timeout_ms: Option<u64>,
    /// The pauses before a request is sent again; none to send everything once.
    pub retry_pauses_ms: Option<Vec<u64>>,
}

/// A client of a user data service. A clone shares its connections.
#[derive(Clone)]
pub struct UserDataClient(Arc<Owned<CoreClient>>);

impl fmt::Debug for UserDataClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserDataClient").finish_non_exhaustive()
    }
}

impl UserDataClient {
    /// A client; it connects when it is first used.
    ///
    /// # Errors
    /// `USER_DATA_CONFIG`
    pub fn new(settings: UserDataSettings, key: Option<SecretText>) -> Result<Self, FacadeError> {
        let default = Timeouts::default();
        let or = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        let mut builder = CoreClient::builder(settings.base_url)
            .allow_insecure(settings.allow_insecure)
            .timeouts(Timeouts {
                request: or(settings.request_timeout_ms, default.request),
                setup: or(settings.setup_timeout_ms, default.setup),
                upload: or(settings.upload_timeout_ms, default.upload),
            });
        if let Some(key) = key {
            builder = builder.api_key(key);
        }
        if let Some(pauses) = settings.retry_pauses_ms {
            let pauses = pauses.into_iter().map(Duration::from_millis).collect();
            builder = builder.retry(RetryPolicy { pauses });
        }
        Ok(Self(Arc::new(Owned::new(builder.build()?))))
    }

    pub(super) fn core(&self) -> Result<&CoreClient, FacadeError> {
        self.0.get()
    }

    /// Stores a skill, over one of the same name.
    ///
    /// # Errors
    /// As the core's `UserDataClient`, here and below; `BINDING_FORKED`.
    pub async fn put_skill(
        &self,
        user: &str,
        name: &str,
        content: &str,
    ) -> Result<Value, FacadeError> {
        value(&self.core()?.put_skill(user, name, content).await?)
    }

    /// The names of all skills of a user.
    ///
    /// # Errors
    /// As above.
    pub async fn list_skills(&self, user: &str) -> Result<Value, FacadeError> {
        value(&self.core()?.list_skills(user).await?)
    }

    /// A skill.
    ///
    /// # Errors
    /// `USER_DATA_NOT_FOUND` and as above.
    pub async fn skill(&self, user: &str, name: &str) -> Result<Value, FacadeError> {
        value(&self.core()?.skill(user, name).await?)
    }

    /// Deletes a skill.
    ///
    /// # Errors
    /// As above.
    pub async fn delete_skill(&self, user: &str, name: &str) -> Result<Value, FacadeError> {
        value(&self.core()?.delete_skill(user, name).await?)
    }

    /// Stores a conversation: any JSON object with a `conversationId`.
    ///
    /// # Errors
    /// `BINDING_ARGUMENT` for anything else, and as above.
    pub async fn save_conversation(&self, user: &str, body: &str) -> Result<Value, FacadeError> {
        let conversation = Conversation::from_body(serde_json::from_str(body)?);
        let conversation = conversation.ok_or_else(|| {
            FacadeError::argument("a conversation is an object with a text as conversationId")
        })?;
        value(&self.core()?.save_conversation(user, &conversation).await?)
    }

    /// A conversation as it was saved.
    ///
    /// # Errors
    /// `USER_DATA_NOT_FOUND` and as above.
    pub async fn conversation(&self, user: &str, id: &str) -> Result<Value, FacadeError> {
        value(&self.core()?.conversation(user, id).await?)
    }

    /// All conversations of a user, without their contents.
    ///
    /// # Errors
    /// As above.
    pub async fn list_conversations(&self, user: &str) -> Result<Value, FacadeError> {
        value(&self.core()?.list_conversations(user).await?)
    }

    /// Deletes a conversation.
    ///
    /// # Errors
    /// As above.
    pub async fn delete_conversation(&self, user: &str, id: &str) -> Result<Value, FacadeError> {
        value(&self.core()?.delete_conversation(user, id).await?)
    }

    /// Stores settings, a JSON object.
    ///
    /// # Errors
    /// As above.
    pub async fn put_settings(
        &self,
        user: &str,
        name: &str,
        settings: &str,
    ) -> Result<Value, FacadeError> {
        let settings: Map<String, Value> = serde_json::from_str(settings)?;
        value(&self.core()?.put_settings(user, name, &settings).await?)
    }

    /// Settings.
    ///
    /// # Errors
    /// `USER_DATA_NOT_FOUND` and as above.
    pub async fn settings(&self, user: &str, name: &str) -> Result<Value, FacadeError> {
        value(&self.core()?.settings(user, name).await?)
    }

    /// Deletes settings.
    ///
    /// # Errors
    /// As above.
    pub async fn delete_settings(&self, user: &str, name: &str) -> Result<Value, FacadeError> {
        value(&self.core()?.delete_settings(user, name).await?)
    }

    /// Makes a sandbox ready for a session and loads the user's skills into it.
    ///
    /// # Errors
    /// As above.
    pub async fn setup(
        &self,
        session: &str,
        user: Option<&str>,
    ) -> Result<SandboxSetup, FacadeError> {
        let setup = self.core()?.setup(session, user).await?;
        Ok(SandboxSetup::new(&setup))
    }

    /// Throws a session's sandbox away.
    ///
    /// # Errors
    /// As above.
    pub async fn destroy_sandbox(&self, session: &str) -> Result<(), FacadeError> {
        Ok(self.core()?.destroy_sandbox(session).await?)
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// As above.
    pub async fn health(&self) -> Result<Value, FacadeError> {
        value(&self.core()?.health().await?)
    }
}

/// A sandbox that is ready.
pub struct SandboxSetup {
    /// Everything but the token, as the service says it.
    pub answer: Value,
    /// What opens the channel of the session, of servers that issue it.
    pub session_token: Option<SecretText>,
}

impl fmt::Debug for SandboxSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxSetup").field("token", &self.session_token).finish_non_exhaustive()
    }
}

impl SandboxSetup {
    pub(super) fn new(setup: &agentmesh_core::services::user_data::Setup) -> Self {
        let mut answer = setup.other.clone();
        for (name, value) in [
            ("sessionId", json!(setup.session_id)),
            ("userId", json!(setup.user_id)),
            ("setupMethod", json!(setup.setup_method.as_str())),
            ("skillsLoaded", json!(setup.skills_loaded)),
            ("message", json!(setup.message)),
        ] {
            answer.insert(name.to_owned(), value);
        }
        let session_token = setup.session_token.as_ref().map(SecretText::duplicate);
        Self { answer: answer.into(), session_token }
    }
}

fn value(answer: &impl Serialize) -> Result<Value, FacadeError> {
    Ok(serde_json::to_value(answer)?)
}
