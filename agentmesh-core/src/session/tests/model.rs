//! Two parties against a model that is simple enough to be believed: a message that was sent arrives at most once,
//! with the bytes that were sent, however the network behaves; nothing else arrives.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Send { by_alice: bool, len: usize },
    Deliver { to_alice: bool, which: usize },
    Drop { to_alice: bool, which: usize },
    Repeat { to_alice: bool, which: usize },
    Forge { to_alice: bool, which: usize, how: u8, with: u32 },
    OpenOnly { to_alice: bool, which: usize },
    Restart { alice: bool },
}

fn op() -> impl Strategy<Value = Op> {
    let side = any::<bool>;
    let which = any::<usize>;
    prop_oneof![
        6 => (side(), 0usize..600).prop_map(|(by_alice, len)| Op::Send { by_alice, len }),
        6 => (side(), which()).prop_map(|(to_alice, which)| Op::Deliver { to_alice, which }),
        1 => (side(), which()).prop_map(|(to_alice, which)| Op::Drop { to_alice, which }),
        2 => (side(), which()).prop_map(|(to_alice, which)| Op::Repeat { to_alice, which }),
        2 => (side(), which(), any::<u8>(), any::<u32>())
            .prop_map(|(to_alice, which, how, with)| Op::Forge { to_alice, which, how, with }),
        1 => (side(), which()).prop_map(|(to_alice, which)| Op::OpenOnly { to_alice, which }),
        1 => side().prop_map(|alice| Op::Restart { alice }),
    ]
}

/// One direction of the network: what is under way, and what has arrived.
#[derive(Default)]
struct Wire {
    under_way: Vec<(Vec<u8>, Vec<u8>)>,
    arrived: Vec<Vec<u8>>,
}

fn pick<T>(list: &[T], which: usize) -> Option<usize> {
    (!list.is_empty()).then(|| which % list.len())
}

fn forge(mut message: Vec<u8>, how: u8, with: u32) -> Vec<u8> {
    let at = with as usize % message.len();
    match how % 7 {
        0 => message[at] ^= 1 << (with % 8),
        1 => message.truncate(at),
        2 => set_ratchet_key(&mut message, &[with as u8; 32]),
        3 => set_n(&mut message, with % 40),
        4 => set_pn(&mut message, with % 40),
        5 => message[1] = with as u8,
        _ => message.extend_from_slice(&with.to_be_bytes()),
    }
    message
}

struct World {
    pair: Pair,
    to_alice: Wire,
    to_bob: Wire,
    counter: u32,
}

impl World {
    fn receiver(&mut self, to_alice: bool) -> (&mut End, &mut Wire) {
        if to_alice {
            (&mut self.pair.alice, &mut self.to_alice)
        } else {
            (&mut self.pair.bob, &mut self.to_bob)
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Send { by_alice, len } => {
                self.counter += 1;
                let mut plaintext = self.counter.to_be_bytes().to_vec();
                plaintext.resize(4 + len, by_alice.into());
                let (end, wire) = if by_alice {
                    (&mut self.pair.alice, &mut self.to_bob)
                } else {
                    (&mut self.pair.bob, &mut self.to_alice)
                };
                wire.under_way.push((end.send(&plaintext), plaintext));
            }
            Op::Deliver { to_alice, which } => {
                let (end, wire) = self.receiver(to_alice);
                let Some(i) = pick(&wire.under_way, which) else { return };
                let (message, plaintext) = wire.under_way.remove(i);
                assert_eq!(end.receive(&message), Ok(plaintext));
                wire.arrived.push(message);
            }
            Op::Drop { to_alice, which } => {
                let (_, wire) = self.receiver(to_alice);
                if let Some(i) = pick(&wire.under_way, which) {
                    wire.under_way.remove(i);
                }
            }
            Op::Repeat { to_alice, which } => {
                let (end, wire) = self.receiver(to_alice);
                let Some(i) = pick(&wire.arrived, which) else { return };
                assert_eq!(end.receive(&wire.arrived[i]), Err(DecryptError::Duplicate));
            }
            Op::Forge { to_alice, which, how, with } => {
                let (end, wire) = self.receiver(to_alice);
                let Some(i) = pick(&wire.under_way, which) else { return };
                let genuine = &wire.under_way[i].0;
                let forged = forge(genuine.clone(), how, with);
                if forged != *genuine {
                    assert!(end.receive(&forged).is_err());
                }
            }
            Op::OpenOnly { to_alice, which } => {
                let (end, wire) = self.receiver(to_alice);
                let Some(i) = pick(&wire.under_way, which) else { return };
                let (message, plaintext) = &wire.under_way[i];
                let (mut message, before) = (message.clone(), end.record());
                assert_eq!(end.session.open(&mut message, NOW).unwrap().plaintext(), plaintext);
                assert_eq!(*end.record(), *before);
            }
            Op::Restart { alice } => {
                let end = if alice { &mut self.pair.alice } else { &mut self.pair.bob };
                end.restart();
            }
        }
    }

    /// Whatever is still under way arrives, and the session still works.
    fn settle(&mut self) {
        for to_alice in [true, false] {
            while !self.receiver(to_alice).1.under_way.is_empty() {
                self.apply(Op::Deliver { to_alice, which: 0 });
            }
        }
        round_trip(&mut self.pair);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn two_parties_agree_with_the_model(
        seed in any::<u64>(),
        ops in proptest::collection::vec(op(), 0..120),
    ) {
        let mut world =
            World { pair: pair(seed), to_alice: Wire::default(), to_bob: Wire::default(), counter: 0 };
        for op in ops {
            world.apply(op);
        }
        world.settle();
    }
}
