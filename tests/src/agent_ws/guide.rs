//! The program of docs/guides/agent-websocket.md, which is this file's.

use std::sync::Arc;

// begin
use agentmesh_core::{
    client::platform::BoxFuture,
    services::agent_ws::{
        AgentWebSocketClient, AgentWebSocketError,
        service::{ChatBackend, ChatError, ChatRequest, Deltas},
    },
};
use agentmesh_server::{AgentWsConfig, Server, ServerConfig};

/// Counts words.
#[derive(Debug)]
struct WordCounter;

impl ChatBackend for WordCounter {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        _deltas: Option<&'a Deltas>,
    ) -> BoxFuture<'a, Result<String, ChatError>> {
        Box::pin(async move { Ok(request.question().split_whitespace().count().to_string()) })
    }
}

async fn serve() -> Result<Server, agentmesh_server::ServerError> {
    let agent_ws = AgentWsConfig { backend: Arc::new(WordCounter), ..AgentWsConfig::default() };
    Server::start(ServerConfig { agent_ws, ..ServerConfig::for_development() }).await
}

async fn ask(url: &str) -> Result<String, AgentWebSocketError> {
    let client = AgentWebSocketClient::builder(url).connect().await?;
    let answer = match client.query("how many words are these").await {
        // Nobody knows whether the agent worked on it. Asking again is ours to decide: counting twice harms nobody.
        Err(AgentWebSocketError::ConnectionLost { .. }) => {
            client.query("how many words are these").await?
        }
        answer => answer?,
    };
    client.close().await;
    Ok(answer.content)
}
// end

#[tokio::test]
async fn program_of_the_guide_runs() {
    let server = serve().await.unwrap();
    assert_eq!(ask(&server.agent_websocket_url()).await.unwrap(), "5");
    server.shutdown().await;
}

#[test]
fn guide_prints_the_program_that_runs() {
    let own = include_str!("guide.rs");
    let program = own.split("// begin\n").nth(1).unwrap().split("// end\n").next().unwrap();
    let guide = include_str!("../../../docs/guides/agent-websocket.md");
    assert!(guide.contains(program.trim()), "the guide's program is not the one that runs");
}
