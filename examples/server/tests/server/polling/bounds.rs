//! What a client that polls may take, how long a request is parked, and how sessions end by themselves.

use super::*;

#[tokio::test]
async fn parked_request_ends_with_its_time_with_a_newer_one_and_with_the_server() {
    let server = start().await;
    let (mut b, _) = Poller::connect(&server, &identity()).await;
    let cursor = b.cursor;
    assert_eq!(b.inbox(1).await, json!({"cursor": cursor, "frames": []}));
    let older = tokio::spawn(answer(b.ask(cursor, 30)));
    tokio::time::sleep(A_WHILE).await;
    let newer = tokio::spawn(answer(b.ask(cursor, 30)));
    assert_eq!(older.await.unwrap(), (200, json!({"cursor": cursor, "frames": []})));
    let stop = tokio::spawn(server.shutdown());
    let (status, last) = newer.await.unwrap();
    assert_eq!((status, &last["closed"]), (200, &json!(1001)), "{last}");
    let ServerFrame::Error { code, .. } = read(&last).remove(0) else { panic!("{last}") };
    assert_eq!(code, RelayErrorCode::ShuttingDown);
    stop.await.unwrap();
}

#[tokio::test]
async fn session_that_asks_nothing_ends_and_says_so() {
    let server = start_with(|config| config.limits.idle_timeout = Duration::from_secs(2)).await;
    let bob = identity();
    let (mut b, _) = Poller::connect(&server, &bob).await;
    // Parked is not silent, and is not parked for long.
    for _ in 0..3 {
        assert!(b.inbox(30).await["closed"].is_null());
    }
    loop {
        let mut a = connect(&server, &identity(), ACK).await;
        a.send(&ClientFrame::PresenceQuery { amid: bob.amid().to_string() }).await;
        let ServerFrame::PresenceResponse { status, .. } = a.next().await else { panic!() };
        if status.as_str() == "offline" {
            break;
        }
        tokio::time::sleep(A_WHILE).await;
    }
    let last = b.inbox(0).await;
    assert_eq!(last["closed"], 1008, "{last}");
    let ServerFrame::Error { code, .. } = read(&last).pop().unwrap() else { panic!("{last}") };
    assert_eq!(code, RelayErrorCode::IdleTimeout);
}

#[tokio::test]
async fn limits_of_messages_and_connections_hold_for_who_polls() {
    let server = start_with(|config| {
        config.limits.messages_per_minute = 3;
        config.limits.connects_per_minute_per_ip = 4;
    })
    .await;
    let (alice, bob) = (identity(), identity());
    let (mut a, _) = Poller::connect(&server, &alice).await;
    let many: Vec<_> = (0..5).map(|n| message_with_id(&bob, "x", id(n))).collect();
    a.send(&many).await;
    let mut refused = 0;
    while refused < 2 {
        refused += a
            .next()
            .await
            .iter()
            .filter(|frame| {
                matches!(
                    frame,
                    ServerFrame::Error {
                        code: RelayErrorCode::RateLimited,
                        retry_after_seconds: Some(_),
                        ..
                    }
                )
            })
            .count();
    }
    let too_many: Vec<_> =
        (0..257).map(|_| ClientFrame::Ping { timestamp: String::new() }).collect();
    assert_eq!(a.post(&too_many).await.0, 413);
    let long = json!({"frames": [{"type": "ping", "timestamp": "x".repeat(3 << 20)}]});
    let request = http().post(format!("{}/messages", a.base)).bearer_auth(&a.token).json(&long);
    assert_eq!(answer(request).await.0, 413);
    let long = message_with_id(&bob, &"x".repeat(1 << 20), id(9));
    a.send(&[long]).await;
    let error = a.next().await.pop().unwrap();
    assert!(matches!(error, ServerFrame::Error { code: RelayErrorCode::MessageTooLarge, .. }));
    for _ in 0..3 {
        assert_eq!(open(&server, connect_frame(&identity(), ACK)).await.0, 201);
    }
    assert_eq!(open(&server, connect_frame(&identity(), ACK)).await.0, 429);
}

#[tokio::test]
async fn sessions_of_one_address_are_bounded_and_given_back() {
    let server = start_with(|config| config.limits.connections_per_ip = 12).await;
    // One socket for all, which counts as well.
    let client = http();
    let base = server.registry_url();
    let open = async || {
        let connect = ClientFrame::Connect(connect_frame(&identity(), ACK));
        answer(client.post(format!("{base}/messages")).json(&frames(&[connect]))).await
    };
    let mut tokens = Vec::new();
    let (status, body) = loop {
        match open().await {
            (201, body) => tokens.push(body["token"].as_str().unwrap().to_owned()),
            refused => break refused,
        }
        assert!(tokens.len() < 12, "there is no bound");
    };
    assert_eq!((status, &body["code"]), (503, &json!("BUSY")), "{body}");
    assert_eq!(tokens.len(), 11);
    let leave = frames(&[ClientFrame::Disconnect { reason: String::new() }]);
    let request = client.post(format!("{base}/messages")).bearer_auth(&tokens[0]);
    assert_eq!(answer(request.json(&leave)).await.0, 202);
    assert_eq!(open().await.0, 201);
    assert_eq!(open().await.0, 503);
}

#[tokio::test]
async fn one_request_of_a_session_is_parked_however_many_ask() {
    let server = start().await;
    let (alice, bob) = (identity(), identity());
    let mut a = connect(&server, &alice, ACK).await;
    let (b, _) = Poller::connect(&server, &bob).await;
    let mut parked = tokio::task::JoinSet::new();
    for _ in 0..60 {
        parked.spawn(answer(b.ask(b.cursor, 30)));
    }
    for _ in 0..59 {
        let let_go =
            tokio::time::timeout(PATIENCE, parked.join_next()).await.expect("more are parked");
        let (status, body) = let_go.unwrap().unwrap();
        assert_eq!((status, &body["frames"]), (200, &json!([])), "{body}");
    }
    a.send(&message_with_id(&bob, "for the last", id(1))).await;
    let (_, body) = parked.join_next().await.unwrap().unwrap();
    assert_eq!(received(read(&body).remove(0)).encrypted_payload, "for the last");
}

#[tokio::test]
async fn answers_nobody_fetches_hold_up_who_caused_them() {
    let server = start_with(|config| config.limits.outgoing_bytes = 10_000).await;
    let (mut a, _) = Poller::connect(&server, &identity()).await;
    let timestamp = "x".repeat(1_000);
    let ping = || ClientFrame::Ping { timestamp: timestamp.clone() };
    let mut posted = 0;
    let refused = loop {
        let (status, body) = a.post(&[ping(), ping(), ping()]).await;
        if status != 202 {
            break (status, body);
        }
        posted += 3;
        assert!(posted < 40, "there is no bound");
    };
    assert_eq!((refused.0, &refused.1["code"]), (503, &json!("BUSY")));
    assert_eq!(a.next().await.len(), posted);
    a.send(&[ping()]).await;
    assert_eq!(a.next().await.len(), 1);
}

#[tokio::test]
async fn ordered_fault_leaves_a_session_that_is_dead() {
    let server = start_with(|config| config.faults.half_open = 1.0).await;
    let (mut a, _) = Poller::connect(&server, &identity()).await;
    for _ in 0..2 {
        a.send(&[ClientFrame::Ping { timestamp: String::new() }]).await;
    }
    assert_eq!(a.inbox(1).await["frames"], json!([]));
}
