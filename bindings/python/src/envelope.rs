//! Envelopes as the dictionaries that they are in Python, without a detour over JSON text.

use agentmesh_facade::{Envelope, EnvelopeParts};
use pyo3::{
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyInt, PyString},
};

use crate::error::raise;

/// The dictionary of an envelope.
pub(crate) fn envelope_object(py: Python<'_>, envelope: &Envelope) -> PyResult<Py<PyAny>> {
    let parts = envelope.parts();
    let header = PyDict::new(py);
    header.set_item(intern!(py, "dh_public_key"), &*parts.dh_public_key)?;
    header.set_item(intern!(py, "pn"), parts.pn)?;
    header.set_item(intern!(py, "n"), parts.n)?;
    let object = PyDict::new(py);
    object.set_item(intern!(py, "session_id"), &*parts.session_id)?;
    object.set_item(intern!(py, "type"), intern!(py, "encrypted"))?;
    if let Some(suite) = parts.suite {
        object.set_item(intern!(py, "suite"), suite)?;
    }
    object.set_item(intern!(py, "header"), header)?;
    object.set_item(intern!(py, "ciphertext"), &*parts.ciphertext)?;
    Ok(object.into_any().unbind())
}

/// The envelope in a dictionary. One that is written otherwise than ours goes over its JSON: what is read then,
/// and why it is refused, is the core's to say.
pub(crate) fn envelope(object: &Bound<'_, PyAny>) -> PyResult<Envelope> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(envelope) = usual(object) {
        return Ok(envelope);
    }
    let py = object.py();
    let text = DUMPS.import(py, "agentmesh._values", "dumps")?.call1((object,))?;
    Envelope::from_json(text.cast::<PyString>()?.to_str()?).map_err(|error| raise(py, error))
}

/// As [`envelope_object`] makes them: these members, of these types, and nothing else.
fn usual(object: &Bound<'_, PyAny>) -> Option<Envelope> {
    let py = object.py();
    let object = object.cast_exact::<PyDict>().ok()?;
    let header = object.get_item(intern!(py, "header")).ok()??.cast_into_exact::<PyDict>().ok()?;
    let suite = object.get_item(intern!(py, "suite")).ok()?;
    let members = 4 + usize::from(suite.is_some());
    if object.len() != members || header.len() != 3 {
        return None;
    }
    let count =
        |name: &Bound<'_, PyString>| number(header.get_item(name).ok()??)?.extract::<u32>().ok();
    if text(object, intern!(py, "type"))?.to_str().ok()? != "encrypted" {
        return None;
    }
    let suite = match suite {
        Some(suite) => Some(number(suite)?.extract().ok()?),
        None => None,
    };
    let session_id = text(object, intern!(py, "session_id"))?;
    let dh_public_key = text(&header, intern!(py, "dh_public_key"))?;
    let ciphertext = text(object, intern!(py, "ciphertext"))?;
    let parts = EnvelopeParts {
        session_id: session_id.to_str().ok()?.into(),
        suite,
        dh_public_key: dh_public_key.to_str().ok()?.into(),
        pn: count(intern!(py, "pn"))?,
        n: count(intern!(py, "n"))?,
        ciphertext: ciphertext.to_str().ok()?.into(),
    };
    Envelope::from_parts(&parts).ok()
}

fn text<'py>(
    object: &Bound<'py, PyDict>,
    name: &Bound<'py, PyString>,
) -> Option<Bound<'py, PyString>> {
    object.get_item(name).ok()??.cast_into_exact::<PyString>().ok()
}

/// `True` is a number in Python, and none in JSON.
fn number(object: Bound<'_, PyAny>) -> Option<Bound<'_, PyInt>> {
    object.cast_into_exact::<PyInt>().ok()
}
