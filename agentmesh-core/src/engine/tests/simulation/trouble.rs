//! What goes wrong in a schedule, as it happens, and what registry and application answer meanwhile.

use super::{
    plan::{Failing, Op, Registry},
    world::World,
};
use crate::{
    engine::{Input, Request, SendFailure},
    identity::Amid,
    knock::Decision,
    test_utils::Fault,
    time::Timestamp,
};

impl World {
    pub(super) fn trouble(&mut self, op: Op) {
        self.log(|| format!("-- {op:?}"));
        match op {
            Op::Send { from, to } => self.send(from, to),
            Op::Break { at } => self.break_connection(at),
            Op::HalfOpen { at, ms } => self.half_open(at, ms),
            Op::Partition { at, ms } => {
                self.agents[at].unreachable_until = self.now + ms;
                self.break_connection(at);
            }
            Op::Slow { at, ms } => self.agents[at].slow = ms,
            Op::RelayRestart { ms } => {
                (0..self.agents.len()).for_each(|at| self.break_connection(at));
                self.relay.down_until = self.now + ms;
            }
            Op::Kill { at, ms } => self.kill(at, ms),
            Op::Commit { at, skip, how } => {
                let fault = match how {
                    Failing::Before => Fault::CrashBefore,
                    Failing::After => Fault::CrashAfter,
                    Failing::Full => Fault::Full,
                };
                let faults = self.agents[at].store.faults();
                faults.at_commit(faults.commits() + 1 + skip, fault);
            }
            Op::Busy { at, ms } => self.agents[at].busy_until = self.now + ms,
            Op::Lose { to, which } => self.lose_mail(to, which),
            Op::Delay { to, which, ms } => self.delay_mail(to, which, ms),
            Op::Replay { to, which, control } => self.replay(to, which, control),
            Op::Forge { to, which, how } => self.forge(to, which, how),
            Op::Swap { to, which } => self.swap(to, which),
            Op::Withhold { to, ms, control } => self.withhold(to, ms, control),
            Op::Registry(how) => self.registry = how,
            Op::Clock { at, offset } => {
                // A peer with another time turns a KNOCK away, and then does not have the session.
                self.checker.excuse_all(at);
                self.agents[at].clock = offset;
                self.go_on(at);
            }
            Op::LoseDisk { at } => self.lose_disk(at),
            Op::RollBack { at, commits } => self.roll_back(at, commits),
            Op::Close { at, peer } => self.close(at, peer),
            Op::Sweep { at } => self.sweep(at),
            Op::Pass => {}
        }
    }

    /// What registry and application answer; `None` is no answer.
    pub(super) fn answer(&mut self, at: usize, request: Request) -> Option<Input> {
        let wall = self.wall(at);
        match request {
            Request::DecideKnock { session, .. } => {
                Some(Input::Decide { session, decision: Decision::accept() })
            }
            _ if self.registry == Registry::Silent => None,
            Request::Bundle(peer) => Some(self.bundle(peer, wall)),
            Request::PeerKey(peer) => {
                let known = self.number_of(&peer)?;
                let other = (known + 1) % self.agents.len();
                let swapped = self.registry == Registry::Swapped;
                let key = self.published[if swapped { other } else { known }].key;
                Some(Input::PeerKey { peer, key })
            }
            Request::PublishPrekeys => {
                let publication = self.agents[at].engine.as_ref()?.publication();
                let mut thrown_away = self.published[at].clone();
                let published = match self.registry {
                    Registry::Forgetful => &mut thrown_away,
                    _ => &mut self.published[at],
                };
                let (receipt, stock) = published.take_in(publication);
                Some(Input::PrekeysPublished { receipt, stock: Some(stock) })
            }
            #[cfg(feature = "legacy-0-2")]
            Request::LegacyPeer(_) => None,
        }
    }

    fn bundle(&mut self, peer: Amid, wall: Timestamp) -> Input {
        let known = self.number_of(&peer).filter(|_| self.registry != Registry::Empty);
        let Some(known) = known else {
            return Input::NoBundle { peer, reason: SendFailure::UnknownRecipient { amid: peer } };
        };
        let mut copy = self.published[known].clone();
        let given = match self.registry {
            Registry::Forged => {
                let at = self.dice.index(copy.bundle.len());
                copy.bundle[at] ^= 1;
                copy.hand_out(peer, wall)
            }
            Registry::Swapped => {
                let other = (known + 1) % self.agents.len();
                self.published[other].clone().hand_out(peer, wall)
            }
            Registry::WithoutOneTime => {
                copy.one_time.clear();
                copy.one_time_kem.clear();
                copy.hand_out(peer, wall)
            }
            Registry::SameOneTime => copy.hand_out(peer, wall),
            _ => self.published[known].hand_out(peer, wall),
        };
        match given {
            Ok(bundle) => Input::Bundle { peer, bundle: Box::new(bundle) },
            Err(_) => {
                let reason = SendFailure::BundleRefused { amid: peer, code: "SIMULATED" };
                Input::NoBundle { peer, reason }
            }
        }
    }
}
