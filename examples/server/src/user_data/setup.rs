//! `POST /setup/{session}` and `DELETE /sandbox/{session}`.

use agentmesh_core::services::user_data::{
    Name, NameKind,
    store::{Page, SkillLayout},
};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Method, Request, StatusCode};
use serde_json::json;

use super::{
    UserData,
    answer::Refusal,
    call::{Call, Head, name, segments},
    sandbox,
};
use crate::{clock, http::reply, random, state::Shared};

type Answer = Result<Response, Refusal>;

/// The home directory in deployed sandboxes, where agents look for nested skills as well.
const HOME: &str = concat!("/", "root");

pub(super) async fn setup(State(shared): State<Shared>, request: Request<Body>) -> Response {
    respond(&shared, request, true).await
}

pub(super) async fn sandbox(State(shared): State<Shared>, request: Request<Body>) -> Response {
    respond(&shared, request, false).await
}

async fn respond(shared: &Shared, request: Request<Body>, setup: bool) -> Response {
    let Some(service) = &shared.user_data else {
        return Refusal::unknown_path().into_response();
    };
    answer(service, request, setup).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(service: &UserData, request: Request<Body>, setup: bool) -> Answer {
    let principal = service.access.of_request(request.headers())?;
    let path = request.uri().path().to_owned();
    let head = Call::new(principal, request).head;
    let segments = segments(&path);
    let [session] = segments.as_slice() else { return Err(Refusal::unknown_path()) };
    let session = name(NameKind::Session, session)?;
    let (wanted, allowed) = if setup { (Method::POST, "POST") } else { (Method::DELETE, "DELETE") };
    if head.method != wanted {
        return Err(Refusal::method(allowed));
    }
    if setup {
        prepare(service, &session, &head).await
    } else {
        destroy(service, &session, &head).await
    }
}

async fn prepare(service: &UserData, session: &Name, head: &Head) -> Answer {
    let user = match head.parameter("userId")? {
        Some(user) => Name::new(NameKind::User, user)?,
        None => Name::new(NameKind::User, session.as_str())?,
    };
    head.principal.check(&user)?;
    let _one_at_a_time = service.setups.lock(session).await;
    if let Some(before) = service.sessions.user(session) {
        head.principal.check(&before)?;
    }
    service.admit(&user, &Method::POST)?;
    let (method, loaded) = fill(service, session, &user).await?;
    let fresh = random::secret().map_err(|_| no_random_numbers())?;
    let changed = service.sessions.prepare(session, &user, fresh, clock::now());
    if changed.other_user {
        // What was said belongs to whom it was said.
        service.realtime.end(session);
    }
    if let Some(evicted) = changed.evicted {
        service.realtime.end(&evicted);
        remove(service, &evicted).await?;
    }
    let mut body = json!({
        "status": "ready",
        "sessionId": session.as_str(),
        "userId": user.as_str(),
        "setupMethod": method.as_str(),
        "message": format!("Sandbox prepared. Connect via WebSocket to /ws?sessionId={session}"),
    });
    if method != sandbox::Method::Mounted && !loaded.is_empty() {
        reply::add(&mut body, "skillsLoaded", loaded);
    }
    if !service.access.is_open() {
        reply::add(&mut body, "sessionToken", changed.token);
    }
    Ok(reply::json(StatusCode::OK, body))
}

/// Puts a user's skills into a sandbox. Returns how, and where the agent finds them.
async fn fill(
    service: &UserData,
    session: &Name,
    user: &Name,
) -> Result<(sandbox::Method, Vec<String>), Refusal> {
    let nested = service.store.layout() == SkillLayout::Nested;
    let failed = |error: std::io::Error| Refusal::internal("a sandbox was not made", &error);
    let (sandboxes, of) = (service.sandboxes.clone(), session.clone());
    let stage = blocking(move || sandboxes.stage(&of, nested)).await.map_err(failed)?;
    let stage = std::sync::Arc::new(stage);
    let mut loaded = Vec::new();
    for skill in service.store.skills(user, &Page::default()).await?.items {
        // It may have been deleted meanwhile.
        let Some(found) = service.store.skill(user, &skill.name).await? else { continue };
        let (name, stage) = (skill.name.clone(), std::sync::Arc::clone(&stage));
        blocking(move || stage.add(&name, &found.content)).await.map_err(failed)?;
        let name = &skill.name;
        if nested {
            loaded.push(format!("/workspace/.claude/skills/{name}/SKILL.md"));
            loaded.push(format!("{HOME}/.claude/skills/{name}/SKILL.md"));
        } else {
            loaded.push(format!("/workspace/.claude/skills/{name}"));
        }
    }
    let environment = service.config.environment;
    let finish = move || match std::sync::Arc::into_inner(stage) {
        Some(stage) => stage.finish(environment),
        None => Err(std::io::Error::other("it is still in use")),
    };
    Ok((blocking(finish).await.map_err(failed)?, loaded))
}

async fn destroy(service: &UserData, session: &Name, head: &Head) -> Answer {
    let _one_at_a_time = service.setups.lock(session).await;
    if let Some(user) = service.sessions.user(session) {
        head.principal.check(&user)?;
        service.admit(&user, &Method::DELETE)?;
    }
    service.sessions.forget(session);
    service.realtime.end(session);
    remove(service, session).await?;
    Ok(reply::json(StatusCode::OK, json!({"status": "destroyed", "sessionId": session.as_str()})))
}

async fn remove(service: &UserData, session: &Name) -> Result<(), Refusal> {
    let (sandboxes, session) = (service.sandboxes.clone(), session.clone());
    blocking(move || sandboxes.remove(&session))
        .await
        .map_err(|error| Refusal::internal("a sandbox was not removed", &error))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

fn no_random_numbers() -> Refusal {
    Refusal::internal(
        "no session token",
        &std::io::Error::other("the system gives no random numbers"),
    )
}
