//! The client's side of the numbered cases, against the reference server. Cases 6, 7, 11 and 20 are the server's alone:
//! this client does not send what they are about. Numbers are those of docs/conformance.md.

use std::time::Duration;

use agentmesh_core::{
    client::subscription::Subscription,
    services::user_data::{
        AgentOptions, ChannelAuth, ChannelBuilder, ChannelEvent as Event, Conversation, HookAnswer,
        HookPolicy, HookRequest, PREFERENCES, Resume, Role, SecretText, SetupMethod, TurnOptions,
        TurnPart, UserDataClient, UserDataError,
        store::{SkillLayout, UserDataLimits, UserDataStoreConfig},
    },
};
use agentmesh_server::{Environment, Secret, Server, ServerConfig, UserDataConfig};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{KEY, PATIENCE, builder, fake::Wire, hasty};

pub(super) struct Service {
    pub(super) server: Server,
    dir: tempfile::TempDir,
    client: UserDataClient,
}

impl Service {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut UserDataConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut user_data = UserDataConfig {
            api_key: Some(Secret::new(KEY)),
            insecure: false,
            store: Some(UserDataStoreConfig::directory(dir.path().join("store"))),
            sandboxes: Some(dir.path().join("sandboxes")),
            ..UserDataConfig::for_development()
        };
        change(&mut user_data);
        let config = ServerConfig { user_data, ..ServerConfig::for_development() };
        let server = Server::start(config).await.unwrap();
        let client = builder(&server.url()).build().unwrap();
        Self { server, dir, client }
    }

    fn with_key(&self, key: &str) -> UserDataClient {
        builder(&self.server.url()).api_key(SecretText::trimmed(key)).build().unwrap()
    }

    fn channel(&self) -> ChannelBuilder {
        self.client.channel("session-1").user("alice").timings(hasty())
    }
}

pub(super) async fn event(
    events: &mut Subscription<Event>,
    fits: impl Fn(&Event) -> bool,
) -> Event {
    let found = async {
        loop {
            let event = events.next().await.expect("no such event");
            if fits(&event) {
                return event;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap()
}

#[tokio::test]
async fn user_data_client_case_01_a_skill_is_stored_under_its_key() {
    for (layout, key) in [
        (SkillLayout::Flat, "users/u/skills/debugging.md"),
        (SkillLayout::Nested, "users/u/skills/debugging.md/SKILL.md"),
    ] {
        let service = Service::with(|config| config.layout = layout).await;
        let stored = service.client.put_skill("u", "debugging.md", "# Debugging").await.unwrap();
        assert_eq!(stored.key, key);
        let others: Vec<_> = stored.other.keys().map(String::as_str).collect();
        assert_eq!(others, ["message", "skillName", "status", "userId"]);
    }
}

#[tokio::test]
async fn user_data_client_case_02_lists_are_sorted_and_unknown_users_have_none() {
    let service = Service::start().await;
    for name in ["testing.md", "debugging.md"] {
        service.client.put_skill("u", name, "x").await.unwrap();
    }
    let list = service.client.list_skills("u").await.unwrap();
    assert_eq!(
        (list.skills.as_slice(), list.count),
        (&["debugging.md".into(), "testing.md".into()][..], 2)
    );
    let none = service.client.list_skills("nobody").await.unwrap();
    assert_eq!((none.skills.len(), none.count), (0, 0));
}

#[tokio::test]
async fn user_data_client_case_03_and_04_a_skill_comes_back_byte_for_byte_and_goes_for_good() {
    let service = Service::start().await;
    let content = "# ö\r\n\tx 😀\n\n";
    service.client.put_skill("u", "a.md", content).await.unwrap();
    let skill = service.client.skill("u", "a.md").await.unwrap();
    assert_eq!((skill.content.as_str(), skill.size), (content, content.len() as u64));
    assert_eq!((skill.skill_name.as_str(), &skill.metadata["userId"]), ("a.md", &json!("u")));
    assert!(skill.uploaded.ends_with('Z'));
    for _ in 0..2 {
        service.client.delete_skill("u", "a.md").await.unwrap();
    }
    let error = service.client.skill("u", "a.md").await.unwrap_err();
    assert!(
        matches!(&error, UserDataError::NotFound { message, .. } if message == "Skill not found")
    );
}

#[tokio::test]
async fn user_data_client_case_05_without_the_key_only_health_is_open() {
    let service = Service::start().await;
    let none = builder(&service.server.url()).api_key(SecretText::trimmed("")).build().unwrap();
    for client in [none, service.with_key("wrong-wrong-wrong-wrong")] {
        client.health().await.unwrap();
        for error in [
            client.put_skill("u", "s", "x").await.unwrap_err(),
            client.list_skills("u").await.unwrap_err(),
            client.skill("u", "s").await.unwrap_err(),
            client.delete_skill("u", "s").await.unwrap_err(),
            client.save_conversation("u", &Conversation::new("c", vec![])).await.unwrap_err(),
            client.conversation("u", "c").await.unwrap_err(),
            client.list_conversations("u").await.unwrap_err(),
            client.delete_conversation("u", "c").await.unwrap_err(),
            client.put_settings("u", PREFERENCES, &Map::new()).await.unwrap_err(),
            client.settings("u", PREFERENCES).await.unwrap_err(),
            client.delete_settings("u", PREFERENCES).await.unwrap_err(),
            client.setup("s", None).await.unwrap_err(),
            client.destroy_sandbox("s").await.unwrap_err(),
        ] {
            assert!(
                matches!(&error, UserDataError::Unauthorized { message, .. } if message == "Unauthorized"),
                "{error}"
            );
        }
    }
    let refused = service.channel().without_setup().connect().await.unwrap_err();
    assert!(matches!(refused, UserDataError::Refused { .. }), "{refused}");
}

#[tokio::test]
async fn user_data_client_case_08_and_09_names_are_checked_and_otherwise_anything() {
    let service = Service::start().await;
    for name in ["../x", "a/b", "..", ".x", "a\\b", "a\0"] {
        let error = service.client.put_skill("u", name, "x").await.unwrap_err();
        assert!(matches!(error, UserDataError::InvalidName { .. }), "{name}");
    }
    assert!(!service.dir.path().join("store/users").exists());
    for name in ["你好.md", "😀", "100% #1?&.md", "a b+c", "%2e%2e"] {
        service.client.put_skill("u", name, name).await.unwrap();
        assert_eq!(service.client.skill("u", name).await.unwrap().content, name);
    }
    service.client.put_skill("v", "\u{e9}", "composed").await.unwrap();
    service.client.put_skill("v", "e\u{301}", "decomposed").await.unwrap();
    assert_eq!(service.client.list_skills("v").await.unwrap().count, 1);
    assert_eq!(service.client.skill("v", "\u{e9}").await.unwrap().content, "decomposed");
}

#[tokio::test]
async fn user_data_client_case_10_a_conversation_is_kept_with_everything_in_it() {
    let service = Service::start().await;
    let body = json!({"conversationId": "conv-123", "messages": [{"role": "user", "content": "Hello"}],
        "metadata": {"startedAt": "2025-01-15T10:00:00Z"}, "more": {"n": [1, 2.5, null, "ö"]}});
    let conversation = Conversation::from_body(body.clone()).unwrap();
    let saved = service.client.save_conversation("alice", &conversation).await.unwrap();
    assert_eq!(saved.key, "users/alice/conversations/conv-123.json");
    let found = service.client.conversation("alice", "conv-123").await.unwrap();
    assert_eq!(found.conversation, body);
    assert!(found.metadata["savedAt"].as_str().unwrap().ends_with('Z'));
    let list = service.client.list_conversations("alice").await.unwrap();
    assert_eq!((list.count, list.conversations[0].conversation_id.as_str()), (1, "conv-123"));
    for _ in 0..2 {
        service.client.delete_conversation("alice", "conv-123").await.unwrap();
    }
    let missing = service.client.conversation("alice", "conv-123").await;
    assert!(matches!(missing, Err(UserDataError::NotFound { .. })));
}

#[tokio::test]
async fn user_data_client_case_12_more_than_a_thousand_skills_are_listed_and_the_limit_is_told() {
    let service = Service::with(|config| {
        config.limits = UserDataLimits { skills: 1100, ..UserDataLimits::default() };
    })
    .await;
    for n in 0..1100 {
        service.client.put_skill("u", &format!("skill-{n:04}.md"), "x").await.unwrap();
    }
    let list = service.client.list_skills("u").await.unwrap();
    assert_eq!((list.skills.len(), list.count), (1100, 1100));
    let error = service.client.put_skill("u", "one-more.md", "x").await.unwrap_err();
    assert!(matches!(error, UserDataError::Full { .. }), "{error}");
}

#[tokio::test]
async fn user_data_client_case_13_14_and_17_setup_loads_the_users_skills() {
    let service = Service::start().await;
    service.client.put_skill("Alice", "debugging.md", "x").await.unwrap();
    service.client.put_skill("Alice", "testing.md", "x").await.unwrap();
    assert_eq!(service.client.list_skills("alice").await.unwrap().count, 0);
    let ready = service.client.setup("session-abc", Some("Alice")).await.unwrap();
    assert_eq!((ready.setup_method, ready.user_id.as_str()), (SetupMethod::LoadDev, "Alice"));
    let paths = ["/workspace/.claude/skills/debugging.md", "/workspace/.claude/skills/testing.md"];
    assert_eq!(ready.skills_loaded, paths);
    let message = "Sandbox prepared. Connect via WebSocket to /ws?sessionId=session-abc";
    assert_eq!(ready.message, message);
    let alone = service.client.setup("session-abd", None).await.unwrap();
    assert_eq!((alone.user_id.as_str(), alone.skills_loaded.len()), ("session-abd", 0));
    service.client.destroy_sandbox("session-abc").await.unwrap();
}

#[tokio::test]
async fn user_data_client_case_15_mounted_skills_are_not_listed() {
    let service = Service::with(|config| config.environment = Environment::Production).await;
    service.client.put_skill("u", "a.md", "x").await.unwrap();
    let ready = service.client.setup("s", Some("u")).await.unwrap();
    assert_eq!(ready.setup_method, SetupMethod::Mount);
    assert!(ready.skills_loaded.is_empty(), "{ready:?}");
}

#[tokio::test]
async fn user_data_client_case_16_where_a_mount_fails_copies_are_listed() {
    let service = Service::with(|config| config.environment = Environment::Production).await;
    service.client.put_skill("u", "a.md", "x").await.unwrap();
    // A directory where the view should be.
    let skills = service.dir.path().join("sandboxes/s/.claude/skills");
    std::fs::create_dir_all(&skills).unwrap();
    let ready = service.client.setup("s", Some("u")).await.unwrap();
    assert_eq!(ready.setup_method, SetupMethod::LoadFallback);
    assert_eq!(ready.skills_loaded, ["/workspace/.claude/skills/a.md"]);
    assert_eq!(std::fs::read_to_string(skills.join("a.md")).unwrap(), "x");
    // The channel does not mind how they came there.
    let channel = service.client.channel("s").user("u").timings(hasty()).connect().await.unwrap();
    assert_eq!(channel.setup().unwrap().setup_method, SetupMethod::LoadFallback);
    channel.close().await;
}

#[tokio::test]
async fn user_data_client_case_18_and_19_a_turn_comes_in_parts_in_either_namespace() {
    let service = Service::start().await;
    for (session, namespace) in [("a", "/"), ("b", "/ws"), ("c", "/elsewhere")] {
        let channel = service
            .client
            .channel(session)
            .namespace(namespace)
            .timings(hasty())
            .connect()
            .await
            .unwrap();
        assert!(channel.setup().unwrap().session_token.is_some());
        channel.start(AgentOptions::default()).await.unwrap();
        let mut turn = channel.send("Help me debug", TurnOptions::default()).await.unwrap();
        let mut parts = Vec::new();
        while let Some(part) = timeout(PATIENCE, turn.next()).await.unwrap() {
            parts.push(part.unwrap());
        }
        let deltas: String = parts
            .iter()
            .filter_map(|part| match part {
                TurnPart::Delta { content, .. } => Some(content.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(deltas, "Help me debug");
        let [.., TurnPart::Message(message), TurnPart::End(end)] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        assert_eq!(
            (message.role.clone(), message.text().as_str()),
            (Role::Assistant, "Help me debug")
        );
        assert_eq!((end.text.as_str(), end.is_error()), ("Help me debug", false));
        assert_eq!(end.conversation, channel.conversation());
        assert_eq!(end.result.as_ref().unwrap()["subtype"], "success");
        channel.close().await;
    }
}

#[tokio::test]
async fn user_data_client_case_18_api_key_and_tokens_open_a_channel() {
    let service = Service::start().await;
    let by_key = service.channel().without_setup().auth(ChannelAuth::ApiKey).connect().await;
    by_key.unwrap().close().await;
    let token = service.client.setup("session-1", Some("alice")).await.unwrap().session_token;
    let auth = ChannelAuth::Token(token.unwrap());
    service.channel().without_setup().auth(auth).connect().await.unwrap().close().await;
    let auth = ChannelAuth::Token(SecretText::trimmed("made-up"));
    let refused = service.channel().without_setup().auth(auth).connect().await.unwrap_err();
    assert!(matches!(&refused, UserDataError::Refused { message } if message == "Unauthorized"));
}

#[tokio::test]
async fn user_data_client_case_21_tools_run_only_if_the_hook_allows_them() {
    let service = Service::start().await;
    let hooks = HookPolicy::allow_tools(["Read"]).ask(|request: HookRequest| async move {
        match request.tool_name() {
            Some("Ask") => Some(HookAnswer::approve()),
            Some("Hang") => std::future::pending().await,
            _ => None,
        }
    });
    let mut timings = hasty();
    timings.hook = Duration::from_millis(100);
    let channel = service.channel().hooks(hooks).timings(timings).connect().await.unwrap();
    for (tool, runs) in [("Read", true), ("Bash", false), ("Ask", true), ("Hang", false)] {
        let end = channel.ask(format!("/tool {tool} {{\"x\":1}}")).await.unwrap();
        let expected = if runs { "ran" } else { "did not run" };
        assert!(end.text.starts_with(&format!("{tool} {expected}")), "{}", end.text);
    }
    channel.close().await;
}

#[tokio::test]
async fn user_data_client_case_22_a_channel_that_was_cut_is_resumed_and_history_has_nothing_twice()
{
    let service = Service::start().await;
    let wire = Wire::to(service.server.addr()).await;
    let client = builder(&wire.url).build().unwrap();
    let hooks = HookPolicy::default().ask(|_: HookRequest| std::future::pending());
    let mut timings = hasty();
    timings.hook = PATIENCE * 10;
    let builder = client.channel("session-1").hooks(hooks).timings(timings);
    let channel = builder.connect().await.unwrap();
    let mut events = channel.events();
    assert_eq!(channel.ask("before").await.unwrap().text, "before");
    let turn = channel.send("/tool Bash", TurnOptions::default()).await.unwrap();
    // The agent is in the middle of its turn: it waits for the hook.
    while channel.diagnostics().await.unwrap()["isQueryRunning"] != true {}
    wire.cut();
    event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    event(&mut events, |event| *event == Event::Resumed).await;
    // The hook was released with the connection, and the turn went on without an answer.
    let end = timeout(PATIENCE, turn.end()).await.unwrap().unwrap();
    assert!(end.text.contains("Bash"), "{}", end.text);
    let history = channel.history().await.unwrap();
    let mut uuids: Vec<_> = history.iter().filter_map(|message| message.uuid.clone()).collect();
    let all = uuids.len();
    uuids.sort();
    uuids.dedup();
    assert!(all >= 4 && uuids.len() == all, "{history:?}");
    assert_eq!(channel.ask("after").await.unwrap().text, "after");
}

#[tokio::test]
async fn user_data_client_case_22_after_the_grace_the_session_is_new() {
    let service = Service::with(|config| config.realtime.grace = Duration::from_millis(1)).await;
    let wire = Wire::to(service.server.addr()).await;
    let client = builder(&wire.url).build().unwrap();
    let mut timings = hasty();
    timings.pause = Duration::from_millis(500);
    timings.longest_pause = Duration::from_millis(500);
    let channel = client.channel("session-1").timings(timings).connect().await.unwrap();
    let mut events = channel.events();
    channel.ask("before").await.unwrap();
    wire.cut();
    event(&mut events, |event| *event == Event::NewSession).await;
    assert!(channel.history().await.unwrap().is_empty());
    assert_eq!(channel.ask("after").await.unwrap().text, "after");
}

#[tokio::test]
async fn user_data_client_case_22_the_newest_connection_has_the_session() {
    let service = Service::start().await;
    let first = service.channel().connect().await.unwrap();
    let mut events = first.events();
    first.ask("x").await.unwrap();
    let second = service.channel().connect().await.unwrap();
    let closed = event(&mut events, |event| matches!(event, Event::Closed { .. })).await;
    assert_eq!(closed, Event::Closed { error: UserDataError::TakenOver });
    assert_eq!(second.history().await.unwrap().len(), 2);
}

#[tokio::test]
async fn user_data_client_case_23_clearing_leaves_an_empty_history() {
    let service = Service::start().await;
    let channel = service.channel().connect().await.unwrap();
    channel.ask("x").await.unwrap();
    assert_eq!(channel.history().await.unwrap().len(), 2);
    channel.clear().await.unwrap();
    assert!(channel.history().await.unwrap().is_empty());
    assert_eq!(channel.conversation(), None);
}

#[tokio::test]
async fn user_data_client_case_24_options_that_servers_drop_are_told() {
    let service = Service::start().await;
    let channel = service.channel().connect().await.unwrap();
    let mut events = channel.events();
    let mut options = AgentOptions::default();
    options.permission_mode = Some("bypassPermissions".into());
    options.other.insert("env".into(), json!({"PATH": "/tmp"}));
    options.other.insert("executable".into(), json!("sh"));
    channel.send("x", options.into()).await.unwrap().end().await.unwrap();
    let warning = event(
        &mut events,
        |event| matches!(event, Event::Status { level, .. } if level == "warning"),
    )
    .await;
    let Event::Status { message, .. } = warning else { panic!() };
    for option in ["env", "executable"] {
        assert!(message.contains(option), "{message}");
    }
}

#[tokio::test]
async fn user_data_client_case_25_settings_make_a_round_trip() {
    let service = Service::start().await;
    let Value::Object(settings) = json!({"theme": "dark", "nested": {"n": [1, 2.5]}}) else {
        panic!()
    };
    let stored = service.client.put_settings("u", PREFERENCES, &settings).await.unwrap();
    assert_eq!(stored.key, "users/u/settings/preferences.json");
    assert_eq!(service.client.settings("u", PREFERENCES).await.unwrap().settings, settings);
    service.client.delete_settings("u", PREFERENCES).await.unwrap();
    let missing = service.client.settings("u", PREFERENCES).await.unwrap_err();
    assert!(matches!(missing, UserDataError::NotFound { .. }));
}

#[tokio::test]
async fn conversation_is_interrupted_resumed_and_saved() {
    let service = Service::start().await;
    let hooks = HookPolicy::default().ask(|_: HookRequest| std::future::pending());
    let channel = service.channel().hooks(hooks).connect().await.unwrap();
    channel.ask("one").await.unwrap();
    let conversation = channel.conversation();
    let turn = channel.send("/tool Bash", TurnOptions::default()).await.unwrap();
    let mut queued = TurnOptions::default();
    queued.overlap = true;
    let behind = channel.send("two", queued).await.unwrap();
    while channel.diagnostics().await.unwrap()["isQueryRunning"] != true {}
    channel.interrupt(Some("enough")).await.unwrap();
    assert!(matches!(turn.end().await, Err(UserDataError::Interrupted)));
    assert!(matches!(
        timeout(PATIENCE, behind.end()).await.unwrap(),
        Err(UserDataError::Interrupted)
    ));
    let end = channel.ask("three").await.unwrap();
    assert_eq!((end.text.as_str(), end.conversation), ("three", conversation.clone()));
    assert_eq!(
        channel.save("alice", "conv-1").await.unwrap().key,
        "users/alice/conversations/conv-1.json"
    );
    let saved = service.client.conversation("alice", "conv-1").await.unwrap().conversation;
    assert!(saved["messages"].as_array().unwrap().len() >= 4, "{saved}");

    let mut other = AgentOptions::default();
    other.resume = Resume::Id("another-conversation".into());
    let end = channel.send("four", other.into()).await.unwrap().end().await.unwrap();
    assert_ne!(end.conversation, conversation);
    assert_eq!(channel.history().await.unwrap().len(), 2, "the server began anew");
}

#[tokio::test]
async fn server_that_stops_or_throws_the_sandbox_away_ends_the_channel() {
    let service = Service::start().await;
    let channel = service.channel().connect().await.unwrap();
    let mut events = channel.events();
    service.client.destroy_sandbox("session-1").await.unwrap();
    let closed = event(&mut events, |event| matches!(event, Event::Closed { .. })).await;
    assert!(matches!(closed, Event::Closed { error: UserDataError::Closed { .. } }), "{closed:?}");

    let channel = service.channel().connect().await.unwrap();
    let mut events = channel.events();
    service.server.shutdown().await;
    let closed = event(&mut events, |event| matches!(event, Event::Closed { .. })).await;
    assert!(matches!(closed, Event::Closed { error: UserDataError::Closed { .. } }), "{closed:?}");
}
