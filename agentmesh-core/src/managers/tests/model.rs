//! Any order of sending, losing, repeating, reordering, restarting and losing a store, against a model of a few lines:
//! a message is read once or not at all, and as it was written.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{super::Envelope, Clock, Party};
use crate::{Error, limits, managers::ManagerError, session::DecryptError};

#[derive(Debug, Clone)]
enum Action {
    /// One of the two encrypts.
    Send {
        by_bob: bool,
    },
    /// The message under way at this place arrives.
    Deliver {
        at: usize,
    },
    /// It never does.
    Drop {
        at: usize,
    },
    /// It arrives and stays under way.
    Repeat {
        at: usize,
    },
    /// A bit of it changes.
    Damage {
        at: usize,
        byte: usize,
    },
    Restart {
        bob: bool,
    },
    LoseStore {
        bob: bool,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => any::<bool>().prop_map(|by_bob| Action::Send { by_bob }),
        5 => any::<usize>().prop_map(|at| Action::Deliver { at }),
        1 => any::<usize>().prop_map(|at| Action::Drop { at }),
        2 => any::<usize>().prop_map(|at| Action::Repeat { at }),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(at, byte)| Action::Damage { at, byte }),
        2 => any::<bool>().prop_map(|bob| Action::Restart { bob }),
        1 => any::<bool>().prop_map(|bob| Action::LoseStore { bob }),
    ]
}

/// A message under way.
#[derive(Debug, Clone)]
struct UnderWay {
    to_bob: bool,
    session: String,
    envelope: Envelope,
    n: u64,
    /// Which life of the recipient's store it was written for.
    life: u64,
}

struct World {
    parties: [Party; 2],
    /// How often each lost its store.
    lives: [u64; 2],
    session: String,
    under_way: Vec<UnderWay>,
    next: u64,
    read: BTreeSet<u64>,
}

impl World {
    fn new() -> Self {
        let clock = Clock::new();
        let parties = [Party::new(101, &clock), Party::new(102, &clock)];
        let mut world = Self {
            parties,
            lives: [0, 0],
            session: String::new(),
            under_way: Vec::new(),
            next: 0,
            read: BTreeSet::new(),
        };
        world.connect();
        world
    }

    /// A new session, by the first party, whatever was there before.
    fn connect(&mut self) {
        let [alice, bob] = &self.parties;
        for (party, peer) in [(alice, bob), (bob, alice)] {
            let old = crate::test_utils::block_on(
                party.sessions.session_by_peer(&peer.identity().amid()),
            );
            if let Some(old) = old.unwrap() {
                crate::test_utils::block_on(party.sessions.close_session(&old.session_id)).unwrap();
            }
        }
        alice.bundle();
        // Bundles that were made at the same moment are told apart by their date.
        alice.clock.advance(1);
        let begun = alice.initiate(bob, &bob.bundle()).unwrap();
        bob.accept(alice, &begun.x3dh_message).unwrap();
        self.session = begun.session_id;
        let opening = alice.encrypt(&self.session, u64::MAX).unwrap();
        assert_eq!(bob.decrypt(&self.session, &opening).unwrap(), u64::MAX);
    }

    fn send(&mut self, by_bob: bool) {
        let sender = &self.parties[usize::from(by_bob)];
        let envelope = sender.encrypt(&self.session, self.next).unwrap();
        let life = self.lives[usize::from(!by_bob)];
        let session = self.session.clone();
        self.under_way.push(UnderWay { to_bob: !by_bob, session, envelope, n: self.next, life });
        self.next += 1;
    }

    /// What the model says must come of it.
    fn arrive(&mut self, message: &UnderWay) {
        let recipient = &self.parties[usize::from(message.to_bob)];
        let before = recipient.records();
        let result = recipient.decrypt(&message.session, &message.envelope);
        let closed = message.session != self.session
            || message.life != self.lives[usize::from(message.to_bob)];
        match result {
            Ok(n) => {
                assert!(!closed, "a session that is gone opened something");
                assert_eq!(n, message.n);
                assert!(self.read.insert(n), "{n} was read twice");
            }
            Err(error) => {
                assert_eq!(recipient.records(), before);
                if self.read.contains(&message.n) && !closed {
                    assert_eq!(error, DecryptError::Duplicate.into());
                } else {
                    assert!(closed, "{} was lost: {error:?}", message.n);
                    assert!(
                        matches!(error, Error::Manager(ManagerError::SessionNotFound { .. })),
                        "{error:?}"
                    );
                }
            }
        }
    }

    fn act(&mut self, action: &Action) {
        let len = self.under_way.len().max(1);
        match *action {
            Action::Send { by_bob } => self.send(by_bob),
            Action::Deliver { at } if !self.under_way.is_empty() => {
                let message = self.under_way.remove(at % len);
                self.arrive(&message);
            }
            Action::Drop { at } if !self.under_way.is_empty() => {
                self.under_way.remove(at % len);
            }
            Action::Repeat { at } if !self.under_way.is_empty() => {
                let message = self.under_way[at % len].clone();
                self.arrive(&message);
            }
            Action::Damage { at, byte } if !self.under_way.is_empty() => {
                let mut message = self.under_way[at % len].clone();
                let byte = byte % message.envelope.ciphertext.len();
                message.envelope.ciphertext[byte] ^= 1;
                let recipient = &self.parties[usize::from(message.to_bob)];
                let before = recipient.records();
                assert!(recipient.decrypt(&message.session, &message.envelope).is_err());
                assert_eq!(recipient.records(), before);
            }
            Action::Restart { bob } => self.parties[usize::from(bob)].restart(),
            Action::LoseStore { bob } => {
                self.parties[usize::from(bob)].lose_the_store();
                self.lives[usize::from(bob)] += 1;
                self.connect();
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_message_is_read_once_or_not_at_all(
        actions in prop::collection::vec(action(), 1..50),
    ) {
        let mut world = World::new();
        for action in &actions {
            world.act(action);
        }
        // Then everything arrives, in the wrong order.
        while let Some(message) = world.under_way.pop() {
            world.arrive(&message);
        }
        prop_assert!(world.next <= u64::try_from(limits::MAX_SKIPPED_KEYS).unwrap());
    }
}
