//! The services beside messages. What they tell are items to be pulled, each a kind and a JSON object; answers are JSON text.

mod agent_ws;
mod aiwm;
mod channel;
mod chat;
mod items;
mod signaling;
mod user_data;

pub use self::{agent_ws::*, aiwm::*, channel::*, chat::*, items::*, signaling::*, user_data::*};

use agentmesh_facade::SecretText;

/// A secret that may be absent.
fn secret(text: Option<String>) -> Option<SecretText> {
    text.map(SecretText::new)
}
