//! Calls as methods start them: see `agentmesh_python_bridge::bridge`.

pub(crate) use agentmesh_python_bridge::bridge::{Callback, call, call_at_once, call_unit, notify};
use pyo3::prelude::*;

/// Starts a call of `self.0` that ends in JSON text.
macro_rules! json_call {
    ($self:ident, $py:ident, |$object:ident| $call:expr) => {{
        let $object = $self.0.clone();
        $crate::bridge::call($py, async move { $call.await }, |py, value| $crate::json(py, &value))
    }};
}

/// Starts a call of `self.0` that ends in nothing.
macro_rules! unit_call {
    ($self:ident, $py:ident, |$object:ident| $call:expr) => {{
        let $object = $self.0.clone();
        $crate::bridge::call_unit($py, async move { $call.await })
    }};
}

/// Starts a call of `self.0` that ends in text.
macro_rules! text_call {
    ($self:ident, $py:ident, |$object:ident| $call:expr) => {{
        let $object = $self.0.clone();
        $crate::bridge::call($py, async move { $call.await }, $crate::text_object)
    }};
}

/// The same as [`json_call!`] for calls that are mostly over [at once](call_at_once).
macro_rules! json_at_once {
    ($self:ident, $py:ident, |$object:ident| $call:expr) => {{
        let $object = $self.0.clone();
        let calling = async move { $call.await };
        $crate::bridge::call_at_once($py, calling, |py, value| $crate::json(py, &value))
    }};
}

/// The same as [`text_call!`] for calls that are mostly over [at once](call_at_once).
macro_rules! text_at_once {
    ($self:ident, $py:ident, |$object:ident| $call:expr) => {{
        let $object = $self.0.clone();
        $crate::bridge::call_at_once($py, async move { $call.await }, $crate::text_object)
    }};
}

pub(crate) use {json_at_once, json_call, text_at_once, text_call, unit_call};

/// Panics inside a call, for the tests of what comes of it.
#[pyfunction]
pub(crate) fn panic_for_tests(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    call_unit(py, async {
        std::panic::resume_unwind(Box::new(()));
    })
}
