//! Models behind the interface of OpenAI's chat completions: OpenRouter, and whatever else speaks it.
//!
//! `answer` reads what comes back, whole or as a stream of events; this file asks, and asks again where that may help.
//! Whatever goes wrong, a client never sees a body as it came: see `scrub`.

mod answer;
mod config;
mod scrub;

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use url::Url;
use zeroize::Zeroizing;

pub use self::config::OpenAiConfig;
use super::{
    super::{AgentWebSocketError, SecretText},
    ChatBackend, ChatError, ChatRequest, Deltas,
};
use crate::{
    client::{
        backoff::{Backoff, BackoffConfig},
        http::{reasons, retry_after_seconds},
        platform::{self, BoxFuture},
        tls,
    },
    rng::SystemRng,
};

/// Tries after the first.
const RETRIES: u32 = 2;
/// No new try begins later than this.
const RETRY_WITHIN: Duration = Duration::from_secs(25);
/// The pauses before retries.
const BACKOFF: BackoffConfig =
    BackoffConfig { base: Duration::from_secs(1), max: Duration::from_secs(8) };
/// Bytes of an answer, whole or streamed.
const MAX_ANSWER: usize = 1024 * 1024;
/// Bytes of an error.
const MAX_ERROR: usize = 16 * 1024;

/// A try that brought no answer.
struct Failed {
    error: ChatError,
    /// Another try may bring something else, and cannot bring the same answer twice.
    may_help: bool,
}

/// See the module.
pub struct OpenAiBackend {
    config: OpenAiConfig,
    url: Url,
    http: reqwest::Client,
}

impl OpenAiBackend {
    /// A backend with these settings. It connects when it is asked.
    ///
    /// # Errors
    /// [`AgentWebSocketError::Config`] for an address or a key that cannot be used.
    pub fn new(config: OpenAiConfig) -> Result<Self, AgentWebSocketError> {
        let wrong = |setting, problem: String| AgentWebSocketError::Config { setting, problem };
        let base = format!("{}/chat/completions", config.base_url.trim_end_matches('/'));
        let url = Url::parse(&base).map_err(|error| wrong("base_url", error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
            return Err(wrong("base_url", "it must be http or https, without credentials".into()));
        }
        let mut tls = tls::client_config(&tls::TlsConfig::from_env())
            .map_err(|error| wrong("TLS", error.to_string()))?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("agentmesh/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(&config)?)
            // The time for a whole question, retries and all, is `ask`'s to keep.
            .connect_timeout(config.connect_timeout)
            // The key is for the server that was configured.
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(tls)
            .no_proxy();
        for proxy in config.proxies.for_http_client() {
            builder = builder.proxy(proxy);
        }
        let http = builder.build().map_err(|error| wrong("HTTP", reasons(&error)))?;
        Ok(Self { config, url, http })
    }

    fn body(&self, request: &ChatRequest, stream: bool) -> Value {
        let messages: Vec<_> = request
            .messages
            .iter()
            .map(|message| json!({"role": message.role.as_str(), "content": message.content}))
            .collect();
        let mut body = json!({
            "model": self.config.model,
            "messages": messages,
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
        });
        if let Some(members) = body.as_object_mut().filter(|_| stream) {
            members.insert("stream".into(), true.into());
        }
        body
    }

    async fn ask(
        &self,
        request: &ChatRequest,
        deltas: Option<&Deltas>,
    ) -> Result<String, ChatError> {
        if self.config.key_is_missing() {
            return Err(ChatError::NotConfigured { message: config::NO_KEY.to_owned() });
        }
        let body = self.body(request, deltas.is_some()).to_string();
        let started = Instant::now();
        let deadline = started + self.config.timeout;
        let late = |_| ChatError::Timeout { after: self.config.timeout };
        let mut backoff = Backoff::around(BACKOFF);
        loop {
            let Failed { error, may_help } =
                match timeout_at(deadline, self.request(&body)).await.map_err(late)? {
                    Ok(response) => {
                        let read = answer::read(response, &self.config.provider, deltas);
                        let read = timeout_at(deadline, read).await.map_err(late)?;
                        return read.map_err(|error| self.scrubbed(error));
                    }
                    Err(failed) => failed,
                };
            let tries = backoff.attempts();
            let pause = backoff.next_delay(error.retry_after(), &mut SystemRng);
            if !may_help || tries >= RETRIES || started.elapsed() + pause > RETRY_WITHIN {
                return Err(self.scrubbed(error));
            }
            platform::sleep(pause).await;
        }
    }

    /// One try, up to the head of the answer.
    async fn request(&self, body: &str) -> Result<reqwest::Response, Failed> {
        let provider = || self.config.provider.clone();
        let request = self
            .http
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        let mut response = request.send().await.map_err(|error| {
            // What was sent may have been worked on, and paid for, though no answer came.
            let may_help = error.is_connect();
            tracing::debug!(target: "agentmesh", error = reasons(&error.without_url()), "the model's service");
            Failed { error: ChatError::Unreachable { provider: provider() }, may_help }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after_seconds = retry_after_seconds(response.headers());
        let mut text = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            if text.len() + chunk.len() > MAX_ERROR {
                break;
            }
            text.extend_from_slice(&chunk);
        }
        let status = status.as_u16();
        tracing::debug!(target: "agentmesh", status, "the model's service refused");
        // What it says about keys and bills is nobody's business but the operator's.
        let message = match status {
            401..=403 => String::new(),
            _ => answer::error_message(&text),
        };
        let error =
            ChatError::Status { provider: provider(), status, message, retry_after_seconds };
        Err(Failed { error, may_help: matches!(status, 408 | 429 | 502 | 503) })
    }

    fn scrubbed(&self, error: ChatError) -> ChatError {
        let scrub = |message: &str| scrub::scrub(message, self.config.api_key.as_ref());
        match error {
            ChatError::Status { provider, status, message, retry_after_seconds } => {
                let message = scrub(&message);
                ChatError::Status { provider, status, message, retry_after_seconds }
            }
            ChatError::Failed { provider, message } => {
                ChatError::Failed { message: scrub(&message), provider }
            }
            other => other,
        }
    }
}

fn headers(config: &OpenAiConfig) -> Result<HeaderMap, AgentWebSocketError> {
    let wrong = |setting| {
        move |_| AgentWebSocketError::Config {
            setting,
            problem: "it is not fit for a header".to_owned(),
        }
    };
    let mut headers = HeaderMap::new();
    if let Some(key) = config.api_key.as_ref().filter(|key| !key.is_empty()) {
        let value = HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", key.expose())));
        let mut value = value.map_err(wrong("api_key"))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    if let Some(referer) = &config.referer {
        let value = HeaderValue::from_str(referer).map_err(wrong("referer"))?;
        headers.insert("http-referer", value);
    }
    if let Some(title) = &config.title {
        headers.insert("x-title", HeaderValue::from_str(title).map_err(wrong("title"))?);
    }
    Ok(headers)
}

impl ChatBackend for OpenAiBackend {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        deltas: Option<&'a Deltas>,
    ) -> BoxFuture<'a, Result<String, ChatError>> {
        Box::pin(self.ask(request, deltas))
    }
}

impl fmt::Debug for OpenAiBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiBackend").field("config", &self.config).finish_non_exhaustive()
    }
}
