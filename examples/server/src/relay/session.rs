//! What an authenticated client's messages do: parsed, checked against the limits, delivered. Frames of other kinds are
//! in `control`.

use std::{borrow::Cow, sync::Arc};

use agentmesh_core::{
    Timestamp,
    limits::MAX_RELAY_FRAME,
    time::MINUTE,
    wire::{
        relay_binary::BinaryFrame,
        relay_error::RelayErrorCode,
        relay_frame::{ClientFrame, RelayMessageType},
        relay_id::RelayMessageId,
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Relay,
    agent::Agent,
    delivery::{Delivered, Incoming},
    encode::Body,
    link::Link,
};
use crate::{clock, envelope::Payload};

/// Candidates that one frame may carry.
const MAX_CANDIDATES_BYTES: usize = 64 * 1024;

/// What has to happen before the client's next frame is looked at.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing.
    Frame,
    /// The recipient's connection needs room for the message that is held.
    Room(Arc<Link>),
}

/// The hot kind of frame, borrowed. Types that do not fit fail here and are looked at again in full.
#[derive(Deserialize)]
struct SendView<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    encrypted_payload: Cow<'a, str>,
    #[serde(borrow)]
    message_type: Cow<'a, str>,
    #[serde(borrow, default)]
    ice_candidates: Option<&'a RawValue>,
    /// Looked at only for clients that announced `ack`: for others it is an unknown field.
    #[serde(borrow, default)]
    message_id: Option<&'a RawValue>,
}

/// A message as it is about to be delivered.
struct Outbound<'a> {
    to: &'a str,
    id: Option<RelayMessageId>,
    kind: RelayMessageType,
    body: Body<'a>,
    ice: Option<&'a str>,
}

/// A message for which there was no room.
#[derive(Debug)]
struct Held {
    recipient: Arc<Agent>,
    kind: RelayMessageType,
    payload: Payload,
    ice: Option<String>,
    time: Timestamp,
}

/// The state of a connection's frame handling.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) relay: Arc<Relay>,
    pub(super) agent: Arc<Agent>,
    pub(super) link: Arc<Link>,
    /// The last recipient; most clients write several messages to one.
    recipient: Option<Arc<Agent>>,
    held: Option<Held>,
    /// Connections on which something waits to be flushed.
    touched: Vec<Arc<Link>>,
    pub(super) now: Timestamp,
    now_text: String,
}

impl Session {
    pub(super) fn new(relay: Arc<Relay>, agent: Arc<Agent>, link: Arc<Link>) -> Self {
        Self {
            relay,
            agent,
            link,
            recipient: None,
            held: None,
            touched: Vec::new(),
            now: Timestamp::ZERO,
            now_text: String::new(),
        }
    }

    /// To be called before the frames of one read.
    pub(super) fn begin(&mut self) {
        let now = clock::now();
        if now != self.now {
            self.now = now;
            self.now_text = now.to_rfc3339_millis();
        }
    }

    /// To be called after the frames of one read: sends what they caused.
    pub(super) fn end(&mut self) {
        for link in self.touched.drain(..) {
            self.relay.flush(&link);
        }
        self.relay.flush(&self.link);
    }

    pub(super) fn on_text(&mut self, text: &str) -> Next {
        // A derived struct would also read an array of its members.
        if text.trim_start().starts_with('{')
            && let Ok(view) = serde_json::from_str::<SendView<'_>>(text)
            && view.r#type == "send"
        {
            return self.on_send(&view);
        }
        match ClientFrame::parse(text) {
            Ok(frame) => self.on_frame(frame),
            // 0.2 says nothing to a frame it cannot read, and its clients take any error for the end.
            Err(error) if !self.link.features.is_empty() => {
                self.refuse(RelayErrorCode::InvalidMessage, error.to_string(), None);
            }
            Err(_) => {}
        }
        Next::Frame
    }

    pub(super) fn on_binary(&mut self, bytes: &[u8]) -> Next {
        if !self.link.features.binary {
            return Next::Frame;
        }
        match BinaryFrame::parse(bytes) {
            Ok(BinaryFrame::Send { to, id, message_type, frame }) => {
                let id = Some(id).filter(|_| self.link.features.ack);
                let kind = message_type.to_text();
                return self.send(&Outbound { to, id, kind, body: Body::Frame(frame), ice: None });
            }
            Ok(BinaryFrame::Ack { peer, id }) => self.on_ack(peer, id),
            Ok(_) => {}
            Err(error) => self.refuse(RelayErrorCode::InvalidMessage, error.to_string(), None),
        }
        Next::Frame
    }

    /// A frame longer than anything that is read.
    pub(super) fn on_too_long(&mut self) {
        let why = format!("a frame may have {MAX_RELAY_FRAME} bytes");
        self.refuse(RelayErrorCode::MessageTooLarge, why, None);
    }

    fn on_send(&mut self, view: &SendView<'_>) -> Next {
        let id = view.message_id.filter(|_| self.link.features.ack);
        let Ok(id) = id.map(|id| serde_json::from_str(id.get())).transpose() else {
            let why = "message_id is not 32 lower-case hex digits".to_owned();
            self.refuse(RelayErrorCode::InvalidMessage, why, None);
            return Next::Frame;
        };
        let kind = RelayMessageType::from(&*view.message_type);
        if !kind.is_known() {
            if !self.link.features.is_empty() {
                let why = "unknown message_type".to_owned();
                self.refuse(RelayErrorCode::InvalidMessage, why, id);
            }
            return Next::Frame;
        }
        let ice = view.ice_candidates.map(RawValue::get);
        // A string that was borrowed had no escapes and needs none.
        let escaped;
        let (body, length) = match &view.encrypted_payload {
            Cow::Borrowed(text) => (Body::Json(text), text.len()),
            Cow::Owned(text) => {
                escaped = serde_json::to_string(text).unwrap_or_default();
                let inside = escaped.get(1..escaped.len().saturating_sub(1));
                (Body::Json(inside.unwrap_or_default()), text.len())
            }
        };
        if self.is_too_large(length, id) {
            return Next::Frame;
        }
        let ice = ice.filter(|json| json.len() <= MAX_CANDIDATES_BYTES && *json != "null");
        self.send(&Outbound { to: &view.to, id, kind, body, ice })
    }

    fn is_too_large(&mut self, length: usize, id: Option<RelayMessageId>) -> bool {
        let limit = self.relay.limits.payload_bytes;
        let too_large = limit != 0 && length > usize::try_from(limit).unwrap_or(usize::MAX);
        if too_large {
            let why = format!("encrypted_payload has {length} bytes; the limit is {limit}");
            self.refuse(RelayErrorCode::MessageTooLarge, why, id);
        }
        too_large
    }

    fn send(&mut self, message: &Outbound<'_>) -> Next {
        let Outbound { to, id, ref kind, body, ice } = *message;
        if let Body::Frame(bytes) = body
            && self.is_too_large(bytes.len().div_ceil(3) * 4, id)
        {
            return Next::Frame;
        }
        if self.relay.dice.loses_incoming() {
            return Next::Frame;
        }
        if let Err(seconds) = self.take_turn(*kind == RelayMessageType::Knock) {
            self.refuse_for(seconds, id);
            return Next::Frame;
        }
        let Some(recipient) = self.recipient(to) else {
            self.refuse(RelayErrorCode::UnknownRecipient, "`to` is not an AMID".into(), id);
            return Next::Frame;
        };
        let incoming = Incoming {
            from: &self.agent.amid,
            id,
            kind,
            time: self.now,
            time_text: &self.now_text,
            body,
            ice,
        };
        let (outcome, touched) = self.relay.deliver(&recipient, &incoming);
        if let Delivered::NoRoom(link) = outcome {
            self.held = Some(Held {
                recipient,
                kind: kind.clone(),
                payload: body.to_payload(),
                ice: ice.map(str::to_owned),
                time: self.now,
            });
            return Next::Room(link);
        }
        self.delivered(outcome, touched, &recipient, id);
        Next::Frame
    }

    /// Delivers the message for which there was no room, now that there is some or that nobody waits any longer.
    pub(super) fn deliver_held(&mut self) -> Next {
        let Some(held) = self.held.take() else { return Next::Frame };
        let time_text = held.time.to_rfc3339_millis();
        let incoming = Incoming {
            from: &self.agent.amid,
            id: None,
            kind: &held.kind,
            time: held.time,
            time_text: &time_text,
            body: match &held.payload {
                Payload::Json(text) => Body::Json(text),
                Payload::Frame(bytes) => Body::Frame(bytes),
            },
            ice: held.ice.as_deref(),
        };
        let (outcome, touched) = self.relay.deliver(&held.recipient, &incoming);
        if let Delivered::NoRoom(link) = outcome {
            self.held = Some(held);
            return Next::Room(link);
        }
        self.delivered(outcome, touched, &held.recipient, None);
        Next::Frame
    }

    fn delivered(
        &mut self,
        outcome: Delivered,
        touched: Option<Arc<Link>>,
        recipient: &Agent,
        id: Option<RelayMessageId>,
    ) {
        if let Some(link) = touched {
            self.touch(link);
        }
        match outcome {
            Delivered::Done | Delivered::NoRoom(_) => {}
            Delivered::Safe => {
                if let Some(id) = id {
                    self.link.acknowledge(&recipient.amid, id);
                }
            }
            Delivered::InboxFull => {
                let limit = self.relay.limits.pending_per_agent;
                let why = format!("{limit} messages wait for this agent already");
                self.refuse(RelayErrorCode::InboxFull, why, id);
            }
            Delivered::StoreFull => {
                let why = "the relay's queue is full".to_owned();
                self.refuse(RelayErrorCode::RecipientOffline, why, id);
            }
        }
    }

    pub(super) fn on_ack(&self, from: &str, id: RelayMessageId) {
        if self.link.features.ack {
            self.relay.acknowledge(&self.agent, from, id);
        }
    }

    pub(super) fn touch(&mut self, link: Arc<Link>) {
        if self.touched.last().is_none_or(|last| last.id != link.id) {
            self.touched.push(link);
        }
    }

    fn recipient(&mut self, amid: &str) -> Option<Arc<Agent>> {
        if let Some(known) = &self.recipient
            && &*known.amid == amid
        {
            return Some(Arc::clone(known));
        }
        self.recipient = self.relay.hub.recipient(amid);
        self.recipient.clone()
    }

    /// Counts a frame against the agent's limits.
    pub(super) fn take_turn(&self, knock: bool) -> Result<(), u64> {
        let limits = &self.relay.limits;
        let limit = if knock { limits.knocks_per_minute } else { limits.messages_per_minute };
        if limit == 0 {
            return Ok(());
        }
        let mut state = self.agent.lock();
        let window = if knock { &mut state.knocks } else { &mut state.messages };
        window.take(limit, MINUTE, self.now)
    }

    pub(super) fn refuse_for(&self, seconds: u64, id: Option<RelayMessageId>) {
        self.relay.metrics.refused(RelayErrorCode::RateLimited.as_str());
        let why = "too many frames in a minute".to_owned();
        self.link.refuse(RelayErrorCode::RateLimited, why, Some(seconds), id);
    }

    pub(super) fn refuse(&self, code: RelayErrorCode, why: String, id: Option<RelayMessageId>) {
        self.relay.metrics.refused(code.as_str());
        self.link.refuse(code, why, None, id);
    }
}
