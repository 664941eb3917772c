//! What the client's types show of keys and messages: nothing but sizes.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    agent::{Agent, Message, Messages},
    driver::{Command, Passphrase},
    http::{HttpClient, HttpConfig},
    platform::Clock,
    proxy::ProxyConfig,
    registry::RegistryClient,
    relay::{Inbound, RelayContext, RelayEvent, RelayPayload},
    transport::memory,
};
use crate::{
    engine::{IncomingMessage, NewMessage},
    identity::Identity,
    redaction::Shown,
    storage::MemoryStorage,
    test_utils::{mesh::START, seeded_rng},
    vault::StoreKey,
    wire::{
        id::MessageId,
        plaintext::{Headers, MessageType, Payload},
        relay_frame::RelayMessageType,
    },
};

const SECRET: [u8; 32] = [0xab; 32];
const TEXT: &str = "open sesame";

#[tokio::test]
async fn clients_types_print_redacted() {
    let (mut shown, mut rng) = (Shown::default(), seeded_rng(3));
    let identity = Arc::new(Identity::generate(START, &mut rng));
    let to = Identity::generate(START, &mut rng).amid();
    let id = MessageId::new_v7(START, &mut rng);
    let builder = Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes(SECRET))
        .identity(Identity::generate(START, &mut rng));
    shown.add("AgentBuilder", &builder);
    shown.add("AgentBuilder", &Agent::builder().store_key_passphrase(TEXT));
    let message = NewMessage {
        id,
        to,
        kind: MessageType::Request,
        in_reply_to: None,
        payload: Payload::Json(TEXT.into()),
        headers: Headers::default(),
        knock_request: None,
        expires_in: None,
    };
    shown.add("NewMessage", &message);
    let (queued, _on_disk) = oneshot::channel();
    let command = format!("{:?}", Command::Send { message, queued, watch: None });
    assert!(command.starts_with("Send { message: NewMessage {") && !command.contains(TEXT));
    let passphrase = Passphrase::from(TEXT);
    shown.add("Passphrase", &passphrase);
    let content = IncomingMessage {
        from: to,
        id,
        kind: MessageType::Request,
        seq: 1,
        in_reply_to: None,
        sent_at: START,
        received_at: START,
        payload: Payload::Json(TEXT.into()),
        headers: Headers::default(),
    };
    shown.add("Message", &Message { content, attempt: 0, verdict: None.into() });
    shown.add("Messages", &Messages::channel(1).1);
    let payload = RelayPayload::Text(TEXT.into());
    let inbound = Inbound {
        from: to,
        id: None,
        message_type: RelayMessageType::Message,
        payload: RelayPayload::Native(Bytes::from_static(TEXT.as_bytes())),
        received_at: None,
    };
    shown.add("RelayPayload", &payload);
    shown.add("Inbound", &inbound);
    shown.add("RelayEvent", &RelayEvent::Frame(inbound));
    let http =
        HttpClient::new(HttpConfig { proxies: ProxyConfig::none(), ..HttpConfig::default() });
    let base = "https://registry.example/v1";
    let registry = RegistryClient::new(base, identity.clone(), http.unwrap(), Clock::system());
    shown.add("RegistryClient", &registry.unwrap());
    let (connector, _listener) = memory::listener(1);
    let context = RelayContext {
        identity: identity.clone(),
        connector: Arc::new(connector),
        clock: Clock::starting_at(START),
        rng: Box::new(seeded_rng(4)),
    };
    shown.add("RelayContext", &context);
    let secrets = [identity.seed().as_slice(), &SECRET, TEXT.as_bytes()];
    insta::assert_snapshot!(shown.without(&secrets));
}
