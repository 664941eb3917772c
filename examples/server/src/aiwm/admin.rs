//! Agents, instructions, tools and nodes, for people: create, list, show, change, delete. Everybody sees only what
//! belongs to their organization.

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    ONLINE_MS,
    answer::Refusal,
    body::{self, Checks, is_strings},
    connect::service,
    is_id, listing, new_id, objects,
    passwords::Passwords,
    shape,
};
use crate::{
    clock,
    http::reply,
    state::Shared,
    store::aiwm::{self as rows, Kind, Object, Tracking},
};

/// Objects on a page at most.
pub(super) const MAX_PAGE: u64 = 100;
/// Bytes of a secret that somebody chose: bcrypt takes no more.
pub(super) const MAX_SECRET: usize = 72;

/// The routes of a kind. Agents have more.
pub(super) fn routes(kind: Kind) -> Router<Shared> {
    Router::new()
        .route(
            "/",
            get(async move |State(shared), headers, query| {
                listing::list(shared, headers, query, kind).await
            })
            .post(async move |State(shared), headers, request| {
                create(shared, headers, request, kind).await
            }),
        )
        .route(
            "/{id}",
            get(async move |State(shared), headers, Path(id)| {
                show(shared, headers, id, kind).await
            })
            .put(async move |State(shared), headers, Path(id), request| {
                update(shared, headers, id, request, kind).await
            })
            .delete(async move |State(shared), headers, Path(id)| {
                delete(shared, headers, id, kind).await
            }),
        )
}

fn missing(kind: Kind, id: &str) -> Refusal {
    let name = match kind {
        Kind::Agent => "Agent",
        Kind::Instruction => "Instruction",
        Kind::Tool => "Tool",
        Kind::Node => "Node",
    };
    Refusal::new(StatusCode::NOT_FOUND, format!("{name} with ID {id} not found"))
}

/// The hash of the secret that somebody chose for a new agent. A managed one has none, whatever was given.
async fn secret_of_agent(
    passwords: &Passwords,
    given: &Map<String, Value>,
    body: &Map<String, Value>,
) -> Result<Option<String>, Refusal> {
    let fits = |secret: &str| (1..=MAX_SECRET).contains(&secret.len());
    let mut checks = Checks::default();
    checks.optional(given, "secret", "text of 1 to 72 bytes", |v| v.as_str().is_some_and(fits));
    checks.done()?;
    match given.get("secret") {
        Some(Value::String(secret)) if body.get("type").is_none_or(|kind| kind != "managed") => {
            Ok(Some(passwords.hash(secret.clone()).await?))
        }
        _ => Ok(None),
    }
}

async fn create(
    shared: Shared,
    headers: HeaderMap,
    request: Request<Body>,
    kind: Kind,
) -> Result<Response, Refusal> {
    let aiwm = service(&shared)?;
    let person = aiwm.writer(&headers, "create")?;
    let given = body::read(request).await?;
    let body = objects::created(kind, &given)?;
    let secret = match kind {
        Kind::Agent => secret_of_agent(&aiwm.passwords, &given, &body).await?,
        Kind::Instruction | Kind::Tool | Kind::Node => None,
    };
    let now = clock::now();
    let object =
        Object { id: new_id()?, org: person.org.clone(), body, created: now, updated: now };
    let job = move |c: &rusqlite::Connection| {
        rows::insert(c, kind, &object, secret.as_deref())?;
        rows::audit(c, &person.name, &format!("{}.create", kind.as_str()), &object.id, now)?;
        Ok(object)
    };
    let object = shared.store.write(job).await?;
    let shown = shown(&object, (kind == Kind::Agent).then(Tracking::default));
    Ok(reply::json(StatusCode::CREATED, shown))
}

async fn show(
    shared: Shared,
    headers: HeaderMap,
    id: String,
    kind: Kind,
) -> Result<Response, Refusal> {
    let person = service(&shared)?.reader(&headers)?;
    let wanted = id.to_ascii_lowercase();
    let job = move |c: &rusqlite::Connection| {
        let found = if is_id(&wanted) { rows::find(c, kind, &wanted)? } else { None };
        let found = found.filter(|object| person.sees(&object.org));
        let tracking = match &found {
            Some(object) if kind == Kind::Agent => Some(rows::tracking(c, &object.id)?),
            _ => None,
        };
        Ok(found.map(|object| shown(&object, tracking)))
    };
    let found = shared.store.read(job).await?.ok_or_else(|| missing(kind, &id))?;
    Ok(reply::json(StatusCode::OK, found))
}

async fn update(
    shared: Shared,
    headers: HeaderMap,
    id: String,
    request: Request<Body>,
    kind: Kind,
) -> Result<Response, Refusal> {
    let person = service(&shared)?.writer(&headers, "update")?;
    let given = body::read(request).await?;
    let (wanted, now) = (id.to_ascii_lowercase(), clock::now());
    // Read and written in one transaction, so that of two changes neither is lost.
    let job = move |c: &rusqlite::Connection| {
        let found = if is_id(&wanted) { rows::find(c, kind, &wanted)? } else { None };
        let Some(mut object) = found.filter(|object| person.sees(&object.org)) else {
            return Ok(None);
        };
        match objects::changed(kind, &object.body, &given) {
            Err(refusal) => Ok(Some(Err(refusal))),
            Ok(body) => {
                rows::replace(c, &object.id, &body, now)?;
                rows::audit(
                    c,
                    &person.name,
                    &format!("{}.update", kind.as_str()),
                    &object.id,
                    now,
                )?;
                (object.body, object.updated) = (body, now);
                let tracking =
                    (kind == Kind::Agent).then(|| rows::tracking(c, &object.id)).transpose()?;
                Ok(Some(Ok(shown(&object, tracking))))
            }
        }
    };
    let shown = shared.store.write(job).await?.ok_or_else(|| missing(kind, &id))??;
    Ok(reply::json(StatusCode::OK, shown))
}

async fn delete(
    shared: Shared,
    headers: HeaderMap,
    id: String,
    kind: Kind,
) -> Result<Response, Refusal> {
    let person = service(&shared)?.writer(&headers, "delete")?;
    let (wanted, now) = (id.to_ascii_lowercase(), clock::now());
    let job = move |c: &rusqlite::Connection| {
        let found = if is_id(&wanted) { rows::find(c, kind, &wanted)? } else { None };
        let Some(object) = found.filter(|object| person.sees(&object.org)) else {
            return Ok(false);
        };
        rows::audit(c, &person.name, &format!("{}.delete", kind.as_str()), &object.id, now)?;
        rows::delete(c, &object.id, now)
    };
    if shared.store.write(job).await? {
        Ok(reply::json(StatusCode::OK, json!({"success": true})))
    } else {
        Err(missing(kind, &id))
    }
}

/// An object as people see it; never a hash.
pub(super) fn shown(object: &Object, tracking: Option<Tracking>) -> Value {
    let mut out = Map::from_iter([
        ("_id".to_owned(), object.id.clone().into()),
        ("id".to_owned(), object.id.clone().into()),
    ]);
    out.extend(object.body.clone());
    out.insert("owner".into(), json!({"orgId": object.org}));
    out.insert("createdAt".into(), object.created.to_rfc3339_millis().into());
    out.insert("updatedAt".into(), object.updated.to_rfc3339_millis().into());
    if let Some(tracking) = tracking {
        for name in ["tags", "allowedToolIds"] {
            let list = out.entry(name).or_insert_with(|| json!([]));
            debug_assert!(is_strings(list), "checked when it came in");
        }
        let heard = tracking.heartbeat;
        let online = heard.is_some_and(|at| clock::now().since(at) < ONLINE_MS);
        out.insert("online".into(), online.into());
        out.insert("lastConnectedAt".into(), shape::time(tracking.connected));
        out.insert("lastHeartbeatAt".into(), shape::time(heard));
        out.insert("connectionCount".into(), tracking.connections.into());
        out.insert("hasSecret".into(), tracking.secret_hash.is_some().into());
        out.insert("lastReport".into(), tracking.reported.unwrap_or_default());
    }
    Value::Object(out)
}
