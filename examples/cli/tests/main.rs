//! The `agentmesh` command as its users see it: real processes, a real server, files on disk.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking, and say what they could not run"
)]

mod aiwm;
mod browser;
mod buckets;
mod chat;
mod control;
mod conversation;
mod development;
mod doctor;
mod documented;
mod homes;
mod killed;
mod signal;
mod signal_seeds;
mod stores;
mod support;
mod trust;
mod typing;
mod user_data;
mod user_data_service;
