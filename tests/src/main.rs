//! Everything that needs more than one crate or more than one process; one binary, linked once.
#![cfg(test)]

mod agent_ws;
mod aiwm;
mod architecture;
mod audit;
mod chaos;
mod client_plumbing;
mod control;
mod conversations;
mod crowd;
mod e2e;
mod environment;
mod errors;
mod faults;
mod fuzz;
mod glossary;
mod interop_0_2;
mod large;
mod lineage;
mod log;
mod observability;
mod opening;
mod polling;
mod s3;
mod server_process;
mod signaling;
mod streams;
mod surface;
mod trust;
mod user_data_client;
mod user_data_store;
mod vectors;
