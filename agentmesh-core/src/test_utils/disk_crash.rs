//! Stopping a file store at any one step of its writing.

use crate::storage::{DiskHook, DiskStep, DiskVerdict};
use core::sync::atomic::{AtomicU64, Ordering};
use std::io::ErrorKind;

/// Lets a [`FileStorage`](crate::storage::FileStorage) do a number of steps and then no more, as a killed process.
///
/// The step at which it stops, if it is a write, leaves the part of the bytes that was asked for. Run the same work once
/// with [`CrashAfter::never`] to learn the number of [`steps`](Self::steps), then once for each of them.
#[derive(Debug)]
pub struct CrashAfter {
    allowed: u64,
    /// Of the write that is cut, this many of 4 quarters arrive.
    quarters: usize,
    steps: AtomicU64,
}

impl CrashAfter {
    /// Stops after `steps` steps; of the next one, if it writes, `quarters` quarters of the bytes reach the file.
    pub const fn new(steps: u64, quarters: usize) -> Self {
        Self { allowed: steps, quarters, steps: AtomicU64::new(0) }
    }

    /// Only counts.
    pub const fn never() -> Self {
        Self::new(u64::MAX, 0)
    }

    /// Steps asked for so far.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::SeqCst)
    }

    /// Whether a step was refused.
    pub fn has_crashed(&self) -> bool {
        self.steps() > self.allowed
    }
}

impl DiskHook for CrashAfter {
    fn before(&self, step: &DiskStep<'_>) -> DiskVerdict {
        let done = self.steps.fetch_add(1, Ordering::SeqCst);
        match step {
            _ if done < self.allowed => DiskVerdict::Proceed,
            DiskStep::Write { bytes, .. } if done == self.allowed => {
                DiskVerdict::Tear(bytes.len() * self.quarters / 4, ErrorKind::Other)
            }
            _ => DiskVerdict::Fail(ErrorKind::Other),
        }
    }
}
