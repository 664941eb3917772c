//! The relay's part of being online: dialing, what the connection tells, and the farewell.

use std::{sync::Arc, time::Duration};

use url::Url;

use super::{
    super::{Driver, batch::Job},
    DRAINED_AFTER,
};
#[cfg(feature = "legacy-0-2")]
use crate::engine::LegacyInbound;
use crate::{
    Error, ErrorInfo, ErrorKind,
    client::{
        agent::{AgentError, AgentEvent},
        http::HttpConfig,
        platform::time::{Instant, timeout},
        relay::{
            self, Inbound as RelayInbound, RelayCommand, RelayConfig, RelayContext, RelayEvent,
            RelayPayload, RelayTransport,
        },
        transport::{self, Connector, TransportError},
    },
    engine::{DropReason, Event, Inbound, Input},
    rng::SystemRng,
    wire::{relay_error::RelayErrorCode, relay_frame::PresenceStatus},
};

/// How long the farewell to registry and relay may take.
const FAREWELL: Duration = Duration::from_secs(2);
/// The same where the last words are a request.
const FAREWELL_BY_REQUEST: Duration = Duration::from_secs(4);

type Opened = Result<Arc<dyn Connector>, TransportError>;

/// What depends on how the relay is reached.
struct Way {
    config: fn(Url) -> RelayConfig,
    connector: fn(&HttpConfig, Duration) -> Opened,
    says_presence: bool,
    farewell: Duration,
}

impl Way {
    fn of(transport: RelayTransport) -> Self {
        match transport {
            RelayTransport::WebSocket => Self {
                config: RelayConfig::new,
                connector: transport::connector,
                says_presence: true,
                farewell: FAREWELL,
            },
            RelayTransport::Polling => Self {
                config: RelayConfig::polling,
                connector: |http, _| transport::polling(http),
                // It would be a request of its own, and the relay takes whoever connects for that.
                says_presence: false,
                farewell: FAREWELL_BY_REQUEST,
            },
        }
    }
}

impl Driver {
    pub(super) fn dial(&mut self) {
        let Some(url) = self.online.relay_url.clone() else { return };
        let way = Way::of(self.config.relay_transport);
        let config = (way.config)(url);
        let connector = match (way.connector)(&self.config.http, config.connect_timeout) {
            Ok(connector) => connector,
            Err(error) => {
                let error = Error::from(error);
                self.status.set_offline(error.to_string());
                self.online.fail(&error);
                return;
            }
        };
        let context = RelayContext {
            identity: Arc::clone(self.engine.identity()),
            connector,
            clock: self.config.clock,
            rng: Box::new(SystemRng),
        };
        let (handle, events) = relay::connect(config, context);
        if way.says_presence {
            handle.set_presence(PresenceStatus::Online);
        }
        self.online.relay = Some(handle);
        self.online.events = Some(events);
    }

    pub(in super::super) fn on_relay_event(
        &mut self,
        event: Option<RelayEvent>,
        jobs: &mut Vec<Job>,
    ) {
        let Some(event) = event else {
            self.online.events = None;
            return;
        };
        match event {
            RelayEvent::Connected { pending, features, .. } => {
                self.online.connected = true;
                self.online.awaited = pending;
                self.online.drained_at = Some(Instant::now() + DRAINED_AFTER);
                self.settle_online();
                if core::mem::replace(&mut self.online.connected_before, true)
                    && self.online.heartbeat_at.is_some()
                {
                    // The registry may have been restarted together with the relay, and have forgotten us; or this identity
                    // went on elsewhere meanwhile.
                    self.online.register_at = Some(Instant::now());
                }
                self.events.publish(&AgentEvent::Connected { pending });
                jobs.push(Job::silent(Input::Connected { acks: features.ack }));
            }
            RelayEvent::Frame(frame) => {
                self.online.awaited = self.online.awaited.saturating_sub(1);
                if let Some(at) = &mut self.online.drained_at {
                    *at = (*at).max(Instant::now() + DRAINED_AFTER);
                }
                self.on_relay_frame(frame, jobs);
            }
            RelayEvent::Acked(id) => jobs.push(Job::silent(Input::RelayAcked(id))),
            RelayEvent::Error { code, id, retry_after, .. } => {
                tracing::debug!(target: "agentmesh", %code, "the relay refused a frame");
                if let Some(relay_id) = id {
                    self.engine.note_refusal(&relay_id, code.as_str());
                    let retryable = code != RelayErrorCode::MessageTooLarge;
                    let retry_after =
                        retry_after.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
                    jobs.push(Job::silent(Input::RelayRefused {
                        relay_id,
                        retryable,
                        retry_after,
                    }));
                }
            }
            RelayEvent::Disconnected { error, retry_in } => {
                self.engine.disconnected();
                self.pending.clear();
                self.online.connected = false;
                self.online.drained_at = None;
                self.status.set_offline(error.to_string());
                let reason = error.to_string();
                self.tell_offline(&reason);
                if error.kind() == ErrorKind::Authentication && self.online.heartbeat_at.is_some() {
                    self.on_forgotten();
                }
                self.events.publish(&AgentEvent::Disconnected { retry_in: Some(retry_in), reason });
            }
            RelayEvent::Replaced => {
                // Whoever took over has the relay and the registry to itself, until somebody connects here again.
                self.engine.disconnected();
                self.pending.clear();
                self.online.stand_down();
                self.status.set_offline("another connection of this identity took over");
                self.online.fail(&AgentError::Replaced.into());
                self.tell_offline("another connection of this identity took over");
                self.events.publish(&AgentEvent::Replaced);
            }
            _ => {}
        }
    }

    fn on_relay_frame(&mut self, frame: RelayInbound, jobs: &mut Vec<Job>) {
        let RelayInbound { from, id, payload, .. } = frame;
        match payload {
            RelayPayload::Native(bytes) => {
                let frame = Vec::from(bytes);
                jobs.push(Job::silent(Input::Frame(Inbound { from, relay_id: id, frame })));
            }
            // The old protocol, or plain text: nothing that this agent may take for a message.
            #[cfg(feature = "legacy-0-2")]
            RelayPayload::Text(text) if self.config.engine.allow_legacy => {
                jobs.push(Job::silent(Input::Legacy(LegacyInbound { from, relay_id: id, text })));
            }
            RelayPayload::Text(_) => {
                if let Some(id) = id {
                    self.pending.push_back(RelayCommand::Ack { from, id });
                }
                let event = Event::FrameDropped { from, reason: DropReason::Legacy };
                self.events.publish(&AgentEvent::Engine(event));
            }
        }
    }

    /// Hands everything to the relay connection that waits for it, as far as the time for a farewell goes.
    pub(in super::super) async fn say_pending(&mut self) {
        let Some(relay) = &self.online.relay else { return };
        let pending = core::mem::take(&mut self.pending);
        let say = async {
            for command in pending {
                if relay.send(command).await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(FAREWELL, say).await;
    }

    pub(in super::super) async fn go_offline(&mut self, politely: bool) {
        self.online.events = None;
        let relay = self.online.relay.take();
        let registry = self
            .jobs
            .registry()
            .filter(|_| politely && self.online.registered && self.online.wanted);
        let farewell = async {
            if let Some(relay) = relay {
                relay.close().await;
            }
            if let Some(registry) = registry {
                // The registry finds out by itself, only later.
                let _ = registry.set_status(&PresenceStatus::Offline).await;
            }
        };
        let _ = timeout(Way::of(self.config.relay_transport).farewell, farewell).await;
    }
}
