//! Accounts at providers, organizations, and the certificates that come of them.

use std::time::Duration;

use agentmesh_core::{
    Error, ErrorInfo,
    client::{Agent, registry::RegistryClient},
    storage::MemoryStorage,
    trust::{CertificateError, TrustRoots},
    wire::registry::{OAuthState, RevocationReason, Tier},
};
use agentmesh_server::{OAuthEndpoints, OAuthProvider, Server};
use serde_json::{Value, json};

use super::{
    PATIENCE, builder,
    dns::Dns,
    online,
    openid::{CLIENT, LIES, Provider, SECRET},
    proxy::Proxy,
    server_with,
};

fn discovered(provider: &Provider) -> OAuthProvider {
    let mut config = OAuthProvider::discovered("Local", provider.issuer(), CLIENT);
    config.client_secret = Some(SECRET.into());
    config
}

async fn server_for(provider: &Provider) -> Server {
    server_with(|config| config.oauth_providers = vec![discovered(provider)]).await
}

fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// What the owner's browser does: goes to the provider, and back to where that sends it. Returns that address and the answer.
async fn log_in(url: &str) -> (String, u16, Value) {
    let sent = browser().get(url).send().await.unwrap();
    assert_eq!(sent.status(), 302);
    let back = sent.headers()["location"].to_str().unwrap().to_owned();
    let (status, answer) = come_back(&back).await;
    (back, status, answer)
}

async fn come_back(url: &str) -> (u16, Value) {
    let sent = browser().get(url).send().await.unwrap();
    (sent.status().as_u16(), sent.json().await.unwrap())
}

fn registry(agent: &Agent) -> RegistryClient {
    agent.registry_client().unwrap()
}

async fn tier(agent: &Agent) -> Tier {
    agent.lookup(&agent.amid()).await.unwrap().details.tier
}

async fn roots(agent: &Agent) -> TrustRoots {
    TrustRoots::from_pem(&registry(agent).root_certificate().await.unwrap()).unwrap()
}

#[tokio::test]
async fn account_makes_an_agent_verified_and_g13_its_certificate_stays_and_verifies() {
    let provider = Provider::start().await;
    let server = server_for(&provider).await;
    let (alice, bob) = (online(&server).await, online(&server).await);
    let client = registry(&alice);
    let providers = client.oauth_providers().await.unwrap();
    assert_eq!((providers.len(), providers[0].name.as_str()), (1, "local"));

    let attempt = client.oauth_start("LOCAL").await.unwrap();
    let status = client.oauth_status(&attempt.state).await.unwrap();
    assert_eq!(status.status, OAuthState::Pending);
    let impatient = client.oauth_wait(&attempt.state, Duration::ZERO).await.unwrap_err();
    assert_eq!(impatient.code(), "OAUTH_PENDING");
    // An attempt is its agent's business.
    let foreign = registry(&bob).oauth_status(&attempt.state).await.unwrap_err();
    assert_eq!(foreign.code(), "HTTP_NOT_FOUND");
    let (identity, (back, code, answer)) = tokio::join!(
        client.oauth_wait(&attempt.state, PATIENCE),
        log_in(attempt.authorization_url.as_str())
    );
    assert_eq!(identity.unwrap(), "local:owner-42");
    assert_eq!((code, &answer["success"]), (200, &json!(true)), "{answer}");
    assert_eq!(answer["verified_identity"], "local:owner-42");
    // The state is used up.
    let (code, answer) = come_back(&back).await;
    assert_eq!((code, &answer["success"]), (400, &json!(false)));
    assert_eq!(tier(&alice).await, Tier::Verified);
    assert_eq!(tier(&bob).await, Tier::Anonymous);

    let roots = roots(&alice).await;
    let found = registry(&bob).certificate(&alice.amid(), &roots).await.unwrap().unwrap();
    assert_eq!((found.amid, found.signing_key), (alice.amid(), alice.identity().signing));
    assert_eq!((found.tier, found.organization), (Tier::Verified, None));
    assert!(registry(&bob).certificate(&bob.amid(), &roots).await.unwrap().is_none());
    // Another registry's root does not stand behind it.
    let other = server_for(&provider).await;
    let carol = online(&other).await;
    let strangers = self::roots(&carol).await;
    let error = registry(&bob).certificate(&alice.amid(), &strangers).await.unwrap_err();
    assert!(Error::from(error) == Error::from(CertificateError::BadSignature));
    // It is nobody else's, whatever a registry says, and worth nothing while nobody can say that it was not revoked.
    let proxy = Proxy::start(server.url()).await;
    let careful = builder(&server, MemoryStorage::new()).registry_url(proxy.url.clone());
    let careful = registry(&careful.create().await.unwrap());
    careful.certificate(&alice.amid(), &roots).await.unwrap();
    proxy.set_broken(Some("/revocation"));
    let error = careful.certificate(&alice.amid(), &roots).await.unwrap_err();
    assert_eq!(error.code(), "REVOCATION_UNCHECKED");
    proxy.set_broken(None);
    let borrowed = registry(&bob).lookup(&alice.amid()).await.unwrap().details.certificate;
    proxy.set_rewrite("/lookup", move |answer| answer["certificate"] = json!(borrowed));
    let error = careful.certificate(&bob.amid(), &roots).await.unwrap_err();
    assert_eq!(error.code(), "CERTIFICATE_OTHER_AGENT");
    // A certificate outlives no revocation.
    client.revoke(&alice.amid(), &RevocationReason::Superseded, None).await.unwrap();
    let error = registry(&bob).certificate(&alice.amid(), &roots).await.unwrap_err();
    assert_eq!(error.code(), "AGENT_REVOKED");
}

#[tokio::test]
async fn provider_that_lies_verifies_nobody() {
    let provider = Provider::start().await;
    let server = server_for(&provider).await;
    let alice = online(&server).await;
    let client = registry(&alice);
    for lie in LIES {
        provider.lie(lie).await;
        let attempt = client.oauth_start("local").await.unwrap();
        let (_, code, answer) = log_in(attempt.authorization_url.as_str()).await;
        assert_eq!((code, &answer["success"]), (200, &json!(false)), "{lie}: {answer}");
        assert_eq!(answer["certificate"], Value::Null);
        let error = client.oauth_wait(&attempt.state, PATIENCE).await.unwrap_err();
        assert_eq!(error.code(), "OAUTH_FAILED", "{lie}");
        assert_eq!(tier(&alice).await, Tier::Anonymous, "{lie}");
    }
    provider.lie("nothing").await;
    // The owner says no; somebody makes a code up; somebody makes a state up.
    for (path, code) in [("error=access_denied", 200), ("code=made-up", 200)] {
        let attempt = client.oauth_start("local").await.unwrap();
        let back =
            format!("{}/auth/oauth/callback?{path}&state={}", server.registry_url(), attempt.state);
        let (status, answer) = come_back(&back).await;
        assert_eq!((status, &answer["success"]), (code, &json!(false)), "{path}");
    }
    let back = format!("{}/auth/oauth/callback?code=code-1&state=made-up", server.registry_url());
    assert_eq!(come_back(&back).await.0, 400);
    assert_eq!(tier(&alice).await, Tier::Anonymous);
    let unknown = client.oauth_start("nobody").await.unwrap_err();
    assert_eq!(unknown.code(), "HTTP_REJECTED");
}

#[tokio::test]
async fn provider_that_is_gone_verifies_nobody() {
    let mut provider = Provider::start().await;
    let server = server_for(&provider).await;
    let alice = online(&server).await;
    let client = registry(&alice);
    let attempt = client.oauth_start("local").await.unwrap();
    // The owner logs in, and the provider dies before the registry could ask it for the token.
    let sent = browser().get(attempt.authorization_url.as_str()).send().await.unwrap();
    let back = sent.headers()["location"].to_str().unwrap().to_owned();
    provider.kill().await;
    let (status, answer) = come_back(&back).await;
    assert_eq!((status, &answer["success"]), (200, &json!(false)), "{answer}");
    let error = client.oauth_wait(&attempt.state, PATIENCE).await.unwrap_err();
    assert_eq!(error.code(), "OAUTH_FAILED");
    assert_eq!(tier(&alice).await, Tier::Anonymous);
}

#[tokio::test]
async fn g10_nobody_starts_for_another_agent() {
    let provider = Provider::start().await;
    let server = server_for(&provider).await;
    let alice = online(&server).await;
    let url = format!("{}/auth/oauth/authorize", server.registry_url());
    for signature in ["", "AAAA", "junk"] {
        let body = json!({
            "amid": alice.amid(), "provider": "local",
            "timestamp": "2026-02-04T12:00:00.123+00:00", "signature": signature,
        });
        let sent = reqwest::Client::new().post(&url).json(&body).send().await.unwrap();
        assert_eq!(sent.status(), 401);
    }
    // Ten attempts at a time, no more.
    let client = registry(&alice);
    for _ in 0..10 {
        client.oauth_start("local").await.unwrap();
    }
    // 429 with a pause that is too long to wait for.
    assert_eq!(client.oauth_start("local").await.unwrap_err().code(), "HTTP_RATE_LIMITED");
}

#[tokio::test]
async fn provider_without_openid_is_asked_who_logged_in() {
    let provider = Provider::start().await;
    let at = |path: &str| format!("{}{path}", provider.issuer());
    let server = server_with(|config| {
        config.oauth_providers = vec![OAuthProvider {
            name: "plain".into(),
            display_name: "Plain".into(),
            client_id: CLIENT.into(),
            client_secret: Some(SECRET.into()),
            scopes: vec![],
            endpoints: OAuthEndpoints::Explicit {
                authorize: at("/authorize"),
                token: at("/token"),
                userinfo: at("/userinfo"),
                subject: "id".into(),
            },
        }];
    })
    .await;
    let alice = online(&server).await;
    let attempt = registry(&alice).oauth_start("plain").await.unwrap();
    let (_, code, answer) = log_in(attempt.authorization_url.as_str()).await;
    assert_eq!((code, &answer["verified_identity"]), (200, &json!("plain:4242")), "{answer}");
    assert_eq!(tier(&alice).await, Tier::Verified);
}

#[tokio::test]
async fn organization_proves_its_domain_and_vouches_for_agents_that_want_it() {
    let dns = Dns::start().await;
    let url = dns.url.clone();
    let server = server_with(|config| config.dns_url = url).await;
    let (admin, alice, mallory) =
        (online(&server).await, online(&server).await, online(&server).await);
    let office = registry(&admin);
    let new = office.org_register("Example", "example.org").await.unwrap();
    let name = new.challenge.record_name.clone();
    assert_eq!(name, "_agentmesh.example.org");
    assert!(!office.org_verify(&new.id).await.unwrap().verified);
    dns.set(&name, &["v=spf1 -all", "agentmesh-verify=guess"]);
    let found = office.org_verify(&new.id).await.unwrap();
    assert!(!found.verified && found.error.unwrap().contains("none with the challenge"));
    assert!(registry(&mallory).org_verify(&new.id).await.is_err());

    let consent = registry(&alice).org_consent(&new.id);
    assert!(office.org_add_agent(&consent, None, &[]).await.is_err());
    // With the quotes that some resolvers leave in.
    let quoted = format!("\"{}\"", new.challenge.record_value);
    dns.set(&name, &["v=spf1 -all", &quoted]);
    let found = office.org_verify(&new.id).await.unwrap();
    assert!(found.verified, "{:?}", found.error);

    assert!(registry(&mallory).org_add_agent(&consent, None, &[]).await.is_err());
    let mut altered = consent.clone();
    altered.agent_amid = mallory.amid().to_string();
    assert!(office.org_add_agent(&altered, None, &[]).await.is_err());
    let certificate = office.org_add_agent(&consent, None, &[]).await.unwrap();
    assert!(certificate.unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let listing = mallory.lookup(&alice.amid()).await.unwrap().details;
    assert_eq!(
        (listing.tier, listing.organization.as_deref()),
        (Tier::Organization, Some("Example"))
    );
    let found = office.organization("example.org").await.unwrap();
    assert_eq!((found.verified, found.agent_count), (true, 1));

    let roots = roots(&mallory).await;
    let found = registry(&mallory).certificate(&alice.amid(), &roots).await.unwrap().unwrap();
    assert_eq!((found.tier, found.organization.as_deref()), (Tier::Organization, Some("Example")));
    // The organization's admin can take the agent out again, for good; a stranger cannot.
    let reason = RevocationReason::PrivilegeWithdrawn;
    assert!(registry(&mallory).revoke(&alice.amid(), &reason, None).await.is_err());
    office.revoke(&alice.amid(), &reason, Some("left")).await.unwrap();
    assert_eq!(office.organization("example.org").await.unwrap().agent_count, 0);
}
