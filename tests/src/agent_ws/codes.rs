//! The codes of a backend's errors, each for its own reason.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmesh_core::{
    ErrorInfo,
    client::platform::BoxFuture,
    services::agent_ws::service::{
        ChatBackend, ChatError, ChatRequest, Deltas, OpenAiBackend, OpenAiConfig,
    },
};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinSet};

use super::{
    Raw, model_config,
    provider::{Answer, Provider},
    server_before,
};

/// Remembers what a backend failed with.
#[derive(Debug)]
struct Spy {
    backend: OpenAiBackend,
    codes: Mutex<Vec<&'static str>>,
}

impl ChatBackend for Spy {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        deltas: Option<&'a Deltas>,
    ) -> BoxFuture<'a, Result<String, ChatError>> {
        Box::pin(async move {
            let result = self.backend.complete(request, deltas).await;
            if let Err(error) = &result {
                self.codes.lock().unwrap().push(error.code());
            }
            result
        })
    }
}

/// The codes of so many questions that all fail.
async fn codes(config: OpenAiConfig, questions: usize) -> Vec<&'static str> {
    let backend = OpenAiBackend::new(config).unwrap();
    let spy = Arc::new(Spy { backend, codes: Mutex::default() });
    let server = server_before(spy.clone()).await;
    let mut raw = Raw::begun(&server).await;
    for _ in 0..questions {
        raw.query("x").await;
        assert_eq!(raw.answer().await["type"], "error");
    }
    spy.codes.lock().unwrap().clone()
}

#[tokio::test]
async fn every_failure_of_a_model_has_its_code() {
    let long = json!({"choices": [{"message": {"content": "x".repeat(1_100_000)}}]});
    let page = Answer::With(200, vec![("content-type", "text/html")], "<h1>Hello</h1>".into());
    let answers = [
        (Answer::json(500, &json!({})), "CHAT_STATUS"),
        (Answer::json(200, &json!({"error": {"message": "no"}})), "CHAT_FAILED"),
        (Answer::json(200, &json!({"choices": []})), "CHAT_EMPTY"),
        (page, "CHAT_UNREADABLE"),
        (Answer::json(200, &long), "CHAT_TOO_LONG"),
    ];
    let expected = answers.each_ref().map(|(_, code)| *code);
    let provider = Provider::start(answers.map(|(answer, _)| answer)).await;
    assert_eq!(codes(model_config(&provider.url), expected.len()).await, expected);

    let provider = Provider::start([Answer::Hang]).await;
    let timeout = Duration::from_millis(200);
    let hasty = OpenAiConfig { timeout, ..model_config(&provider.url) };
    assert_eq!(codes(hasty, 1).await, ["CHAT_TIMEOUT"]);
    let poor = OpenAiConfig { api_key: None, ..model_config(&provider.url) };
    assert_eq!(codes(poor, 1).await, ["CHAT_NOT_CONFIGURED"]);
}

#[tokio::test]
async fn question_that_was_sent_is_not_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(0));
    let (mut task, count) = (JoinSet::new(), Arc::clone(&asked));
    task.spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let _ = tcp.read(&mut [0; 1024]).await;
            *count.lock().unwrap() += 1;
        }
    });
    assert_eq!(codes(model_config(&url), 1).await, ["CHAT_UNREACHABLE"]);
    assert_eq!(*asked.lock().unwrap(), 1);
}
