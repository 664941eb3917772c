//! Errors, statuses, trace contexts, capabilities and schemas between two agents over a real server.

use std::time::Duration;

use agentmesh_core::{
    Error, ErrorInfo,
    client::{Agent, AgentBuilder, AgentError, AgentEvent, SendOptions},
    engine::{Event, Stage},
    knock::{Policy, SessionType},
    schema::SchemaRegistry,
    storage::MemoryStorage,
    vault::StoreKey,
    wire::{
        capability::Fit,
        peer_error::PeerError,
        plaintext::{MessageType, Payload},
    },
};
use agentmesh_server::{Server, ServerConfig};

const DEADLINE: Duration = Duration::from_secs(30);
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn server() -> Server {
    Server::start(ServerConfig::for_development()).await.unwrap()
}

fn builder(server: &Server) -> AgentBuilder {
    Agent::builder()
        .storage(MemoryStorage::new())
        .store_key(StoreKey::from_bytes([1; 32]))
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .policy(Policy::permissive())
}

async fn online(builder: AgentBuilder) -> Agent {
    let agent = builder.create().await.unwrap();
    agent.connect().await.unwrap();
    agent
}

async fn end(server: Server, agents: [Agent; 2]) {
    for agent in agents {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn error_answers_a_request_and_statuses_come_before_it() {
    let server = server().await;
    let (alice, bob) = (online(builder(&server)).await, online(builder(&server)).await);
    let mut requests = bob.messages().await.unwrap();
    let mut events = alice.events();
    let options = SendOptions { trace: Some(TRACE.into()), ..SendOptions::default() };
    let (answer, ()) = tokio::join!(alice.request(bob.amid(), "1", DEADLINE, options), async {
        let request = requests.next().await.unwrap();
        assert_eq!(request.trace(), Some(TRACE));
        request.status(&bob, r#"{"done":0.5}"#).await.unwrap();
        let status = loop {
            if let AgentEvent::Engine(Event::Status { from, in_reply_to, payload }) =
                events.next().await.unwrap()
            {
                break (from, in_reply_to, payload);
            }
        };
        assert_eq!(status, (bob.amid(), Some(request.id), r#"{"done":0.5}"#.into()));
        let error = PeerError::new("OVERLOADED", "later").retryable().with_details("[1]");
        request.fail(&bob, &error).await.unwrap();
    });
    let Err(Error::Agent(AgentError::ErrorResponse { error })) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((error.code.as_str(), error.details.as_deref()), ("OVERLOADED", Some("[1]")));
    let stranger = agentmesh_core::identity::Amid::from_bytes([9; 20]);
    let nobody = alice.status(stranger, None, "1").await.unwrap_err();
    assert_eq!(nobody.code(), "SEND_NO_SESSION");
    end(server, [alice, bob]).await;
}

#[tokio::test]
async fn answers_carry_the_trace_context_of_their_request() {
    let server = server().await;
    let (alice, bob) = (online(builder(&server)).await, online(builder(&server)).await);
    let mut requests = bob.messages().await.unwrap();
    let options = SendOptions { trace: Some(TRACE.into()), ..SendOptions::default() };
    let (answer, ()) = tokio::join!(alice.request(bob.amid(), "1", DEADLINE, options), async {
        let request = requests.next().await.unwrap();
        request.respond(&bob, "2", SendOptions::default()).await.unwrap();
    });
    assert_eq!(answer.unwrap().headers.trace.as_deref(), Some(TRACE));
    let options = SendOptions { trace: Some("x".repeat(257)), ..SendOptions::default() };
    let refused = alice.send(bob.amid(), "1", options).await.unwrap_err();
    assert_eq!(refused.code(), "MESSAGE_HEADER_INVALID");
    end(server, [alice, bob]).await;
}

#[tokio::test]
async fn new_reader_gets_what_the_one_before_was_given_and_did_not_read() {
    let server = server().await;
    let (alice, bob) = (online(builder(&server)).await, online(builder(&server)).await);
    let mut before = bob.messages().await.unwrap();
    for text in ["1", "2", "3"] {
        let options = SendOptions::wait_for(Stage::Delivered);
        alice.send(bob.amid(), text, options).await.unwrap();
    }
    let first = before.next().await.unwrap();
    // Still there, and nobody reads it.
    let mut after = bob.messages().await.unwrap();
    for text in ["2", "3"] {
        let next = tokio::time::timeout(DEADLINE, after.next()).await.expect("in time").unwrap();
        assert_eq!((next.payload.clone(), next.attempt()), (text.into(), 0));
        next.ack().await.unwrap();
    }
    assert!(before.next().await.is_none(), "it was replaced");
    first.ack().await.unwrap();
    end(server, [alice, bob]).await;
}

#[tokio::test]
async fn session_type_reaches_the_policy() {
    let server = server().await;
    let alice = online(builder(&server)).await;
    let mut policy = Policy::permissive();
    policy.accepted_session_types = vec![SessionType::Streaming];
    let bob = online(builder(&server).policy(policy)).await;
    let with = |session_type| SendOptions {
        session_type: Some(session_type),
        ..SendOptions::wait_for(Stage::Delivered)
    };
    let rejected = alice.send(bob.amid(), "1", with(SessionType::Persistent)).await.unwrap_err();
    assert!(rejected.to_string().contains("Session type persistent not accepted"), "{rejected}");
    alice.send(bob.amid(), "1", with(SessionType::Streaming)).await.unwrap();
    end(server, [alice, bob]).await;
}

#[tokio::test]
async fn capabilities_are_settled_without_the_application() {
    let server = server().await;
    let alice = online(builder(&server)).await;
    let bob = online(
        builder(&server).capabilities(["weather", "travel/flights", "secret/x"]).on_negotiation(
            |_, _, mut agreement| {
                agreement.agreed.retain(|m| !m.offered.starts_with("secret"));
                agreement
            },
        ),
    )
    .await;
    let wanted = ["weather/forecast", "travel/*", "secret/x", "food"];
    let agreed = alice.negotiate(bob.amid(), wanted, DEADLINE).await.unwrap();
    let agreed: Vec<_> = agreed.agreed.iter().map(|m| (m.offered.as_str(), m.fit)).collect();
    assert_eq!(agreed, [("weather", Fit::Prefix), ("travel/flights", Fit::Wildcard)]);
    let none = alice.negotiate(bob.amid(), [""], DEADLINE).await.unwrap_err();
    assert_eq!(none.code(), "CAPABILITY_NAME");
    end(server, [alice, bob]).await;
}

fn weather() -> SchemaRegistry {
    let mut schemas = SchemaRegistry::standard();
    let schema = r#"{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}"#;
    schemas.register("weather/query", schema).unwrap();
    schemas
}

#[tokio::test]
async fn payload_that_does_not_follow_its_schema_is_refused_at_both_ends() {
    let server = server().await;
    // Alice does not know the schema, so nothing stops her.
    let alice = online(builder(&server)).await;
    let bob = online(builder(&server).schemas(weather())).await;
    let mut requests = bob.messages().await.unwrap();
    let named = || SendOptions { schema: Some("weather/query".into()), ..SendOptions::default() };
    let refused = bob.send(alice.amid(), r#"{"city":1}"#, named()).await.unwrap_err();
    assert_eq!(refused.code(), "SCHEMA_VIOLATION");
    for bad in [Payload::from(r#"{"city":1}"#), Payload::Bytes(vec![1])] {
        let answer = alice.request(bob.amid(), bad, DEADLINE, named()).await;
        let Err(Error::Agent(AgentError::ErrorResponse { error })) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(error.code, "SCHEMA_VIOLATION");
        assert!(error.details.unwrap().contains("weather/query"));
    }
    let (answer, ()) =
        tokio::join!(alice.request(bob.amid(), r#"{"city":"Oslo"}"#, DEADLINE, named()), async {
            // What was refused never came here.
            let request = requests.next().await.unwrap();
            assert_eq!(request.schema(), Some("weather/query"));
            assert_eq!(request.payload.as_json(), Some(r#"{"city":"Oslo"}"#));
            request.respond(&bob, "{}", SendOptions::default()).await.unwrap();
        });
    assert_eq!(answer.unwrap().kind, MessageType::Response);
    // A name that Bob does not know is handed on with the payload.
    let other = SendOptions { schema: Some("other".into()), ..SendOptions::default() };
    alice.send(bob.amid(), "[]", other).await.unwrap();
    let message = requests.next().await.unwrap();
    assert_eq!(message.schema(), Some("other"));
    message.ack().await.unwrap();
    end(server, [alice, bob]).await;
}

#[tokio::test]
async fn answer_that_does_not_follow_its_schema_is_an_error_to_whoever_waits() {
    let server = server().await;
    let alice = online(builder(&server).schemas(weather())).await;
    let bob = online(builder(&server)).await;
    let mut requests = bob.messages().await.unwrap();
    let (answer, ()) =
        tokio::join!(alice.request(bob.amid(), "1", DEADLINE, SendOptions::default()), async {
            let request = requests.next().await.unwrap();
            let named =
                SendOptions { schema: Some("weather/query".into()), ..SendOptions::default() };
            request.respond(&bob, "[]", named).await.unwrap();
        });
    let Err(Error::Agent(AgentError::ErrorResponse { error })) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(error.code, "SCHEMA_VIOLATION");
    end(server, [alice, bob]).await;
}
