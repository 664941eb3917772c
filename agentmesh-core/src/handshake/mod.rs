//! X3DH and PQXDH: a message for the wire and a shared secret, nothing else.

mod established;
mod session_id;
mod suite;

pub use self::{established::Established, session_id::SessionId, suite::Suite};
