//! What an agent is given for its secret, and who is not given it.

use agentmesh_server::Profile;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, Aiwm, claims, tool};

#[tokio::test]
async fn case_1_connect_gives_a_token_active_tools_and_counts() {
    let aiwm = Aiwm::start().await;
    let good = aiwm.create("/tools", tool("read-file", "active")).await;
    let inactive = aiwm.create("/tools", tool("off", "inactive")).await;
    aiwm.create("/tools", tool("not-listed", "active")).await;
    let deleted = aiwm.create("/tools", tool("gone", "active")).await;
    aiwm.call(Method::DELETE, &format!("/tools/{deleted}"), ADMIN, Value::Null).await;
    let settings = json!({"claudeModel": "m", "discord_token": "d", "custom": [1]});
    let tools = json!([good, inactive, deleted, "nothex"]);
    let (id, secret) = aiwm.ready(json!({"allowedToolIds": tools, "settings": settings})).await;
    let (status, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(status, 200);
    let claims = claims(body["token"].as_str().unwrap());
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 86_400);
    assert_eq!((&claims["sub"], &claims["type"]), (&json!(id), &json!("agent")));
    assert_eq!(claims["username"], format!("agent:{id}"));
    let tools = body["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 1);
    assert_eq!((&tools[0]["_id"], &tools[0]["name"]), (&json!(good), &json!("read-file")));
    assert_eq!(body["accessToken"], body["token"]);
    assert_eq!((&body["expiresIn"], &body["tokenType"]), (&json!(86_400), &json!("bearer")));
    assert_eq!(body["agent"], json!({"id": id, "name": "Agent", "orgId": "default"}));
    assert_eq!(
        body["settings"],
        json!({"claudeModel": "m", "discord": {"token": "d"}, "custom": [1]})
    );
    assert_eq!(body["instruction"], "No instruction configured for this agent.");
    assert_eq!(aiwm.count(&id).await, 1);
    assert_eq!(aiwm.connect(&id.to_uppercase(), &secret).await.0, 200);
    assert_eq!(aiwm.count(&id).await, 2);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn tokens_of_platforms_can_be_withheld_and_roles_are_a_list_or_text() {
    let aiwm = Aiwm::with(|config| config.aiwm.withhold_tokens = true).await;
    let settings =
        json!({"discord": {"token": "d", "botId": "b"}, "auth_roles": "one.viewer, two.viewer"});
    let (id, secret) = aiwm.ready(json!({"settings": settings})).await;
    let (_, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(body["settings"]["discord"], json!({"botId": "b"}));
    let claims = claims(body["token"].as_str().unwrap());
    assert_eq!(claims["roles"], json!(["one.viewer", "two.viewer"]));
    // Who regenerates gets the whole environment.
    let env = aiwm.regenerate(&id).await["envConfig"].as_str().unwrap().to_owned();
    assert!(env.contains("\nDISCORD_TOKEN=d\n"), "{env}");
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_2_the_instruction_is_the_prompt_and_numbered_guidelines() {
    let aiwm = Aiwm::start().await;
    let body =
        json!({"name": "i", "systemPrompt": "P", "guidelines": ["a", "b"], "status": "inactive"});
    let instruction = aiwm.create("/instructions", body).await;
    let (id, secret) = aiwm.ready(json!({"instructionId": instruction})).await;
    let (_, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(body["instruction"], "P\n\n## Guidelines\n1. a\n2. b");
    assert_eq!(
        body["instructionObject"],
        json!({"id": instruction, "systemPrompt": "P", "guidelines": ["a", "b"]})
    );
    aiwm.call(Method::DELETE, &format!("/instructions/{instruction}"), ADMIN, Value::Null).await;
    let (_, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(body["instruction"], "Instruction not found.");
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_3_profile_head_answers_as_newer_controllers() {
    let aiwm = Aiwm::with(|config| config.profile = Profile::Head).await;
    let settings = json!({"claudeModel": "m", "discord": {"token": "d"}});
    let (id, secret) = aiwm.ready(json!({"settings": settings})).await;
    let (status, body) = aiwm.connect(&id, &secret).await;
    assert_eq!(status, 201);
    let mut names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    names.sort();
    let wanted = [
        "accessToken",
        "expiresIn",
        "instruction",
        "mcpServers",
        "refreshExpiresIn",
        "refreshToken",
        "settings",
        "tokenType",
    ];
    assert_eq!(names, wanted);
    assert_eq!(body["settings"], json!({"claude_model": "m", "discord_token": "d"}));
    assert_eq!(body["instruction"]["id"], "");
    let token = body["accessToken"].as_str().unwrap();
    assert_eq!(
        aiwm.beat(&id, token, json!({"status": "busy"})).await,
        (201, json!({"success": true}))
    );
    let managed = aiwm.agent(json!({"type": "managed", "secret": "dropped"})).await;
    let path = format!("/agents/{managed}/credentials/regenerate");
    let (status, body) = aiwm.post(&path, ADMIN, Value::Null).await;
    assert_eq!(
        (status, &body["message"]),
        (400, &json!("Only autonomous agents have credentials to regenerate"))
    );
    let (status, body) = aiwm.connect(&managed, "dropped").await;
    assert_eq!((status, &body["message"]), (401, &json!("Agent has no secret configured")));
    // What could be nobody's secret is wrong, whatever kind of agent it is for.
    for kind in ["managed", "autonomous"] {
        for wrong in [json!(""), json!("x".repeat(73)), json!(5)] {
            let new = json!({"name": "n", "description": "d", "status": "active", "type": kind, "secret": wrong});
            let (status, body) = aiwm.post("/agents", ADMIN, new).await;
            let errors = json!(["secret must be text of 1 to 72 bytes"]);
            assert_eq!((status, &body["errors"]), (400, &errors), "{kind}, {wrong}");
        }
    }
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_4_a_wrong_secret_is_401_and_does_not_count() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    for wrong in ["wrong", &secret[..63], &format!("{secret}0000000000")] {
        let (status, body) = aiwm.connect(&id, wrong).await;
        assert_eq!((status, &body["message"]), (401, &json!("Invalid credentials")), "{wrong}");
    }
    assert_eq!(aiwm.count(&id).await, 0);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_5_ids_that_nobody_has_are_404() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    aiwm.call(Method::DELETE, &format!("/agents/{id}"), ADMIN, Value::Null).await;
    for gone in [&id, "000000000000000000000000", "nothex", "123456789012", "..%2Fx"] {
        let (status, body) = aiwm.connect(gone, &secret).await;
        assert_eq!(status, 404, "{gone}: {body}");
        assert_eq!(aiwm.beat(gone, &token, json!({"status": "idle"})).await.0, 404, "{gone}");
        let path = format!("/agents/{gone}/credentials/regenerate");
        assert_eq!(aiwm.post(&path, ADMIN, Value::Null).await.0, 404, "{gone}");
    }
    assert!(aiwm.get("/agents").await["data"].as_array().unwrap().is_empty());
    aiwm.server.shutdown().await;
}

/// Not timed: that the work is the same is counted.
#[tokio::test]
async fn case_6_a_suspended_agent_is_401_with_either_secret_and_the_same_work() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    let path = format!("/agents/{id}");
    let (status, _) = aiwm.call(Method::PUT, &path, ADMIN, json!({"status": "suspended"})).await;
    assert_eq!(status, 200);
    let mut before = aiwm.secret_checks().await;
    for (tried, message) in
        [(secret.as_str(), "Agent is suspended"), ("wrong", "Invalid credentials")]
    {
        let (status, body) = aiwm.connect(&id, tried).await;
        assert_eq!((status, &body["message"]), (401, &json!(message)));
        assert_eq!(aiwm.secret_checks().await, before + 1);
        before += 1;
    }
    // An id that nobody has costs the same.
    aiwm.connect("000000000000000000000000", "wrong").await;
    assert_eq!(aiwm.secret_checks().await, before + 1);
    assert_eq!(aiwm.beat(&id, &token, json!({"status": "idle"})).await.0, 401);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_7_bodies_that_are_wrong_are_400_and_say_why() {
    let aiwm = Aiwm::start().await;
    let id = aiwm.agent(json!({})).await;
    let path = format!("/agents/{id}/connect");
    let both = json!(["secret must be a string", "secret should not be empty"]);
    let json_kind = "application/json; charset=utf-8";
    for (kind, body, errors) in [
        (json_kind, "{}", both.clone()),
        (json_kind, "", both.clone()),
        (json_kind, "[]", both.clone()),
        (json_kind, r#"{"secret":null}"#, both.clone()),
        (json_kind, r#"{"secret":5}"#, json!(["secret must be a string"])),
        (json_kind, r#"{"secret":""}"#, json!(["secret should not be empty"])),
        ("text/plain", r#"{"secret":"x"}"#, both),
    ] {
        let (status, answer) = aiwm.raw(Method::POST, &path, "", kind, body.into()).await;
        assert_eq!((status, &answer["message"]), (400, &json!("Validation failed")), "{body}");
        assert_eq!(answer["errors"], errors, "{body}");
    }
    let (status, answer) = aiwm.raw(Method::POST, &path, "", json_kind, b"{bad".to_vec()).await;
    assert_eq!((status, &answer["message"]), (400, &json!("Malformed JSON body")));
    assert!(answer.get("errors").is_none());
    let (status, _) = aiwm.raw(Method::POST, &path, "", json_kind, vec![b' '; 200_000]).await;
    assert_eq!(status, 413);
    let form = "application/x-www-form-urlencoded";
    let (status, _) = aiwm.raw(Method::POST, &path, "", form, b"secret=x&y=1".to_vec()).await;
    assert_eq!(status, 401);
    aiwm.server.shutdown().await;
}
