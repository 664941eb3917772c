//! The realtime channel of the user-data service over real sockets, with a client as small as it can be. What takes time is
//! tested in virtual time, beside the code.

use agentmesh_server::{RealtimeLimits, ServerConfig, UserDataConfig};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client as Http, Method};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, protocol::frame::coding::CloseCode},
};

use crate::{
    support::{PATIENCE, start_with},
    user_data::{KEY, Service},
};

/// Engine.IO 4 over a WebSocket, and one namespace of Socket.IO.
struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    namespace: &'static str,
}

impl Client {
    /// Opens the transport at a path with its query.
    async fn open(service: &Service, path: &str) -> Self {
        let url = format!("ws://{}{path}", service.server.addr());
        let (socket, _) = connect_async(url).await.unwrap();
        let mut client = Self { socket, namespace: "" };
        let open = client.packet().await.unwrap();
        let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(25000), &json!(20000)));
        assert_eq!(open["maxPayload"], 1_000_000);
        client
    }

    /// Connects to a namespace; the message of the refusal, if it is refused.
    async fn connect(&mut self, namespace: &'static str, auth: &Value) -> Result<(), String> {
        self.namespace = namespace;
        let auth = if auth.is_null() { String::new() } else { auth.to_string() };
        self.text(&format!("40{namespace}{auth}")).await;
        let answer = self.packet().await.unwrap();
        if answer.starts_with(&format!("40{namespace}{{\"sid\"")) {
            return Ok(());
        }
        let refused = answer.strip_prefix(&format!("44{namespace}")).unwrap();
        let refused: Value = serde_json::from_str(refused).unwrap();
        Err(refused["message"].as_str().unwrap().to_owned())
    }

    async fn session(service: &Service, session: &str) -> Self {
        let mut client = Self::open(service, &format!("{PATH}&sessionId={session}")).await;
        client.connect("", &json!({"token": KEY})).await.unwrap();
        client
    }

    async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn emit(&mut self, event: &str, value: Value) {
        let arguments = if value.is_null() { json!([event]) } else { json!([event, value]) };
        self.text(&format!("42{}{arguments}", self.namespace)).await;
    }

    /// The next packet that is no ping; an error if the connection ended.
    async fn packet(&mut self) -> Result<String, Option<CloseCode>> {
        timeout(PATIENCE, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.text("3").await,
                    Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                    Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code)),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(None),
                }
            }
        })
        .await
        .unwrap()
    }

    /// The connection ends, after packets that say so at most: "41" of Socket.IO, "1" of Engine.IO, and what greets who
    /// comes back.
    async fn ended(&mut self) {
        while let Ok(packet) = self.packet().await {
            let greets = packet.contains("Session resumed");
            assert!(greets || packet == "41" || packet == "1", "{packet}");
        }
    }

    /// The next event, its payload, and the number under which it is to be acknowledged.
    async fn event(&mut self) -> (String, Value, Option<u64>) {
        let packet = self.packet().await.unwrap();
        let rest = packet.strip_prefix(&format!("42{}", self.namespace)).unwrap();
        let at = rest.find('[').unwrap();
        let mut arguments: Vec<Value> = serde_json::from_str(&rest[at..]).unwrap();
        assert_eq!(arguments.len(), 2, "{packet}");
        let payload = arguments.pop().unwrap();
        (arguments[0].as_str().unwrap().to_owned(), payload, rest[..at].parse().ok())
    }

    async fn until(&mut self, event: &str) -> Vec<(String, Value, Option<u64>)> {
        let mut all = Vec::new();
        loop {
            all.push(self.event().await);
            if all.last().unwrap().0 == event {
                return all;
            }
        }
    }

    async fn get(&mut self, ask: &str, event: &str) -> Value {
        self.emit(ask, Value::Null).await;
        self.until(event).await.pop().unwrap().1
    }
}

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

#[tokio::test]
async fn case_18_every_way_that_documents_show_leads_in() {
    let service = Service::start().await;
    for (path, namespace) in [
        ("/socket.io/?EIO=4&transport=websocket", ""),
        ("/socket.io/?EIO=4&transport=websocket", "/ws,"),
        ("/ws?EIO=4&transport=websocket", ""),
        ("/ws/?EIO=4&transport=websocket", "/ws,"),
    ] {
        let mut client = Client::open(&service, &format!("{path}&sessionId=s")).await;
        client.connect(namespace, &json!({"token": KEY})).await.unwrap();
        let diagnostics = client.get("get_diagnostics", "diagnostics").await;
        assert_eq!(
            (&diagnostics["sessionId"], &diagnostics["isConnected"]),
            (&json!("s"), &json!(true))
        );
    }
    let mut client = Client::open(&service, &format!("{PATH}&sessionId=s")).await;
    let refused = client.connect("/other,", &json!({"token": KEY})).await;
    assert_eq!(refused, Err("Invalid namespace".to_owned()));
}

#[tokio::test]
async fn case_19_start_then_message_is_answered_in_order() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    client.emit("start", json!({"maxTurns": 50, "model": "claude-sonnet-4-5-20250929"})).await;
    client.emit("message", json!({"prompt": "Help me debug this issue", "options": {}})).await;
    let told = client.until("result").await;
    let names: Vec<_> = told.iter().map(|(event, ..)| event.as_str()).collect();
    assert_eq!(told[0].1, json!({"type": "info", "message": "Session initialized"}));
    assert_eq!((names[0], names[1], names[2]), ("status", "message", "stream"));
    assert_eq!(told[1].1["subtype"], "init");
    let streamed: String = told
        .iter()
        .filter(|(event, ..)| event == "stream")
        .map(|(_, data, _)| data["content"].as_str().unwrap())
        .collect();
    assert_eq!(streamed, "Help me debug this issue");
    let (_, message, _) = &told[told.len() - 2];
    assert_eq!(message["content"], json!([{"type": "text", "text": "Help me debug this issue"}]));
    assert_eq!(
        (&message["role"], message["uuid"].as_str().unwrap().len()),
        (&json!("assistant"), 36)
    );
}

#[tokio::test]
async fn case_20_a_bare_text_is_a_message() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    client.emit("message", json!("hello")).await;
    assert_eq!(client.until("result").await.pop().unwrap().1["result"], "hello");
    let history = client.get("get_history", "history").await;
    let said: Vec<_> = history["messages"].as_array().unwrap().iter().collect();
    assert_eq!((&said[0]["role"], &said[0]["content"]), (&json!("user"), &json!("hello")));
    assert_eq!(said[1]["role"], "assistant");
    assert!(said[1]["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
}

#[tokio::test]
async fn case_21_a_tool_that_is_denied_is_not_run_and_one_that_is_allowed_is() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    for (answer, result) in [
        (json!([{"action": "deny", "reason": "no"}]), "Write did not run: no"),
        (json!([{"action": "approve"}]), "Write ran: {}"),
        (json!([{"action": "continue"}]), "Write ran: {}"),
        (json!([{}]), "Write ran: {}"),
        (json!([]), "Write did not run: nobody answered"),
        (json!([{"action": "something new"}]), "Write did not run: denied"),
    ] {
        client.emit("message", json!("/tool Write")).await;
        let (_, asked, ack) = client.until("hook_request").await.pop().unwrap();
        assert_eq!(
            (&asked["event"], &asked["data"]["tool_name"]),
            (&json!("PreToolUse"), &json!("Write"))
        );
        client.text(&format!("43{}{answer}", ack.unwrap())).await;
        // A second answer is ignored.
        client.text(&format!("43{}[{{\"action\":\"deny\"}}]", ack.unwrap())).await;
        let told = client.until("result").await;
        assert_eq!(told.last().unwrap().1["result"], result, "{answer}");
    }
}

#[tokio::test]
async fn case_22_who_comes_back_finds_what_was_said() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    client.emit("message", json!("first")).await;
    // Gone in the middle of it.
    client.until("message").await;
    drop(client);
    let mut again = Client::session(&service, "s").await;
    assert_eq!(again.event().await.1["message"], "Session resumed");
    let messages = timeout(PATIENCE, async {
        loop {
            let history = again.get("get_history", "history").await;
            if history["messages"].as_array().unwrap().len() == 2 {
                return history["messages"].clone();
            }
        }
    });
    let messages = messages.await.unwrap();
    assert_ne!(messages[0]["uuid"], messages[1]["uuid"]);
    assert_eq!(messages[1]["content"][0]["text"], "first");
}

#[tokio::test]
async fn case_22_after_the_grace_a_session_is_new() {
    let service = Service::with(|config| {
        config.realtime =
            RealtimeLimits { grace: std::time::Duration::ZERO, ..RealtimeLimits::default() };
    })
    .await;
    let mut client = Client::session(&service, "s").await;
    client.emit("message", json!("first")).await;
    client.until("result").await;
    client.text("41").await;
    timeout(PATIENCE, async {
        while health(&service).await["sessions"] != 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let mut new = Client::session(&service, "s").await;
    assert_eq!(new.get("get_history", "history").await, json!({"messages": []}));
}

async fn health(service: &Service) -> Value {
    let response = service.send(Method::GET, "/health", "", "").await;
    response.json::<Value>().await.unwrap()["user_data"].clone()
}

#[tokio::test]
async fn case_23_clear_forgets() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    client.emit("message", json!("hello")).await;
    client.until("result").await;
    let cleared = client.get("clear", "cleared").await;
    assert_eq!(cleared, json!({"type": "info", "message": "Session cleared"}));
    assert_eq!(client.get("get_history", "history").await, json!({"messages": []}));
    client.emit("interrupt", Value::Null).await;
    assert_eq!(client.event().await.1["message"], "Interrupted");
}

#[tokio::test]
async fn case_24_options_that_reach_into_the_process_are_dropped_with_a_warning() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    let options = json!({
        "env": {"A": "b"}, "executable": "sh", "cwd": "/", "pathToClaudeCodeExecutable": "x",
        "permissionMode": "bypassPermissions", "maxTurns": 1,
    });
    client.emit("message", json!({"prompt": "hello", "options": options})).await;
    let (event, warning, _) = client.event().await;
    assert_eq!((event.as_str(), &warning["type"]), ("status", &json!("warning")));
    let message = warning["message"].as_str().unwrap();
    for name in ["env", "executable", "cwd", "pathToClaudeCodeExecutable", "permissionMode"] {
        assert!(message.contains(name), "{message}");
    }
    assert!(!message.contains("maxTurns"), "{message}");
    assert_eq!(client.until("result").await.pop().unwrap().1["result"], "hello");
}

#[tokio::test]
async fn b16_ws_wants_an_upgrade_and_engine_io() {
    let service = Service::start().await;
    let response = service.send(Method::GET, "/ws", "", "").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["upgrade"]),
        (426, &"websocket".parse().unwrap())
    );
    assert_eq!(response.text().await.unwrap(), "Expected Upgrade: websocket");
    let url = format!("ws://{}/ws?sessionId=s", service.server.addr());
    let Err(Error::Http(refused)) = connect_async(url).await else { panic!() };
    assert_eq!(refused.status(), 400);
    for (query, status) in
        [("", 400), ("?EIO=3&transport=polling", 400), ("?EIO=4&transport=polling&sid=x", 400)]
    {
        let response = service.send(Method::GET, &format!("/socket.io/{query}"), "", "").await;
        assert_eq!(response.status(), status, "{query}");
        response.json::<Value>().await.unwrap();
    }
}

#[tokio::test]
async fn b17_a_session_must_be_named_unless_everybody_may_come() {
    let service = Service::start().await;
    for (path, refusal) in [
        (PATH.to_owned(), "sessionId required"),
        (format!("{PATH}&sessionId="), "sessionId required"),
        (format!("{PATH}&sessionId=..%2Fx"), "Invalid session id"),
    ] {
        let mut client = Client::open(&service, &path).await;
        assert_eq!(
            client.connect("", &json!({"token": KEY})).await,
            Err(refusal.to_owned()),
            "{path}"
        );
    }
    let open = Service::with(|config| config.insecure = true).await;
    let mut client = Client::open(&open, PATH).await;
    client.connect("", &json!(null)).await.unwrap();
    let diagnostics = client.get("get_diagnostics", "diagnostics").await;
    assert_eq!(diagnostics["sessionId"], diagnostics["socketId"]);
}

#[tokio::test]
async fn sessions_are_for_those_who_have_a_token_for_them() {
    let service = Service::start().await;
    let ready = service.post("/setup/s?userId=u", json!(null)).await.1;
    let token = ready["sessionToken"].as_str().unwrap();
    for (session, auth, enters) in [
        ("s", json!(null), false),
        ("s", json!({}), false),
        ("s", json!({"token": 5}), false),
        ("s", json!({"token": "wrong"}), false),
        ("other", json!({"token": token}), false),
        ("s", json!({"token": token}), true),
        ("s", json!({"token": KEY}), true),
        ("other", json!({"token": KEY}), true),
    ] {
        let mut client = Client::open(&service, &format!("{PATH}&sessionId={session}")).await;
        let connected = client.connect("", &auth).await;
        let expected = if enters { Ok(()) } else { Err("Unauthorized".to_owned()) };
        assert_eq!(connected, expected, "{session} {auth}");
    }
}

#[tokio::test]
async fn b18_messages_without_a_text_are_errors() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    for bad in [r#"["message",null]"#, r#"["message",5]"#, r#"["message",{}]"#, r#"["message"]"#] {
        client.text(&format!("42{bad}")).await;
        let (event, error, _) = client.event().await;
        assert_eq!(
            (event.as_str(), error),
            ("error", json!({"message": "prompt is required"})),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn b19_a_second_socket_takes_the_session_over() {
    let service = Service::start().await;
    let mut first = Client::session(&service, "s").await;
    first.emit("message", json!("hello")).await;
    first.until("result").await;
    let mut second = Client::session(&service, "s").await;
    assert_eq!(first.event().await.1["message"], "Session taken over");
    assert_eq!(first.packet().await.as_deref(), Ok("41"));
    assert_eq!(second.event().await.1["message"], "Session resumed");
    let (event, history, _) = second.event().await;
    assert_eq!((event.as_str(), history["messages"].as_array().unwrap().len()), ("history", 2));
}

#[tokio::test]
async fn b24_binary_packets_and_frames_that_are_too_long_end_the_connection() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    client.text(r#"451-["message",{"_placeholder":true,"num":0}]"#).await;
    // What is sent next may be refused already.
    let _ = client.socket.send(Message::binary(vec![1, 2, 3])).await;
    client.ended().await;
    let mut client = Client::session(&service, "s").await;
    // Who was there before is gone.
    let _ = client
        .socket
        .send(Message::text(format!("42[\"message\",\"{}\"]", "x".repeat(2 << 20))))
        .await;
    client.ended().await;
    let mut client = Client::session(&service, "t").await;
    client.emit("message", json!("still here")).await;
    client.until("result").await;
}

#[tokio::test]
async fn a_destroyed_sandbox_ends_its_session() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    client.emit("start", json!({})).await;
    client.event().await;
    service.delete("/sandbox/s").await;
    assert_eq!(client.packet().await.as_deref(), Ok("41"));
    assert_eq!(health(&service).await["sessions"], 0);
}

#[tokio::test]
async fn a_session_that_is_prepared_for_another_user_begins_anew() {
    let service = Service::start().await;
    service.post("/setup/s?userId=a", json!(null)).await;
    let mut client = Client::session(&service, "s").await;
    client.emit("message", json!("a secret of a")).await;
    client.until("result").await;
    service.post("/setup/s?userId=b", json!(null)).await;
    assert_eq!(client.packet().await.as_deref(), Ok("41"));
    let mut client = Client::session(&service, "s").await;
    assert_eq!(client.get("get_history", "history").await, json!({"messages": []}));
}

#[tokio::test]
async fn a_server_that_stops_says_so_to_its_clients() {
    let service = Service::start().await;
    let mut client = Client::session(&service, "s").await;
    client.emit("start", json!({})).await;
    client.event().await;
    let sandboxes = service.dir.path().join("sandboxes");
    service.post("/setup/s", json!(null)).await;
    timeout(PATIENCE, service.server.shutdown()).await.unwrap();
    assert_eq!(client.packet().await.as_deref(), Ok("41"));
    client.ended().await;
    assert!(!sandboxes.join("s").exists());
}

#[tokio::test]
async fn polling_leads_in_as_well() {
    let service = Service::start().await;
    let http = Http::new();
    let url = format!("{}/socket.io/?EIO=4&transport=polling&sessionId=s", service.server.url());
    let get = async |url: String| http.get(url).send().await.unwrap().text().await.unwrap();
    let opened = get(url.clone()).await;
    let opened: Value = serde_json::from_str(opened.strip_prefix('0').unwrap()).unwrap();
    let url = format!("{url}&sid={}", opened["sid"].as_str().unwrap());
    let post = async |body: String| {
        let answer = http.post(url.clone()).body(body).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "ok");
    };
    post(format!("40{}", json!({"token": KEY}))).await;
    // A ping may come at any time, before or with what is waited for.
    let until = async |part: &str| {
        let mut all = String::new();
        let read = async {
            while !all.contains(part) {
                all.push_str(&get(url.clone()).await);
            }
        };
        timeout(PATIENCE, read).await.unwrap();
        all
    };
    until("40{").await;
    post(r#"42["message","by post"]"#.to_owned()).await;
    let all = until(r#"42["result""#).await;
    assert!(all.contains("by post"), "{all}");
}

#[tokio::test]
async fn without_the_service_its_paths_are_nobodys() {
    let server =
        start_with(|config: &mut ServerConfig| config.user_data = UserDataConfig::default()).await;
    for path in ["/users/u/skills", "/socket.io/", "/ws", "/setup/s"] {
        let response = Http::new().get(format!("{}{path}", server.url())).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let body = response.json::<Value>().await.unwrap();
        assert_eq!(body, json!({"error": "Not found"}), "{path}");
    }
    let health = Http::new().get(format!("{}/health", server.url())).send().await.unwrap();
    assert_eq!(health.json::<Value>().await.unwrap()["user_data"], json!({"enabled": false}));
}
