//! The program of docs/guides/user-data.md, which is this file's.

// begin
use agentmesh_core::services::user_data::{
    ApiKey, HookPolicy, TurnOptions, TurnPart, UserDataClient, UserDataError,
};
use futures_util::StreamExt;

async fn debug(url: &str, key: ApiKey) -> Result<String, UserDataError> {
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
