//! The server over real sockets: one test a requirement, named after it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests say what is wrong by failing"
)]

mod aiwm;
mod attack;
mod connect;
mod delivery;
mod faults;
mod killed;
mod limits;
mod polling;
mod prekeys;
mod presence;
mod process;
mod refusals;
mod registry;
mod resume;
mod signaling;
mod slow;
mod support;
mod takeover;
mod trust;
mod user_data;
mod user_data_bad_input;
mod user_data_realtime;
