//! Settings and signals that cannot work.

use std::time::Duration;

use agentmesh_core::{
    ErrorInfo,
    services::signaling::{SignalingError, SignalingTimings},
};

use super::{Peer, builder, quick, server};

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    let wrong = |url: &str, room: &str| builder(url, room).start().unwrap_err();
    for url in ["", "ws://127.0.0.1", "ftp://x", "http://user:pass@127.0.0.1", "http://192.0.2.1"] {
        let error = wrong(url, "r");
        assert!(matches!(error, SignalingError::Config { setting: "url", .. }), "{url}: {error}");
        assert!(!error.to_string().contains("pass@"));
    }
    for room in ["", "  ", "a\u{7}", &"x".repeat(129)] {
        let error = wrong("http://127.0.0.1:1", room);
        assert!(matches!(error, SignalingError::Config { setting: "room", .. }), "{room}");
    }
    for timings in [
        SignalingTimings { idle: Duration::ZERO, ..quick() },
        SignalingTimings { leave: Duration::MAX, ..quick() },
        SignalingTimings { burst: 0, ..quick() },
    ] {
        let error = builder("http://127.0.0.1:1", "r").timings(timings).start().unwrap_err();
        assert_eq!(error.code(), "SIGNALING_CONFIG");
    }
    // Somebody says that it may be.
    let allowed = builder("http://192.0.2.1:1", "r").allow_insecure().start().unwrap();
    allowed.shutdown().await;
}

#[tokio::test]
async fn signals_that_no_server_takes_are_not_sent() {
    let server = server().await;
    let peer = Peer::join(server.url(), "r").await;
    let id = peer.client.id().unwrap();
    for signal in [serde_json::Value::Null, "x".repeat(64 * 1024).into()] {
        let error = peer.client.send(&id, &signal).await.unwrap_err();
        assert!(matches!(error, SignalingError::InvalidSignal { .. }), "{error}");
    }
    peer.client.send(&id, &"x".repeat(60 * 1024)).await.unwrap();
    server.shutdown().await;
}

#[tokio::test]
async fn server_that_is_not_there_fails_the_first_attempt() {
    let error = builder("http://127.0.0.1:1", "r").connect().await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("SIGNALING_CONNECT", true));
}
