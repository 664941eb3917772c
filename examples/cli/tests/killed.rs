//! Services whose server is killed (SIGKILL) in the middle of everything and started again over the same data.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmesh_core::{
    client::proxy::ProxyConfig,
    services::{
        SecretText,
        aiwm::{AiwmOptions, AiwmState, AiwmSupervisor, Environment, SupervisorOptions, Timing},
        user_data::{
            ChannelEvent as Event, ChannelTimings, HookAnswer, HookPolicy, HookRequest, Role,
            TurnOptions, UserDataClient, UserDataError,
        },
    },
};
use serde_json::{Value, json};
use tokio::{sync::Notify, task::block_in_place, time::timeout};

use crate::{
    aiwm::{agent, call},
    support::{PATIENCE, Running, Server, User},
};

const MS: Duration = Duration::from_millis(1);

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let reached = async {
        while !is_so() {
            tokio::time::sleep(5 * MS).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A development server signs with another key after a restart: the old token is refused, once.
#[tokio::test(flavor = "multi_thread")]
async fn supervised_agent_finds_its_controller_again_after_it_was_killed() {
    let user = User::new();
    let mut server = block_in_place(|| Server::start(&user, &[]));
    let admin = |server: &mut Server| {
        server.running.event("listening")["aiwm_admin_token"].as_str().unwrap().to_owned()
    };
    let url = format!("http://{}", server.addr);
    let token = admin(&mut server);
    let agent = block_in_place(|| agent(&user, &url, &token));
    let environment = Environment::from_file(&user.path(".env")).unwrap();
    let mut options = AiwmOptions::from_environment(&environment).unwrap().unwrap();
    options.http.proxies = ProxyConfig::none();
    let timing = Timing {
        heartbeat: 50 * MS,
        retries: vec![50 * MS; 3],
        probe: 100 * MS,
        ..Timing::default()
    };
    let rest = SupervisorOptions {
        timing,
        instruction_file: "/nowhere".into(),
        ..SupervisorOptions::new(environment)
    };
    let supervisor = AiwmSupervisor::start(Some(options), rest).await.unwrap();
    assert_eq!(supervisor.state(), AiwmState::Online);
    let count =
        |name: &str| supervisor.counters().all().into_iter().find(|(n, ..)| *n == name).unwrap().2;
    let beats = || count("aiwm_heartbeat_success_total");
    until("a heartbeat", || beats() > 0).await;
    for round in 1..=2_u64 {
        let before = beats();
        server = block_in_place(|| server.kill_and_restart(&user));
        until("another token", || count("aiwm_token_refresh_total") == round).await;
        until("heartbeats again", || beats() >= before + 3).await;
        assert_eq!(supervisor.state(), AiwmState::Online);
        assert_eq!(supervisor.health().aiwm.consecutive_heartbeat_failures, 0);
        // One connect a restart, and the controller's own count says the same.
        assert_eq!(count("aiwm_connection_success_total"), 1 + round);
        let token = admin(&mut server);
        let shown = block_in_place(|| call(&agent, &token, "GET", "", &Value::Null));
        assert_eq!(shown["connectionCount"], json!(1 + round));
    }
    // And one that stays away does not keep the agent from going.
    server.running.kill();
    timeout(PATIENCE, supervisor.shutdown()).await.unwrap();
    assert_eq!(supervisor.state(), AiwmState::Stopped);
}

#[test]
fn program_under_a_controller_outlives_it() {
    let user = User::new();
    let mut server = Server::start(&user, &[]);
    let url = format!("http://{}", server.addr);
    let line = server.running.event("listening");
    agent(&user, &url, line["aiwm_admin_token"].as_str().unwrap());
    let wait = "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let mut running = Running::start(&user, &["aiwm", "run", "--", "sh", "-c", wait]);
    running.wait_for("ready", |line| *line == "ready");
    server.running.kill();
    // It still gets its signals, and saying goodbye to nobody takes no time.
    assert!(running.stop().contains(&json!("asked")));
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_comes_back_after_its_server_was_killed_and_nothing_is_answered_twice() {
    let user = User::new();
    let mut server = block_in_place(|| Server::start(&user, &[]));
    let url = format!("http://{}", server.addr);
    let client = UserDataClient::builder(url).proxies(ProxyConfig::none());
    let client = client.api_key(SecretText::new("any")).build().unwrap();
    client.put_skill("alice", "debugging.md", "# Debugging").await.unwrap();

    // The first hook is asked and not answered before the server is gone; then its answer would be "yes". The second,
    // of the new server, has the same number, and its answer is "no".
    let asked = Arc::new(AtomicUsize::new(0));
    let late = Arc::new(Notify::new());
    let (counted, notified) = (Arc::clone(&asked), Arc::clone(&late));
    let hooks = HookPolicy::default().ask(move |_: HookRequest| {
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        let late = Arc::clone(&notified);
        async move {
            if first {
                late.notified().await;
                return Some(HookAnswer::approve());
            }
            late.notify_one();
            // Time for the first answer, if anybody still held it.
            tokio::time::sleep(100 * MS).await;
            Some(HookAnswer::deny("not twice"))
        }
    });
    let timings = ChannelTimings {
        pause: 50 * MS,
        longest_pause: 100 * MS,
        attempts: 1000,
        ..ChannelTimings::default()
    };
    let channel = client.channel("session-1").user("alice").hooks(hooks).timings(timings);
    let channel = channel.connect().await.unwrap();
    let mut events = channel.events();
    assert_eq!(channel.ask("before").await.unwrap().text, "before");
    let turn = channel.send("/tool Bash", TurnOptions::default()).await.unwrap();
    until("the hook", || asked.load(Ordering::Relaxed) == 1).await;

    server = block_in_place(|| server.kill_and_restart(&user));
    let ended = timeout(PATIENCE, turn.end()).await.unwrap();
    assert!(matches!(ended, Err(UserDataError::SessionLost)), "{ended:?}");
    let anew = async { while events.next().await.unwrap() != Event::NewSession {} };
    timeout(PATIENCE, anew).await.unwrap();
    let end = timeout(PATIENCE, channel.ask("/tool Bash")).await.unwrap().unwrap();
    assert_eq!(end.text, "Bash did not run: not twice");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let history = channel.history().await.unwrap();
    let said = history.iter().filter(|one| one.role == Role::User && one.text() == "/tool Bash");
    assert_eq!(said.count(), 1, "what was said is not said again");
    // What was stored is on the disk.
    assert_eq!(client.skill("alice", "debugging.md").await.unwrap().content, "# Debugging");

    // A server that stays away: everything ends, and says so.
    let turn = channel.send("/tool Bash", TurnOptions::default()).await.unwrap();
    server.running.kill();
    timeout(PATIENCE, channel.close()).await.unwrap();
    assert!(timeout(PATIENCE, turn.end()).await.unwrap().is_err());
}
