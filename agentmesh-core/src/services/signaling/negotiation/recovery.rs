//! What happens when a connection does not come to stand, or fails: ICE restarts by whoever offered, then a new
//! connection, then the end.

use std::time::Duration;

use super::{IceState, PeerTimings};

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Restart,
    Rebuild,
    Close,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Recovery {
    timings: PeerTimings,
    ice: IceState,
    /// Whose offer stands: that side mends.
    ours: bool,
    /// When the next step is due, of whoever mends.
    step_at: Option<Duration>,
    /// Restarts since it last stood; one more than there are is the new connection.
    steps: usize,
    /// A connection that does not stand by then is given up.
    stands_by: Option<Duration>,
    /// The peer left the room, and when the connection was last seen standing after that.
    left_at: Option<Duration>,
}

impl Recovery {
    pub(super) const fn new(timings: PeerTimings, offers: bool, now: Duration) -> Self {
        let wait = if offers { Duration::ZERO } else { timings.offer };
        let first = timings.connect.saturating_add(wait);
        Self {
            timings,
            ice: IceState::Checking,
            ours: false,
            step_at: None,
            steps: 0,
            stands_by: Some(now.saturating_add(first)),
            left_at: None,
        }
    }

    pub(super) const fn agreed(&mut self, ours: bool) {
        self.ours = ours;
    }

    pub(super) fn ice(&mut self, ice: IceState, now: Duration) {
        let before = std::mem::replace(&mut self.ice, ice);
        if before == ice {
            return;
        }
        match ice {
            IceState::Checking => {}
            IceState::Connected => {
                (self.step_at, self.steps, self.stands_by) = (None, 0, None);
            }
            IceState::Disconnected | IceState::Failed => {
                if before == IceState::Connected {
                    let whole: Duration = self.timings.restarts.iter().sum();
                    let patience = self.timings.disconnected + whole + self.timings.connect;
                    self.stands_by = Some(now + patience);
                    if self.left_at.is_some() {
                        self.left_at = Some(now);
                    }
                }
                let wait = match ice {
                    IceState::Disconnected => self.timings.disconnected,
                    _ => Duration::ZERO,
                };
                // A restart that is under way has its own time.
                if self.steps == 0 {
                    let at = now + wait;
                    self.step_at = Some(self.step_at.map_or(at, |before| before.min(at)));
                }
            }
        }
    }

    pub(super) const fn left(&mut self, now: Duration) {
        self.left_at = Some(now);
    }

    pub(super) fn back(&mut self, now: Duration) {
        self.left_at = None;
        let broken = matches!(self.ice, IceState::Disconnected | IceState::Failed);
        if broken && self.step_at.is_none() {
            self.step_at = Some(now);
        }
    }

    pub(super) fn next_wake(&self) -> Option<Duration> {
        [self.closes_at(), self.step_at.filter(|_| self.mends())].into_iter().flatten().min()
    }

    /// The step that is due, once.
    pub(super) fn due(&mut self, now: Duration) -> Option<Step> {
        if self.closes_at().is_some_and(|at| now >= at) {
            return Some(Step::Close);
        }
        if !self.mends() || self.step_at.is_none_or(|at| now < at) {
            return None;
        }
        let restart = self.timings.restarts.get(self.steps).copied();
        self.steps += 1;
        self.step_at = restart.map(|within| now + within);
        if restart.is_some() {
            return Some(Step::Restart);
        }
        Some(Step::Rebuild)
    }

    /// There is another connection now, which has to come to stand.
    pub(super) fn rebuilt(&mut self, now: Duration) {
        self.ice = IceState::Checking;
        self.stands_by = Some(now + self.timings.connect);
    }

    /// What would be sent to who left reaches nobody.
    const fn mends(&self) -> bool {
        self.ours && self.left_at.is_none()
    }

    fn closes_at(&self) -> Option<Duration> {
        if self.ice == IceState::Connected {
            return None;
        }
        let left = self.left_at.map(|at| at + self.timings.left);
        [left, self.stands_by].into_iter().flatten().min()
    }
}
