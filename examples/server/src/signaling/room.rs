//! One room: its clients in the order of joining. Sans-IO: the caller says what time it is and draws ids.

use std::sync::Arc;

use agentmesh_core::Timestamp;
use serde_json::{Value, value::RawValue};

use super::{bucket::Rate, event, outbox::Outbox, session::Session};

/// The periods of the protocol, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) keepalive: u64,
    pub(super) idle: u64,
}

/// Names for a client that joins.
pub(super) struct Fresh {
    pub(super) id: String,
    pub(super) token: String,
}

/// Who a client says it is.
pub(super) struct Claim {
    pub(super) id: String,
    pub(super) token: Option<String>,
    /// Which of its attempts to open a stream this is, if it says so.
    pub(super) attempt: Option<Attempt>,
}

/// The number of an attempt, among those of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) process: String,
    pub(super) number: u64,
}

/// Why a request of a client was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Unknown here, or not proved.
    Unauthorized,
    /// Too many signals.
    TooFast,
    /// The recipient is not in the room.
    NoRecipient,
    /// The request is older than the one before: the client gave it up and made another.
    Stale,
}

/// A stream of a client, as its own end knows it.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) id: String,
    pub(super) generation: u64,
    pub(super) outbox: Arc<Outbox>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Room(Vec<Session>);

impl Room {
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds the session that somebody claims.
    pub(super) fn knows(&self, claim: &Claim) -> bool {
        self.0.iter().any(|session| session.id == claim.id)
    }

    /// A client that is new here.
    pub(super) fn join(
        &mut self,
        fresh: Fresh,
        rate: Rate,
        ice: &[Value],
        timing: Timing,
        now: Timestamp,
    ) -> Attached {
        let Fresh { id, token } = fresh;
        let outbox = Arc::new(Outbox::default());
        outbox.push(event::joined(&id, &token, ice));
        let mut session = Session::new(id.clone(), &token, rate, now);
        let (generation, _) = session.attach(Arc::clone(&outbox), now, timing.keepalive);
        self.0.push(session);
        self.show_roster();
        Attached { id, generation, outbox }
    }

    /// A client that comes back to its session. Its earlier stream, if it still stands, is told and closed.
    pub(super) fn resume(
        &mut self,
        claim: Claim,
        ice: &[Value],
        timing: Timing,
        now: Timestamp,
    ) -> Result<Attached, Refusal> {
        let roster = self.roster();
        let token = claim.token.ok_or(Refusal::Unauthorized)?;
        let session = self.authenticated(&claim.id, &token)?;
        if !session.attempted(claim.attempt) {
            return Err(Refusal::Stale);
        }
        let outbox = Arc::new(Outbox::default());
        let (generation, before) = session.attach(Arc::clone(&outbox), now, timing.keepalive);
        if let Some(before) = before {
            before.push(event::superseded());
            before.close();
        }
        outbox.push(event::joined(&claim.id, &token, ice));
        outbox.push_roster(roster);
        for held in session.take_held() {
            session.deliver(held);
        }
        Ok(Attached { id: claim.id, generation, outbox })
    }

    /// Passes a signal on.
    pub(super) fn signal(
        &mut self,
        sender: &str,
        token: &str,
        to: &str,
        signal: &RawValue,
        rate: Rate,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if !self.authenticated(sender, token)?.spend(rate, now) {
            return Err(Refusal::TooFast);
        }
        let recipient = self.0.iter_mut().find(|s| s.id == to).ok_or(Refusal::NoRecipient)?;
        recipient.deliver(event::signal(sender, signal));
        Ok(())
    }

    /// A client goes.
    pub(super) fn leave(&mut self, sender: &str, token: &str) -> Result<(), Refusal> {
        self.authenticated(sender, token)?.end();
        self.0.retain(|session| session.id != sender);
        self.show_roster();
        Ok(())
    }

    /// A stream has ended; its client may come back.
    pub(super) fn detach(&mut self, id: &str, generation: u64, now: Timestamp) {
        if let Some(session) = self.0.iter_mut().find(|s| s.id == id) {
            session.detach(generation, now);
        }
    }

    /// Writes the keepalives that are due.
    pub(super) fn keep_alive(&mut self, now: Timestamp, timing: Timing) {
        for session in &mut self.0 {
            session.keep_alive(now, timing.keepalive);
        }
    }

    /// Forgets clients that gave no sign of life for too long; the others are told once.
    pub(super) fn prune(&mut self, now: Timestamp, timing: Timing) {
        let before = self.0.len();
        self.0.retain_mut(|session| {
            let idle = session.is_idle(now, timing.idle);
            if idle {
                session.end();
            }
            !idle
        });
        if self.0.len() < before {
            self.show_roster();
        }
    }

    /// Ends every stream.
    pub(super) fn end(&mut self) {
        for session in &mut self.0 {
            session.end();
        }
    }

    fn authenticated(&mut self, id: &str, token: &str) -> Result<&mut Session, Refusal> {
        let session = self.0.iter_mut().find(|s| s.id == id).ok_or(Refusal::Unauthorized)?;
        if session.is_proved_by(token) { Ok(session) } else { Err(Refusal::Unauthorized) }
    }

    fn roster(&self) -> axum::body::Bytes {
        let ids: Vec<_> = self.0.iter().map(|session| session.id.as_str()).collect();
        event::roster(&ids)
    }

    fn show_roster(&self) {
        let roster = self.roster();
        for session in &self.0 {
            session.show(roster.clone());
        }
    }
}
