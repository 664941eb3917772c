//! Skills, conversations and settings of users, and the sandboxes of their agents.

use std::sync::Arc;

use agentmesh_facade::{SandboxSetup, UserDataClient, UserDataSettings, from_json};

use super::secret;
use crate::{
    NativeError,
    calls::{call, run},
};

/// A client of a user data service.
#[derive(uniffi::Object)]
pub struct NativeUserDataClient(pub(super) UserDataClient);

/// A sandbox that is ready.
#[derive(uniffi::Record)]
pub struct NativeSandboxSetup {
    /// Everything but the token, as the service says it.
    pub answer: String,
    /// What opens the channel of the session, of servers that issue it.
    pub session_token: Option<String>,
}

impl From<SandboxSetup> for NativeSandboxSetup {
    fn from(setup: SandboxSetup) -> Self {
        Self {
            answer: setup.answer.to_string(),
            session_token: setup.session_token.map(|token| token.expose().to_owned()),
        }
    }
}

/// A call that ends in JSON text.
macro_rules! json_call {
    ($self:ident, |$client:ident| $call:expr) => {{
        let $client = $self.0.clone();
        call(async move { Ok($call.await?.to_string()) }).await
    }};
}

#[uniffi::export]
impl NativeUserDataClient {
    /// A client; it connects when it is first used. Settings are the facade's `UserDataSettings`.
    #[uniffi::constructor]
    pub fn new(settings: String, key: Option<String>) -> Result<Arc<Self>, NativeError> {
        run(|| {
            let settings: UserDataSettings = from_json(&settings)?;
            Ok(Arc::new(Self(UserDataClient::new(settings, secret(key))?)))
        })
    }

    /// Stores a skill, over one of the same name.
    pub async fn put_skill(
        &self,
        user: String,
        name: String,
        content: String,
    ) -> Result<String, NativeError> {
        json_call!(self, |client| client.put_skill(&user, &name, &content))
    }

    /// The names of all skills of a user.
    pub async fn list_skills(&self, user: String) -> Result<String, NativeError> {
        json_call!(self, |client| client.list_skills(&user))
    }

    /// A skill.
    pub async fn skill(&self, user: String, name: String) -> Result<String, NativeError> {
        json_call!(self, |client| client.skill(&user, &name))
    }

    /// Deletes a skill.
    pub async fn delete_skill(&self, user: String, name: String) -> Result<String, NativeError> {
        json_call!(self, |client| client.delete_skill(&user, &name))
    }

    /// Stores a conversation: any JSON object with a `conversationId`.
    pub async fn save_conversation(
        &self,
        user: String,
        conversation: String,
    ) -> Result<String, NativeError> {
        json_call!(self, |client| client.save_conversation(&user, &conversation))
    }

    /// A conversation as it was saved.
    pub async fn conversation(&self, user: String, id: String) -> Result<String, NativeError> {
        json_call!(self, |client| client.conversation(&user, &id))
    }

    /// All conversations of a user, without their contents.
    pub async fn list_conversations(&self, user: String) -> Result<String, NativeError> {
        json_call!(self, |client| client.list_conversations(&user))
    }

    /// Deletes a conversation.
    pub async fn delete_conversation(
        &self,
        user: String,
        id: String,
    ) -> Result<String, NativeError> {
        json_call!(self, |client| client.delete_conversation(&user, &id))
    }

    /// Stores settings, a JSON object.
    pub async fn put_settings(
        &self,
        user: String,
        name: String,
        settings: String,
    ) -> Result<String, NativeError> {
        json_call!(self, |client| client.put_settings(&user, &name, &settings))
    }

    /// Settings.
    pub async fn settings(&self, user: String, name: String) -> Result<String, NativeError> {
        json_call!(self, |client| client.settings(&user, &name))
    }

    /// Deletes settings.
    pub async fn delete_settings(&self, user: String, name: String) -> Result<String, NativeError> {
        json_call!(self, |client| client.delete_settings(&user, &name))
    }

    /// Makes a sandbox ready for a session and loads the user's skills into it.
    pub async fn setup(
        &self,
        session: String,
        user: Option<String>,
    ) -> Result<NativeSandboxSetup, NativeError> {
        let client = self.0.clone();
        call(async move { Ok(client.setup(&session, user.as_deref()).await?.into()) }).await
    }

    /// Throws a session's sandbox away.
    pub async fn destroy_sandbox(&self, session: String) -> Result<(), NativeError> {
        let client = self.0.clone();
        call(async move { client.destroy_sandbox(&session).await }).await
    }

    /// What the server says of itself.
    pub async fn health(&self) -> Result<String, NativeError> {
        json_call!(self, |client| client.health())
    }
}
