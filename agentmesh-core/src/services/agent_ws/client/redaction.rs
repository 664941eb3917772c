//! What a client prints: neither its token nor what is said.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use tokio::sync::watch;

use super::{
    super::{AgentWebSocketClient, ClientTimings, SecretText},
    QueryOptions, State,
    driver::{Dial, Driver},
};
use crate::{
    client::{
        platform::Clock, proxy::ProxyConfig, subscription::Fanout,
        transport::ws_native::WsConnector,
    },
    redaction::Shown,
};

const TOKEN: &str = "open-sesame";
const QUESTION: &str = "of one syllable";

#[tokio::test]
async fn neither_token_nor_question_is_printed() {
    let mut shown = Shown::default();
    let url = "ws://127.0.0.1:1/";
    let builder = AgentWebSocketClient::builder(url)
        .bearer(SecretText::trimmed(TOKEN))
        .proxies(ProxyConfig::none());
    shown.add("AgentWebSocketBuilder", &builder);
    let client = builder.start().unwrap();
    shown.add("AgentWebSocketClient", &client);
    let asked = client.query_stream(QUESTION, QueryOptions::default()).await.unwrap();
    shown.add("QueryStream", &asked);

    let mut bearer = HeaderValue::from_str(TOKEN).unwrap();
    bearer.set_sensitive(true);
    let connector = WsConnector::new(&ProxyConfig::none(), Duration::from_secs(1)).unwrap();
    let dial = Dial {
        connector: Arc::new(connector),
        url: url.parse().unwrap(),
        headers: HeaderMap::from_iter([(header::AUTHORIZATION, bearer)]),
    };
    shown.add("Dial", &dial);
    let (publish, _state) = watch::channel(State::default());
    let events = Arc::new(Fanout::new(1));
    let driver = Driver::new(dial, ClientTimings::default(), Clock::system(), events, publish);
    shown.add("Driver", &driver);
    let text = shown.without(&[TOKEN.as_bytes(), QUESTION.as_bytes()]);
    assert!(text.contains("AgentWebSocketClient: AgentWebSocketClient {"), "{text}");
}
