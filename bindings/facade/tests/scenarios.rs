//! Plays `bindings/scenarios/*.json` over the facade.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says by a panic what is wrong"
)]

use std::{collections::HashMap, path::Path, time::Duration};

use agentmesh_facade::{
    Agent, AgentSettings, Backup, ChunkContent, FacadeError, Message, MessageContent, Messages,
    OpenMode, Opening, Payload, SendSettings, Server, ServerSettings, Storage, StoreKeySource,
    block_on, policy_preset,
};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

struct Player {
    agent: Agent,
    messages: Option<Messages>,
}

struct Play {
    home: tempfile::TempDir,
    server: Server,
    policies: HashMap<String, String>,
    players: HashMap<String, Player>,
    amids: HashMap<String, String>,
}

fn text<'a>(step: &'a Value, member: &str) -> &'a str {
    step[member].as_str().unwrap_or_else(|| panic!("{step} has no {member}"))
}

fn payload(value: &Value) -> Payload {
    if let Some(json) = value.get("json") {
        Payload::Json(json.to_string())
    } else if let Some(bytes) = value.get("bytes") {
        Payload::Bytes(Base64::decode_vec(bytes.as_str().unwrap()).unwrap())
    } else {
        Payload::None
    }
}

fn same(found: &Payload, wanted: &Value) {
    match (found, payload(wanted)) {
        (Payload::Json(found), Payload::Json(wanted)) => {
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(read(found), read(&wanted));
        }
        (found, wanted) => assert_eq!(*found, wanted),
    }
}

fn settings(step: &Value) -> SendSettings {
    let wait = match step["wait"].as_str() {
        Some("queued") => 0,
        None | Some("stored") => 1,
        Some("delivered") => 2,
        Some("handled") => 3,
        Some(other) => panic!("no stage {other}"),
    };
    SendSettings { wait: Some(wait), timeout_ms: step["timeout_ms"].as_u64(), ..Default::default() }
}

impl Play {
    async fn open(&mut self, name: &str) {
        let storage = Storage::sqlite(&self.home.path().join(format!("{name}.db"))).unwrap();
        let settings = json!({
            "registry_url": self.server.registry_url(),
            "relay_url": self.server.relay_url(),
            "policy": serde_json::from_str::<Value>(&self.policies[name]).unwrap(),
        });
        let opening = Opening {
            storage: Some(storage),
            key: StoreKeySource::File(self.home.path().join(format!("{name}.key"))),
            settings: serde_json::from_value::<AgentSettings>(settings).unwrap(),
            mode: OpenMode::OpenOrCreate,
            ..Opening::default()
        };
        let agent = Agent::open(opening).await.unwrap();
        agent.connect().await.unwrap();
        self.amids.insert(name.to_owned(), agent.amid().unwrap());
        self.players.insert(name.to_owned(), Player { agent, messages: None });
    }

    fn agent(&self, name: &str) -> Agent {
        self.players[name].agent.clone()
    }

    async fn next(&mut self, name: &str) -> Message {
        let player = self.players.get_mut(name).unwrap();
        if player.messages.is_none() {
            player.messages = Some(player.agent.messages().await.unwrap());
        }
        let messages = player.messages.as_ref().unwrap();
        let next = tokio::time::timeout(PATIENCE, messages.next()).await;
        next.expect("a message in time").unwrap().expect("a message")
    }

    async fn step(&mut self, step: &Value) -> Result<(), FacadeError> {
        let at = text(step, "at").to_owned();
        let agent = self.agent(&at);
        let peer =
            step["to"].as_str().or(step["peer"].as_str()).map(|name| self.amids[name].clone());
        let peer = peer.unwrap_or_default();
        match text(step, "do") {
            "send" => agent.send(&peer, payload(&step["payload"]), settings(step)).await.map(drop),
            "receive" => self.receive(&at, step).await,
            "request" => self.request(&agent, &peer, step).await,
            "stream" => self.stream(&agent, &peer, step).await,
            "restart" => {
                agent.close().await?;
                self.players.remove(&at);
                self.open(&at).await;
                Ok(())
            }
            "close" => agent.close().await,
            "block" => agent.block(&peer).await,
            "unblock" => agent.unblock(&peer).await,
            "kill_session" => agent.kill_session(&peer).await,
            "pause" => agent.pause_new().await,
            "resume" => agent.resume().await,
            "stop" => agent.emergency_stop().await,
            "connect" => agent.connect().await,
            "sessions" => {
                let found: Vec<_> = agent.sessions().await?.into_iter().map(|s| s.peer).collect();
                let peers = step["peers"].as_array().unwrap().iter();
                let wanted: Vec<_> =
                    peers.map(|name| self.amids[name.as_str().unwrap()].clone()).collect();
                assert_eq!(found, wanted);
                Ok(())
            }
            "backup" => {
                let sealed = agent.back_up("correct horse").await?;
                assert_eq!(Backup::open(&sealed, "correct horse")?.amid(), self.amids[&at]);
                let wrong = Backup::open(&sealed, "wrong").unwrap_err();
                assert_eq!(wrong.code, "BACKUP_WRONG_PASSPHRASE");
                Ok(())
            }
            other => panic!("nobody knows how to {other}"),
        }
    }

    async fn receive(&mut self, at: &str, step: &Value) -> Result<(), FacadeError> {
        let message = self.next(at).await;
        let MessageContent { sender, payload, .. } = &message.content;
        assert_eq!(*sender, self.amids[text(step, "from")]);
        same(payload, &step["payload"]);
        if let Some(attempt) = step["attempt"].as_u64() {
            assert_eq!(u64::from(message.attempt), attempt);
        }
        match text(step, "then") {
            "ack" => message.ack().await,
            "release" => message.release(),
            "nothing" => Ok(()),
            other => panic!("nothing is done by {other}"),
        }
    }

    async fn request(
        &mut self,
        agent: &Agent,
        peer: &str,
        step: &Value,
    ) -> Result<(), FacadeError> {
        let asked = payload(&step["payload"]);
        let asking = agent.request(peer, asked, PATIENCE, SendSettings::default());
        let answer = &step["answer"];
        let answering = async {
            let message = self.next(text(step, "to")).await;
            same(&message.content.payload, &step["payload"]);
            match answer["fail"].as_str() {
                Some(code) => {
                    let retryable = answer["retryable"].as_bool().unwrap_or_default();
                    message.fail(code, "", retryable, None).await.map(drop)
                }
                None => {
                    let answer = payload(&answer["payload"]);
                    message.respond(answer, SendSettings::default()).await.map(drop)
                }
            }
        };
        let (asked, answered) = tokio::join!(asking, answering);
        answered?;
        let response = asked.inspect_err(|error| {
            let details = error.details.as_ref().expect("an error that says what the peer said");
            assert_eq!(details["code"], answer["fail"]);
            assert_eq!(details["retryable"], answer["retryable"]);
        })?;
        same(&response.payload, &answer["payload"]);
        Ok(())
    }

    async fn stream(&mut self, agent: &Agent, peer: &str, step: &Value) -> Result<(), FacadeError> {
        let chunks: Vec<String> = serde_json::from_value(step["chunks"].clone()).unwrap();
        let stream = agent.stream(peer, payload(&step["payload"]), Default::default()).await?;
        let answering = async {
            let answer = self.next(text(step, "to")).await.stream().await?;
            for chunk in &chunks {
                answer.send(ChunkContent::Text(chunk.clone())).await?;
            }
            match step["fail"].as_str() {
                Some(code) => answer.fail(code, "", false).await,
                None => answer.finish().await,
            }
        };
        let reading = async {
            let mut read = Vec::new();
            loop {
                match stream.next().await {
                    Ok(Some(chunk)) => read.push(chunk.content),
                    Ok(None) => return (read, Ok(())),
                    Err(error) => return (read, Err(error)),
                }
            }
        };
        let ((read, end), answered) = tokio::join!(reading, answering);
        answered?;
        assert_eq!(read, chunks.into_iter().map(ChunkContent::Text).collect::<Vec<_>>());
        end
    }
}

async fn play(scenario: Value) -> Result<(), FacadeError> {
    let agents = scenario["agents"].as_object().unwrap();
    let policy = |agent: &Value| policy_preset(agent["policy"].as_str().unwrap_or("permissive"));
    let mut play = Play {
        home: tempfile::tempdir().unwrap(),
        server: Server::start(ServerSettings::default()).await?,
        policies: agents
            .iter()
            .map(|(name, agent)| (name.clone(), policy(agent).unwrap()))
            .collect(),
        players: HashMap::new(),
        amids: HashMap::new(),
    };
    for name in agents.keys() {
        play.open(name).await;
    }
    for step in scenario["steps"].as_array().unwrap() {
        let result = play.step(step).await;
        let code = result.as_ref().err().map(|error| error.code);
        assert_eq!(code, step["error"].as_str(), "{step}: {result:?}");
    }
    for player in play.players.values() {
        player.agent.close().await?;
    }
    play.server.stop().await
}

#[test]
fn every_scenario_plays() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scenarios");
    let mut played = 0;
    for file in std::fs::read_dir(scenarios).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let scenario = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            block_on(play(scenario)).unwrap();
            played += 1;
        }
    }
    assert!(played >= 4, "only {played} scenarios were found");
}
