//! Criterion benches of everything cryptographic: ours, `vodozemac` and the bare primitives in the same run.
//!
//! Group and function names are what `report` reads: `encrypt/1024` holds `agentmesh` and `vodozemac`,
//! `primitive aes-256-gcm seal/1024` holds `aws-lc`, `ring` and `pure`. Times are CPU times of one thread.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot set its scene has to stop"
)]

mod after;
mod handshake;
mod messages;
mod peers;
mod prekeys;
mod primitives;
mod stored;
mod turn;

fn main() {
    let mut criterion = agentmesh_benches::cpu_time::criterion();
    primitives::bench(&mut criterion);
    messages::bench(&mut criterion);
    after::bench(&mut criterion);
    turn::bench(&mut criterion);
    handshake::bench(&mut criterion);
    prekeys::bench(&mut criterion);
    stored::bench(&mut criterion);
    criterion.final_summary();
    if std::env::args().any(|arg| arg == "--save-baseline") {
        stored::sizes().save("sizes").unwrap();
    }
}
