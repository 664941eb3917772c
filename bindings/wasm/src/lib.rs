//! The WebAssembly half of the npm package `@agentmesh/sdk`, for workers, browsers and whatever is not Node: converts arguments, calls
//! `agentmesh-facade`, converts results. It offers what the native module of `bindings/node` offers, under the same names.
//!
//! Private to the TypeScript half, which also lends what WebAssembly does not have: timers, `fetch`, `WebSocket` (`host`). Knows no rules of the protocol.

#[cfg(target_arch = "wasm32")]
mod agent;
#[cfg(target_arch = "wasm32")]
mod bridge;
#[cfg(target_arch = "wasm32")]
mod control;
#[cfg(target_arch = "wasm32")]
mod error;
#[cfg(target_arch = "wasm32")]
mod executor;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(target_arch = "wasm32")]
mod identity;
#[cfg(target_arch = "wasm32")]
mod knock;
#[cfg(target_arch = "wasm32")]
mod managers;
#[cfg(target_arch = "wasm32")]
mod messages;
#[cfg(target_arch = "wasm32")]
mod payload;
#[cfg(target_arch = "wasm32")]
mod storage;
#[cfg(target_arch = "wasm32")]
mod streams;

#[cfg(target_arch = "wasm32")]
pub(crate) use shared::{json, settings};

#[cfg(target_arch = "wasm32")]
mod shared {
    use agentmesh_facade::FacadeError;
    use wasm_bindgen::prelude::*;

    /// Version of the module; the package has the same.
    #[wasm_bindgen(js_name = version)]
    pub fn version() -> String {
        agentmesh_facade::VERSION.to_owned()
    }

    /// A value as JSON text.
    pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, FacadeError> {
        Ok(serde_json::to_string(value)?)
    }

    /// Settings out of JSON text; the defaults if there is none.
    pub(crate) fn settings<T>(text: Option<&str>) -> Result<T, JsValue>
    where
        T: serde::de::DeserializeOwned + Default,
    {
        let read = text.map(serde_json::from_str).transpose();
        Ok(read.map_err(|e| crate::error::thrown(e.into()))?.unwrap_or_default())
    }
}
