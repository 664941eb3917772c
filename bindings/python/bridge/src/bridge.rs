//! Between tokio and asyncio: a call is a future of the running loop, and cancelling that drops the call.
//!
//! Results do not go to Python from tokio's threads, which would then wait for the interpreter's lock. One thread takes what
//! is finished, all at once, and hands it to the loops. It ends before the interpreter does (`shut_down`), so nothing
//! enters an interpreter that is going away.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
};

use agentmesh_facade::{Attempt, Call, FacadeError, PerProcess, attempt, start};
use pyo3::{intern, prelude::*, sync::PyOnceLock};

use crate::error::raise;

/// Makes a Python object of a result, where there is an interpreter.
type Finish = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// A future of a loop, and what makes its result.
type Finished = (Py<PyAny>, Finish);

/// A callable that is called more than once, from threads that have no interpreter.
pub type Callback = Arc<Py<PyAny>>;

enum Delivery {
    /// For a future of a loop.
    Waiter { event_loop: Py<PyAny>, waiter: Py<PyAny>, finish: Finish },
    /// For a callable, which must not block.
    Callback { callback: Callback, argument: Finish },
    /// The interpreter is about to end.
    End,
}

struct Deliverer {
    deliveries: Sender<Delivery>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

static DELIVERER: PerProcess<Deliverer> = PerProcess::new();
static ENDING: AtomicBool = AtomicBool::new(false);

impl Deliverer {
    fn new() -> std::io::Result<Self> {
        let (deliveries, finished) = channel();
        let thread = std::thread::Builder::new()
            .name("agentmesh-python".to_owned())
            .spawn(move || deliver_all(&finished))?;
        Ok(Self { deliveries, thread: Mutex::new(Some(thread)) })
    }
}

fn deliver(delivery: Delivery) {
    if ENDING.load(Ordering::Acquire) {
        return;
    }
    if let Ok(deliverer) = DELIVERER.get_or_try_init(Deliverer::new) {
        // Fails only when the interpreter ends.
        let _ = deliverer.deliveries.send(delivery);
    }
}

fn deliver_all(finished: &Receiver<Delivery>) {
    while let Ok(first) = finished.recv() {
        let going_on = Python::try_attach(|py| deliver_batch(py, first, finished));
        if going_on != Some(true) {
            return;
        }
    }
}

/// Hands on what is finished. False at the end.
fn deliver_batch(py: Python<'_>, first: Delivery, finished: &Receiver<Delivery>) -> bool {
    let mut loops: HashMap<usize, (Py<PyAny>, Vec<Finished>)> = HashMap::new();
    let mut next = Some(first);
    let mut going_on = true;
    while let Some(delivery) = next {
        match delivery {
            Delivery::Waiter { event_loop, waiter, finish } => {
                let of_loop = loops.entry(event_loop.as_ptr() as usize);
                of_loop.or_insert_with(|| (event_loop, Vec::new())).1.push((waiter, finish));
            }
            Delivery::Callback { callback, argument } => {
                let called = argument(py).and_then(|argument| callback.call1(py, (argument,)));
                if let Err(error) = called {
                    error.write_unraisable(py, Some(callback.bind(py)));
                }
            }
            Delivery::End => going_on = false,
        }
        next = finished.try_recv().ok();
    }
    for (event_loop, batch) in loops.into_values() {
        let Ok(batch) = Bound::new(py, Batch(Mutex::new(batch))) else { continue };
        // A loop that was closed has nobody who waits.
        let _ = event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (batch,));
    }
    going_on
}

/// Results for one loop. Called on its thread.
#[pyclass(frozen)]
pub struct Batch(Mutex<Vec<Finished>>);

#[pymethods]
impl Batch {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let batch = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (waiter, finish) in batch {
            let waiter = waiter.bind(py);
            // Cancelled meanwhile: nobody wants the result.
            if waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
                continue;
            }
            match finish(py) {
                Ok(result) => waiter.call_method1(intern!(py, "set_result"), (result,))?,
                Err(error) => {
                    waiter.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?
                }
            };
        }
        Ok(())
    }
}

/// Drops the call of a future that is cancelled.
#[pyclass(frozen)]
pub struct Canceller(Call);

#[pymethods]
impl Canceller {
    fn __call__(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = future.py();
        if !self.0.is_finished() && future.call_method0(intern!(py, "cancelled"))?.is_truthy()? {
            self.0.cancel();
        }
        Ok(())
    }
}

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0()
}

/// Starts a call; a future of the running loop has its result.
pub fn call<'py, T, F, C>(py: Python<'py>, future: F, convert: C) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, FacadeError>> + Send + 'static,
    C: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
{
    let event_loop = running_loop(py)?;
    let waiter = event_loop.call_method0(intern!(py, "create_future"))?;
    let (target, answer) = (event_loop.unbind(), waiter.clone().unbind());
    let started = py.detach(|| {
        start(future, move |result| {
            let finish: Finish = Box::new(move |py| match result {
                Ok(value) => convert(py, value),
                Err(error) => Err(raise(py, error)),
            });
            deliver(Delivery::Waiter { event_loop: target, waiter: answer, finish });
        })
    });
    let started = started.map_err(|error| raise(py, error))?;
    waiter
        .call_method1(intern!(py, "add_done_callback"), (Bound::new(py, Canceller(started))?,))?;
    Ok(waiter)
}

/// The same for calls that compute a little and seldom wait: what is over at once takes no way through the runtime.
pub fn call_at_once<'py, T, F, C>(
    py: Python<'py>,
    future: F,
    convert: C,
) -> PyResult<Bound<'py, PyAny>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, FacadeError>> + Send + 'static,
    C: FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
{
    let result = match py.detach(|| attempt(future)).map_err(|error| raise(py, error))? {
        Attempt::Waiting(rest) => return call(py, rest, convert),
        Attempt::Finished(result) => result,
    };
    let waiter = running_loop(py)?.call_method0(intern!(py, "create_future"))?;
    match result.map_err(|error| raise(py, error)).and_then(|value| convert(py, value)) {
        Ok(value) => waiter.call_method1(intern!(py, "set_result"), (value,))?,
        Err(error) => waiter.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?,
    };
    Ok(waiter)
}

/// The same for calls without a result.
pub fn call_unit<'py, F>(py: Python<'py>, future: F) -> PyResult<Bound<'py, PyAny>>
where
    F: Future<Output = Result<(), FacadeError>> + Send + 'static,
{
    call(py, future, |py, ()| Ok(py.None()))
}

/// Has a callable called with something, on the delivering thread.
pub fn notify<F>(callback: &Callback, argument: F)
where
    F: FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send + 'static,
{
    deliver(Delivery::Callback { callback: Arc::clone(callback), argument: Box::new(argument) });
}

/// Ends the delivering thread; called once, when the interpreter is about to end.
#[pyfunction]
pub fn shut_down(py: Python<'_>) {
    ENDING.store(true, Ordering::Release);
    if let Some(deliverer) = DELIVERER.get() {
        let _ = deliverer.deliveries.send(Delivery::End);
        let thread = deliverer.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| thread.map(JoinHandle::join));
    }
}
