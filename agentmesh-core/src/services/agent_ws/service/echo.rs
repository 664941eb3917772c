//! The backend that needs nobody: it says what it was told.

use super::{ChatBackend, ChatError, ChatRequest, Deltas};
use crate::client::platform::BoxFuture;

/// Answers with the question, word by word where pieces are wanted. For trying things out, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct EchoBackend;

impl ChatBackend for EchoBackend {
    fn complete<'a>(
        &'a self,
        request: &'a ChatRequest,
        deltas: Option<&'a Deltas>,
    ) -> BoxFuture<'a, Result<String, ChatError>> {
        Box::pin(async move {
            let question = request.question();
            if let Some(deltas) = deltas {
                for word in question.split_inclusive(' ') {
                    deltas.send(word).await;
                }
            }
            Ok(question.to_owned())
        })
    }
}
