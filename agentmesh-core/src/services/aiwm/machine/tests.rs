//! The state machine in virtual time.

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const SOON: Failure = Failure::Temporary { retry_after: None };

/// A machine, its time, and what happened when (in seconds).
struct World {
    machine: Machine,
    now: Duration,
    connects: Vec<u64>,
    beats: Vec<u64>,
    states: Vec<AiwmState>,
    disconnects: usize,
}

impl World {
    fn new() -> Self {
        let machine = Machine::new(Timing { jitter_percent: 0, ..Timing::default() });
        let (connects, beats, states) = (Vec::new(), Vec::new(), Vec::new());
        let mut world =
            Self { machine, now: Duration::ZERO, connects, beats, states, disconnects: 0 };
        world.input(Input::Start);
        world
    }

    fn online() -> Self {
        let mut world = Self::new();
        world.input(Input::Connected { lifetime: DAY });
        world.input(Input::Beaten);
        world
    }

    fn input(&mut self, input: Input) {
        for action in self.machine.handle(self.now, input, 1.0) {
            match action {
                Action::Connect => self.connects.push(self.now.as_secs()),
                Action::Beat => self.beats.push(self.now.as_secs()),
                Action::Disconnect => self.disconnects += 1,
                Action::Enter(state) => self.states.push(state),
            }
        }
    }

    /// Goes on to `seconds`, answering every connect and every heartbeat at once.
    fn run(
        &mut self,
        seconds: u64,
        mut connect: impl FnMut(usize) -> Input,
        mut beat: impl FnMut(usize) -> Option<Input>,
    ) {
        let end = Duration::from_secs(seconds);
        let (mut connects, mut beats) = (self.connects.len(), self.beats.len());
        if self.machine.connecting {
            connects -= 1;
        }
        loop {
            while connects < self.connects.len() {
                connects += 1;
                self.input(connect(connects));
            }
            while beats < self.beats.len() {
                beats += 1;
                if let Some(answer) = beat(beats) {
                    self.input(answer);
                }
            }
            if connects < self.connects.len() {
                continue;
            }
            match self.machine.next_wake() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.input(Input::Wake);
                }
                _ => break,
            }
        }
        self.now = end;
    }
}

const fn connected(_: usize) -> Input {
    Input::Connected { lifetime: DAY }
}

const fn beaten(_: usize) -> Option<Input> {
    Some(Input::Beaten)
}

#[test]
fn case_15_tries_at_0_1_3_and_7_seconds_then_online() {
    let mut world = World::new();
    let answer = |n| if n <= 3 { Input::ConnectFailed(SOON) } else { connected(n) };
    world.run(10, answer, beaten);
    assert_eq!(world.connects, [0, 1, 3, 7]);
    assert_eq!(world.states, [AiwmState::Online]);
}

#[test]
fn case_16_a_dead_controller_is_probed_every_five_minutes() {
    let mut world = World::new();
    let answer = |n| if n <= 6 { Input::ConnectFailed(SOON) } else { connected(n) };
    world.run(1000, answer, beaten);
    assert_eq!(world.connects, [0, 1, 3, 7, 307, 607, 907]);
    assert_eq!(world.states, [AiwmState::Degraded, AiwmState::Online]);
    assert_eq!(world.beats[0], 907);
}

#[test]
fn what_is_refused_is_not_tried_again_at_once() {
    let mut world = World::new();
    world.run(400, |_| Input::ConnectFailed(Failure::Refused), beaten);
    assert_eq!(world.connects, [0, 300]);
    assert_eq!(world.states, [AiwmState::Degraded]);
}

#[test]
fn what_the_controller_asks_for_is_waited_and_jitter_is_at_most_a_fifth() {
    let mut machine = Machine::new(Timing::default());
    machine.handle(Duration::ZERO, Input::Start, 0.0);
    let asked = Failure::Temporary { retry_after: Some(Duration::from_secs(30)) };
    machine.handle(Duration::ZERO, Input::ConnectFailed(asked), 1.0);
    assert_eq!(machine.next_wake(), Some(Duration::from_secs(30)));
    machine.handle(Duration::from_secs(30), Input::Wake, 0.0);
    machine.handle(Duration::from_secs(30), Input::ConnectFailed(SOON), 1.0);
    assert_eq!(machine.next_wake(), Some(Duration::from_millis(32_400)));
}

#[test]
fn case_17_four_heartbeats_in_three_minutes_and_none_beside_a_slow_one() {
    let mut world = World::new();
    world.run(180, connected, beaten);
    assert_eq!(world.beats, [0, 60, 120, 180]);

    let mut world = World::new();
    // The second hangs until after its successor would have been due.
    world.run(150, connected, |n| if n == 2 { None } else { beaten(n) });
    assert_eq!(world.beats, [0, 60]);
    world.input(Input::Beaten);
    world.run(180, connected, beaten);
    assert_eq!(world.beats, [0, 60, 180]);
}

#[test]
fn case_18_ten_refused_heartbeats_are_one_reconnect_and_one_heartbeat_at_once() {
    let mut world = World::online();
    world.now = Duration::from_secs(60);
    world.input(Input::Wake);
    for _ in 0..10 {
        world.input(Input::BeatFailed(Missed::Unauthorized));
    }
    assert_eq!(world.connects, [0, 60]);
    world.input(connected(2));
    assert_eq!(world.beats, [0, 60, 60]);
    world.input(Input::Beaten);
    world.run(180, connected, beaten);
    assert_eq!(world.beats, [0, 60, 60, 120, 180]);
    assert_eq!(world.states, [AiwmState::Online]);
}

#[test]
fn a_controller_that_refuses_its_own_tokens_is_not_asked_in_a_loop() {
    let mut world = World::new();
    world.run(600, connected, |_| Some(Input::BeatFailed(Missed::Unauthorized)));
    assert!(world.connects.len() <= 12, "{:?}", world.connects);
}

#[test]
fn a_refused_reconnect_ends_in_degraded() {
    let mut world = World::online();
    world.input(Input::BeatFailed(Missed::Unauthorized));
    world.input(Input::ConnectFailed(Failure::Refused));
    assert_eq!(world.states, [AiwmState::Online, AiwmState::Degraded]);
    world.run(310, connected, beaten);
    assert_eq!((world.connects, world.beats), (vec![0, 0, 300], vec![0, 300]));
}

#[test]
fn case_19_a_deleted_agent_stops_everything_once() {
    let mut world = World::online();
    world.run(90_000, connected, |n| {
        Some(if n < 3 { Input::Beaten } else { Input::BeatFailed(Missed::NotFound) })
    });
    world.input(Input::BeatFailed(Missed::NotFound));
    assert_eq!(world.beats.len(), 3);
    assert_eq!(world.states, [AiwmState::Online, AiwmState::Gone]);
    assert_eq!(world.connects, [0]);
    assert_eq!(world.machine.next_wake(), None);
}

#[test]
fn a_refresh_under_way_when_the_agent_is_deleted_is_the_last_unless_probing_is_on() {
    for probes in [false, true] {
        let mut world = World::online();
        world.machine.timing.probe_when_gone = probes;
        world.now = Duration::from_secs(23 * 3600);
        world.input(Input::Wake);
        assert_eq!((world.connects.len(), world.beats.len()), (2, 2));
        world.input(Input::BeatFailed(Missed::NotFound));
        world.input(Input::ConnectFailed(SOON));
        let probe = probes.then(|| world.now + world.machine.timing.probe);
        assert_eq!(world.machine.next_wake(), probe);
        assert_eq!(world.states.last(), Some(&AiwmState::Gone));
    }
}

#[test]
fn case_20_heartbeats_that_fail_change_nothing() {
    let mut world = World::online();
    world.run(240, connected, |n| {
        Some(if n < 4 { Input::BeatFailed(Missed::Other) } else { Input::Beaten })
    });
    assert_eq!(world.beats, [0, 60, 120, 180, 240]);
    assert_eq!(world.states, [AiwmState::Online]);
}

#[test]
fn case_21_one_refresh_in_23_hours_and_no_gap_between_heartbeats() {
    let mut world = World::new();
    world.run(23 * 3600 + 30, connected, beaten);
    assert_eq!(world.connects, [0, 23 * 3600]);
    assert!(world.beats.windows(2).all(|pair| pair[1] - pair[0] == 60));
    // A shorter token is replaced an hour before its end, a very short one after a minute.
    for (lifetime, refresh) in [(7200, 3600), (3700, 100), (90, 60), (1, 60)] {
        let mut world = World::new();
        let short = |_| Input::Connected { lifetime: Duration::from_secs(lifetime) };
        world.run(refresh, short, beaten);
        assert_eq!(world.connects, [0, refresh]);
    }
}

#[test]
fn a_refresh_that_fails_leaves_the_old_token_until_its_end() {
    let mut world = World::new();
    let refresh = 23 * 3600;
    world.run(
        86_400 + 400,
        |n| if n == 1 { connected(n) } else { Input::ConnectFailed(SOON) },
        beaten,
    );
    assert_eq!(
        world.connects[1..6],
        [refresh, refresh + 1, refresh + 3, refresh + 7, refresh + 307]
    );
    assert_eq!(world.states, [AiwmState::Online, AiwmState::Degraded]);
    assert!(world.beats.iter().all(|at| *at <= 86_400));
    assert!(world.beats.contains(&(86_400 - 60)));
}

#[test]
fn after_a_sleep_the_token_comes_before_the_heartbeat() {
    let mut world = World::online();
    world.now = Duration::from_secs(200_000);
    world.input(Input::Wake);
    assert_eq!((world.connects.len(), world.beats.len()), (2, 1));
    world.input(connected(2));
    assert_eq!(world.beats, [0, 200_000]);
}

#[test]
fn case_24_after_stop_there_is_one_disconnect_and_nothing_else() {
    let mut world = World::online();
    world.input(Input::Stop);
    assert_eq!((world.disconnects, world.machine.next_wake()), (1, None));
    for input in [Input::Wake, connected(1), Input::BeatFailed(Missed::Unauthorized), Input::Stop] {
        world.input(input);
    }
    assert_eq!((world.disconnects, world.beats.len(), world.connects.len()), (1, 1, 1));
    let mut never = World::new();
    never.input(Input::Stop);
    assert_eq!(never.disconnects, 0, "nobody knows us");
}
