//! The spans of `tracing` that an agent opens, target `agentmesh`: ids and codes, never content. Names and fields are in
//! `docs/observability.md`.
//!
//! | span | around | fields |
//! |---|---|---|
//! | `agent` | the task of an agent and everything that it starts | `amid` |
//! | `send` | [`Agent::send`](super::Agent::send) and its kin | `to`, `id`, `kind`, `trace_id`, `parent_id`; at the end `stage` or `code` |
//! | `message` | what the application does in [`Message::span`](super::Message::span) | `from`, `id`, `kind`, `trace_id`, `parent_id` |

use tracing::{Span, field::Empty, info_span};

use crate::{
    Error, ErrorInfo,
    client::{agent::Sent, trace::TraceParent},
    engine::{IncomingMessage, NewMessage},
    identity::Amid,
};

pub(super) fn agent(amid: Amid) -> Span {
    info_span!(target: "agentmesh", "agent", %amid)
}

pub(super) fn sending(message: &NewMessage) -> Span {
    let NewMessage { id, to, kind, headers, .. } = message;
    let span = info_span!(
        target: "agentmesh",
        "send",
        %to, %id, ?kind,
        trace_id = Empty, parent_id = Empty, stage = Empty, code = Empty,
    );
    record(&span, headers.trace.as_deref());
    span
}

pub(super) fn sent(span: &Span, result: &Result<Sent, Error>) {
    match result {
        Ok(sent) => span.record("stage", sent.stage.as_str()),
        Err(error) => span.record("code", error.code()),
    };
}

pub(super) fn handling(message: &IncomingMessage) -> Span {
    let IncomingMessage { from, id, kind, headers, .. } = message;
    let span = info_span!(
        target: "agentmesh",
        "message",
        %from, %id, ?kind,
        trace_id = Empty, parent_id = Empty,
    );
    record(&span, headers.trace.as_deref());
    span
}

/// The ids of a trace context. A peer can write anything there: what is none is left out.
fn record(span: &Span, trace: Option<&str>) {
    if let Some(Ok(parent)) = trace.map(str::parse::<TraceParent>) {
        span.record("trace_id", parent.trace_id());
        span.record("parent_id", parent.span_id());
    }
}
