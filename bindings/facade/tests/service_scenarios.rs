//! Plays `bindings/scenarios/services/*.json` over the facade.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says by a panic what is wrong"
)]

use std::{collections::HashMap, path::Path, time::Duration};

use agentmesh_facade::{
    AgentWebSocketClient, AgentWebSocketService, AgentWebSocketSettings, ChannelAgentSettings,
    ChannelKey, ChannelSettings, ChatCalls, FacadeError, HookTools, Identity, Item, ItemStream,
    SecretText, Server, ServerSettings, ServiceSettings, SignalingClient, SignalingOpening,
    SignalingSettings, UserDataChannel, UserDataClient, UserDataSettings, block_on,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(60);

/// A client, and what it tells.
struct Party<C> {
    client: C,
    events: ItemStream,
}

struct Play {
    server: Server,
    rooms: HashMap<String, Party<SignalingClient>>,
    ids: HashMap<String, String>,
    signers: HashMap<String, String>,
    services: HashMap<String, AgentWebSocketService>,
    answering: JoinSet<()>,
    urls: HashMap<String, String>,
    askers: HashMap<String, Party<AgentWebSocketClient>>,
    data: UserDataClient,
    channels: HashMap<String, Party<UserDataChannel>>,
}

fn text<'a>(step: &'a Value, member: &str) -> &'a str {
    step[member].as_str().unwrap_or_else(|| panic!("{step} has no {member}"))
}

fn texts(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The next event that is one of those that are looked for.
async fn until(events: &ItemStream, wanted: impl Fn(&Item) -> bool) -> Value {
    let search = async {
        loop {
            let item = events.next().await.unwrap().expect("an event before the end");
            if wanted(&item) {
                return item.details;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("an event in time")
}

/// The agent of `serve`: it says the conversation, and `fail` it does not take.
async fn answer(calls: ChatCalls) {
    while let Ok(Some(call)) = calls.next().await {
        if call.messages.last().is_some_and(|said| said.content == "fail") {
            call.fail("come back later").unwrap();
            continue;
        }
        let pieces = call.messages.iter().map(|said| format!("{}:{}/", said.role, said.content));
        let pieces: Vec<_> = pieces.collect();
        for piece in &pieces {
            call.delta(piece.clone()).await.unwrap();
        }
        call.answer(pieces.concat()).unwrap();
    }
}

impl Play {
    async fn start() -> Result<Self, FacadeError> {
        let server =
            Server::start(ServerSettings { user_data: true, ..ServerSettings::default() }).await?;
        let settings = UserDataSettings { base_url: server.url().to_owned(), ..Default::default() };
        let data = UserDataClient::new(settings, Some(SecretText::new("any-key-will-do")))?;
        let urls = [("server".to_owned(), server.agent_websocket_url().to_owned())].into();
        Ok(Self {
            server,
            rooms: HashMap::new(),
            ids: HashMap::new(),
            signers: HashMap::new(),
            services: HashMap::new(),
            answering: JoinSet::new(),
            urls,
            askers: HashMap::new(),
            data,
            channels: HashMap::new(),
        })
    }

    async fn step(&mut self, step: &Value) -> Result<(), FacadeError> {
        let at = step["at"].as_str().unwrap_or_default();
        match text(step, "do") {
            "join" | "room" | "roster" | "signal" | "signalled" | "leave" => {
                self.signaling(at, step).await
            }
            "serve" | "dial" | "ask" | "notify" | "hang_up" | "stop" => {
                self.agent_websocket(at, step).await
            }
            "open_channel" | "say" | "tool" | "history" | "save_channel" | "clear"
            | "close_channel" => self.channel(at, step).await,
            _ => self.user_data(step).await,
        }
    }

    async fn signaling(&mut self, at: &str, step: &Value) -> Result<(), FacadeError> {
        match text(step, "do") {
            "join" => {
                let sign_with = step["signs"].as_bool().map(|_| Identity::generate());
                let amid = sign_with.as_ref().map(Identity::amid);
                let settings = SignalingSettings {
                    url: self.server.url().to_owned(),
                    room: text(step, "room").to_owned(),
                    ..SignalingSettings::default()
                };
                let opening =
                    SignalingOpening { settings, sign_with, ..SignalingOpening::default() };
                let client = SignalingClient::join(opening, true).await?;
                self.ids.insert(at.to_owned(), client.id()?.expect("it joined"));
                self.signers.extend(amid.map(|amid| (at.to_owned(), amid)));
                let events = client.events()?;
                self.rooms.insert(at.to_owned(), Party { client, events });
                return Ok(());
            }
            "signal" => {
                let to = text(step, "to");
                let to = self.ids.get(to).map_or(to, String::as_str);
                return self.rooms[at].client.send(to, &step["value"].to_string()).await;
            }
            "leave" => return self.rooms[at].client.leave(false).await,
            _ => {}
        }
        let Party { client, events } = &self.rooms[at];
        let named = |value: &Value| -> Value {
            texts(value).iter().map(|name| self.ids[name].clone()).collect()
        };
        match text(step, "do") {
            "room" => {
                assert_eq!(client.room()?, text(step, "name"));
                assert_eq!(json!(client.peers()?), named(&step["peers"]));
            }
            "roster" => {
                let changed = |item: &Item| {
                    let some = |member: &str| item.details[member] != json!([]);
                    item.kind == "roster" && (some("joined") || some("left"))
                };
                let roster = until(events, changed).await;
                assert_eq!(roster["joined"], named(&step["joined"]));
                assert_eq!(roster["left"], named(&step["left"]));
            }
            "signalled" => {
                let signal = until(events, |item| item.kind == "signal").await;
                assert_eq!(signal["sender"], self.ids[text(step, "from")].as_str());
                if let Some(value) = step.get("value") {
                    assert_eq!(signal["value"], *value);
                }
                let signer = step["signed_by"].as_str().map(|name| self.signers[name].as_str());
                assert_eq!(signal["signed_by"], json!(signer));
                assert_eq!(signal["problem"], Value::Null);
            }
            other => panic!("nobody knows how to {other}"),
        }
        Ok(())
    }

    async fn agent_websocket(&mut self, at: &str, step: &Value) -> Result<(), FacadeError> {
        match text(step, "do") {
            "serve" => {
                let settings = ServiceSettings {
                    system_prompt: step["system_prompt"].as_str().map(str::to_owned),
                    ..ServiceSettings::default()
                };
                let tokens = texts(&step["tokens"]).into_iter().map(SecretText::new).collect();
                let (service, calls) = AgentWebSocketService::start(settings, tokens).await?;
                self.answering.spawn(answer(calls));
                self.urls.insert(at.to_owned(), service.url().to_owned());
                self.services.insert(at.to_owned(), service);
            }
            "dial" => {
                let url = self.urls[text(step, "to")].clone();
                let settings = AgentWebSocketSettings { url, ..AgentWebSocketSettings::default() };
                let token = step["token"].as_str().map(SecretText::new);
                let client = AgentWebSocketClient::connect(settings, token, true).await?;
                let events = client.events()?;
                self.askers.insert(at.to_owned(), Party { client, events });
            }
            "ask" => return self.ask(at, step).await,
            "notify" => {
                let Party { client, events } = &self.askers[text(step, "to")];
                let session = client.session()?.expect("a session");
                let said = text(step, "text");
                self.services[at].notify(text(&session, "session_id"), said.to_owned())?;
                until(events, |item| {
                    item.kind == "notification" && item.details["content"] == said
                })
                .await;
            }
            "hang_up" => return self.askers[at].client.close().await,
            "stop" => return self.services[at].shutdown().await,
            other => panic!("nobody knows how to {other}"),
        }
        Ok(())
    }

    async fn ask(&self, at: &str, step: &Value) -> Result<(), FacadeError> {
        let client = &self.askers[at].client;
        let question = text(step, "text").to_owned();
        let answer = if let Some(pieces) = step.get("pieces") {
            let stream = client.query_stream(question, Some(PATIENCE)).await?;
            let (mut seen, mut whole) = (Vec::new(), Value::Null);
            while let Some(part) = stream.next().await? {
                match part.kind {
                    "delta" => seen.push(part.details["content"].clone()),
                    _ => whole = part.details["content"].clone(),
                }
            }
            assert_eq!(Value::from(seen), *pieces);
            whole
        } else {
            let answer = client.query(question, Some(PATIENCE)).await.inspect_err(|error| {
                let details = json!(error.details).to_string();
                assert!(details.contains(step["says"].as_str().unwrap_or_default()), "{details}");
            });
            answer?["content"].clone()
        };
        match step.get("contains") {
            Some(part) => assert!(answer.as_str().unwrap().contains(part.as_str().unwrap())),
            None => assert_eq!(answer, step["answer"]),
        }
        Ok(())
    }

    async fn user_data(&self, step: &Value) -> Result<(), FacadeError> {
        let (data, user) = (&self.data, text(step, "user"));
        match text(step, "do") {
            "put_skill" => {
                data.put_skill(user, text(step, "name"), text(step, "content")).await.map(drop)
            }
            "skills" => {
                assert_eq!(data.list_skills(user).await?["skills"], step["names"]);
                Ok(())
            }
            "skill" => {
                let found = data.skill(user, text(step, "name")).await?;
                assert_eq!(found["skillName"], step["name"]);
                assert_eq!(found["content"], step["content"]);
                Ok(())
            }
            "delete_skill" => data.delete_skill(user, text(step, "name")).await.map(drop),
            "save_conversation" => {
                data.save_conversation(user, &step["body"].to_string()).await.map(drop)
            }
            "conversation" => {
                let found = data.conversation(user, text(step, "id")).await?;
                assert_eq!(found["conversation"]["messages"], step["messages"]);
                assert_eq!(found["conversation"]["more"], step["more"]);
                Ok(())
            }
            "conversations" => {
                let found = data.list_conversations(user).await?;
                let found = found["conversations"].as_array().unwrap().iter();
                let ids: Value = found.map(|entry| entry["conversationId"].clone()).collect();
                assert_eq!(ids, step["ids"]);
                Ok(())
            }
            "delete_conversation" => {
                data.delete_conversation(user, text(step, "id")).await.map(drop)
            }
            "put_settings" => {
                data.put_settings(user, "settings", &step["values"].to_string()).await.map(drop)
            }
            "settings" => {
                let found = data.settings(user, "settings").await?;
                assert_eq!(found["settings"], step["values"], "{found}");
                Ok(())
            }
            "delete_settings" => data.delete_settings(user, "settings").await.map(drop),
            other => panic!("nobody knows how to {other}"),
        }
    }

    async fn channel(&mut self, at: &str, step: &Value) -> Result<(), FacadeError> {
        if text(step, "do") == "open_channel" {
            let settings = ChannelSettings {
                session: at.to_owned(),
                user: step["user"].as_str().map(str::to_owned),
                tools: HookTools::Some(texts(&step["tools"])),
                ..ChannelSettings::default()
            };
            let key = ChannelKey::default();
            let client = UserDataChannel::connect(self.data.clone(), settings, key, None).await?;
            let events = client.events()?;
            self.channels.insert(at.to_owned(), Party { client, events });
            return Ok(());
        }
        let Party { client, events } = &self.channels[at];
        match text(step, "do") {
            "say" => {
                let end = turn(client, text(step, "prompt")).await?;
                assert_eq!(end["text"], step["answer"]);
                Ok(())
            }
            "tool" => {
                let tool = text(step, "tool");
                turn(client, &format!("/tool {tool} {{}}")).await?;
                let asked = |item: &Item| {
                    item.kind == "hook_answered" && item.details["request"]["event"] == "PreToolUse"
                };
                let answered = until(events, asked).await;
                assert_eq!(answered["request"]["tool_name"], tool);
                assert_eq!(answered["answer"]["action"], step["action"]);
                Ok(())
            }
            "history" => {
                let found = client.history().await?;
                let found = found.as_array().unwrap().iter();
                let said: Value = found.map(|message| message["text"].clone()).collect();
                assert_eq!(said, step["texts"]);
                Ok(())
            }
            "save_channel" => client.save(text(step, "user"), text(step, "id")).await.map(drop),
            "clear" => client.clear().await,
            "close_channel" => client.close().await,
            other => panic!("nobody knows how to {other}"),
        }
    }
}

/// The end of a turn, or why it has none.
async fn turn(channel: &UserDataChannel, prompt: &str) -> Result<Value, FacadeError> {
    let parts = channel.send(prompt.to_owned(), ChannelAgentSettings::default()).await?;
    let mut end = Value::Null;
    while let Some(part) = parts.next().await? {
        if part.kind == "end" {
            end = part.details;
        }
    }
    Ok(end)
}

async fn play(scenario: Value) -> Result<(), FacadeError> {
    let mut play = Play::start().await?;
    for step in scenario["steps"].as_array().unwrap() {
        let result = play.step(step).await;
        let code = result.as_ref().err().map(|error| error.code);
        assert_eq!(code, step["error"].as_str(), "{step}: {result:?}");
    }
    play.server.stop().await
}

#[test]
fn every_scenario_of_a_service_plays() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut played = 0;
    for file in std::fs::read_dir(scenarios.join("scenarios/services")).unwrap() {
        let scenario =
            serde_json::from_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
        block_on(play(scenario.unwrap())).unwrap();
        played += 1;
    }
    assert!(played >= 3, "only {played} scenarios were found");
}
