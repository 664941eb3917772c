//! The backend for OpenRouter and its like, behind the server, in front of a faked service.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    KEY, Raw, model,
    provider::{Answer, Provider},
    server_before, until_empty,
};

async fn behind(answers: Vec<Answer>) -> (Provider, Raw, agentmesh_server::Server) {
    let provider = Provider::start(answers).await;
    let server = server_before(model(&provider.url)).await;
    let raw = Raw::begun(&server).await;
    (provider, raw, server)
}

fn texts(body: &Value) -> Vec<(&str, &str)> {
    let text = |value: &'_ Value| value.as_str().unwrap().to_owned().leak() as &str;
    let messages = body["messages"].as_array().unwrap();
    messages.iter().map(|m| (text(&m["role"]), text(&m["content"]))).collect()
}

#[tokio::test]
async fn agent_ws_case_07_request_is_the_documented_one() {
    let (provider, mut raw, _server) = behind(vec![Answer::text("one!")]).await;
    raw.query("one").await;
    assert_eq!(raw.answer().await["content"], "one!");
    raw.query("two").await;
    assert_eq!(raw.answer().await["content"], "two");
    let asked = provider.asked();
    assert_eq!((&asked[1]["temperature"], &asked[1]["max_tokens"]), (&json!(0.7), &json!(1500)));
    assert_eq!(asked[1]["model"], "openai/gpt-4-turbo");
    assert!(asked[1].get("stream").is_none());
    let said = texts(&asked[1]);
    assert_eq!(said[0].0, "system");
    assert_eq!(said[1..], [("user", "one"), ("assistant", "one!"), ("user", "two")]);
    let headers = provider.headers();
    assert_eq!(headers["authorization"], format!("Bearer {KEY}").as_str());
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn agent_ws_case_09_too_many_requests_are_repeated_when_the_service_says_so() {
    let busy = Answer::With(429, vec![("retry-after", "1")], "{}".into());
    let (provider, mut raw, _server) = behind(vec![busy, Answer::text("at last")]).await;
    raw.query("x").await;
    assert_eq!(raw.answer().await["content"], "at last");
    assert_eq!(provider.asked().len(), 2);
    assert!(provider.pause() >= Duration::from_secs(1));
}

#[tokio::test]
async fn agent_ws_case_10_refusals_are_final_and_tell_nothing() {
    let told = format!("No auth for {KEY}, account 4711");
    for status in [400, 401, 402, 403] {
        let refusal = Answer::json(status, &json!({"error": {"code": status, "message": told}}));
        let (provider, mut raw, _server) = behind(vec![refusal]).await;
        raw.query("x").await;
        let frame = raw.answer().await;
        let text = frame["content"].as_str().unwrap();
        let start = format!("Failed to generate response: OpenRouter API error: HTTP {status}");
        assert!(text.starts_with(&start), "{text}");
        assert!(!text.contains("hush"), "{text}");
        assert_eq!(text.contains("4711"), status == 400, "{text}");
        assert_eq!(provider.asked().len(), 1, "no retry");
        raw.query("and now?").await;
        assert_eq!(raw.answer().await["content"], "and now?");
        assert_eq!(texts(&provider.asked()[1]).len(), 2, "nothing of it is remembered");
    }
}

#[tokio::test]
async fn agent_ws_case_11_success_with_an_error_within_is_an_error() {
    let error = json!({"error": {"code": 502, "message": "upstream fell over"}});
    for (answer, expected) in [
        (Answer::json(200, &error), "OpenRouter API error: upstream fell over"),
        (Answer::json(200, &json!({"choices": []})), "empty completion"),
        (
            Answer::json(200, &json!({"choices": [{"message": {"content": null}}]})),
            "empty completion",
        ),
        (
            Answer::json(
                200,
                &json!({"choices": [{"finish_reason": "error", "message": {"content": "x"}}]}),
            ),
            "OpenRouter API error: the model failed",
        ),
        (
            Answer::With(200, vec![("content-type", "text/html")], "<h1>Hello</h1>".into()),
            "OpenRouter answered with something else than a completion",
        ),
        (Answer::json(500, &json!({"error": "no"})), "OpenRouter API error: HTTP 500: no"),
        (
            Answer::With(302, vec![("location", "http://127.0.0.1:1/")], String::new()),
            "OpenRouter API error: HTTP 302",
        ),
        (
            Answer::json(
                200,
                &json!({"choices": [{"message": {"content": "x".repeat(1_100_000)}}]}),
            ),
            "the completion exceeds 1048576 bytes",
        ),
    ] {
        let (provider, mut raw, _server) = behind(vec![answer]).await;
        raw.query("x").await;
        let frame = raw.answer().await;
        assert_eq!(frame["type"], "error");
        assert_eq!(frame["content"], format!("Failed to generate response: {expected}"));
        assert_eq!(provider.asked().len(), 1);
    }
    let parts =
        json!([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]);
    let answer = Answer::json(200, &json!({"choices": [{"message": {"content": parts}}]}));
    let (_provider, mut raw, _server) = behind(vec![answer]).await;
    raw.query("x").await;
    assert_eq!(raw.answer().await["content"], "ab");
}

#[tokio::test]
async fn agent_ws_case_24_client_that_leaves_takes_its_call_with_it() {
    let (provider, mut raw, server) = behind(vec![Answer::Hang, Answer::Hang]).await;
    raw.query("x").await;
    provider.hanging(1).await;
    drop(raw);
    provider.hanging(0).await;
    until_empty(&server).await;

    let mut raw = Raw::begun(&server).await;
    raw.query("y").await;
    provider.hanging(1).await;
    raw.send(json!({"type": "command", "content": "cancel"}).to_string()).await;
    provider.hanging(0).await;
    raw.query("still there?").await;
    assert_eq!(raw.answer().await["content"], "still there?");
}

#[tokio::test]
async fn service_that_cannot_be_reached_is_said_to_be() {
    // Two retries, with pauses of about three seconds together.
    let server = server_before(model("http://127.0.0.1:1/v1")).await;
    let mut raw = Raw::begun(&server).await;
    raw.query("x").await;
    let frame = raw.answer().await;
    assert_eq!(frame["content"], "Failed to generate response: OpenRouter cannot be reached");
}

#[tokio::test]
async fn answers_stream_where_that_was_asked_for() {
    let piece = |text: &str| json!({"choices": [{"delta": {"content": text}}]}).to_string();
    let events = format!(
        "\u{feff}: OPENROUTER PROCESSING\n\ndata: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
        piece("Hel"),
        piece("lo")
    );
    let broken =
        format!("data: {}\n\ndata: {{\"error\":{{\"message\":\"fell over\"}}}}\n\n", piece("Hel"));
    let cut = format!("data: {}\n\n", piece("half"));
    let answers = [events, broken, cut, "data: nonsense\n\n".into()];
    let (provider, mut raw, _server) =
        behind(answers.iter().map(|e| Answer::events(e)).collect()).await;
    let ask = json!({"type": "query", "content": "x", "id": "s", "options": {"stream": true}})
        .to_string();
    raw.send(&ask).await;
    let mut frames = Vec::new();
    for _ in 0..3 {
        let frame = raw.answer().await;
        assert_eq!(frame["correlationId"], "s");
        frames.push((
            frame["type"].as_str().unwrap().to_owned(),
            frame["content"].as_str().unwrap().to_owned(),
        ));
    }
    let delta = |text: &str| ("response_delta".to_owned(), text.to_owned());
    assert_eq!(frames, [delta("Hel"), delta("lo"), ("response".into(), "Hello".into())]);
    assert_eq!(provider.asked()[0]["stream"], true);
    for (deltas, error) in [
        (1, "OpenRouter API error: fell over"),
        (1, "OpenRouter cannot be reached"),
        (0, "OpenRouter answered with something else than a completion"),
    ] {
        raw.send(&ask).await;
        for _ in 0..deltas {
            assert_eq!(raw.answer().await["type"], "response_delta");
        }
        let frame = raw.answer().await;
        assert_eq!(frame["content"], format!("Failed to generate response: {error}"));
    }
}
