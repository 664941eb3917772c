//! A conversation with the agent of a session.

use std::{fmt, sync::Arc, time::Duration};

use agentmesh_core::services::user_data::{
    AgentOptions, ChannelAuth, ChannelEvent, ChannelMessage, ChannelTimings, Resume, Role,
    SecretText, TurnEnd, TurnOptions, TurnPart, UserDataChannel as CoreChannel,
};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Item, ItemStream, SandboxSetup, UserDataClient,
    hooks::{HookSink, HookTools, answer_value, policy, request_value},
    millis,
};
use crate::{FacadeError, owned::Owned};

/// How to open a channel, without what is secret.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelSettings {
    /// The session.
    pub session: String,
    /// Whose skills its sandbox gets.
    pub user: Option<String>,
    /// Skills to be stored before, `[name, content]`.
    pub skills: Vec<(String, String)>,
    /// Opens it without a setup.
    pub without_setup: bool,
    /// The namespace of Socket.IO.
    pub namespace: Option<String>,
    /// Tools that need not be asked for.
    pub tools: HookTools,
    /// For the answer to a question.
    pub call_timeout_ms: Option<u64>,
    /// A turn without a sign of the agent for so long is given up.
    pub turn_timeout_ms: Option<u64>,
}

/// What a channel is opened with.
#[derive(Debug, Default)]
pub enum ChannelKey {
    /// The token that the setup issued, if it issued one.
    #[default]
    SessionToken,
    /// The client's key.
    ApiKey,
    /// This.
    Token(SecretText),
    /// Nothing.
    None,
}

/// How the agent is to work; what is absent the server decides.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelAgentSettings {
    /// Turns of the agent with its model.
    pub max_turns: Option<u32>,
    /// Which model.
    pub model: Option<String>,
    /// What the model is told first.
    pub system_prompt: Option<String>,
    /// When the agent asks before it does something.
    pub permission_mode: Option<String>,
    /// Tools that may be used, and no others.
    pub allowed_tools: Option<Vec<String>>,
    /// Tools that may not be used.
    pub disallowed_tools: Option<Vec<String>>,
    /// How much the model may think.
    pub max_thinking_tokens: Option<u32>,
    /// Whether answers come piece by piece.
    pub include_partial_messages: Option<bool>,
    /// A conversation that is known from elsewhere.
    pub resume: Option<String>,
    /// Begins a new conversation.
    pub new_conversation: bool,
    /// Whatever else, under the names of the protocol.
    pub other: Map<String, Value>,
    /// Says it even while a turn is under way. For turns only.
    pub overlap: bool,
}

impl ChannelAgentSettings {
    fn options(self) -> AgentOptions {
        let mut options = AgentOptions::default();
        options.max_turns = self.max_turns;
        options.model = self.model;
        options.system_prompt = self.system_prompt;
        options.permission_mode = self.permission_mode;
        options.allowed_tools = self.allowed_tools;
        options.disallowed_tools = self.disallowed_tools;
        options.max_thinking_tokens = self.max_thinking_tokens;
        options.include_partial_messages = self.include_partial_messages;
        options.other = self.other;
        options.resume = match self.resume {
            Some(id) => Resume::Id(id),
            None if self.new_conversation => Resume::New,
            None => Resume::Last,
        };
        options
    }

    fn turn(self) -> TurnOptions {
        let overlap = self.overlap;
        let mut turn = TurnOptions::from(self.options());
        turn.overlap = overlap;
        turn
    }
}

/// An open conversation. A clone shares it; it is broken off when the last one is dropped.
#[derive(Clone)]
pub struct UserDataChannel(Arc<Owned<CoreChannel>>);

impl fmt::Debug for UserDataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserDataChannel").finish_non_exhaustive()
    }
}

impl UserDataChannel {
    /// Stores the skills, makes the sandbox ready and opens the channel.
    ///
    /// # Errors
    /// As the core's `ChannelBuilder::connect`.
    pub async fn connect(
        client: UserDataClient,
        settings: ChannelSettings,
        key: ChannelKey,
        hooks: Option<HookSink>,
    ) -> Result<Self, FacadeError> {
        let default = ChannelTimings::default();
        let mut timings = default.clone();
        timings.call = settings.call_timeout_ms.map_or(default.call, Duration::from_millis);
        timings.turn = settings.turn_timeout_ms.map_or(default.turn, Duration::from_millis);
        let mut builder = client
            .core()?
            .channel(settings.session)
            .auth(match key {
                ChannelKey::SessionToken => ChannelAuth::SessionToken,
                ChannelKey::ApiKey => ChannelAuth::ApiKey,
                ChannelKey::Token(token) => ChannelAuth::Token(token),
                ChannelKey::None => ChannelAuth::None,
            })
            .hooks(policy(settings.tools, hooks))
            .timings(timings);
        if let Some(user) = settings.user {
            builder = builder.user(user);
        }
        for (name, content) in settings.skills {
            builder = builder.skill(name, content);
        }
        if settings.without_setup {
            builder = builder.without_setup();
        }
        if let Some(namespace) = settings.namespace {
            builder = builder.namespace(namespace);
        }
        Ok(Self(Arc::new(Owned::new(builder.connect().await?))))
    }

    /// Says something; what the agent answers comes piece by piece: `delta`, `message`, `end` or an error.
    ///
    /// # Errors
    /// `USER_DATA_CLOSED`; everything else comes out of the stream.
    pub async fn send(
        &self,
        prompt: String,
        settings: ChannelAgentSettings,
    ) -> Result<ItemStream, FacadeError> {
        let turn = self.0.get()?.send(prompt, settings.turn()).await?;
        Ok(ItemStream::new(turn.map(|part| part.map(turn_item).map_err(Into::into))))
    }

    /// Starts the agent before anything is said.
    ///
    /// # Errors
    /// As the core's `UserDataChannel`, here and below; `BINDING_FORKED`.
    pub async fn start(&self, settings: ChannelAgentSettings) -> Result<(), FacadeError> {
        Ok(self.0.get()?.start(settings.options()).await?)
    }

    /// Interrupts what the agent does.
    ///
    /// # Errors
    /// As above.
    pub async fn interrupt(&self, reason: Option<&str>) -> Result<(), FacadeError> {
        Ok(self.0.get()?.interrupt(reason).await?)
    }

    /// What was said in this session: a list of messages.
    ///
    /// # Errors
    /// As above.
    pub async fn history(&self) -> Result<Value, FacadeError> {
        Ok(self.0.get()?.history().await?.iter().map(message_value).collect())
    }

    /// Interrupts the agent and empties the session's history.
    ///
    /// # Errors
    /// As above.
    pub async fn clear(&self) -> Result<(), FacadeError> {
        Ok(self.0.get()?.clear().await?)
    }

    /// What the server knows of the session, as it says it.
    ///
    /// # Errors
    /// As above.
    pub async fn diagnostics(&self) -> Result<Value, FacadeError> {
        Ok(self.0.get()?.diagnostics().await?.into())
    }

    /// Stores the session's history as a conversation of a user.
    ///
    /// # Errors
    /// As above.
    pub async fn save(&self, user: &str, conversation: &str) -> Result<Value, FacadeError> {
        Ok(serde_json::to_value(self.0.get()?.save(user, conversation).await?)?)
    }

    /// What happens besides turns. The first to ask gets everything since the start.
    ///
    /// # Errors
    /// `BINDING_FORKED`, as every method below.
    pub fn events(&self) -> Result<ItemStream, FacadeError> {
        Ok(ItemStream::events(self.0.get()?.events(), item))
    }

    /// What the setup answered, if there was one.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn setup(&self) -> Result<Option<SandboxSetup>, FacadeError> {
        Ok(self.0.get()?.setup().map(SandboxSetup::new))
    }

    /// The agent's id for the conversation, once it is known.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn conversation(&self) -> Result<Option<String>, FacadeError> {
        Ok(self.0.get()?.conversation())
    }

    /// Whether there is a connection now.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub fn is_connected(&self) -> Result<bool, FacadeError> {
        Ok(self.0.get()?.is_connected())
    }

    /// Gives up what is under way and takes leave, in at most three seconds. Again is fine.
    ///
    /// # Errors
    /// `BINDING_FORKED`
    pub async fn close(&self) -> Result<(), FacadeError> {
        self.0.get()?.close().await;
        Ok(())
    }
}

fn message_value(message: &ChannelMessage) -> Value {
    let role = match &message.role {
        Role::Assistant => "assistant",
        Role::User => "user",
        Role::System => "system",
        Role::Other(other) => other,
        _ => "other",
    };
    let blocks: Vec<_> = message.blocks.iter().map(|block| block.fields()).collect();
    json!({
        "role": role,
        "blocks": blocks,
        "text": message.text(),
        "uuid": message.uuid,
        "timestamp_ms": message.timestamp_ms,
        "other": message.other.0,
    })
}

fn turn_item(part: TurnPart) -> Item {
    match part {
        TurnPart::Delta { is_text, content } => {
            Item::new("delta", json!({"is_text": is_text, "content": content}))
        }
        TurnPart::Message(message) => {
            Item::new("message", json!({"message": message_value(&message)}))
        }
        TurnPart::End(end) => {
            let is_error = end.is_error();
            let TurnEnd { text, result, conversation, missed, .. } = end;
            Item::new(
                "end",
                json!({
                    "text": text, "result": result, "conversation": conversation,
                    "missed": missed, "is_error": is_error,
                }),
            )
        }
        _ => Item::new("other", json!({})),
    }
}

fn item(event: ChannelEvent) -> Item {
    use ChannelEvent as E;
    match event {
        E::Connected => Item::new("connected", json!({})),
        E::Resumed => Item::new("resumed", json!({})),
        E::NewSession => Item::new("new_session", json!({})),
        E::Conversation { id } => Item::new("conversation", json!({"id": id})),
        E::History { messages } => {
            let messages: Vec<_> = messages.iter().map(message_value).collect();
            Item::new("history", json!({"messages": messages}))
        }
        E::Unasked(part) => {
            let part = turn_item(part);
            Item::new("unasked", json!({"kind": part.kind, "part": part.details}))
        }
        E::Status { level, message } => {
            Item::new("status", json!({"level": level, "message": message}))
        }
        E::HookAnswered { request, answer, too_late } => Item::new(
            "hook_answered",
            json!({
                "request": request_value(&request), "answer": answer_value(&answer),
                "too_late": too_late,
            }),
        ),
        E::HookNotification(request) => {
            Item::new("hook_notification", json!({"request": request_value(&request)}))
        }
        E::Cleared => Item::new("cleared", json!({})),
        E::Error { message } => Item::new("error", json!({"message": message})),
        E::Unreadable { reason } => Item::new("unreadable", json!({"reason": reason})),
        E::Disconnected { error, retry_in } => Item::new(
            "disconnected",
            json!({"error": FacadeError::from(error).to_value(), "retry_in_ms": millis(retry_in)}),
        ),
        E::Closed { error } => {
            Item::new("closed", json!({"error": FacadeError::from(error).to_value()}))
        }
        E::Lagged { missed } => Item::new("lagged", json!({"missed": missed})),
        E::Other { name, data } => Item::new("other", json!({"name": name, "data": data})),
        _ => Item::new("other", json!({"name": "", "data": null})),
    }
}
