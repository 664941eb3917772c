//! What goes wrong in a schedule, and when: everything that follows from a seed before anything runs.

use crate::handshake::Suite;

/// One schedule of so many uses ML-KEM.
const WITH_KEM: u64 = 16;

/// Numbers that follow from a seed.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// `stream` tells apart what is drawn for different purposes from one seed.
    pub(super) const fn new(seed: u64, stream: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub(super) const fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(super) fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap()
    }

    pub(super) const fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}

/// What kind of trouble there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Connections break, stall and die half; the relay restarts; mailboxes are full.
    Network,
    /// Processes die, at commits too, and disks are full; the network is bad as well.
    Crashes,
    /// The relay loses, doubles, delays and reorders what it said it has.
    Careless,
    /// The relay forges, withholds, replays, and hands on under wrong names.
    HostileRelay,
    /// The registry is silent, forges, swaps, keeps one-time keys to itself or hands them out twice; the relay is hostile, too.
    HostileRegistry,
    /// Clocks jump.
    Clocks,
    /// Disks are lost, or go back in time.
    Lost,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Network,
        Self::Crashes,
        Self::Careless,
        Self::HostileRelay,
        Self::HostileRegistry,
        Self::Clocks,
        Self::Lost,
    ];

    /// Every seed has one.
    pub(super) fn of(seed: u64) -> Self {
        Self::ALL[usize::try_from(seed % Self::ALL.len() as u64).unwrap()]
    }

    /// Whether what one agent sends another is handled in the order in which it was sent: a relay promises it, and a relay
    /// that breaks its promises takes it away.
    pub(super) const fn keeps_order(self) -> bool {
        matches!(self, Self::Network | Self::Crashes | Self::Clocks)
    }

    pub(super) const fn registry_lies(self) -> bool {
        matches!(self, Self::HostileRegistry)
    }
}

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// The process dies before anything is on disk.
    Before,
    /// It dies when everything is, before it hears of that.
    After,
    /// The disk is full.
    Full,
}

/// What the registry does with questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registry {
    Honest,
    /// No answer at all.
    Silent,
    /// Knows nobody.
    Empty,
    /// A bit of the bundle is another one.
    Forged,
    /// The bundle of somebody else.
    Swapped,
    /// Without one-time keys.
    WithoutOneTime,
    /// The same one-time keys again and again.
    SameOneTime,
    /// Confirms what is uploaded, and throws it away.
    Forgetful,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Send {
        from: usize,
        to: usize,
    },
    /// The connection breaks, and both ends notice.
    Break {
        at: usize,
    },
    /// The connection carries nothing any more, and the agent notices after `ms`.
    HalfOpen {
        at: usize,
        ms: u64,
    },
    /// The agent cannot reach the relay for so long.
    Partition {
        at: usize,
        ms: u64,
    },
    /// Everything from and to the agent takes so much longer from now on.
    Slow {
        at: usize,
        ms: u64,
    },
    /// All connections break, and none is possible for so long. What the relay took stays.
    RelayRestart {
        ms: u64,
    },
    /// The process dies, and is started again after `ms`.
    Kill {
        at: usize,
        ms: u64,
    },
    /// The next commit, or one of those after it, fails.
    Commit {
        at: usize,
        skip: u64,
        how: Failing,
    },
    /// The application leaves messages lying for so long.
    Busy {
        at: usize,
        ms: u64,
    },
    /// The relay loses one of the frames that it has.
    Lose {
        to: usize,
        which: usize,
    },
    /// The relay lets others go before one of the frames that it has.
    Delay {
        to: usize,
        which: usize,
        ms: u64,
    },
    /// A frame that went over the relay comes again, under its name; `control`: a handshake, probe, reply or refusal.
    Replay {
        to: usize,
        which: usize,
        control: bool,
    },
    /// A frame that went over the relay comes changed, under a name that nobody gave.
    Forge {
        to: usize,
        which: usize,
        how: u64,
    },
    /// A frame for somebody comes to somebody else, or under somebody else's name.
    Swap {
        to: usize,
        which: usize,
    },
    /// The relay keeps what it has for an agent to itself; `control`: only probes, replies and refusals.
    Withhold {
        to: usize,
        ms: u64,
        control: bool,
    },
    Registry(Registry),
    /// The clock shows this much more, or less, than the true time.
    Clock {
        at: usize,
        offset: i64,
    },
    /// The disk is gone, and the identity comes back from a backup.
    LoseDisk {
        at: usize,
    },
    /// The disk forgets its last commits, as after a power cut if it lied about writing, or after a restored image.
    RollBack {
        at: usize,
        commits: usize,
    },
    Close {
        at: usize,
        peer: usize,
    },
    /// What is done every few hours.
    Sweep {
        at: usize,
    },
    /// Nothing.
    Pass,
}

/// A schedule.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) kind: Kind,
    pub(super) agents: usize,
    /// What the relay keeps for an agent at most.
    pub(super) quota: usize,
    /// Messages in an inbox at most.
    pub(super) inbox: usize,
    /// What happens, and how long after what was before.
    pub(super) ops: Vec<(u64, Op)>,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let kind = Kind::of(seed);
        let agents = if dice.one_in(4) { 3 } else { 2 };
        let quota = if kind == Kind::Network && dice.one_in(4) { 3 } else { 100 };
        let inbox = if kind.keeps_order() && dice.one_in(4) { 3 } else { 1000 };
        let mut plan = Self { seed, kind, agents, quota, inbox, ops: Vec::new() };
        let count = 6 + dice.below(12);
        let registry = matches!(kind, Kind::HostileRegistry);
        if registry {
            let first = plan.registry(&mut dice);
            plan.ops.push((0, first));
        }
        let first = plan.send(&mut dice);
        plan.ops.push((0, first));
        if matches!(kind, Kind::HostileRelay | Kind::HostileRegistry) && dice.one_in(3) {
            plan.attack(&mut dice);
        }
        for _ in 0..count {
            let pause = match dice.below(20) {
                0..11 => dice.below(25),
                11..17 => dice.below(1500),
                17..19 => dice.below(20_000),
                _ => dice.below(400_000),
            };
            let op = match dice.below(9) {
                0..5 => plan.send(&mut dice),
                5 => plan.anywhere(&mut dice),
                _ => plan.trouble(&mut dice),
            };
            plan.ops.push((pause, op));
        }
        plan
    }

    /// Most schedules are about anything but ML-KEM, which takes most of the time where it is used.
    pub(super) fn suites(&self) -> Vec<Suite> {
        if self.seed.is_multiple_of(WITH_KEM) {
            Suite::NATIVE.to_vec()
        } else {
            vec![Suite::X25519]
        }
    }

    fn pair(&self, dice: &mut Dice) -> (usize, usize) {
        let from = dice.index(self.agents);
        (from, (from + 1 + dice.index(self.agents - 1)) % self.agents)
    }

    fn send(&self, dice: &mut Dice) -> Op {
        let (from, to) = self.pair(dice);
        Op::Send { from, to }
    }

    fn registry(&self, dice: &mut Dice) -> Op {
        Op::Registry(dice.pick(&[
            Registry::Honest,
            Registry::Silent,
            Registry::Empty,
            Registry::Forged,
            Registry::Swapped,
            Registry::WithoutOneTime,
            Registry::WithoutOneTime,
            Registry::SameOneTime,
            Registry::Forgetful,
        ]))
    }

    /// What may happen in any schedule.
    fn anywhere(&self, dice: &mut Dice) -> Op {
        let (at, peer) = self.pair(dice);
        match dice.below(8) {
            0..2 => Op::Break { at },
            2 => Op::Kill { at, ms: dice.below(3000) },
            3 => Op::Busy { at, ms: dice.below(3000) },
            4 => Op::Sweep { at },
            5 => Op::Close { at, peer },
            _ => Op::Pass,
        }
    }

    /// What is special about this kind.
    fn trouble(&self, dice: &mut Dice) -> Op {
        let (at, _) = self.pair(dice);
        let which = dice.index(1000);
        match self.kind {
            Kind::Network => self.network(at, dice),
            Kind::Crashes => match dice.below(8) {
                0 => Op::Kill { at, ms: dice.below(5000) },
                1 => self.network(at, dice),
                _ => {
                    let how = dice.pick(&[Failing::Before, Failing::After, Failing::Full]);
                    Op::Commit { at, skip: dice.below(3), how }
                }
            },
            Kind::Careless => match dice.below(6) {
                0 => Op::Lose { to: at, which },
                1 => Op::Replay { to: at, which, control: false },
                2 => self.network(at, dice),
                _ => Op::Delay { to: at, which, ms: 20 + dice.below(3000) },
            },
            Kind::HostileRelay => self.hostile(at, dice),
            Kind::HostileRegistry if dice.one_in(3) => self.hostile(at, dice),
            Kind::HostileRegistry => self.registry(dice),
            Kind::Clocks => match dice.below(5) {
                0 => self.network(at, dice),
                1 => Op::Pass,
                _ => {
                    let far = dice.pick(&[2, 200, 400, 3600, 30 * 3600]) * 1000;
                    Op::Clock { at, offset: if dice.one_in(2) { far } else { -far } }
                }
            },
            Kind::Lost => match dice.below(6) {
                0 => Op::LoseDisk { at },
                1..4 => Op::RollBack { at, commits: 1 + dice.index(6) },
                _ => self.network(at, dice),
            },
        }
    }

    fn network(&self, at: usize, dice: &mut Dice) -> Op {
        match dice.below(7) {
            0..2 => Op::Break { at },
            2..4 => Op::HalfOpen { at, ms: dice.below(30_000) },
            4 => Op::Partition { at, ms: dice.below(60_000) },
            5 => Op::Slow { at, ms: dice.below(300) },
            _ => Op::RelayRestart { ms: dice.below(5000) },
        }
    }

    fn hostile(&self, to: usize, dice: &mut Dice) -> Op {
        let which = dice.index(1000);
        match dice.below(8) {
            0..2 => Op::Forge { to, which, how: dice.next() },
            2 => Op::Replay { to, which, control: false },
            3..5 => Op::Replay { to, which, control: true },
            5 => Op::Swap { to, which },
            _ => Op::Withhold { to, ms: dice.below(20_000), control: dice.one_in(2) },
        }
    }

    /// What somebody would do who knows the protocol.
    fn attack(&mut self, dice: &mut Dice) {
        let (to, peer) = self.pair(dice);
        let which = dice.index(1000);
        if dice.one_in(2) {
            // Makes an agent ask twice, and answers the second question with the answer to the first.
            self.ops.push((300, Op::Send { from: peer, to }));
            self.ops.push((1000, Op::Forge { to, which, how: 5 }));
            self.ops.push((61_000, Op::Withhold { to, ms: 5000, control: true }));
            self.ops.push((10, Op::Forge { to, which: which + 1, how: 5 }));
            for which in 0..3 {
                self.ops.push((400, Op::Replay { to, which, control: true }));
            }
        } else {
            // Opens a session again that is over.
            if self.kind.registry_lies() {
                self.ops.push((0, Op::Registry(Registry::WithoutOneTime)));
            }
            self.ops.push((2000, Op::Close { at: to, peer }));
            self.ops.push((1000, Op::Replay { to, which: 0, control: true }));
            self.ops.push((10, Op::Replay { to: peer, which: 0, control: true }));
        }
    }
}
