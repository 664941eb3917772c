//! The program of docs/guides/user-data.md, which is this file's.

// begin
use agentmesh_core::services::user_data::{
    HookPolicy, SecretText, TurnOptions, TurnPart, UserDataClient, UserDataError,
};
use futures_util::StreamExt;

async fn debug(url: &str, key: SecretText) -> Result<String, UserDataError> {
    let client = UserDataClient::builder(url).api_key(key).build()?;
    let channel = client
        .channel("session-1")
        .user("alice")
        .skill("debugging.md", "# Debugging\n\nLook at the logs first.")
        .hooks(HookPolicy::allow_tools(["Read", "Grep", "Skill"]))
        .connect()
        .await?;

    let mut answer = String::new();
    let mut turn = channel.send("Help me debug this issue", TurnOptions::default()).await?;
    while let Some(part) = turn.next().await {
        match part? {
            // To be shown at once; the message that follows takes its place.
            TurnPart::Delta { content, .. } => tracing::trace!(length = content.len(), "more"),
            TurnPart::Message(message) => tracing::debug!(blocks = message.blocks.len(), "said"),
            TurnPart::End(end) => answer = end.text,
            _ => {}
        }
    }

    channel.save("alice", "conv-1").await?;
    channel.close().await;
    Ok(answer)
}
// end

#[tokio::test]
async fn program_of_the_guide_runs() {
    let user_data = agentmesh_server::UserDataConfig::for_development();
    let config = agentmesh_server::ServerConfig {
        user_data,
        ..agentmesh_server::ServerConfig::for_development()
    };
    let server = agentmesh_server::Server::start(config).await.unwrap();
    let key = || SecretText::trimmed("any-key-will-do");
    assert_eq!(debug(&server.url(), key()).await.unwrap(), "Help me debug this issue");
    let client = UserDataClient::builder(server.url()).api_key(key()).build().unwrap();
    let saved = client.conversation("alice", "conv-1").await.unwrap();
    assert_eq!(saved.conversation["messages"].as_array().unwrap().len(), 2);
    assert_eq!(client.list_skills("alice").await.unwrap().skills, ["debugging.md"]);
    server.shutdown().await;
}

#[test]
fn guide_prints_the_program_that_runs() {
    let own = include_str!("guide.rs");
    let program = own.split("// begin\n").nth(1).unwrap().split("// end\n").next().unwrap();
    let guide = include_str!("../../../docs/guides/user-data.md");
    assert!(guide.contains(program.trim()), "the guide's program is not the one that runs");
}
