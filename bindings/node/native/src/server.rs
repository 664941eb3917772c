//! The reference server in this process, for tests.

use std::sync::Arc;

use agentmesh_facade as facade;
use facade::ServerSettings;
use napi::{Env, bindgen_prelude::Object};
use napi_derive::napi;

use crate::{bridge::call, settings};

/// A running server.
#[napi]
pub struct Server(Arc<facade::Server>);

/// Starts a server.
#[napi]
pub fn start_server<'env>(env: &'env Env, how: String) -> napi::Result<Object<'env>> {
    let how: ServerSettings = settings(Some(&how))?;
    call(env, None, async move { Ok(Server(Arc::new(facade::Server::start(how).await?))) })
}

#[napi]
impl Server {
    /// What clients take as the registry's URL.
    #[napi(getter)]
    pub fn registry_url(&self) -> String {
        self.0.registry_url().to_owned()
    }

    /// What clients take as the relay's URL.
    #[napi(getter)]
    pub fn relay_url(&self) -> String {
        self.0.relay_url().to_owned()
    }

    /// Its own URL.
    #[napi(getter)]
    pub fn url(&self) -> String {
        self.0.url().to_owned()
    }

    /// Where the agent is that answers WebSockets.
    #[napi(getter)]
    pub fn agent_web_socket_url(&self) -> String {
        self.0.agent_websocket_url().to_owned()
    }

    /// What administers the AIWM controller, if there is one.
    #[napi(getter)]
    pub fn aiwm_admin_token(&self) -> Option<String> {
        self.0.aiwm_admin_token().map(ToOwned::to_owned)
    }

    /// Stops it.
    #[napi]
    pub fn stop<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        let server = Arc::clone(&self.0);
        call(env, None, async move { server.stop().await })
    }
}
