//! What the TypeScript half lends: a clock, timers, HTTP, WebSockets.
//!
//! Requests go to methods of one object, each with a number; what comes of them is told to the functions here, with that number. So
//! nothing of JavaScript is held by the core's futures, which may be dropped at any time: then the number is given up.

mod socket;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::Arc,
    time::Duration,
};

use agentmesh_core::client::{
    platform::{self, BoxFuture, Host, HostFailure, HostRequest, HostResponse},
    transport::Connector,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::sync::oneshot;
use wasm_bindgen::prelude::*;

use crate::executor::{enter, spawn};

#[wasm_bindgen]
extern "C" {
    /// The object that the TypeScript half installs.
    pub type Lender;

    /// Calls `timerFired` after so many milliseconds.
    #[wasm_bindgen(method, js_name = startTimer)]
    fn start_timer(this: &Lender, id: u32, ms: f64);
    #[wasm_bindgen(method, js_name = stopTimer)]
    fn stop_timer(this: &Lender, id: u32);
    /// Calls `fetched` or `fetchFailed`. Headers are names and values, by turns.
    #[wasm_bindgen(method)]
    fn fetch(
        this: &Lender,
        id: u32,
        method: String,
        url: String,
        headers: Vec<String>,
        body: Option<Vec<u8>>,
        limit: f64,
    );
    #[wasm_bindgen(method, js_name = stopFetch)]
    fn stop_fetch(this: &Lender, id: u32);
    /// Calls `socketOpened`, then `socketText` and `socketBytes`, at last `socketClosed`.
    #[wasm_bindgen(method, js_name = openSocket)]
    fn open_socket(this: &Lender, id: u32, url: String);
    #[wasm_bindgen(method, js_name = sendText)]
    fn send_text(this: &Lender, id: u32, text: String);
    #[wasm_bindgen(method, js_name = sendBytes)]
    fn send_bytes(this: &Lender, id: u32, bytes: Vec<u8>);
    /// Closes politely; `socketClosed` follows.
    #[wasm_bindgen(method, js_name = closeSocket)]
    fn close_socket(this: &Lender, id: u32);
    /// Forgets it; nothing follows.
    #[wasm_bindgen(method, js_name = dropSocket)]
    fn drop_socket(this: &Lender, id: u32);

    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

type Answer = Result<HostResponse, HostFailure>;

thread_local! {
    static LENDER: RefCell<Option<Lender>> = const { RefCell::new(None) };
    static LAST: Cell<u32> = const { Cell::new(0) };
    static TIMERS: RefCell<BTreeMap<u32, oneshot::Sender<()>>> = const { RefCell::new(BTreeMap::new()) };
    static FETCHES: RefCell<BTreeMap<u32, oneshot::Sender<Answer>>> = const { RefCell::new(BTreeMap::new()) };
}

fn fresh() -> u32 {
    LAST.set(LAST.get().wrapping_add(1));
    LAST.get()
}

/// The object is called while nothing of ours is borrowed but itself, and it calls back later, never at once.
fn lent(work: impl FnOnce(&Lender)) {
    LENDER.with_borrow(|lender| {
        if let Some(lender) = lender {
            work(lender);
        }
    });
}

/// Sets what is lent, before anything else is called.
#[wasm_bindgen(js_name = installHost)]
pub fn install_host(lender: Lender) {
    LENDER.set(Some(lender));
    platform::install(Platform);
}

/// A timer has run out.
#[wasm_bindgen(js_name = timerFired)]
pub fn timer_fired(id: u32) {
    if let Some(timer) = TIMERS.with_borrow_mut(|timers| timers.remove(&id)) {
        enter(|| {
            let _ = timer.send(());
        });
    }
}

/// An answer came.
#[wasm_bindgen]
#[allow(clippy::needless_pass_by_value, reason = "as JavaScript hands it over")]
pub fn fetched(id: u32, status: u16, headers: Vec<String>, body: Vec<u8>) {
    let mut read = HeaderMap::new();
    for pair in headers.chunks_exact(2) {
        let [name, value] = pair else { continue };
        let (name, value) =
            (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
        if let (Ok(name), Ok(value)) = (name, value) {
            read.append(name, value);
        }
    }
    let answer = match StatusCode::from_u16(status) {
        Ok(status) => Ok(HostResponse { status, headers: read, body }),
        Err(_) => Err(HostFailure::Network("the answer has no status".to_owned())),
    };
    tell(id, answer);
}

/// No answer came: a reason, or nothing if it was too long.
#[wasm_bindgen(js_name = fetchFailed)]
pub fn fetch_failed(id: u32, reason: Option<String>) {
    tell(id, Err(reason.map_or(HostFailure::TooLong, HostFailure::Network)));
}

fn tell(id: u32, answer: Answer) {
    if let Some(asked) = FETCHES.with_borrow_mut(|fetches| fetches.remove(&id)) {
        enter(|| {
            let _ = asked.send(answer);
        });
    }
}

/// Gives a number up when whoever waited for it does.
struct GiveUp(u32, fn(u32));

impl Drop for GiveUp {
    fn drop(&mut self) {
        (self.1)(self.0);
    }
}

fn give_up_timer(id: u32) {
    if TIMERS.with_borrow_mut(|timers| timers.remove(&id)).is_some() {
        lent(|lender| lender.stop_timer(id));
    }
}

fn give_up_fetch(id: u32) {
    if FETCHES.with_borrow_mut(|fetches| fetches.remove(&id)).is_some() {
        lent(|lender| lender.stop_fetch(id));
    }
}

/// This platform.
#[derive(Debug)]
struct Platform;

fn duration(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}

impl Host for Platform {
    fn since_1970(&self) -> Duration {
        duration(date_now())
    }

    fn monotonic(&self) -> Duration {
        duration(performance_now())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        spawn(task);
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let (id, (fired, waits)) = (fresh(), oneshot::channel());
            TIMERS.with_borrow_mut(|timers| timers.insert(id, fired));
            let _guard = GiveUp(id, give_up_timer);
            lent(|lender| lender.start_timer(id, time.as_secs_f64() * 1000.0));
            let _ = waits.await;
        })
    }

    fn fetch(&self, request: HostRequest) -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            let (id, (answered, waits)) = (fresh(), oneshot::channel());
            FETCHES.with_borrow_mut(|fetches| fetches.insert(id, answered));
            let _guard = GiveUp(id, give_up_fetch);
            let HostRequest { method, url, headers, body, max_response } = request;
            let headers = headers.iter().filter_map(|(name, value)| {
                Some([name.as_str().to_owned(), value.to_str().ok()?.to_owned()])
            });
            let (headers, limit) = (headers.flatten().collect(), u32::try_from(max_response));
            let limit = f64::from(limit.unwrap_or(u32::MAX));
            lent(|lender| {
                lender.fetch(id, method.to_string(), url.into(), headers, body, limit);
            });
            let gone = |_| Err(HostFailure::Network("the platform gave no answer".to_owned()));
            waits.await.unwrap_or_else(gone)
        })
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(socket::Opener)
    }
}
