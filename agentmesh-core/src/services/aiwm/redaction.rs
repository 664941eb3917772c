//! What the types of this service print: no secret, no token, no setting's value.

use std::path::Path;

use super::{
    AgentConfig, AiwmClient, AiwmOptions, AiwmSupervisor, Connected, Environment, SecretText,
    SupervisorOptions,
};
use crate::redaction::Shown;

const SECRET: &str = "open-sesame";

#[tokio::test]
async fn aiwm_types_print_redacted() {
    let mut shown = Shown::default();
    let secret = SecretText::new(SECRET);
    shown.add("SecretText", &secret);
    let environment = Environment::from_pairs([("DISCORD_TOKEN", SECRET)]);
    shown.add("Environment", &environment);
    let body = format!(
        r#"{{"token":"{SECRET}","instruction":"{SECRET}","settings":{{"claudeOAuthToken":"{SECRET}","x":"{SECRET}"}},
            "mcpServers":{{"Builtin":{{"headers":{{"Authorization":"Bearer {SECRET}"}}}}}}}}"#
    );
    let connected = Connected::parse(body.as_bytes()).unwrap();
    shown.add("Connected", &connected);
    let config = AgentConfig::merge(Some(&connected), &environment, Path::new("/nowhere"));
    shown.add("Platform", &config.discord);
    shown.add("AgentConfig", &config);
    let mut options = AiwmOptions::new("http://127.0.0.1:1/x", &"0".repeat(24), secret).unwrap();
    options.http.proxies = crate::client::proxy::ProxyConfig::none();
    shown.add("AiwmOptions", &options);
    shown.add("AiwmClient", &AiwmClient::new(options).unwrap());
    let options = SupervisorOptions {
        instruction_file: "/nowhere".into(),
        ..SupervisorOptions::new(environment)
    };
    shown.add("SupervisorOptions", &options);
    let supervisor = AiwmSupervisor::start(None, options).await.unwrap();
    shown.add("AiwmSupervisor", &supervisor);
    shown.add("StatusHandle", &supervisor.status());
    let text = shown.without(&[SECRET.as_bytes()]);
    assert!(text.contains("SecretText: SecretText([redacted])"), "{text}");
    assert!(text.contains("Environment: {\"DISCORD_TOKEN\"}"), "{text}");
}
