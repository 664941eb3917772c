//! Requests and answers.

use agentmesh_core::{
    ErrorInfo,
    services::user_data::{Conversation, SecretText, Timeouts, UserDataClient, UserDataError},
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::{
    KEY, builder, client,
    fake::{Answer, HttpFake, answer},
};

fn ok(body: &Value) -> Answer {
    answer(200, body)
}

fn page(status: u16) -> Answer {
    Answer(status, vec![("content-type", "text/html; charset=utf-8".into())], "<html>hi".into())
}

async fn failure(answers: Vec<Answer>) -> (UserDataError, usize) {
    let fake = HttpFake::start(answers).await;
    let error = client(&fake.url).skill("u", "s").await.unwrap_err();
    (error, fake.asked().len())
}

#[tokio::test]
async fn requests_are_what_the_documents_say_below_whatever_prefix_the_service_has() {
    let stored = json!({"status": "success", "key": "k", "userId": "u"});
    let list = json!({"userId": "u", "skills": ["a", "b"], "count": 2});
    let skill = json!({"userId": "u", "skillName": "你好 %2F.md", "content": "x", "metadata": {"userId": "u"},
        "uploaded": "2026-01-01T00:00:00Z", "size": 1});
    let conversation = json!({"userId": "u", "conversationId": "c", "conversation": {"a": 1}, "metadata": {}, "uploaded": ""});
    let settings = json!({"userId": "u", "name": "preferences", "settings": {"a": 1}});
    let answers = [
        &stored,
        &list,
        &skill,
        &stored,
        &stored,
        &conversation,
        &stored,
        &settings,
        &stored,
        &json!({"status": "destroyed"}),
        &json!({"status": "healthy", "hasR2": true}),
    ];
    let fake = HttpFake::start(answers.into_iter().map(ok).collect()).await;
    let client = client(&format!("{}/api/v2/", fake.url));
    assert_eq!(client.put_skill("u", "你好 %2F.md", "x").await.unwrap().key, "k");
    assert_eq!(client.list_skills("u").await.unwrap().skills, ["a", "b"]);
    assert_eq!(client.skill("u", "你好 %2F.md").await.unwrap().content, "x");
    client.delete_skill("u", "a#b?c").await.unwrap();
    let body = Conversation::new("c", vec![json!({"role": "user"})]);
    client.save_conversation("u", &body).await.unwrap();
    assert_eq!(client.conversation("u", "c").await.unwrap().conversation, json!({"a": 1}));
    let mut preferences = Map::new();
    preferences.insert("theme".into(), "dark".into());
    client.put_settings("u", "preferences", &preferences).await.unwrap();
    assert_eq!(client.settings("u", "preferences").await.unwrap().settings["a"], 1);
    client.delete_settings("u", "preferences").await.unwrap();
    client.destroy_sandbox("s").await.unwrap();
    assert_eq!(client.health().await.unwrap().other["hasR2"], true);

    let asked = fake.asked();
    let lines: Vec<_> =
        asked.iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect();
    assert_eq!(
        lines,
        [
            "POST /api/v2/users/u/skills",
            "GET /api/v2/users/u/skills",
            "GET /api/v2/users/u/skills/%E4%BD%A0%E5%A5%BD%20%252F.md",
            "DELETE /api/v2/users/u/skills/a%23b%3Fc",
            "POST /api/v2/users/u/conversations",
            "GET /api/v2/users/u/conversations/c",
            "PUT /api/v2/users/u/settings/preferences",
            "GET /api/v2/users/u/settings/preferences",
            "DELETE /api/v2/users/u/settings/preferences",
            "DELETE /api/v2/sandbox/s",
            "GET /api/v2/health",
        ]
    );
    assert_eq!(asked[0].body, json!({"name": "你好 %2F.md", "content": "x"}));
    assert_eq!(asked[4].body, json!({"conversationId": "c", "messages": [{"role": "user"}]}));
    assert_eq!(asked[6].body, json!({"theme": "dark"}));
    let (last, others) = asked.split_last().unwrap();
    assert!(last.headers.get("authorization").is_none(), "health is open");
    for asked in others {
        assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
        assert_eq!(asked.headers["x-request-id"].len(), 36);
    }
}

#[tokio::test]
async fn setup_names_the_user_only_if_there_is_one_and_is_sent_thrice_at_most() {
    let ready =
        json!({"sessionId": "s", "userId": "Alice", "setupMethod": "r2_mount", "message": "m"});
    let busy = || answer(500, &json!({"error": "boom"}));
    let fake = HttpFake::start(vec![
        ok(&ready),
        busy(),
        busy(),
        ok(&ready),
        busy(),
        busy(),
        busy(),
        busy(),
    ])
    .await;
    let client = client(&fake.url);
    client.setup("s", Some("Alice")).await.unwrap();
    client.setup("s", None).await.unwrap();
    let error = client.setup("s", None).await.unwrap_err();
    assert!(matches!(error, UserDataError::Unavailable { status: 500, .. }), "{error}");
    let targets: Vec<_> = fake.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets[0], "/setup/s?userId=Alice");
    assert!(targets[1..].iter().all(|target| target == "/setup/s"));
    assert_eq!(targets.len(), 7);
}

#[tokio::test]
async fn names_that_no_server_takes_are_not_sent() {
    let fake = HttpFake::start(vec![]).await;
    let client = client(&fake.url);
    for name in ["../x", "a/b", "..", ".x", "a\\b", "a\0", "", " a", "a.", "con", &"x".repeat(129)]
    {
        let error = client.skill("u", name).await.unwrap_err();
        assert!(matches!(error, UserDataError::InvalidName { .. }), "{name}: {error}");
        assert!(client.put_skill(name, "s", "x").await.is_err());
        assert!(client.conversation("u", name).await.is_err());
        assert!(client.settings("u", name).await.is_err());
        assert!(client.setup(name, None).await.is_err());
        assert!(client.setup("s", Some(name)).await.is_err());
        assert!(client.channel(name).connect().await.is_err());
    }
    let invalid = client.put_skill("u", "s", "").await.unwrap_err();
    assert!(matches!(invalid, UserDataError::Invalid { .. }));
    let large = client.put_skill("u", "s", &"x".repeat(1024 * 1024 + 1)).await.unwrap_err();
    assert!(matches!(large, UserDataError::TooLarge { limit: 1_048_576, .. }));
    let large = Conversation::new("c", vec![Value::from("x".repeat(10 * 1024 * 1024))]);
    assert!(matches!(
        client.save_conversation("u", &large).await,
        Err(UserDataError::TooLarge { .. })
    ));
    let mut large = Map::new();
    large.insert("x".into(), "x".repeat(256 * 1024).into());
    assert!(matches!(
        client.put_settings("u", "p", &large).await,
        Err(UserDataError::TooLarge { .. })
    ));
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn statuses_become_errors_and_only_those_that_may_pass_are_tried_again() {
    let of = |status| failure((0..4).map(|_| answer(status, &json!({"error": "words"}))).collect());
    for (status, code, tries) in [
        (400, "USER_DATA_REJECTED", 1),
        (401, "USER_DATA_UNAUTHORIZED", 1),
        (403, "USER_DATA_FORBIDDEN", 1),
        (404, "USER_DATA_NOT_FOUND", 1),
        (409, "USER_DATA_FULL", 1),
        (413, "USER_DATA_TOO_LONG", 1),
        (418, "USER_DATA_REJECTED", 1),
        (429, "USER_DATA_RATE_LIMITED", 4),
        (500, "USER_DATA_UNAVAILABLE", 4),
        (503, "USER_DATA_UNAVAILABLE", 4),
    ] {
        let (error, tried) = of(status).await;
        assert_eq!((error.code(), tried), (code, tries), "{status}");
    }
    let (error, _) = of(404).await;
    assert!(error.to_string().contains("words"), "{error}");
}

#[tokio::test]
async fn the_servers_id_of_a_request_is_in_the_error() {
    let headers = vec![("x-request-id", "their-id".to_owned())];
    let (error, _) =
        failure(vec![Answer(401, headers, r#"{"error":"Unauthorized"}"#.into())]).await;
    assert!(error.to_string().contains("their-id"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_busy_for_long_is_not_waited_for() {
    let headers = vec![("retry-after", "3600".to_owned())];
    let (error, tried) = failure(vec![Answer(429, headers, String::new())]).await;
    assert_eq!(tried, 1);
    assert_eq!(error.retry_after().map(|after| after.as_secs()), Some(3600));
}

#[tokio::test]
async fn requests_succeed_once_the_server_is_back() {
    let busy = || answer(503, &json!({"error": "Storage unavailable"}));
    let stored = ok(&json!({"status": "success", "key": "k"}));
    let fake = HttpFake::start(vec![busy(), answer(429, &json!({})), busy(), stored]).await;
    client(&fake.url).put_skill("u", "s", "x").await.unwrap();
    let asked = fake.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|asked| asked.body == json!({"name": "s", "content": "x"})));
}

#[tokio::test]
async fn what_is_no_answer_of_this_service_says_so() {
    let redirect =
        Answer(302, vec![("location", "https://elsewhere.example/".into())], String::new());
    let garbage = Answer(200, vec![], "OK".into());
    let huge = Answer(200, vec![], " ".repeat(17 * 1024 * 1024));
    let other = ok(&json!({"hello": "world"}));
    for answer in [page(200), page(404), page(401), redirect, garbage, huge, other] {
        let (error, tried) = failure(vec![answer]).await;
        assert!(matches!(error, UserDataError::Protocol { .. }), "{error}");
        assert_eq!(tried, 1);
    }
    // A page of the proxy in front of a server that is starting is no verdict.
    let (error, tried) = failure(vec![page(502), page(502), page(502), page(502)]).await;
    assert!(matches!(error, UserDataError::Unavailable { status: 502, .. }), "{error}");
    assert_eq!(tried, 4);
}

#[tokio::test]
async fn lists_are_followed_over_their_pages_and_never_for_ever() {
    let page = |names: &[&str], cursor: Option<&str>| {
        ok(&json!({"skills": names, "count": names.len(), "cursor": cursor}))
    };
    let fake = HttpFake::start(vec![page(&["a", "b"], Some("b c")), page(&["c"], None)]).await;
    let list = client(&fake.url).list_skills("u").await.unwrap();
    assert_eq!((list.skills.len(), list.count, list.cursor), (3, 3, None));
    assert_eq!(fake.asked()[1].target, "/users/u/skills?cursor=b+c");

    let fake = HttpFake::start(vec![page(&["a"], Some("x")), page(&["a"], Some("x"))]).await;
    let error = client(&fake.url).list_skills("u").await.unwrap_err();
    assert!(matches!(error, UserDataError::Protocol { .. }), "{error}");

    let page = |id: &str, cursor: Option<&str>| {
        ok(&json!({"conversations": [{"conversationId": id}], "count": 1, "cursor": cursor}))
    };
    let fake = HttpFake::start(vec![page("a", Some("x")), page("b", None)]).await;
    let list = client(&fake.url).list_conversations("u").await.unwrap();
    assert_eq!((list.conversations[1].conversation_id.as_str(), list.count), ("b", 2));
}

#[tokio::test]
async fn server_that_is_not_there_or_says_nothing_is_unreachable_or_too_late() {
    let client = client("http://127.0.0.1:1");
    let error = client.list_skills("u").await.unwrap_err();
    assert!(matches!(error, UserDataError::Unreachable { .. }), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let moment = std::time::Duration::from_millis(20);
    let timeouts = Timeouts { request: moment, ..Timeouts::default() };
    let none = agentmesh_core::services::user_data::RetryPolicy::none();
    let client = builder(&url).retry(none).timeouts(timeouts).build().unwrap();
    let error = client.health().await.unwrap_err();
    assert!(matches!(error, UserDataError::Timeout { .. }), "{error}");
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_sent() {
    for url in
        ["", "ftp://x", "http://user:pw@127.0.0.1", "http://127.0.0.1/?a=b", "http://example.com"]
    {
        let error = UserDataClient::builder(url).build().unwrap_err();
        assert!(matches!(error, UserDataError::Config { .. }), "{url}");
    }
    assert!(UserDataClient::builder("http://example.com").allow_insecure(true).build().is_ok());
    let key = SecretText::trimmed("wörld");
    assert!(UserDataClient::builder("http://127.0.0.1").api_key(key).build().is_err());
    let zero = Timeouts { setup: std::time::Duration::ZERO, ..Timeouts::default() };
    assert!(UserDataClient::builder("http://127.0.0.1").timeouts(zero).build().is_err());
}
