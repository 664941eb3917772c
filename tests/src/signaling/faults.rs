//! Servers that are none, and streams that are broken.

use agentmesh_core::{
    ErrorInfo,
    services::signaling::{SignalingError, SignalingEvent},
};

use super::{
    Peer, builder,
    fake::{Answer, Fake},
};

async fn refused(answer: Answer) -> SignalingError {
    let fake = Fake::start(move |_, _| answer.clone()).await;
    let error = builder(fake.url.as_str(), "r").connect().await.unwrap_err();
    assert_eq!(fake.seen().len(), 1, "it is not asked again");
    error
}

/// Errors of the attempts to open a stream or keep it, until it is there.
async fn until_joined(peer: &mut Peer) -> Vec<SignalingError> {
    let mut errors = Vec::new();
    loop {
        match peer.next().await.unwrap() {
            SignalingEvent::Disconnected { error, .. } => errors.push(error),
            SignalingEvent::Joined { .. } | SignalingEvent::Resumed { .. } => return errors,
            _ => {}
        }
    }
}

#[tokio::test]
async fn b21_page_of_a_proxy_is_no_stream() {
    let page = Answer::Whole("200 OK", "text/html", "<html>Sign in</html>".into());
    let error = refused(page).await;
    assert_eq!(error, SignalingError::UnexpectedContentType { found: "text/html".into() });
    let error = refused(Answer::json("404 Not Found", r#"{"error":"Not found"}"#)).await;
    assert_eq!(error, SignalingError::Refused { status: 404, text: "Not found".into() });
    let page = Answer::Whole("405 Method Not Allowed", "text/html", "<html>secret</html>".into());
    assert_eq!(refused(page).await, SignalingError::Refused { status: 405, text: String::new() });
}

#[tokio::test]
async fn redirection_to_another_server_is_refused_and_on_the_same_followed() {
    let other = Fake::start(|_, _| Answer::Stream(Answer::joined("x", "t"))).await;
    let to = format!("{}/api/connect?room=r", other.url);
    let error = refused(Answer::To("302 Found", to)).await;
    assert_eq!(error, SignalingError::Redirected { to: other.url.clone() });
    assert!(other.seen().is_empty(), "nothing was sent there");
    let error = refused(Answer::To("301 Moved Permanently", "javascript:x".into())).await;
    assert!(matches!(error, SignalingError::Redirected { .. }));

    let fake = Fake::start(|request, _| match request.starts_with("GET /elsewhere") {
        true => Answer::Stream(Answer::joined("x", "t")),
        false => Answer::To("307 Temporary Redirect", "/elsewhere?room=r".into()),
    })
    .await;
    let peer = Peer::join(fake.url.as_str(), "r").await;
    assert_eq!(peer.id(), "x");
    let around = Fake::start(|_, _| Answer::To("307 Temporary Redirect", "/again".into())).await;
    let error = builder(around.url.as_str(), "r").connect().await.unwrap_err();
    assert!(matches!(error, SignalingError::Redirected { .. }));
    assert_eq!(around.seen().len(), 4);
}

#[tokio::test]
async fn busy_servers_are_asked_again_and_broken_streams_left() {
    let endless = format!("event: joined\ndata: {}", "x".repeat(1024 * 1024 + 1));
    let tokenless = "event: joined\ndata: {\"id\":\"x\"}\n\n".to_owned();
    let fake = Fake::start(move |_, n| match n {
        0 => Answer::json("503 Service Unavailable", r#"{"error":"Too many rooms"}"#),
        1 => Answer::json("429 Too Many Requests", "{}"),
        2 => Answer::Whole("204 No Content", "text/event-stream", String::new()),
        3 => Answer::Nothing,
        4 => Answer::Stream(endless.clone()),
        5 => Answer::Stream(tokenless.clone()),
        6 => Answer::Ended(": nothing\n\n".into()),
        _ => Answer::Stream(Answer::joined("x", "t")),
    })
    .await;
    let mut peer = Peer::start(builder(fake.url.as_str(), "r"));
    let errors = until_joined(&mut peer).await;
    let codes: Vec<_> = errors.iter().map(ErrorInfo::code).collect();
    let connect = "SIGNALING_CONNECT";
    let protocol = "SIGNALING_PROTOCOL";
    let wanted = [connect, connect, connect, connect, protocol, protocol, "SIGNALING_STREAM_LOST"];
    assert_eq!(codes, wanted, "{errors:?}");
}

#[tokio::test]
async fn credentials_go_into_headers_where_the_server_says_so_and_else_into_the_query() {
    for by_header in [false, true] {
        let fake = Fake::start(move |request, n| match n {
            _ if request.starts_with("POST") => Answer::success(),
            0 if by_header => Answer::HeaderStream(Answer::joined("me", "t-1")),
            0 => Answer::Ended(Answer::joined("me", "t-1")),
            _ => Answer::Stream(Answer::joined("me", "t-1")),
        })
        .await;
        let mut peer = Peer::join(fake.url.as_str(), "a room/☂").await;
        if by_header {
            let session = peer.client.credentials().unwrap().duplicate();
            drop(peer);
            peer = Peer::of(builder(fake.url.as_str(), "a room/☂").resume(session)).await;
        } else {
            until_joined(&mut peer).await;
            until_joined(&mut peer).await;
        }
        let gets = fake.seen().into_iter().filter(|request| request.starts_with("GET"));
        let [first, second] = &gets.collect::<Vec<_>>()[..] else { panic!("two connects") };
        let line = |request: &str| request.lines().next().unwrap().to_owned();
        assert_eq!(line(first), "GET /api/connect?room=a+room%2F%E2%98%82 HTTP/1.1");
        let lower = second.to_ascii_lowercase();
        if by_header {
            assert_eq!(line(second), line(first), "nothing of it is in the URL");
            assert!(lower.contains("authorization: bearer t-1"), "{second}");
            assert!(lower.contains("x-session-id: me"));
        } else {
            assert!(line(second).contains("&session_id=me&token=t-1 "), "{second}");
            assert!(!lower.contains("authorization"));
        }
        assert!(lower.contains("accept: text/event-stream"));
        assert!(lower.contains("accept-encoding: identity"));
        drop(peer);
    }
}

#[tokio::test]
async fn signal_is_posted_as_documented_and_tried_again_where_no_answer_came() {
    let fake = Fake::start(|request, n| match n {
        0 => Answer::Stream(Answer::joined("me", "t-1")),
        1 => Answer::Nothing,
        2 => Answer::json("502 Bad Gateway", ""),
        _ if request.contains("/api/leave") => Answer::success(),
        3 => Answer::success(),
        4 => Answer::Whole("200 OK", "text/html", "<html>".into()),
        5 => Answer::To("307 Temporary Redirect", "http://192.0.2.1/".into()),
        6 => Answer::json("413 Payload Too Large", r#"{"error":"Payload too large"}"#),
        _ => Answer::Nothing,
    })
    .await;
    let peer = Peer::join(fake.url.as_str(), "r").await;
    peer.client.send("peer", &serde_json::json!({"x": "☂"})).await.unwrap();
    let posts = fake.requests(4).await;
    let (head, body) = posts[3].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /api/signal?room=r HTTP/1.1\r\n"));
    assert!(head.to_ascii_lowercase().contains("content-type: application/json"));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let wanted =
        serde_json::json!({"sender": "me", "to": "peer", "token": "t-1", "signal": {"x": "☂"}});
    assert_eq!(body, wanted);
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(peer.client.send("peer", &1).await.unwrap_err().code());
    }
    let wanted = [
        "SIGNALING_CONTENT_TYPE",
        "SIGNALING_REDIRECTED",
        "SIGNALING_REJECTED",
        "SIGNALING_NOT_CONFIRMED",
    ];
    assert_eq!(codes, wanted);
}
