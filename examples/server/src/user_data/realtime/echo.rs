//! The agent that says what it was told. It runs without a model, and shows all that a client has to deal with.

use agentmesh_core::client::platform::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::turn::{AgentBackend, ToolOutcome, Turn, TurnError, uuid};

/// Pieces into which an answer is cut.
const PIECES: usize = 16;
/// A message that begins so uses a tool: `/tool NAME`, then, if wanted, its input as JSON.
const TOOL: &str = "/tool ";

/// Answers with the message. `/tool NAME {"any": "input"}` asks whether a tool may be used, and "uses" it: the result is
/// the input.
#[derive(Debug, Clone, Copy, Default)]
pub struct EchoAgent;

impl AgentBackend for EchoAgent {
    fn turn<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, Result<(), TurnError>> {
        Box::pin(answer(turn))
    }
}

async fn answer(turn: &Turn) -> Result<(), TurnError> {
    let began = Instant::now();
    let conversation = turn.resume().map_or_else(uuid, str::to_owned);
    turn.init(&conversation).await;
    let text = match turn.prompt().strip_prefix(TOOL) {
        None => turn.prompt().to_owned(),
        Some(wanted) => use_tool(turn, wanted).await?,
    };
    if turn.options().include_partial_messages != Some(false) {
        for piece in pieces(&text) {
            turn.stream(piece).await;
        }
    }
    turn.say(vec![json!({"type": "text", "text": text})]).await;
    let result = json!({
        "type": "result",
        "subtype": "success",
        "is_error": false,
        "duration_ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "num_turns": 1,
        "result": text,
        "session_id": conversation,
        "total_cost_usd": 0,
    });
    turn.result(result).await;
    Ok(())
}

async fn use_tool(turn: &Turn, wanted: &str) -> Result<String, TurnError> {
    let (name, input) = wanted.trim().split_once(' ').unwrap_or((wanted.trim(), "{}"));
    let input: Value = serde_json::from_str(input)
        .map_err(|_| TurnError("the input of the tool is not JSON".to_owned()))?;
    Ok(match turn.tool(name, input, async |input: &Value| input.clone()).await {
        ToolOutcome::Ran(result) => format!("{name} ran: {result}"),
        ToolOutcome::Denied { reason } => format!("{name} did not run: {reason}"),
    })
}

/// Cuts a text, not too often, and never inside a character.
fn pieces(text: &str) -> Vec<&str> {
    let length = text.len().div_ceil(PIECES).max(8);
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let cut = (length..=rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(cut);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_a_few_times_and_lose_nothing() {
        for text in ["", "a", "Help me debug this issue", &"€".repeat(1000)] {
            let pieces = pieces(text);
            assert!(pieces.len() <= PIECES, "{}", pieces.len());
            assert_eq!(pieces.concat(), text);
        }
    }
}
