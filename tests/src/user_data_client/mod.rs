//! The user data client over real sockets, with servers that are faked here: what it sends, what it makes of answers that
//! no honest server gives, and of connections that break. State by state, in virtual time, it is tested beside its code.

mod cases;
mod channel;
mod fake;
mod faults;
mod guide;
mod http;
mod polling;
mod trace;

use std::time::Duration;

use agentmesh_core::{
    client::proxy::ProxyConfig,
    services::user_data::{
        ChannelBuilder, ChannelTimings, RetryPolicy, SecretText, Timeouts, UserDataBuilder,
        UserDataClient,
    },
};

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What must never be seen anywhere.
const KEY: &str = "ud-key-hush-hush-hush";

fn builder(url: &str) -> UserDataBuilder {
    UserDataClient::builder(url).proxies(ProxyConfig::none()).api_key(SecretText::trimmed(KEY))
}

/// A client that repeats requests at once.
fn client(url: &str) -> UserDataClient {
    let retry = RetryPolicy { pauses: vec![Duration::from_millis(1); 3] };
    let timeouts = Timeouts { request: PATIENCE, setup: PATIENCE, upload: PATIENCE };
    builder(url).retry(retry).timeouts(timeouts).build().unwrap()
}

/// A channel that connects again at once.
fn channel(url: &str) -> ChannelBuilder {
    client(url).channel("session-1").without_setup().timings(hasty())
}

fn hasty() -> ChannelTimings {
    ChannelTimings {
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(10),
        open: PATIENCE,
        call: PATIENCE,
        ..ChannelTimings::default()
    }
}
