//! What people do: credentials, lists, and who may.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, Aiwm, person, tool};

#[tokio::test]
async fn case_11_regenerating_replaces_the_secret_and_ends_old_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let aiwm = Aiwm::with(|config| config.data_dir = Some(dir.path().to_owned())).await;
    let (id, old) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &old).await;
    let fresh = aiwm.regenerate(&id).await;
    let secret = fresh["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 64);
    assert!(secret.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(secret, old);
    assert_eq!(aiwm.connect(&id, &old).await.0, 401);
    assert_eq!(aiwm.connect(&id, secret).await.0, 200);
    assert_eq!(aiwm.beat(&id, &token, json!({"status": "idle"})).await.0, 401);
    let shown = aiwm.get(&format!("/agents/{id}")).await.to_string();
    assert!(!shown.contains("$2"), "a hash is never shown: {shown}");
    aiwm.server.shutdown().await;

    let database = rusqlite::Connection::open(dir.path().join("agentmesh.db")).unwrap();
    let hash: String =
        database.query_row("SELECT secret_hash FROM aiwm_agents", (), |row| row.get(0)).unwrap();
    assert!(hash.starts_with("$2") && &hash[3..7] == "$10$", "{hash}");
    let audited: i64 = database
        .query_row(
            "SELECT count(*) FROM aiwm_audit WHERE action = 'credentials.regenerate'",
            (),
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(audited, 2);
}

#[tokio::test]
async fn case_12_only_who_may_write_in_the_organization_administers() {
    let aiwm = Aiwm::start().await;
    let (id, secret) = aiwm.ready(json!({})).await;
    let token = aiwm.token(&id, &secret).await;
    let path = format!("/agents/{id}/credentials/regenerate");
    for (who, status) in [
        (token.clone(), 403),
        (person(&["organization.viewer"], "default"), 403),
        (person(&["nobody"], "default"), 403),
        (person(&["organization.owner"], "another"), 404),
        (String::new(), 401),
        (person(&["group.editor"], "default"), 200),
        (person(&["universe.owner"], ""), 403),
    ] {
        assert_eq!(aiwm.post(&path, &who, Value::Null).await.0, status);
    }
    let new = json!({"name": "n", "description": "d", "status": "active"});
    let viewer = person(&["member.viewer"], "default");
    let (status, answer) = aiwm.post("/agents", &viewer, new.clone()).await;
    assert_eq!(
        (status, &answer["message"]),
        (403, &json!("You do not have permission to create."))
    );
    let agents = |who: String| {
        let aiwm = &aiwm;
        async move { aiwm.call(Method::GET, "/agents", &who, Value::Null).await }
    };
    assert_eq!(agents(viewer).await.1["pagination"]["total"], 1);
    assert_eq!(
        agents(person(&["organization.owner"], "another")).await.1["pagination"]["total"],
        0
    );
    assert_eq!(agents(token).await.0, 403);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn case_13_and_14_the_env_file_is_one_line_a_value_and_the_script_runs_nothing() {
    let aiwm =
        Aiwm::with(|config| config.aiwm.public_url = Some("https://host/dev/aiwm/".into())).await;
    let settings = json!({"discord": {"token": "dt", "channelIds": ["1", "2"]}, "resume": false, "maxTurns": 0});
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("ran");
    let name = format!("x\n$(touch {0})\"; touch {0} '", marker.display());
    let id = aiwm.agent(json!({"name": name, "settings": settings})).await;
    let made = aiwm.regenerate(&id).await;
    let env = made["envConfig"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert!(env.starts_with("# ===== AIWM Integration =====\nAIWM_ENABLED=true\nAIWM_BASE_URL=https://host/dev/aiwm\n"), "{env}");
    assert!(env.contains(&format!("\nAIWM_AGENT_ID={id}\nAIWM_AGENT_SECRET={secret}\n")));
    assert!(env.contains("\nDISCORD_TOKEN=dt\nDISCORD_CHANNEL_ID=1,2\n"), "{env}");
    assert!(
        env.contains(
            "\nCLAUDE_MAX_TURNS=100\nCLAUDE_PERMISSION_MODE=default\nCLAUDE_RESUME=false\n"
        ),
        "{env}"
    );
    assert!(env.contains("\n# TELEGRAM_BOT_TOKEN="), "{env}");
    assert_eq!(env.lines().filter(|line| line.starts_with("AGENT_NAME=")).count(), 1);
    assert!(env.lines().all(|line| line.is_empty() || line.starts_with('#') || line.contains('=')));

    let (env_file, script) = (dir.path().join("env"), dir.path().join("install.sh"));
    std::fs::write(&env_file, env).unwrap();
    let text = made["installScript"].as_str().unwrap();
    assert!(text.starts_with("#!/bin/bash\n# Installation script\n") && !text.contains(secret));
    std::fs::write(&script, text).unwrap();
    let bash = |args: &[&std::ffi::OsStr]| {
        let done =
            Command::new("bash").args(args).env("AIWM_AGENT_SECRET", secret).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    bash(&["-n".as_ref(), script.as_ref()]);
    bash(&["-c".as_ref(), "set -eu; . \"$0\"".as_ref(), env_file.as_ref()]);
    let target = dir.path().join("agent dir");
    bash(&[script.as_ref(), target.as_ref()]);
    assert!(!marker.exists(), "the name was executed");
    let written = std::fs::read_to_string(target.join(".env")).unwrap();
    assert!(written.contains(&format!("AIWM_AGENT_SECRET={secret}\n")));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(target.join(".env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    aiwm.server.shutdown().await;
}

#[tokio::test]
async fn lists_have_pages_filters_and_a_search() {
    let aiwm = Aiwm::start().await;
    for (name, status, kind) in [
        ("Support", "active", "autonomous"),
        ("support 2", "busy", "autonomous"),
        ("Billing", "busy", "managed"),
    ] {
        aiwm.agent(json!({"name": name, "status": status, "type": kind})).await;
    }
    aiwm.create("/tools", tool("a", "active")).await;
    aiwm.create("/tools", tool("b", "inactive")).await;
    for (path, expected, total) in [
        ("/agents", &["Support", "support 2", "Billing"][..], 3),
        ("/agents?limit=2&page=2", &["Billing"], 3),
        ("/agents?status=busy", &["support 2", "Billing"], 2),
        ("/agents?status=busy&type=managed", &["Billing"], 1),
        ("/agents?search=SUPP&limit=1", &["Support"], 2),
        ("/agents?search=%25", &[], 0),
        ("/agents?status=suspended", &[], 0),
        ("/agents?unknown=x", &["Support", "support 2", "Billing"], 3),
        ("/tools?status=inactive", &["b"], 1),
    ] {
        let body = aiwm.get(path).await;
        let data = body["data"].as_array().unwrap();
        let names: Vec<_> = data.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!((&names[..], &body["pagination"]["total"]), (expected, &json!(total)), "{path}");
        let all = if path.starts_with("/agents") { 3 } else { 2 };
        assert_eq!(body["statistics"]["total"], all, "{path}");
    }
    for (path, error) in [
        ("/agents?page=0", "page must not be less than 1"),
        ("/agents?limit=x", "limit must not be less than 1"),
        ("/agents?type=robot", "type must be one of the following values: managed, autonomous"),
        ("/agents?search=", "search should not be empty"),
    ] {
        let (status, body) = aiwm.call(Method::GET, path, ADMIN, Value::Null).await;
        assert_eq!((status, &body["errors"]), (400, &json!([error])), "{path}");
    }
    aiwm.server.shutdown().await;
}
