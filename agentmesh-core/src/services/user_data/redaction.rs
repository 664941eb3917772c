//! What the types of this service print: no key, no token, nothing of what people and agents say, no session's id.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    ChannelAuth, ChannelMessage, ChannelTimings, Conversation, HookPolicy, HookRequest, SecretText,
    Setup, TurnEnd, UserDataClient,
    channel::{Driver, Renew, Terms},
};
use crate::{
    client::{proxy::ProxyConfig, subscription::Fanout},
    redaction::Shown,
    services::socketio::Connection,
};

const SECRET: &str = "open-sesame";

#[tokio::test]
async fn user_data_types_print_redacted() {
    let mut shown = Shown::default();
    let key = SecretText::trimmed(SECRET);
    shown.add("SecretText", &key);
    shown.add("ChannelAuth", &ChannelAuth::Token(key.duplicate()));
    let builder = UserDataClient::builder("http://127.0.0.1:1").proxies(ProxyConfig::none());
    let builder = builder.api_key(key);
    shown.add("UserDataBuilder", &builder);
    let client = builder.build().unwrap();
    shown.add("UserDataClient", &client);
    shown.add("ChannelBuilder", &client.channel(SECRET).user("u"));
    let auth = ChannelAuth::Token(SecretText::trimmed(SECRET));
    let channel = client.channel(SECRET).auth(auth).start(None).unwrap();
    shown.add("UserDataChannel", &channel);
    let auth = || Some(zeroize::Zeroizing::new(SECRET.to_owned()));
    let terms = || Terms {
        namespace: "/".into(),
        auth: auth(),
        renews: true,
        hooks: HookPolicy::default(),
        timings: ChannelTimings::default(),
    };
    shown.add("Terms", &terms());
    let dial = client.dial(SECRET).unwrap();
    shown.add("Dial", &dial);
    let renew: Renew = Box::new(|| Box::pin(async { Ok(Some(SecretText::new(SECRET))) }));
    let (publish, _state) = tokio::sync::watch::channel(Default::default());
    shown.add("Driver", &Driver::new(dial, renew, terms(), Arc::new(Fanout::new(1)), publish));
    let setup =
        json!({"sessionId": "s", "userId": "u", "setupMethod": "r2_mount", "sessionToken": SECRET});
    shown.add("Setup", &serde_json::from_value::<Setup>(setup).unwrap());
    let mut connection = Connection::new("/".into(), auth(), Duration::ZERO);
    let open = r#"0{"pingInterval":1,"pingTimeout":1}"#;
    connection.receive(open, Duration::ZERO).unwrap();
    shown.add("Connection", &connection);
    shown.add("OutFrame", &connection.take_frames());
    shown.add("Conversation", &Conversation::new("c", vec![json!(SECRET)]));
    shown.add("TurnEnd", &TurnEnd { text: SECRET.into(), ..TurnEnd::default() });
    shown.add("HookRequest", &HookRequest { event: "Stop".into(), data: json!(SECRET) });
    let message = json!({"role": "user", "content": SECRET, "x": SECRET});
    shown.add("ChannelMessage", &ChannelMessage::parse(message));
    let text = shown.without(&[SECRET.as_bytes()]);
    assert!(text.contains("SecretText: SecretText([redacted])"), "{text}");
}
