//! As many messages as go from one client to another.

use std::{
    io::{Read, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use agentmesh_benches::results::Results;

use crate::system::{End, Running};

/// Messages written at once.
const BATCH: usize = 16;

pub(crate) fn run(running: &Running, each: Duration, results: &mut Results) {
    let [mut alice, mut bob] = running.pair();
    let stop = &AtomicBool::new(false);
    let (messages, time, cpu) = thread::scope(|scope| {
        let (mut writer, mut incoming) = (alice.connection.handle(), alice.connection.handle());
        let End { message, numbered, .. } = &mut alice;
        // Acknowledgements come back; whoever does not read them is not served.
        scope.spawn(move || {
            let mut scratch = vec![0; 64 * 1024];
            while incoming.read(&mut scratch).is_ok_and(|n| n > 0) {}
        });
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let mut batch = Vec::with_capacity(message.len() * BATCH);
                for _ in 0..BATCH {
                    if let Some(numbered) = numbered {
                        numbered.number(message);
                    }
                    batch.extend_from_slice(message);
                }
                if writer.write_all(&batch).is_err() {
                    return;
                }
            }
        });
        // Everything warm before it counts.
        let mut messages = 0;
        let warm = Instant::now();
        while warm.elapsed() < each / 4 {
            bob.receive();
        }
        let (start, cpu) = (Instant::now(), running.child.cpu_time());
        while start.elapsed() < each {
            messages += bob.receive();
        }
        let measured = (messages, start.elapsed(), running.child.cpu_time() - cpu);
        stop.store(true, Ordering::Relaxed);
        // Lets the writer out of its last write, and the reader out of its last read.
        running.child.stop();
        measured
    });
    let name = running.system.name();
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let messages = messages as f64;
    results.add("one way, msg/s", name, messages / time.as_secs_f64());
    results.add("one way, server CPU, µs/msg", name, cpu.as_secs_f64() * 1e6 / messages);
}
