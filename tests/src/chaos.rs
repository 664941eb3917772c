//! Four agents and a server, all of them processes, all of them killed again and again while 10,000 messages go through.
//!
//! Seeded: the same seed kills the same processes after the same numbers of events. What cannot be repeated is how far
//! a process was when it died, which is the point.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use agentmesh_core::{Timestamp, test_utils::seeded_rng, wire::id::MessageId};
use rand_chacha::rand_core::Rng as _;
use serde_json::Value;

use crate::server_process::ServerProcess;

const AGENTS: usize = 4;
/// Messages on their way at once, so that there is something to lose at any moment.
const WINDOW: usize = 64;

#[derive(Debug)]
enum Line {
    Said { agent: usize, life: u32, event: Value },
    Silent { agent: usize, life: u32 },
}

struct Process {
    child: Child,
    stdin: ChildStdin,
    life: u32,
}

#[derive(Debug, Default, Clone)]
struct Fate {
    to: usize,
    text: String,
    from: usize,
    queued: bool,
    /// How often the handler began, and how often it was killed before its end.
    begun: u32,
    cut: u32,
}

struct Chaos<'a> {
    dir: &'a Path,
    server: ServerProcess,
    agents: Vec<Process>,
    amids: Vec<String>,
    lines: mpsc::Receiver<Line>,
    say: mpsc::Sender<Line>,
    fates: BTreeMap<String, Fate>,
    handling: HashMap<usize, BTreeSet<String>>,
    dropped: Vec<String>,
    online: BTreeSet<usize>,
    /// What each said last of its connection, and when.
    connections: BTreeMap<usize, (Value, Instant)>,
    /// Messages that each has not seen handled, when it was asked.
    outboxes: BTreeMap<usize, u64>,
}

impl<'a> Chaos<'a> {
    fn new(dir: &'a Path) -> Self {
        let (say, lines) = mpsc::channel();
        let mut chaos = Self {
            dir,
            server: ServerProcess::start(&dir.join("server")),
            agents: Vec::new(),
            amids: vec![String::new(); AGENTS],
            lines,
            say,
            fates: BTreeMap::new(),
            handling: HashMap::new(),
            dropped: Vec::new(),
            online: BTreeSet::new(),
            connections: BTreeMap::new(),
            outboxes: BTreeMap::new(),
        };
        for agent in 0..AGENTS {
            let process = chaos.spawn(agent, 0);
            chaos.agents.push(process);
        }
        chaos
    }

    fn spawn(&self, agent: usize, life: u32) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chaos_agent"))
            .arg(self.dir.join(format!("agent-{agent}")))
            .arg(self.server.registry_url())
            .arg(self.server.relay_url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let say = self.say.clone();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The last line of a killed process may be cut short.
                if let Ok(event) = serde_json::from_str(&line) {
                    let _ = say.send(Line::Said { agent, life, event });
                }
            }
            let _ = say.send(Line::Silent { agent, life });
        });
        Process { child, stdin, life }
    }

    /// SIGKILL, and a new process over the same store.
    fn kill(&mut self, agent: usize) {
        self.agents[agent].child.kill().unwrap();
        self.agents[agent].child.wait().unwrap();
        let life = self.agents[agent].life;
        // Everything that it said before it died still counts.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .unwrap()
            {
                Line::Silent { agent: a, life: l } if (a, l) == (agent, life) => break,
                line => self.take(line),
            }
        }
        for id in self.handling.remove(&agent).unwrap_or_default() {
            if let Some(fate) = self.fates.get_mut(&id) {
                fate.cut += 1;
            }
        }
        self.agents[agent] = self.spawn(agent, life + 1);
        // What it had not confirmed as queued is said again, with the same ids.
        let again: Vec<_> = self
            .fates
            .iter()
            .filter(|(_, f)| f.from == agent && !f.queued)
            .map(|(id, f)| (id.clone(), f.clone()))
            .collect();
        for (id, fate) in again {
            self.command(&id, &fate);
        }
    }

    fn command(&mut self, id: &str, fate: &Fate) {
        let line = format!("{} {id} {:?}\n", self.amids[fate.to], fate.text);
        // A process that just died gets it again in its next life.
        let _ = self.agents[fate.from].stdin.write_all(line.as_bytes());
    }

    fn take(&mut self, line: Line) {
        let Line::Said { agent, life, event } = line else { return };
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let id = text("id");
        match event["event"].as_str().unwrap() {
            "open" => {
                let amid = text("amid");
                if life == 0 {
                    self.amids[agent] = amid;
                } else {
                    assert_eq!(self.amids[agent], amid, "agent {agent} minted an identity");
                }
            }
            "online" => {
                self.online.insert(agent);
            }
            "queued" => self.fates.get_mut(&id).unwrap().queued = true,
            "refused" => panic!("agent {agent} refused {id}: {event}"),
            "failed" => panic!("message {id} of agent {agent} failed: {event}"),
            "outbox" => {
                self.outboxes.insert(agent, event["waiting"].as_u64().unwrap());
            }
            "ended" => panic!("agent {agent} ended: {event}"),
            "connected" | "disconnected" => {
                self.connections.insert(agent, (event, Instant::now()));
            }
            "handling" => {
                let fate = self.fates.get_mut(&id).unwrap_or_else(|| panic!("nobody sent {id}"));
                assert_eq!(fate.to, agent, "{id} came to the wrong agent");
                assert_eq!(self.amids[fate.from], text("from"));
                fate.begun += 1;
                self.handling.entry(agent).or_default().insert(id);
            }
            "handled" => {
                self.handling.entry(agent).or_default().remove(&id);
            }
            "dropped" => self.dropped.push(format!("agent {agent}: {}", text("reason"))),
            _ => {}
        }
    }

    fn wait_for(&mut self, what: &str, limit: Duration, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + limit;
        while !done(self) {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.take(line),
                Err(_) => panic!("timed out: {what}; {}", self.summary()),
            }
        }
    }

    /// Until every sender knows that its messages were handled.
    fn wait_for_receipts(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            self.outboxes.clear();
            for agent in &mut self.agents {
                agent.stdin.write_all(b"outbox\n").unwrap();
            }
            self.wait_for("outboxes", limit, |c| c.outboxes.len() == AGENTS);
            if self.outboxes.values().all(|waiting| *waiting == 0) {
                return;
            }
            let left = &self.outboxes;
            assert!(Instant::now() < deadline, "handled, and not known as such: {left:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn summary(&self) -> String {
        let open: Vec<_> = self
            .fates
            .iter()
            .filter(|(_, f)| f.begun == 0)
            .map(|(id, f)| format!("{id} {} -> {} queued {}", f.from, f.to, f.queued))
            .take(10)
            .collect();
        let handled = self.fates.values().filter(|f| f.begun > 0).count();
        let connections: Vec<_> =
            self.connections.values().map(|(event, at)| (event, at.elapsed())).collect();
        format!(
            "{handled} of {} handled; open: {open:?}; dropped: {:?}; {connections:?}",
            self.fates.len(),
            self.dropped
        )
    }
}

impl Drop for Chaos<'_> {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            let _ = agent.child.kill();
            let _ = agent.child.wait();
        }
    }
}

fn run(seed: u64, messages: usize, kills: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = seeded_rng(seed);
    let mut chaos = Chaos::new(dir.path());
    let limit = Duration::from_secs(120);
    chaos.wait_for("agents online", limit, |c| c.online.len() == AGENTS);
    let mut next_kill = messages / kills;
    for n in 0..messages {
        let from = rng.next_u32() as usize % AGENTS;
        let to = (from + 1 + rng.next_u32() as usize % (AGENTS - 1)) % AGENTS;
        let now = Timestamp::from_millis(1_790_000_000_000 + n as u64);
        let id = MessageId::new_v7(now, &mut rng).to_string();
        let fate = Fate { from, to, text: format!("message {n}"), ..Fate::default() };
        chaos.fates.insert(id.clone(), fate.clone());
        chaos.command(&id, &fate);
        if n >= next_kill {
            next_kill += messages / kills;
            match rng.next_u32() as usize % (AGENTS + 1) {
                AGENTS => chaos.server.kill_and_restart(),
                agent => chaos.kill(agent),
            }
        }
        chaos.wait_for("window", limit, |c| {
            c.fates.values().filter(|f| f.begun == 0).count() < WINDOW
        });
    }
    chaos.wait_for("everything handled", limit, |c| c.fates.values().all(|f| f.begun > 0));
    // A handler that was killed is called again, so give the last ones time.
    chaos.wait_for("handlers done", limit, |c| c.handling.values().all(BTreeSet::is_empty));
    chaos.wait_for_receipts(limit);
    for (id, fate) in &chaos.fates {
        assert!(
            (1..=1 + fate.cut).contains(&fate.begun),
            "{id} was handed on {} times, its handler was killed {} times",
            fate.begun,
            fate.cut
        );
    }
    let undecryptable: Vec<_> =
        chaos.dropped.iter().filter(|d| d.contains("undecryptable")).collect();
    assert!(
        undecryptable.is_empty(),
        "a key was used twice or a state went back: {undecryptable:?}"
    );
}

#[test]
fn ten_thousand_messages_survive_kills_of_sender_recipient_and_server() {
    run(0xA6E7, 10_000, 60);
}
