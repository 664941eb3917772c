//! What the relay knows of one agent: its connection, its mailbox, its presence, what it used up of its limits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentmesh_core::{Timestamp, wire::relay_frame::PresenceStatus};

use super::{link::Link, mailbox::Mailbox, rate::Window};

/// An agent, connected or not.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) amid: Arc<str>,
    state: Mutex<AgentState>,
}

/// Everything about an agent that changes, under one lock: so what is sent to it has one order.
#[derive(Debug)]
pub(crate) struct AgentState {
    /// The connection that counts: the newest.
    pub(crate) link: Option<Arc<Link>>,
    pub(crate) mailbox: Mailbox,
    pub(crate) presence: PresenceStatus,
    pub(crate) last_seen: Timestamp,
    pub(crate) messages: Window,
    pub(crate) knocks: Window,
}

impl Agent {
    pub(crate) fn new(amid: Arc<str>) -> Self {
        let state = AgentState {
            link: None,
            mailbox: Mailbox::default(),
            presence: PresenceStatus::Offline,
            last_seen: Timestamp::ZERO,
            messages: Window::default(),
            knocks: Window::default(),
        };
        Self { amid, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, AgentState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that counts.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.lock().link.clone()
    }
}

impl AgentState {
    /// Whether `link` is still the connection that counts.
    pub(crate) fn is_current(&self, link: &Link) -> bool {
        self.link.as_ref().is_some_and(|current| current.id == link.id)
    }

    /// Whether nothing is lost when this agent is forgotten.
    pub(crate) fn is_forgettable(&self, now: Timestamp) -> bool {
        self.link.is_none()
            && self.mailbox.is_empty()
            && self.messages.is_over(now)
            && self.knocks.is_over(now)
    }
}
