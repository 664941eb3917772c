//! From an attempt to connect to being let in: by a WebSocket, and if nothing comes over it, by polling; with another
//! token, if the server has forgotten that of the setup.

use std::time::Duration;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Action, ChannelEvent, Machine, Phase, calls};
use crate::{
    error::ErrorInfo,
    services::{
        socketio::{Connection, DialFailure, Transport},
        user_data::{SecretText, UserDataError},
    },
};

impl Machine {
    pub(super) fn open(&mut self, now: Duration) {
        self.open_by(self.transport, now);
    }

    fn open_by(&mut self, by: Transport, now: Duration) {
        self.phase = Phase::Opening { until: now + self.terms.timings.open, by };
        self.actions.push(Action::Open(by));
    }

    /// Goes on by polling, if the WebSocket brought nothing from the server: something between lets none through, or
    /// lets nothing through it.
    pub(super) fn falls_back(&mut self, now: Duration) -> bool {
        let by_socket = matches!(self.phase, Phase::Opening { by: Transport::WebSocket, .. });
        let shaken = self.connection.as_ref().is_some_and(|one| one.dead_at().is_some());
        if !by_socket || shaken {
            return false;
        }
        tracing::debug!(target: "agentmesh", "user data: no WebSocket, polling is tried");
        self.connection = None;
        self.actions.push(Action::Drop);
        self.open_by(Transport::Polling, now);
        true
    }

    pub(super) fn open_failed(
        &mut self,
        failure: DialFailure,
        now: Duration,
        rng: &mut dyn CryptoRng,
    ) {
        if !matches!(self.phase, Phase::Opening { .. }) {
            return;
        }
        // What proxies say that know no WebSockets. Others are the server's own words, or say that it is busy.
        let between = match failure {
            DialFailure::Refused { status, .. } => {
                matches!(status, 400 | 403 | 405 | 426 | 500 | 501 | 502 | 504)
            }
            DialFailure::Interrupted(_) => true,
            DialFailure::Network(_) => false,
        };
        if between && self.falls_back(now) {
            return;
        }
        match failure {
            DialFailure::Refused {
                status: status @ (408 | 425 | 429 | 500..),
                text,
                retry_after,
            } => {
                let reason = format!("the server answered with HTTP {status}: {text}");
                self.lost(UserDataError::Connect { reason }, retry_after, now, rng);
            }
            DialFailure::Refused { status, text, .. } => {
                self.end(UserDataError::Refused { message: format!("HTTP {status}: {text}") });
            }
            DialFailure::Network(reason) | DialFailure::Interrupted(reason) => {
                self.lost(UserDataError::Connect { reason }, None, now, rng);
            }
        }
    }

    /// The time for it is up.
    pub(super) fn not_let_in(&mut self, now: Duration, rng: &mut dyn CryptoRng) {
        if !self.falls_back(now) {
            let reason = format!("not let in within {} s", self.terms.timings.open.as_secs());
            self.lost(UserDataError::Connect { reason }, None, now, rng);
        }
    }

    /// There is a connection; the server shakes hands next.
    pub(super) fn opened(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Opening { .. }) {
            let auth = self.terms.auth.clone();
            self.connection = Some(Connection::new(self.terms.namespace.clone(), auth, now));
        }
    }

    /// The server does not let us in. One that did before may have been started anew and know its tokens no more: then
    /// the session is set up again, once.
    pub(super) fn refused(&mut self, message: String) {
        if !self.joined_before || !self.terms.renews || self.renewed {
            return self.end(UserDataError::Refused { message });
        }
        self.renewed = true;
        self.connection = None;
        self.phase = Phase::Renewing;
        self.actions.extend([Action::Drop, Action::Renew]);
    }

    pub(super) fn renewed(
        &mut self,
        result: Result<Option<SecretText>, UserDataError>,
        now: Duration,
        rng: &mut dyn CryptoRng,
    ) {
        if self.phase != Phase::Renewing {
            return;
        }
        match result {
            Ok(auth) => {
                self.terms.auth = auth.map(|json| Zeroizing::new(json.expose().to_owned()));
                self.open(now);
            }
            Err(error) if error.is_retryable() => {
                self.renewed = false;
                self.lost(error, None, now, rng);
            }
            Err(error) => self.end(error),
        }
    }

    pub(super) fn joined(&mut self, now: Duration) {
        if let Phase::Opening { by, .. } = self.phase {
            self.transport = by;
        }
        self.phase = Phase::Joined { since: now };
        self.renewed = false;
        self.rejoining = std::mem::replace(&mut self.joined_before, true);
        self.turns.carry_over();
        self.event(ChannelEvent::Connected);
        self.ask(None, calls::Kind::History, now);
    }
}
