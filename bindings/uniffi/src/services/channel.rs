//! A conversation with the agent of a session, and the hooks that it asks about.

use std::sync::{Arc, Mutex, PoisonError};

use agentmesh_facade::{
    ChannelAgentSettings, ChannelKey, ChannelSettings, FacadeError, HookDecision, HookQuestion,
    HookQueue, HookSink, SecretText, UserDataChannel, from_json, hook_queue,
};

use crate::{
    NativeError, NativeItems, NativeSandboxSetup, NativeUserDataClient,
    calls::{call, run, settings},
};

/// What a channel is opened with.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
pub enum NativeChannelKey {
    /// The token that the setup issued, if it issued one.
    SessionToken,
    /// The client's key.
    ApiKey,
    /// This.
    Token {
        /// The token.
        token: String,
    },
    /// Nothing.
    Nothing,
}

impl From<NativeChannelKey> for ChannelKey {
    fn from(key: NativeChannelKey) -> Self {
        match key {
            NativeChannelKey::SessionToken => Self::SessionToken,
            NativeChannelKey::ApiKey => Self::ApiKey,
            NativeChannelKey::Token { token } => Self::Token(SecretText::new(token)),
            NativeChannelKey::Nothing => Self::None,
        }
    }
}

/// The hooks of one channel that the application decides about. To be handed to it when it is opened.
#[derive(uniffi::Object)]
pub struct NativeHooks {
    sink: Mutex<Option<HookSink>>,
    queue: Arc<HookQueue>,
}

impl NativeHooks {
    fn take_sink(&self) -> Result<HookSink, FacadeError> {
        let taken = self.sink.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| FacadeError::argument("these hooks are another channel's"))
    }
}

#[uniffi::export]
impl NativeHooks {
    /// A queue for one channel.
    #[uniffi::constructor]
    #[allow(clippy::new_without_default, reason = "no language but this one has defaults")]
    pub fn new() -> Arc<Self> {
        let (sink, queue) = hook_queue();
        Arc::new(Self { sink: Mutex::new(Some(sink)), queue: Arc::new(queue) })
    }

    /// The next hook to decide about, nothing once the channel is closed. Safe to cancel.
    pub async fn next(&self) -> Result<Option<Arc<NativeHook>>, NativeError> {
        let queue = Arc::clone(&self.queue);
        call(async move {
            let question = queue.next().await?;
            Ok(question.map(|question| {
                Arc::new(NativeHook {
                    event: question.event.clone(),
                    data: question.data.to_string(),
                    tool_name: question.tool_name.clone(),
                    question: Mutex::new(Some(question)),
                })
            }))
        })
        .await
    }
}

/// A hook to be answered. Dropped, it is left to the policy.
#[derive(uniffi::Object)]
pub struct NativeHook {
    event: String,
    data: String,
    tool_name: Option<String>,
    question: Mutex<Option<HookQuestion>>,
}

#[uniffi::export]
impl NativeHook {
    /// Which hook.
    pub fn event(&self) -> String {
        self.event.clone()
    }

    /// What it is about, as JSON.
    pub fn data(&self) -> String {
        self.data.clone()
    }

    /// The tool that it is about.
    pub fn tool_name(&self) -> Option<String> {
        self.tool_name.clone()
    }

    /// Decides, the first time: `continue`, `approve` or `deny`.
    pub fn answer(&self, action: String, reason: Option<String>) -> Result<(), NativeError> {
        let question = self.question.lock().unwrap_or_else(PoisonError::into_inner).take();
        run(|| question.map_or(Ok(()), |question| question.answer(HookDecision { action, reason })))
    }
}

/// An open conversation. It is broken off when the last reference is dropped.
#[derive(uniffi::Object)]
pub struct NativeUserDataChannel(UserDataChannel);

/// Stores the skills, makes the sandbox ready and opens the channel. Settings are the facade's `ChannelSettings`.
///
/// # Errors
/// As the core's `ChannelBuilder::connect`.
#[uniffi::export]
pub async fn open_user_data_channel(
    client: Arc<NativeUserDataClient>,
    settings: String,
    key: NativeChannelKey,
    hooks: Option<Arc<NativeHooks>>,
) -> Result<Arc<NativeUserDataChannel>, NativeError> {
    let settings: ChannelSettings = run(|| from_json(&settings))?;
    let hooks = run(|| hooks.map(|hooks| hooks.take_sink()).transpose())?;
    let client = client.0.clone();
    call(async move {
        let channel = UserDataChannel::connect(client, settings, key.into(), hooks).await?;
        Ok(Arc::new(NativeUserDataChannel(channel)))
    })
    .await
}

#[uniffi::export]
impl NativeUserDataChannel {
    /// Says something; the answer comes piece by piece: `delta`, `message`, `end`. Settings are `ChannelAgentSettings`.
    pub async fn send(
        &self,
        prompt: String,
        settings_json: Option<String>,
    ) -> Result<Arc<NativeItems>, NativeError> {
        let channel = self.0.clone();
        let settings: ChannelAgentSettings = settings(settings_json.as_deref())?;
        call(async move { Ok(NativeItems::new(channel.send(prompt, settings).await?)) }).await
    }

    /// Starts the agent before anything is said.
    pub async fn start(&self, settings_json: Option<String>) -> Result<(), NativeError> {
        let channel = self.0.clone();
        let settings: ChannelAgentSettings = settings(settings_json.as_deref())?;
        call(async move { channel.start(settings).await }).await
    }

    /// Interrupts what the agent does.
    pub async fn interrupt(&self, reason: Option<String>) -> Result<(), NativeError> {
        let channel = self.0.clone();
        call(async move { channel.interrupt(reason.as_deref()).await }).await
    }

    /// What was said in this session: a list of messages.
    pub async fn history(&self) -> Result<String, NativeError> {
        let channel = self.0.clone();
        call(async move { Ok(channel.history().await?.to_string()) }).await
    }

    /// Interrupts the agent and empties the session's history.
    pub async fn clear(&self) -> Result<(), NativeError> {
        let channel = self.0.clone();
        call(async move { channel.clear().await }).await
    }

    /// What the server knows of the session, as it says it.
    pub async fn diagnostics(&self) -> Result<String, NativeError> {
        let channel = self.0.clone();
        call(async move { Ok(channel.diagnostics().await?.to_string()) }).await
    }

    /// Stores the session's history as a conversation of a user.
    pub async fn save(&self, user: String, conversation: String) -> Result<String, NativeError> {
        let channel = self.0.clone();
        call(async move { Ok(channel.save(&user, &conversation).await?.to_string()) }).await
    }

    /// What happens besides turns. The first to ask gets everything since the start.
    pub fn events(&self) -> Result<Arc<NativeItems>, NativeError> {
        run(|| Ok(NativeItems::new(self.0.events()?)))
    }

    /// What the setup answered, if there was one.
    pub fn setup(&self) -> Result<Option<NativeSandboxSetup>, NativeError> {
        run(|| Ok(self.0.setup()?.map(Into::into)))
    }

    /// The agent's id for the conversation, once it is known.
    pub fn conversation(&self) -> Result<Option<String>, NativeError> {
        run(|| self.0.conversation())
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> Result<bool, NativeError> {
        run(|| self.0.is_connected())
    }

    /// Gives up what is under way and takes leave. Again is fine.
    pub async fn close(&self) -> Result<(), NativeError> {
        let channel = self.0.clone();
        call(async move { channel.close().await }).await
    }
}
