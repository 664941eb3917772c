use super::*;
use crate::test_utils::block_on;
use core::{
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    task::Wake,
};

/// Commits nothing; waits for permission before each group, tells the size of each.
struct Slow {
    permits: Receiver<()>,
    groups: Sender<usize>,
}

impl Backend for Slow {
    fn load(&mut self, _: &[RecordId]) -> Answer<Vec<Option<Record>>> {
        panic!("a planned bug")
    }
    fn list(&mut self, _: RecordKind, _: Option<[u8; 16]>, _: usize) -> Answer<Vec<Record>> {
        Ok(Vec::new())
    }
    fn commit(&mut self, group: Vec<Changes>) -> Vec<Answer<()>> {
        self.permits.recv().unwrap();
        self.groups.send(group.len()).unwrap();
        group.iter().map(|_| Ok(())).collect()
    }
    fn maintain(&mut self) -> Answer<()> {
        Ok(())
    }
    fn close(self) {}
}

fn slow() -> (Worker, Sender<()>, Receiver<usize>) {
    let (permit, permits) = channel();
    let (groups, sizes) = channel();
    (Worker::start("slow".into(), Slow { permits, groups }).unwrap(), permit, sizes)
}

fn poll<T>(future: &mut StorageFuture<'_, T>) -> Poll<Answer<T>> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn commits_that_wait_together_share_a_group() {
    let (worker, permit, sizes) = slow();
    let mut first = worker.commit(Changes::new());
    assert!(poll(&mut first).is_pending());
    // Until the thread has taken the first, the others could join it.
    while worker.queue.has_jobs() {
        thread::yield_now();
    }
    let mut others: Vec<_> = (0..10).map(|_| worker.commit(Changes::new())).collect();
    assert!(others.iter_mut().all(|other| poll(other).is_pending()));
    permit.send(()).unwrap();
    permit.send(()).unwrap();
    assert_eq!(block_on(first), Ok(()));
    assert!(others.into_iter().all(|other| block_on(other) == Ok(())));
    assert_eq!(sizes.try_iter().collect::<Vec<_>>(), [1, 10]);
}

#[test]
fn callers_beyond_the_bound_wait_for_a_place_and_all_are_served() {
    let (worker, permit, sizes) = slow();
    (0..5000).for_each(|_| permit.send(()).unwrap());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut calls: Vec<_> = (0..1000).map(|_| worker.commit(Changes::new())).collect();
                // Some have their answer by the time that they are polled.
                calls.retain_mut(|call| poll(call).is_pending());
                calls.into_iter().for_each(|call| assert_eq!(block_on(call), Ok(())));
            });
        }
    });
    assert_eq!(sizes.try_iter().sum::<usize>(), 4000);
}

#[test]
fn a_panic_of_the_back_end_is_an_error_and_never_a_hang() {
    let (worker, _permit, _sizes) = slow();
    let crashed = |answer| matches!(answer, Err(StorageError::Crashed { .. }));
    assert!(crashed(block_on(worker.load(&[])).map(drop)));
    assert!(crashed(block_on(worker.list(RecordKind::Meta, None, 1)).map(drop)));
    assert!(crashed(block_on(worker.commit(Changes::new()))));
    assert_eq!(block_on(worker.close()), Ok(()));
}

#[test]
fn the_last_handle_may_be_dropped_on_the_stores_own_thread() {
    /// Drops what it holds when woken.
    struct DropsWhenWoken(Mutex<Option<Arc<Worker>>>, Mutex<Sender<()>>);
    impl Wake for DropsWhenWoken {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
            self.1.lock().unwrap().send(()).unwrap();
        }
    }
    let (worker, permit, _sizes) = slow();
    let worker = Arc::new(worker);
    let (woken, was_woken) = channel();
    let holder = DropsWhenWoken(Mutex::new(Some(Arc::clone(&worker))), Mutex::new(woken));
    let waker = Waker::from(Arc::new(holder));
    {
        let mut commit = pin!(worker.commit(Changes::new()));
        assert!(commit.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(worker);
    permit.send(()).unwrap();
    was_woken.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn closing_answers_what_was_asked_before() {
    let (worker, permit, _sizes) = slow();
    let mut commit = worker.commit(Changes::new());
    assert!(poll(&mut commit).is_pending());
    let mut close = worker.close();
    assert!(poll(&mut close).is_pending());
    assert_eq!(block_on(worker.commit(Changes::new())), Err(StorageError::Closed));
    permit.send(()).unwrap();
    assert_eq!(block_on(close), Ok(()));
    assert_eq!(block_on(commit), Ok(()));
}
