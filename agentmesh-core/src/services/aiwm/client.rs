//! The four calls, one try each. What to do when one fails is the supervisor's.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use super::{SecretText, answer::Connected, error::AiwmError, options::AiwmOptions};
use crate::{
    client::http::{HttpClient, HttpRequest},
    rng::SystemRng,
};

const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
/// Characters of a controller's correlation id that go into an error.
const MAX_CORRELATION: usize = 128;

/// What an agent says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// Ready.
    #[default]
    Online,
    /// At work.
    Busy,
    /// Nothing to do.
    Idle,
}

/// Numbers beside a heartbeat: `cpu`, `memory`, `uptime`, or whatever the agent counts. At most 16 KiB of JSON.
pub type Metrics = Map<String, Value>;

/// Talks to a controller for one agent.
#[derive(Debug)]
pub struct AiwmClient {
    http: HttpClient,
    options: AiwmOptions,
}

#[derive(Serialize)]
struct Secret<'a> {
    secret: &'a str,
}

#[derive(Serialize)]
struct Heartbeat<'a> {
    status: AgentStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a Metrics>,
}

#[derive(Serialize)]
struct Disconnect<'a> {
    reason: &'a str,
}

impl AiwmClient {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`AiwmError::Config`] for a URL or an id that cannot be used, or `http` to another machine.
    pub fn new(options: AiwmOptions) -> Result<Self, AiwmError> {
        options.check()?;
        let http = HttpClient::new(options.http.clone())
            .map_err(|error| AiwmError::config(error.to_string()))?;
        Ok(Self { http, options })
    }

    /// Shows the secret and gets a token and the configuration. The controller counts every success.
    ///
    /// # Errors
    /// Any [`AiwmError`].
    pub async fn connect(&self) -> Result<Connected, AiwmError> {
        let secret = Secret { secret: self.options.secret.expose() };
        let (body, id) = self.post("AIWM connect", "connect", None, &secret).await?;
        Connected::parse(&body).map_err(|problem| AiwmError::Protocol {
            problem: problem.to_owned(),
            correlation_id: id,
        })
    }

    /// Says that the agent is alive.
    ///
    /// # Errors
    /// Any [`AiwmError`]; [`AiwmError::AuthRejected`] asks for a new token.
    pub async fn heartbeat(
        &self,
        token: &SecretText,
        status: AgentStatus,
        metrics: Option<&Metrics>,
    ) -> Result<(), AiwmError> {
        let body = Heartbeat { status, metrics };
        self.post("AIWM heartbeat", "heartbeat", Some(token), &body).await.map(drop)
    }

    /// Says that the agent goes. Older controllers answer 404.
    ///
    /// # Errors
    /// Any [`AiwmError`].
    pub async fn disconnect(&self, token: &SecretText, reason: &str) -> Result<(), AiwmError> {
        let body = Disconnect { reason };
        self.post("AIWM disconnect", "disconnect", Some(token), &body).await.map(drop)
    }

    async fn post(
        &self,
        what: &'static str,
        call: &str,
        token: Option<&SecretText>,
        body: &impl Serialize,
    ) -> Result<(Vec<u8>, String), AiwmError> {
        let ours = uuid::Builder::from_random_bytes(random_bytes()).into_uuid().to_string();
        let mut headers = HeaderMap::new();
        if let Ok(id) = HeaderValue::from_str(&ours) {
            headers.insert(CORRELATION, id);
        }
        if let Some(token) = token {
            let bearer = SecretText::new(format!("Bearer {}", token.expose()));
            let mut value = HeaderValue::from_str(bearer.expose())
                .map_err(|_| AiwmError::config("a token that cannot be sent"))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let body =
            serde_json::to_vec(body).map_err(|error| AiwmError::config(error.to_string()))?;
        let url = self.url(call)?;
        let request = HttpRequest { what, method: Method::POST, url, headers, body: Some(body) };
        let answer = self.http.send_any(request).await;
        let answer = answer.map_err(|error| AiwmError::from_http(error, ours.clone()))?;
        let theirs = answer.headers.get(CORRELATION).and_then(|id| id.to_str().ok());
        let id = theirs.map_or(ours, |id| id.chars().take(MAX_CORRELATION).collect());
        tracing::debug!(target: "agentmesh", what, status = answer.status.as_u16(), correlation_id = id, "AIWM");
        // A page that something between us and the controller shows: it must neither count as heard, nor as "deleted".
        let found = answer.status.is_success() || answer.status == StatusCode::NOT_FOUND;
        if found && !answer.body.is_empty() && !is_json(&answer.body) {
            let problem = format!("HTTP {} with something else than JSON", answer.status.as_u16());
            return Err(AiwmError::Protocol { problem, correlation_id: id });
        }
        match answer.error() {
            Some(error) => Err(AiwmError::from_http(error, id)),
            None => Ok((answer.body, id)),
        }
    }

    fn url(&self, call: &str) -> Result<Url, AiwmError> {
        let mut url = self.options.base_url.clone();
        url.set_query(None);
        url.set_fragment(None);
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().extend(["agents", &self.options.agent_id, call]);
            }
            Err(()) => return Err(AiwmError::config("AIWM_BASE_URL: has no path")),
        }
        Ok(url)
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn random_bytes() -> [u8; 16] {
    use rand_core::Rng;
    let mut bytes = [0; 16];
    SystemRng.fill_bytes(&mut bytes);
    bytes
}
