//! Settings as plain data that every language can write as an object. What is absent takes the core's default; an
//! unknown member is an error, so that a misspelt one is not silently nothing. Times are milliseconds.

use std::{path::PathBuf, time::Duration};

use agentmesh_core::{
    Error as CoreError,
    audit::Severity,
    client::{
        AgentBuilder, AgentConfig, AuditOptions, Rate, RateLimits, SendOptions, StreamOptions,
        relay::RelayTransport,
    },
    engine::{SendError, Stage},
    knock::{KnockRequest, Policy},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{FacadeError, values};

/// Settings of an agent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentSettings {
    /// Base URL of the registry.
    pub registry_url: Option<String>,
    /// URL of the relay.
    pub relay_url: Option<String>,
    /// How the relay is reached.
    pub relay_transport: Option<RelayTransportSetting>,
    /// Works with neither registry nor relay.
    pub offline: bool,
    /// What the identity is called in its store.
    pub identity_key: Option<String>,
    /// Shown in the registry.
    pub display_name: Option<String>,
    /// What the agent can do.
    pub capabilities: Option<Vec<String>>,
    /// Who may open sessions, as a policy file says it.
    pub policy: Option<Policy>,
    /// A file that says it.
    pub policy_file: Option<PathBuf>,
    /// How often that file is looked at.
    pub policy_poll_ms: Option<u64>,
    /// How fast messages may be sent.
    pub rate_limits: Option<RateLimitSettings>,
    /// How long deciding about a KNOCK may take.
    pub knock_timeout_ms: Option<u64>,
    /// How long `connect` waits.
    pub connect_timeout_ms: Option<u64>,
    /// Messages handed on and not acknowledged, at most.
    pub delivery_window: Option<usize>,
    /// How often the registry is told that the agent is online.
    pub heartbeat_ms: Option<u64>,
    /// The largest payload taken from a peer, in bytes.
    pub max_payload: Option<usize>,
    /// Whether registry and relay may be reached unencrypted on other machines.
    pub allow_insecure: bool,
    /// Whether peers that speak only 0.2 may be spoken to. Needs the feature `legacy-0-2`.
    pub allow_legacy: bool,
    /// Messages that the relay takes in a minute, for streams; 0 if it does not limit them.
    pub relay_messages_per_minute: Option<u32>,
    /// How long chunks of a stream may wait for a reader that consumes nothing.
    pub stream_stall_timeout_ms: Option<u64>,
    /// An audit log.
    pub audit: Option<AuditSettings>,
}

/// How the relay is reached.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayTransportSetting {
    /// By a WebSocket.
    WebSocket,
    /// By requests.
    Polling,
}

impl From<RelayTransportSetting> for RelayTransport {
    fn from(transport: RelayTransportSetting) -> Self {
        match transport {
            RelayTransportSetting::WebSocket => Self::WebSocket,
            RelayTransportSetting::Polling => Self::Polling,
        }
    }
}

/// How fast messages may be sent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitSettings {
    /// All messages together.
    pub overall: Option<RateSetting>,
    /// The messages to one peer.
    pub per_peer: Option<RateSetting>,
}

/// How much, how fast.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateSetting {
    /// Messages in a minute, in the long run.
    pub per_minute: u32,
    /// Messages at once.
    pub burst: u32,
}

impl From<RateSetting> for Rate {
    fn from(rate: RateSetting) -> Self {
        Self::per_minute(rate.per_minute, rate.burst)
    }
}

/// An audit log of an agent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// Where it is.
    pub directory: PathBuf,
    /// Under a key that follows from the store key.
    #[serde(default)]
    pub encrypted: bool,
    /// Less grave events are not logged: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
    #[serde(default)]
    pub min_severity: Option<Severity>,
}

const fn milliseconds(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl AgentSettings {
    /// Puts the settings into the core's builder.
    pub(crate) fn apply(self, builder: AgentBuilder) -> Result<AgentBuilder, FacadeError> {
        let mut config = AgentConfig::default();
        if self.offline {
            (config.registry_url, config.relay_url) = (None, None);
        }
        config.registry_url = self.registry_url.or(config.registry_url);
        config.relay_url = self.relay_url.or(config.relay_url);
        config.relay_transport = self.relay_transport.map_or(config.relay_transport, Into::into);
        config.display_name = self.display_name;
        config.capabilities = self.capabilities;
        config.policy = self.policy.unwrap_or(config.policy);
        config.policy_file = self.policy_file;
        config.policy_poll = self.policy_poll_ms.map_or(config.policy_poll, milliseconds);
        if let Some(limits) = self.rate_limits {
            config.rate_limits = RateLimits::off()
                .with_global(limits.overall.map(Into::into))
                .with_per_peer(limits.per_peer.map(Into::into));
        }
        config.knock_timeout = self.knock_timeout_ms.map_or(config.knock_timeout, milliseconds);
        config.connect_timeout =
            self.connect_timeout_ms.map_or(config.connect_timeout, milliseconds);
        config.delivery_window = self.delivery_window.unwrap_or(config.delivery_window);
        config.heartbeat = self.heartbeat_ms.map_or(config.heartbeat, milliseconds);
        config.allow_insecure = self.allow_insecure;
        if let Some(limit) = self.relay_messages_per_minute {
            config.streams.relay_messages_per_minute = limit;
        }
        if let Some(timeout) = self.stream_stall_timeout_ms {
            config.streams.stall_timeout = milliseconds(timeout);
        }
        let mut builder = builder.config(config);
        if let Some(bytes) = self.max_payload {
            builder = builder.max_payload(bytes);
        }
        if let Some(key) = self.identity_key {
            builder = builder.identity_key(key);
        }
        if let Some(AuditSettings { directory, encrypted, min_severity }) = self.audit {
            let options = min_severity.map_or_else(AuditOptions::default, |severity| {
                AuditOptions::default().min_severity(severity)
            });
            builder = if encrypted {
                builder.encrypted_audit_log(directory, options)
            } else {
                builder.audit_log(directory, options)
            };
        }
        legacy(builder, self.allow_legacy)
    }
}

#[cfg(feature = "legacy-0-2")]
fn legacy(builder: AgentBuilder, allow: bool) -> Result<AgentBuilder, FacadeError> {
    Ok(builder.allow_legacy(allow))
}

#[cfg(not(feature = "legacy-0-2"))]
fn legacy(builder: AgentBuilder, allow: bool) -> Result<AgentBuilder, FacadeError> {
    if allow {
        return Err(FacadeError::argument("this build does not have agentmesh/0.2"));
    }
    Ok(builder)
}

/// How a message is to be sent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SendSettings {
    /// The stage to wait for, by number: queued 0, stored 1, delivered 2, handled 3.
    pub wait: Option<u8>,
    /// How long to wait for it.
    pub timeout_ms: Option<u64>,
    /// The message's id.
    pub id: Option<String>,
    /// What the KNOCK asks for, should this message open a session: the request object of a KNOCK.
    pub knock: Option<Box<RawValue>>,
    /// How the session is to be used, should this message open one.
    pub session_type: Option<String>,
    /// A W3C `traceparent`.
    pub trace: Option<String>,
    /// The schema that the payload follows.
    pub schema: Option<String>,
    /// How long the session is to live that this message may open.
    pub session_ttl_ms: Option<u64>,
    /// When to give up.
    pub expires_in_ms: Option<u64>,
}

impl SendSettings {
    /// As the core has them.
    pub(crate) fn options(self) -> Result<SendOptions, FacadeError> {
        let default = SendOptions::default();
        let wait = self.wait.map(|wait| {
            Stage::from_u8(wait).ok_or_else(|| FacadeError::argument("stages are 0 to 3"))
        });
        Ok(SendOptions {
            wait: wait.transpose()?.unwrap_or(default.wait),
            timeout: self.timeout_ms.map_or(default.timeout, milliseconds),
            id: self.id.as_deref().map(values::message_id).transpose()?,
            knock_request: self.knock.map(|json| knock_request(json.get())).transpose()?,
            session_type: self.session_type.as_deref().map(values::session_type).transpose()?,
            trace: self.trace,
            schema: self.schema,
            session_ttl: self.session_ttl_ms.map(milliseconds),
            expires_in: self.expires_in_ms.map(milliseconds),
        })
    }
}

/// What the application asks for. What is wrong with it is the application's mistake, not a peer's.
fn knock_request(json: &str) -> Result<KnockRequest, FacadeError> {
    KnockRequest::parse(json)
        .map_err(|e| SendError::InvalidKnockRequest { problem: e.to_string() })
        .map_err(|e| CoreError::from(e).into())
}

/// How to ask for a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StreamSettings {
    /// How the request is sent.
    #[serde(flatten)]
    pub send: SendSettings,
    /// Frames that may be on their way or here, unconsumed.
    pub window_frames: Option<u32>,
    /// Bytes of them.
    pub window_bytes: Option<u32>,
    /// Reading says so when nothing came for this long.
    pub idle_timeout_ms: Option<u64>,
    /// Whether chunks count as consumed only when the application says so.
    pub manual_ack: bool,
}

impl StreamSettings {
    /// As the core has them.
    pub(crate) fn options(self) -> Result<StreamOptions, FacadeError> {
        let mut options = StreamOptions { send: self.send.options()?, ..StreamOptions::default() };
        options.window.frames = self.window_frames.unwrap_or(options.window.frames);
        options.window.bytes = self.window_bytes.unwrap_or(options.window.bytes);
        options.idle_timeout = self.idle_timeout_ms.map_or(options.idle_timeout, milliseconds);
        options.manual_ack = self.manual_ack;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_an_error_and_absent_ones_are_the_defaults() {
        assert!(serde_json::from_str::<AgentSettings>(r#"{"relay":"ws://x"}"#).is_err());
        assert!(serde_json::from_str::<SendSettings>(r#"{"waits":1}"#).is_err());
        let options = serde_json::from_str::<SendSettings>("{}").unwrap().options().unwrap();
        assert_eq!(options, SendOptions::default());
        let stream = serde_json::from_str::<StreamSettings>("{}").unwrap().options().unwrap();
        assert_eq!(stream, StreamOptions::default());
    }

    #[test]
    fn stages_ids_and_session_types_are_checked() {
        for bad in [r#"{"wait":4}"#, r#"{"id":"7"}"#, r#"{"session_type":"forever"}"#] {
            let settings: SendSettings = serde_json::from_str(bad).unwrap();
            assert_eq!(settings.options().unwrap_err().kind, "invalid_input", "{bad}");
        }
    }
}
