//! What an agent says with its token.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{ADMIN, Aiwm, JWT_SECRET, claims, sign};
use crate::support::now;

#[tokio::test]
async fn case_8_heartbeats_move_the_time_and_leave_a_report() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    let path = format!("/agents/{id}");
    assert_eq!(aiwm.get(&path).await["online"], false);
    let mut last = String::new();
    for status in ["online", "busy", "idle"] {
        let metrics = json!({"cpu": 45, "näme": {"ü": [1, "\u{1f600}"]}});
        let answer =
            aiwm.beat(&id, &token, json!({"status": status, "metrics": metrics, "x": 1})).await;
        assert_eq!(answer, (200, json!({"success": true})));
        let shown = aiwm.get(&path).await;
        assert_eq!(shown["lastReport"], json!({"status": status, "metrics": metrics}));
        assert_eq!(shown["online"], true);
        let at = shown["lastHeartbeatAt"].as_str().unwrap().to_owned();
        assert!(at > last, "{at} {last}");
        last = at;
        // The time is in milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let health: Value =
        reqwest::get(format!("{}/health", aiwm.server.url())).await.unwrap().json().await.unwrap();
    assert_eq!(health["aiwm"], json!({"enabled": true, "agents": 1, "online": 1}));
    let answer =
        aiwm.post(&format!("/agents/{id}/disconnect"), &token, json!({"reason": "r"})).await;
    assert_eq!(answer, (200, json!({"success": true})));
    assert_eq!(aiwm.get(&path).await["lastConnectedAt"], Value::Null);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_9_bad_heartbeats_are_400_and_bad_tokens_401() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    let listed = json!(["status must be one of the following values: online, busy, idle"]);
    for body in [json!({"status": "offline"}), json!({}), json!({"status": 1})] {
        let (status, answer) = aiwm.beat(&id, &token, body).await;
        assert_eq!((status, &answer["errors"]), (400, &listed));
    }
    for metrics in [json!([1]), json!("x")] {
        let (status, answer) =
            aiwm.beat(&id, &token, json!({"status": "idle", "metrics": metrics})).await;
        assert_eq!((status, &answer["errors"]), (400, &json!(["metrics must be an object"])));
    }
    assert_eq!(aiwm.beat(&id, &token, json!({"status": "idle", "metrics": null})).await.0, 200);
    let large = json!({"status": "idle", "metrics": {"x": "y".repeat(20_000)}});
    assert_eq!(aiwm.beat(&id, &token, large).await.0, 413);

    let mut expired = claims(&token);
    expired["exp"] = (now().as_millis() / 1000 - 1).into();
    let (head, rest) = token.split_once('.').unwrap();
    let unsigned =
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", rest.split_once('.').unwrap().0);
    let tampered = format!("{head}.{}x{rest}", &rest[..1]);
    for bad in [
        "",
        "x",
        &unsigned,
        &tampered,
        &sign(&expired, Algorithm::HS256, JWT_SECRET),
        &sign(&claims(&token), Algorithm::HS256, "another secret that is long enough"),
        &sign(&claims(&token), Algorithm::HS512, JWT_SECRET),
    ] {
        let (status, answer) = aiwm.beat(&id, bad, json!({"status": "idle"})).await;
        assert_eq!((status, &answer["message"]), (401, &json!("Unauthorized")), "{bad}");
    }
    for nobody in [json!(""), Value::Null] {
        let mut nameless = claims(&token);
        match nobody {
            Value::Null => drop(nameless.as_object_mut().unwrap().remove("sub")),
            empty => nameless["sub"] = empty,
        }
        let nameless = sign(&nameless, Algorithm::HS256, JWT_SECRET);
        let (status, answer) = aiwm.beat(&id, &nameless, json!({"status": "idle"})).await;
        assert_eq!((status, &answer["message"]), (401, &json!("Invalid token payload")));
    }
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_10_the_token_of_one_agent_is_not_good_for_another() {
    let aiwm = Aiwm::start().await;
    let (a, secret) = aiwm.ready(json!({})).await;
    let (b, other) = aiwm.ready(json!({})).await;
    let (token, _) = (aiwm.token(&a, &secret).await, aiwm.token(&b, &other).await);
    let before = aiwm.get(&format!("/agents/{b}")).await;
    assert_eq!(aiwm.beat(&b, &token, json!({"status": "busy"})).await.0, 403);
    assert_eq!(aiwm.post(&format!("/agents/{b}/disconnect"), &token, json!({})).await.0, 403);
    assert_eq!(aiwm.beat(&b, ADMIN, json!({"status": "busy"})).await.0, 403);
    assert_eq!(aiwm.get(&format!("/agents/{b}")).await, before);
    aiwm.server.shutdown().await;
}
