//! The OpenID provider, a process of its own: starting it, and telling it to lie.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

pub(super) const CLIENT: &str = "agentmesh-test";
pub(super) const SECRET: &str = "s3cret";

/// How the provider can misbehave.
pub(super) const LIES: [&str; 9] = [
    "other-nonce",
    "other-audience",
    "other-issuer",
    "other-key",
    "expired",
    "shared-secret",
    "no-id-token",
    "redirects-tokens",
    "huge-answer",
];

/// A running provider. Dropping it kills it.
pub(super) struct Provider {
    issuer: String,
    child: Child,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_openid_provider"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let issuer = lines.next_line().await.unwrap().expect("the provider prints its address");
        Self { issuer, child }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What it does wrong from now on; `nothing` for nothing.
    pub(super) async fn lie(&self, name: &'static str) {
        let url = format!("{}/lie", self.issuer);
        let sent = reqwest::Client::new().post(url).body(name).send().await.unwrap();
        assert_eq!(sent.status(), 204, "{name}");
    }

    /// It is gone, and its port refuses.
    pub(super) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}
