//! Agents that connect and send heartbeats.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use agentmesh_benches::{child::Child, results::Results};
use serde_json::{Value, json};

use crate::{
    OURS, crowd,
    http::{Http, post},
    serve::ADMIN,
};

const AGENTS: usize = 8;

/// An agent with its connection.
struct Agent {
    http: Http,
    path: String,
    connect: Vec<u8>,
    heartbeat: Vec<u8>,
}

impl Agent {
    fn new(child: &Child) -> Self {
        let mut http = Http::open(child.addr);
        let body = json!({"name": "bench", "description": "d", "status": "active"});
        let made = http.json(&post("/agents", ADMIN, &body));
        let path = format!("/agents/{}", made["_id"].as_str().unwrap());
        let regenerate = post(&format!("{path}/credentials/regenerate"), ADMIN, &Value::Null);
        let secret = http.json(&regenerate)["secret"].clone();
        let connect = post(&format!("{path}/connect"), "", &json!({"secret": secret}));
        Self { http, path, connect, heartbeat: Vec::new() }
    }

    fn connect(&mut self) {
        let answer = self.http.json(&self.connect);
        let token = answer["token"].as_str().unwrap();
        let metrics = json!({"cpu": 1.5, "memory": 20.0, "uptime": 3600});
        let body = json!({"status": "online", "metrics": metrics});
        self.heartbeat = post(&format!("{}/heartbeat", self.path), token, &body);
    }

    fn beat(&mut self) {
        self.http.call(&self.heartbeat);
    }
}

fn agents(child: &Child) -> Vec<Agent> {
    (0..AGENTS).map(|_| Agent::new(child)).collect()
}

/// Connect and heartbeat, over and over.
pub(crate) fn pairs(child: &Child, each: Duration, results: &mut Results) {
    let done = crowd::run(child, &mut agents(child), each, |agent| {
        agent.connect();
        agent.beat();
    });
    results.add("AIWM connect and heartbeat without bcrypt, 1/s", OURS, done.rate);
    results.add("AIWM connect and heartbeat without bcrypt, µs", OURS, done.cpu_us);
}

pub(crate) fn heartbeats(child: &Child, each: Duration, results: &mut Results) {
    let mut agents = agents(child);
    agents.iter_mut().for_each(Agent::connect);
    let done = crowd::run(child, &mut agents, each, Agent::beat);
    results.add("AIWM heartbeats, 1/s", OURS, done.rate);
    results.add("AIWM heartbeats, µs", OURS, done.cpu_us);
}

/// Connects with bcrypt, as many as the cores can do, and what one agent's heartbeats take meanwhile.
pub(crate) fn connects(child: &Child, each: Duration, results: &mut Results) {
    let mut beating = Agent::new(child);
    beating.connect();
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let latencies = scope.spawn(move || {
            let mut latencies = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                beating.beat();
                latencies.push(start.elapsed());
                thread::sleep(Duration::from_millis(2));
            }
            latencies
        });
        let done = crowd::run(child, &mut agents(child), each, Agent::connect);
        stop.store(true, Ordering::Relaxed);
        results.add("AIWM connects, 1/s", OURS, done.rate);
        let mut latencies = latencies.join().unwrap();
        latencies.sort();
        let p99 = latencies[latencies.len() * 99 / 100];
        results.add("AIWM heartbeat beside connects, p99 ms", OURS, p99.as_secs_f64() * 1e3);
    });
}
