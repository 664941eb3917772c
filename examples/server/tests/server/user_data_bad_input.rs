//! User data over real sockets: what must not work, by the numbers of the service's document.

use std::{fmt, sync::Arc};

use agentmesh_core::services::user_data::store::{UserDataLimits, UserDataStoreConfig};
use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, path::Path,
};
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    support::PATIENCE,
    user_data::{KEY, Service, files},
};

#[tokio::test]
async fn b04_dots_in_paths_lead_nowhere() {
    let service = Service::start().await;
    // Sent as they are: a client would take them out.
    for segment in ["%2e%2e", "..", "%2e", "."] {
        let (status, _) = raw(&service, &format!("GET /users/u/skills/{segment}")).await;
        assert!([400, 404].contains(&status), "{segment}: {status}");
    }
}

/// A request as it is written, with the key.
async fn raw(service: &Service, line: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(service.server.addr()).await.unwrap();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[tokio::test]
async fn b05_b07_ids_that_lead_elsewhere_are_refused() {
    let service = Service::start().await;
    for (path, error) in [
        ("/users/..%2Fbob/skills", "Invalid user id"),
        ("/users/%00/skills", "Invalid user id"),
        ("/users/a%5Cb/skills", "Invalid user id"),
        ("/users/CON/skills", "Invalid user id"),
        ("/users/u/skills/a%00", "Invalid skill name"),
        ("/users/u/skills/", "Invalid skill name"),
        ("/users/u/skills/%E0%A4%A", "Invalid skill name"),
        ("/users/u/conversations/..%2F..", "Invalid conversation id"),
        ("/users/u/settings/..%2Fx", "Invalid settings name"),
    ] {
        let answer = service.get(path).await;
        assert_eq!(answer, (400, json!({"error": error})), "{path}");
    }
    // Decoded once: this is a name, with a percent sign in it.
    assert_eq!(service.get("/users/u/skills/a%252Fb").await.0, 404);
    let refused = service.post("/setup/..%2Fs", json!(null)).await;
    assert_eq!(refused, (400, json!({"error": "Invalid session id"})));
    let refused = service.post("/setup/s?userId=../bob", json!(null)).await;
    assert_eq!(refused, (400, json!({"error": "Invalid user id"})));
    assert_eq!(files(&service.dir.path().join("sandboxes")), [""; 0]);
}

#[tokio::test]
async fn b06_ids_of_conversations_are_names() {
    let service = Service::start().await;
    for id in ["../../bob/conversations/c", "a/b", ".."] {
        let answer = service.post("/users/u/conversations", json!({"conversationId": id})).await;
        assert_eq!(answer, (400, json!({"error": "Invalid conversation id"})), "{id}");
    }
    assert_eq!(files(&service.dir.path().join("store")), [""; 0]);
}

#[tokio::test]
async fn b13_a_second_upload_replaces_the_first_and_is_newer() {
    let service = Service::start().await;
    service.skill("u", "a", "first").await;
    let first = service.get("/users/u/skills/a").await.1;
    // Until a clock has ticked: that of the file system is coarse.
    timeout(PATIENCE, async {
        loop {
            service.skill("u", "a", "second").await;
            let second = service.get("/users/u/skills/a").await.1;
            assert_eq!(second["content"], "second");
            if second["uploaded"].as_str() > first["uploaded"].as_str() {
                break;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(service.get("/users/u/skills").await.1["count"], 1);
}

#[tokio::test]
async fn b14_what_is_too_large_is_refused() {
    let service = Service::with(|config| {
        config.limits =
            UserDataLimits { conversation_bytes: 1000, skills: 2, ..UserDataLimits::default() };
    })
    .await;
    let too_large = (413, json!({"error": "Payload too large"}));
    assert_eq!(service.skill("u", "a", &"x".repeat(2 << 20)).await, too_large);
    assert_eq!(service.skill("u", "a", &"x".repeat(10 << 20)).await, too_large);
    assert_eq!(service.skill("u", "a", &"\u{1}".repeat(1 << 20)).await.0, 200);
    let long = json!({"conversationId": "c", "messages": "x".repeat(1000)});
    assert_eq!(service.post("/users/u/conversations", long).await, too_large);
    let long = json!({"a": "x".repeat(300 << 10)}).to_string();
    assert_eq!(service.call(Method::PUT, "/users/u/settings/s", &long).await, too_large);
    assert_eq!(service.skill("u", "b", "x").await.0, 200);
    let too_many = (409, json!({"error": "Too many skills"}));
    assert_eq!(service.skill("u", "c", "x").await, too_many);
    assert_eq!(service.skill("u", "b", "y").await.0, 200);
}

#[tokio::test]
async fn b20_preparing_twice_at_a_time_succeeds_twice() {
    let service = Service::start().await;
    for n in 0..20 {
        service.skill("u", &format!("s{n}"), "x").await;
    }
    let setup = async || service.post("/setup/s?userId=u", json!(null)).await;
    let (first, second) = tokio::join!(setup(), setup());
    assert_eq!(first, second);
    assert_eq!((first.0, first.1["skillsLoaded"].as_array().unwrap().len()), (200, 20));
    assert_eq!(files(&service.dir.path().join("sandboxes")).len(), 20);
}

/// A store that is down.
#[derive(Debug)]
struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Down")
    }
}

fn down<T>() -> object_store::Result<T> {
    Err(object_store::Error::Generic { store: "Down", source: "the-password-is-hush".into() })
}

#[async_trait]
impl ObjectStore for Down {
    async fn put_opts(
        &self,
        _: &Path,
        _: PutPayload,
        _: PutOptions,
    ) -> object_store::Result<PutResult> {
        down()
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        down()
    }

    async fn get_opts(&self, _: &Path, _: GetOptions) -> object_store::Result<GetResult> {
        down()
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        paths.map(|_| down()).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        stream::once(async { down() }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> object_store::Result<ListResult> {
        down()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        down()
    }
}

#[tokio::test]
async fn b21_a_store_that_is_down_is_said_to_be_and_no_more() {
    let service =
        Service::with(|config| config.store = Some(UserDataStoreConfig::over(Arc::new(Down), "")))
            .await;
    let unavailable = (503, json!({"error": "Storage unavailable"}));
    let conversation = json!({"conversationId": "c"});
    assert_eq!(service.get("/users/u/skills").await, unavailable);
    assert_eq!(service.skill("u", "a", "x").await, unavailable);
    assert_eq!(service.get("/users/u/skills/a").await, unavailable);
    assert_eq!(service.delete("/users/u/skills/a").await, unavailable);
    assert_eq!(service.post("/users/u/conversations", conversation).await, unavailable);
    assert_eq!(service.get("/users/u/conversations").await, unavailable);
    assert_eq!(service.get("/users/u/conversations/c").await, unavailable);
    assert_eq!(service.delete("/users/u/conversations/c").await, unavailable);
    assert_eq!(service.get("/users/u/settings").await, unavailable);
    assert_eq!(service.post("/setup/s?userId=u", json!(null)).await, unavailable);
}

#[tokio::test]
async fn paths_and_verbs_that_are_not_there_are_answered_in_json() {
    let service = Service::start().await;
    let not_found = json!({"error": "Not found"});
    for path in [
        "/users",
        "/users/",
        "/users/u",
        "/users/u/x",
        "/users/u/skills/a/b",
        "/setup",
        "/sandbox/s/exec",
        "/socket.io/x",
    ] {
        assert_eq!(service.get(path).await, (404, not_found.clone()), "{path}");
    }
    let not_allowed = json!({"error": "Method not allowed"});
    for (method, path, allowed) in [
        (Method::PUT, "/users/u/skills", "GET, POST"),
        (Method::POST, "/users/u/skills/a", "GET, DELETE"),
        (Method::PATCH, "/users/u/settings/a", "GET, PUT, DELETE"),
        (Method::GET, "/setup/s", "POST"),
        (Method::POST, "/sandbox/s", "DELETE"),
        (Method::POST, "/_info", "GET"),
    ] {
        let response = service.send(method, path, &format!("Bearer {KEY}"), "").await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &allowed.parse().unwrap())
        );
        assert_eq!(response.json::<serde_json::Value>().await.unwrap(), not_allowed);
    }
}

#[tokio::test]
async fn users_are_slowed_down_each_for_themselves() {
    let service = Service::with(|config| {
        config.writes_per_minute = 2;
        config.reads_per_minute = 3;
    })
    .await;
    for _ in 0..2 {
        assert_eq!(service.skill("u", "a", "x").await.0, 200);
    }
    let body = json!({"name": "a", "content": "x"}).to_string();
    let response =
        service.send(Method::POST, "/users/u/skills", &format!("Bearer {KEY}"), &body).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"30".parse().unwrap())
    );
    assert_eq!(
        response.json::<serde_json::Value>().await.unwrap(),
        json!({"error": "Too many requests"})
    );
    for _ in 0..3 {
        assert_eq!(service.get("/users/u/skills").await.0, 200);
    }
    assert_eq!(service.get("/users/u/skills").await.0, 429);
    assert_eq!(service.skill("v", "a", "x").await.0, 200);
}

#[tokio::test]
async fn pages_of_other_origins_are_let_in_by_name_only() {
    let friend = "https://friend.example";
    let service = Service::with(|config| config.allowed_origins = vec![friend.to_owned()]).await;
    let http = reqwest::Client::new();
    let ask = async |method: Method, path: &str, origin: &str| {
        let request = http.request(method, format!("{}{path}", service.server.url()));
        let request =
            request.header("origin", origin).header("access-control-request-method", "GET");
        let response = request.send().await.unwrap();
        let allowed = response.headers().get("access-control-allow-origin").cloned();
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
        (response.status().as_u16(), allowed.map(|value| value.to_str().unwrap().to_owned()))
    };
    let yes = Some(friend.to_owned());
    assert_eq!(ask(Method::OPTIONS, "/users/u/skills", friend).await, (204, yes.clone()));
    assert_eq!(ask(Method::GET, "/users/u/skills", friend).await, (401, yes.clone()));
    let foe = "https://foe.example";
    assert_eq!(ask(Method::OPTIONS, "/users/u/skills", foe).await, (403, None));
    assert_eq!(ask(Method::GET, "/users/u/skills", foe).await, (401, None));
    let engine = "/socket.io/?EIO=4&transport=polling&sessionId=s";
    assert_eq!(ask(Method::GET, engine, friend).await, (200, yes));
    assert_eq!(ask(Method::GET, engine, foe).await, (403, None));
    assert_eq!(ask(Method::GET, engine, &service.server.url()).await, (200, None));
}
