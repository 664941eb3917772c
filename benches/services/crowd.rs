//! Several clients at once, each in a thread, for a time.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use agentmesh_benches::child::Child;

/// What a crowd did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// How often a second.
    pub(crate) rate: f64,
    /// The server's CPU time for each, in microseconds.
    pub(crate) cpu_us: f64,
}

/// Lets every client do its thing over and over; what is done in the first quarter of the time does not count.
pub(crate) fn run<C: Send>(
    child: &Child,
    clients: &mut [C],
    each: Duration,
    act: impl Fn(&mut C) + Sync,
) -> Done {
    let (stop, count, act) = (&AtomicBool::new(false), &AtomicU64::new(0), &act);
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    act(client);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(each / 4);
        let (start, cpu, before) =
            (Instant::now(), child.cpu_time(), count.load(Ordering::Relaxed));
        thread::sleep(each);
        let (time, cpu) = (start.elapsed(), child.cpu_time() - cpu);
        // At least one, so that a bench which only runs for a moment divides by something.
        let done = (count.load(Ordering::Relaxed) - before).max(1);
        stop.store(true, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let done = done as f64;
        Done { rate: done / time.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / done }
    })
}
