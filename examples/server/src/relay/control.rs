//! What an authenticated client's other frames do: presence, frames forwarded to who is connected, pings, the end.

use agentmesh_core::{
    Timestamp,
    wire::{
        relay_error::RelayErrorCode,
        relay_frame::{ClientFrame, IceFrame, PresenceStatus, ServerFrame},
    },
};

use super::{Relay, agent::Agent, session::Session, websocket::close};

impl Session {
    pub(super) fn on_frame(&mut self, frame: ClientFrame) {
        match frame {
            ClientFrame::Ack { from, message_id } => self.on_ack(&from, message_id),
            ClientFrame::Presence { status } => {
                self.relay.set_presence(&self.agent, status, self.now);
            }
            ClientFrame::PresenceQuery { amid } => {
                let answer = self.relay.presence(&amid);
                self.link.send(&answer);
            }
            ClientFrame::IceOffer(ice) => self.forward(ice, ServerFrame::IceOffer),
            ClientFrame::IceAnswer(ice) => self.forward(ice, ServerFrame::IceAnswer),
            ClientFrame::P2pEstablished { peer } => {
                let from = self.agent.amid.to_string();
                self.forward_to(&peer, &ServerFrame::P2pEstablished { peer: from });
            }
            ClientFrame::Ping { timestamp } => self.pong(timestamp),
            ClientFrame::Disconnect { reason: _ } => self.link.close(close::NORMAL, None),
            // A second connect is ignored, as in 0.2.
            _ => {}
        }
    }

    /// The same instant in UTC; what is no instant comes back as it was.
    fn pong(&self, timestamp: String) {
        let timestamp =
            Timestamp::parse_rfc3339(&timestamp).map_or(timestamp, Timestamp::to_rfc3339_millis);
        self.link.send(&ServerFrame::Pong { timestamp });
    }

    /// `to` says whom it is for on the way in, and whom it is from on the way out.
    fn forward(&mut self, ice: IceFrame, wrap: impl FnOnce(IceFrame) -> ServerFrame) {
        if let Err(seconds) = self.take_turn(false) {
            return self.refuse_for(seconds, None);
        }
        let to = ice.to.clone();
        let frame = wrap(IceFrame { to: self.agent.amid.to_string(), ..ice });
        if !self.forward_to(&to, &frame) {
            let why = "the recipient is not connected".to_owned();
            self.refuse(RelayErrorCode::RecipientOffline, why, None);
        }
    }

    fn forward_to(&mut self, to: &str, frame: &ServerFrame) -> bool {
        let link = self.relay.hub.get(to).and_then(|agent| agent.link());
        let Some(link) = link.filter(|link| link.outgoing.has_room()) else { return false };
        link.send(frame);
        self.touch(link);
        true
    }
}

impl Relay {
    fn set_presence(&self, agent: &Agent, status: PresenceStatus, now: Timestamp) {
        if status.is_known() {
            let mut state = agent.lock();
            state.presence = status;
            state.last_seen = now;
        }
    }

    fn presence(&self, amid: &str) -> ServerFrame {
        let agent = self.hub.get(amid);
        let known = agent.as_ref().map(|agent| agent.lock()).filter(|s| s.link.is_some());
        let (status, last_seen) = match known {
            Some(state) if state.presence != PresenceStatus::Offline => {
                (state.presence.clone(), Some(state.last_seen.to_rfc3339_millis()))
            }
            _ => (PresenceStatus::Offline, None),
        };
        ServerFrame::PresenceResponse { amid: amid.to_owned(), status, last_seen }
    }
}
