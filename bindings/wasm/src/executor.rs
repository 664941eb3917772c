//! Runs the core's tasks: from every entry out of JavaScript, until none of them can go on.
//!
//! An entry (a timer, an answer, a frame, a call of the application) is run to its end before it returns. So what a task borrows of the platform
//! meanwhile belongs to the request whose event it was, which is how Cloudflare's runtime wants it, and nothing waits for a callback that
//! a request which ended took with it. Only wakes outside of any entry, such as those of objects that are dropped, ask for a microtask; they are not waited
//! for either, since the next entry runs everything that is ready.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use wasm_bindgen::prelude::*;

type Work = Pin<Box<dyn Future<Output = ()>>>;

#[wasm_bindgen]
extern "C" {
    /// Fails where there is no request; then the next entry does it.
    #[wasm_bindgen(js_name = queueMicrotask, catch)]
    fn queue_microtask(work: &Closure<dyn FnMut()>) -> Result<(), JsValue>;
}

thread_local! {
    /// Tasks that wait or are ready. One that is being polled is not here.
    static TASKS: RefCell<BTreeMap<u32, Work>> = const { RefCell::new(BTreeMap::new()) };
    static READY: RefCell<VecDeque<Arc<Task>>> = const { RefCell::new(VecDeque::new()) };
    static LAST: Cell<u32> = const { Cell::new(0) };
    /// An entry is under way: it will run what becomes ready.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static SOON: Closure<dyn FnMut()> = Closure::new(|| {
        // Microtasks run when nothing else does: an entry that seems to be under way was thrown out of.
        INSIDE.set(false);
        enter(|| ());
    });
}

/// A task's place in line; what wakes it.
struct Task {
    id: u32,
    ready: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.ready.swap(true, Ordering::Relaxed) {
            READY.with_borrow_mut(|ready| ready.push_back(self));
            if !INSIDE.get() {
                soon();
            }
        }
    }
}

fn soon() {
    // Refused or never run, the next entry makes up for it.
    let _ = SOON.with(queue_microtask);
}

/// Starts a task. It runs for the first time before the entry ends that started it.
pub(crate) fn spawn(work: impl Future<Output = ()> + 'static) {
    LAST.set(LAST.get().wrapping_add(1));
    let id = LAST.get();
    TASKS.with_borrow_mut(|tasks| tasks.insert(id, Box::pin(work)));
    Arc::new(Task { id, ready: AtomicBool::new(false) }).wake();
}

/// Does what an event brings, and runs everything that it makes ready.
pub(crate) fn enter<T>(work: impl FnOnce() -> T) -> T {
    if INSIDE.replace(true) {
        // Called back by what a task calls: the entry further out goes on with it. Unless that was thrown out of.
        soon();
        return work();
    }
    let done = work();
    while let Some(task) = READY.with_borrow_mut(VecDeque::pop_front) {
        run(task);
    }
    INSIDE.set(false);
    done
}

fn run(task: Arc<Task>) {
    task.ready.store(false, Ordering::Relaxed);
    let id = task.id;
    // Woken after it was done.
    let Some(mut work) = TASKS.with_borrow_mut(|tasks| tasks.remove(&id)) else { return };
    let waker = Waker::from(task);
    if work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        TASKS.with_borrow_mut(|tasks| tasks.insert(id, work));
    }
}
