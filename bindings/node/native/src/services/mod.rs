//! Clients of the services beside messages, and the answering side of agent WebSockets.

mod agent_ws;
mod aiwm;
mod channel;
mod items;
mod signaling;
mod user_data;

/// Starts a call that ends in JSON text.
macro_rules! json_call {
    ($self:ident, $env:ident, $canceller:ident, |$client:ident| $call:expr) => {{
        let $client = $self.0.clone();
        crate::bridge::call($env, $canceller, async move { crate::json(&$call.await?) })
    }};
}

/// Starts a call that ends in nothing.
macro_rules! unit_call {
    ($self:ident, $env:ident, $canceller:expr, |$client:ident| $call:expr) => {{
        let $client = $self.0.clone();
        crate::bridge::call($env, $canceller, async move { $call.await })
    }};
}

pub(crate) use {json_call, unit_call};
