//! Skills, conversations and settings of users, and their sandboxes.

use agentmesh_facade as facade;
use facade::{SandboxSetup, SecretText};
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use super::{json_call, unit_call};
use crate::{
    bridge::{Canceller, call},
    error::run,
    settings,
};

/// A sandbox that is ready.
#[napi(object, object_from_js = false)]
pub struct Setup {
    /// Everything but the token, as JSON.
    pub answer: String,
    /// What opens the channel of the session.
    pub session_token: Option<String>,
}

impl Setup {
    pub(super) fn new(setup: SandboxSetup) -> Self {
        let session_token = setup.session_token.map(|token| token.expose().to_owned());
        Self { answer: setup.answer.to_string(), session_token }
    }
}

/// A client of a user data service.
#[napi]
pub struct UserDataClient(pub(super) facade::UserDataClient);

#[napi]
impl UserDataClient {
    /// Of one service.
    #[napi(constructor)]
    pub fn new(how: String, key: Option<String>) -> napi::Result<Self> {
        let how = settings(Some(&how))?;
        run(|| facade::UserDataClient::new(how, key.map(SecretText::trimmed)).map(Self))
    }

    /// Stores a skill.
    #[napi]
    pub fn put_skill<'env>(
        &self,
        env: &'env Env,
        user: String,
        name: String,
        content: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.put_skill(&user, &name, &content))
    }

    /// Names of skills.
    #[napi]
    pub fn list_skills<'env>(
        &self,
        env: &'env Env,
        user: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.list_skills(&user))
    }

    /// A skill.
    #[napi]
    pub fn skill<'env>(
        &self,
        env: &'env Env,
        user: String,
        name: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.skill(&user, &name))
    }

    /// Deletes a skill.
    #[napi]
    pub fn delete_skill<'env>(
        &self,
        env: &'env Env,
        user: String,
        name: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.delete_skill(&user, &name))
    }

    /// Stores a conversation.
    #[napi]
    pub fn save_conversation<'env>(
        &self,
        env: &'env Env,
        user: String,
        body: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.save_conversation(&user, &body))
    }

    /// A conversation.
    #[napi]
    pub fn conversation<'env>(
        &self,
        env: &'env Env,
        user: String,
        id: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.conversation(&user, &id))
    }

    /// All of a user's.
    #[napi]
    pub fn list_conversations<'env>(
        &self,
        env: &'env Env,
        user: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.list_conversations(&user))
    }

    /// Deletes one.
    #[napi]
    pub fn delete_conversation<'env>(
        &self,
        env: &'env Env,
        user: String,
        id: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.delete_conversation(&user, &id))
    }

    /// Stores settings.
    #[napi]
    pub fn put_settings<'env>(
        &self,
        env: &'env Env,
        user: String,
        name: String,
        value: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.put_settings(&user, &name, &value))
    }

    /// Settings.
    #[napi]
    pub fn settings<'env>(
        &self,
        env: &'env Env,
        user: String,
        name: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.settings(&user, &name))
    }

    /// Deletes settings.
    #[napi]
    pub fn delete_settings<'env>(
        &self,
        env: &'env Env,
        user: String,
        name: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.delete_settings(&user, &name))
    }

    /// Makes a sandbox ready.
    #[napi]
    pub fn setup<'env>(
        &self,
        env: &'env Env,
        session: String,
        user: Option<String>,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        let client = self.0.clone();
        call(env, canceller, async move {
            Ok(Setup::new(client.setup(&session, user.as_deref()).await?))
        })
    }

    /// Throws it away.
    #[napi]
    pub fn destroy_sandbox<'env>(
        &self,
        env: &'env Env,
        session: String,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        unit_call!(self, env, canceller, |client| client.destroy_sandbox(&session))
    }

    /// What the server says of itself.
    #[napi]
    pub fn health<'env>(
        &self,
        env: &'env Env,
        canceller: Option<&Canceller>,
    ) -> napi::Result<Object<'env>> {
        json_call!(self, env, canceller, |client| client.health())
    }
}
