//! Questions about KNOCKs, and policies.

use std::sync::Mutex;

use agentmesh_facade as facade;
use facade::{Decision, FacadeError, KnockQueue, start};
use pyo3::prelude::*;

use crate::{
    bridge::{Callback, notify},
    error::{raise, run},
    json,
};

/// A KNOCK to be decided about. Forgotten, it is left for later.
#[pyclass(frozen)]
pub(crate) struct KnockQuestion {
    #[pyo3(get)]
    knock: Py<PyAny>,
    question: Mutex<Option<facade::KnockQuestion>>,
}

#[pymethods]
impl KnockQuestion {
    /// Decides, by JSON text. Again does nothing.
    fn answer(&self, py: Python<'_>, decision: &str) -> PyResult<()> {
        let decision: Decision =
            agentmesh_facade::from_json(decision).map_err(|error| raise(py, error))?;
        let mut question = self.question.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(question) = question.take() {
            question.answer(decision);
        }
        Ok(())
    }
}

/// Hands every question to a callable, until the agent is closed.
pub(crate) fn pump(queue: KnockQueue, callback: Py<PyAny>) -> Result<(), FacadeError> {
    let callback = Callback::new(callback);
    let pumping = async move {
        while let Some(question) = queue.next().await? {
            notify(&callback, move |py| {
                let knock = json(py, &question.knock)?;
                let question = KnockQuestion { knock, question: Mutex::new(Some(question)) };
                Ok(Py::new(py, question)?.into_any())
            });
        }
        Ok(())
    };
    start(pumping, |_| {}).map(drop)
}

/// A policy of a well-known name, as JSON.
#[pyfunction]
pub(crate) fn policy_preset(py: Python<'_>, name: &str) -> PyResult<String> {
    run(py, || facade::policy_preset(name))
}

/// A policy with every member, in one spelling.
#[pyfunction]
pub(crate) fn normalize_policy(py: Python<'_>, policy: &str) -> PyResult<String> {
    run(py, || facade::normalize_policy(policy))
}

/// Judges a KNOCK that is described by an object.
#[pyfunction]
pub(crate) fn evaluate_policy(py: Python<'_>, policy: &str, knock: &str) -> PyResult<Py<PyAny>> {
    json(py, &run(py, || facade::evaluate_policy(policy, knock))?)
}
