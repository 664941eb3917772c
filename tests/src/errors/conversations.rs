//! What goes wrong between two agents.

use agentmesh_core::{
    client::{AgentError, SendOptions},
    engine::{SendError, Stage},
    wire::peer_error::PeerError,
};

use super::*;

async fn online(server: &Server) -> Agent {
    let agent = offline()
        .registry_url(server.registry_url())
        .relay_url(server.relay_url())
        .open_or_create()
        .await
        .unwrap();
    agent.connect().await.unwrap();
    agent
}

#[tokio::test]
async fn status_to_a_peer_without_a_session_goes_nowhere() {
    let agent = offline().open_or_create().await.unwrap();
    let nobody: Amid = NOBODY.parse().unwrap();
    let error = agent.status(nobody, None, "1").await.unwrap_err();
    assert_eq!(error, SendError::NoSession.into());
}

#[tokio::test]
async fn trace_context_beyond_the_limit_is_refused_before_anything_is_queued() {
    let agent = offline().open_or_create().await.unwrap();
    let nobody: Amid = NOBODY.parse().unwrap();
    let trace = Some("0".repeat(257));
    let options = SendOptions { trace, ..SendOptions::wait_for(Stage::Queued) };
    let error = agent.send(nobody, "1", options).await.unwrap_err();
    assert_eq!(error.code(), "MESSAGE_HEADER_INVALID");
    assert!(error.to_string().contains("trace"), "{error}");
    assert!(agent.outbox().await.unwrap().is_empty());
}

#[tokio::test]
async fn answer_that_is_refused_leaves_the_request_open_and_another_ends_it_once() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let (alice, bob) = (online(&server).await, online(&server).await);
    let mut messages = bob.messages().await.unwrap();
    let asked = alice.request(bob.amid(), "1", PATIENCE, SendOptions::default());
    let answered = async {
        let request = messages.next().await.unwrap();
        let large = vec![0; limits::MAX_LARGE_PAYLOAD + 1];
        let refused = request.respond(&bob, large, SendOptions::default()).await.unwrap_err();
        assert_eq!(refused.code(), "PAYLOAD_TOO_LARGE");
        let refused = request.respond(&bob, "{", SendOptions::default()).await.unwrap_err();
        assert_eq!(refused.code(), "PAYLOAD_INVALID_JSON");
        assert_eq!(request.stream(&bob).await.unwrap_err().code(), "STREAM_NOT_ASKED");
        assert!(!request.is_done());
        request.respond(&bob, "2", SendOptions::default()).await.unwrap();
        assert!(request.is_done());
        let again = request.respond(&bob, "3", SendOptions::default()).await.unwrap_err();
        assert_eq!(again, AgentError::MessageDone.into());
        assert_eq!(request.ack().await.unwrap_err(), AgentError::MessageDone.into());
        request.release();
    };
    let (answer, ()) = tokio::join!(asked, answered);
    assert_eq!(answer.unwrap().payload, "2".into());
    assert!(bob.inbox().await.unwrap().is_empty(), "it does not come again");
    for agent in [alice, bob] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}

#[tokio::test]
async fn request_that_the_peer_could_not_serve_fails_with_the_peers_words() {
    let server = Server::start(ServerConfig::for_development()).await.unwrap();
    let (alice, bob) = (online(&server).await, online(&server).await);
    let mut messages = bob.messages().await.unwrap();
    let asked = alice.request(bob.amid(), "1", PATIENCE, SendOptions::default());
    let answered = async {
        let request = messages.next().await.unwrap();
        request.fail(&bob, &PeerError::new("NO_SUCH_CITY", "never heard of it")).await.unwrap();
    };
    let (answer, ()) = tokio::join!(asked, answered);
    let Err(Error::Agent(AgentError::ErrorResponse { error })) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("NO_SUCH_CITY", "never heard of it")
    );
    for agent in [alice, bob] {
        agent.close().await.unwrap();
    }
    server.shutdown().await;
}
