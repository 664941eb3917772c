//! What the model's service answers: a whole completion, or one in pieces as server-sent events.
//!
//! Errors come in three ways: as a status (not here), as `error` beside a status of 200, and in the middle of a stream.

use http::header;
use serde_json::Value;

use super::{
    super::{ChatError, Deltas},
    MAX_ANSWER,
};
use crate::services::sse::Decoder;

/// Reads the answer. With `deltas`, its pieces go there as they come.
pub(super) async fn read(
    response: reqwest::Response,
    provider: &str,
    deltas: Option<&Deltas>,
) -> Result<String, ChatError> {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    match deltas {
        Some(deltas) if is_stream => streamed(response, provider, deltas).await,
        _ => {
            let text = whole(&body(response, provider).await?, provider)?;
            if let Some(deltas) = deltas {
                deltas.send(text.as_str()).await;
            }
            Ok(text)
        }
    }
}

async fn body(mut response: reqwest::Response, provider: &str) -> Result<Vec<u8>, ChatError> {
    let mut body = Vec::new();
    let broken = |_| ChatError::Unreachable { provider: provider.to_owned() };
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(ChatError::TooLong { limit: MAX_ANSWER });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn whole(body: &[u8], provider: &str) -> Result<String, ChatError> {
    let unreadable = || ChatError::Unreadable { provider: provider.to_owned() };
    let value: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let choice = choice(&value, provider)?;
    let content = choice.and_then(|choice| choice.get("message")?.get("content"));
    let content = content.map(text).unwrap_or_default();
    if content.trim().is_empty() { Err(ChatError::Empty) } else { Ok(content) }
}

/// The first choice, unless something says that it went wrong.
fn choice<'a>(value: &'a Value, provider: &str) -> Result<Option<&'a Value>, ChatError> {
    let failed = |message| Err(ChatError::Failed { provider: provider.to_owned(), message });
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return failed(message(error));
    }
    let choice = value.get("choices").and_then(|choices| choices.get(0));
    if let Some(choice) = choice {
        if let Some(error) = choice.get("error").filter(|error| !error.is_null()) {
            return failed(message(error));
        }
        if choice.get("finish_reason").and_then(Value::as_str) == Some("error") {
            return failed("the model failed".to_owned());
        }
    }
    Ok(choice)
}

/// Content as text: a string, or parts of which those of text count.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let text = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_owned);
            parts.iter().filter_map(text).collect()
        }
        _ => String::new(),
    }
}

/// What the body of an error says; nothing if it is not JSON of the known shapes.
pub(super) fn error_message(body: &[u8]) -> String {
    let value = serde_json::from_slice::<Value>(body).unwrap_or_default();
    value.get("error").map(message).unwrap_or_default()
}

fn message(error: &Value) -> String {
    let text = error.get("message").unwrap_or(error).as_str();
    text.unwrap_or("it does not say what").to_owned()
}

async fn streamed(
    mut response: reqwest::Response,
    provider: &str,
    deltas: &Deltas,
) -> Result<String, ChatError> {
    let unreachable = || ChatError::Unreachable { provider: provider.to_owned() };
    let unreadable = || ChatError::Unreadable { provider: provider.to_owned() };
    let too_long = || ChatError::TooLong { limit: MAX_ANSWER };
    let mut decoder = Decoder::new();
    let mut read = 0;
    let mut answer = String::new();
    'done: loop {
        // Without `[DONE]` the answer may be half of one.
        let chunk = response.chunk().await.ok().flatten().ok_or_else(unreachable)?;
        read += chunk.len();
        // Every token comes in a wrapping many times its size.
        if read > 32 * MAX_ANSWER {
            return Err(too_long());
        }
        for event in decoder.feed(&chunk).map_err(|_| too_long())? {
            if event.data.trim() == "[DONE]" {
                break 'done;
            }
            let value: Value = serde_json::from_str(&event.data).map_err(|_| unreadable())?;
            let choice = choice(&value, provider)?;
            let piece = choice.and_then(|choice| choice.get("delta")?.get("content")).map(text);
            if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
                if answer.len() + piece.len() > MAX_ANSWER {
                    return Err(too_long());
                }
                answer.push_str(&piece);
                deltas.send(piece).await;
            }
        }
    }
    if answer.trim().is_empty() { Err(ChatError::Empty) } else { Ok(answer) }
}
