//! `/users/{user}/…`: skills, conversations and settings.

use agentmesh_core::services::user_data::{Name, NameKind, store::Page};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    UserData,
    answer::Refusal,
    call::{Call, Head, name, segments},
};
use crate::{clock, http::reply, state::Shared};

type Answer = Result<Response, Refusal>;

const NO_SKILL: &str = "Skill name and content are required";
const NO_CONVERSATION: &str = "conversationId is required";
const NO_SETTINGS: &str = "Settings must be a JSON object";
/// The settings that are meant if none are named.
const PREFERENCES: &str = "preferences";
/// A character takes six bytes of JSON at most, beside what is around it.
const ESCAPED: u64 = 6;
const AROUND: u64 = 4096;

/// All of it.
pub(super) async fn users(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let Some(service) = &shared.user_data else {
        return Refusal::unknown_path().into_response();
    };
    answer(service, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(service: &UserData, request: Request<Body>) -> Answer {
    let principal = service.access.of_request(request.headers())?;
    let path = request.uri().path().to_owned();
    let call = Call::new(principal, request);
    let segments = segments(&path);
    let (user, rest) = match segments.as_slice() {
        [user, rest @ ..] if !rest.is_empty() => (name(NameKind::User, user)?, rest),
        _ => return Err(Refusal::unknown_path()),
    };
    call.head.principal.check(&user)?;
    service.admit(&user, &call.head.method)?;
    match rest {
        ["skills"] => skills(service, &user, call).await,
        ["skills", skill] => {
            one_skill(service, &user, &name(NameKind::Skill, skill)?, &call.head).await
        }
        ["conversations"] => conversations(service, &user, call).await,
        ["conversations", id] => {
            one_conversation(service, &user, &name(NameKind::Conversation, id)?, &call.head).await
        }
        ["settings"] => {
            settings(service, &user, &name(NameKind::Settings, PREFERENCES)?, call).await
        }
        ["settings", which] => {
            settings(service, &user, &name(NameKind::Settings, which)?, call).await
        }
        _ => Err(Refusal::unknown_path()),
    }
}

fn ok(body: Value) -> Answer {
    Ok(reply::json(StatusCode::OK, body))
}

async fn skills(service: &UserData, user: &Name, call: Call) -> Answer {
    match call.head.method {
        Method::GET => {
            let listed = service.store.skills(user, &page(&call.head, NameKind::Skill)?).await?;
            let skills: Vec<_> = listed.items.iter().map(|skill| skill.name.as_str()).collect();
            let mut body =
                json!({"userId": user.as_str(), "count": skills.len(), "skills": skills});
            if let Some(cursor) = listed.cursor {
                reply::add(&mut body, "cursor", cursor.as_str());
            }
            ok(body)
        }
        Method::POST => {
            let limit = service.store.limits().skill_bytes * ESCAPED + AROUND;
            let body = object(&call.body(limit).await?, NO_SKILL)?;
            let text = |member| body.get(member).and_then(Value::as_str).filter(|t| !t.is_empty());
            let (Some(skill), Some(content)) = (text("name"), text("content")) else {
                return Err(Refusal::invalid(NO_SKILL));
            };
            let skill = Name::new(NameKind::Skill, skill)?;
            let key = service.store.put_skill(user, &skill, content, clock::now()).await?;
            ok(json!({
                "status": "success",
                "userId": user.as_str(),
                "skillName": skill.as_str(),
                "key": key,
                "message": "Skill saved to R2. Call /setup/:sessionId to load into sandbox.",
            }))
        }
        _ => Err(Refusal::method("GET, POST")),
    }
}

async fn one_skill(service: &UserData, user: &Name, skill: &Name, head: &Head) -> Answer {
    match head.method {
        Method::GET => {
            let found = service.store.skill(user, skill).await?;
            let found = found.ok_or_else(|| Refusal::missing("Skill not found"))?;
            ok(json!({
                "userId": user.as_str(),
                "skillName": skill.as_str(),
                "size": found.content.len(),
                "content": found.content,
                "metadata": {"userId": user.as_str(), "uploadedAt": found.uploaded_at},
                "uploaded": found.modified.to_rfc3339_millis(),
            }))
        }
        Method::DELETE => {
            let key = service.store.delete_skill(user, skill).await?;
            ok(json!({
                "status": "deleted",
                "userId": user.as_str(),
                "skillName": skill.as_str(),
                "key": key,
            }))
        }
        _ => Err(Refusal::method("GET, DELETE")),
    }
}

async fn conversations(service: &UserData, user: &Name, call: Call) -> Answer {
    match call.head.method {
        Method::GET => {
            let page = page(&call.head, NameKind::Conversation)?;
            let listed = service.store.conversations(user, &page).await?;
            let each = listed.items.iter().map(|one| {
                json!({
                    "conversationId": one.id.as_str(),
                    "savedAt": one.modified.to_rfc3339_millis(),
                    "size": one.size,
                })
            });
            let conversations: Vec<_> = each.collect();
            let mut body = json!({
                "userId": user.as_str(),
                "count": conversations.len(),
                "conversations": conversations,
            });
            if let Some(cursor) = listed.cursor {
                reply::add(&mut body, "cursor", cursor.as_str());
            }
            ok(body)
        }
        Method::POST => {
            let body = call.body(service.store.limits().conversation_bytes).await?;
            let read = object(&body, NO_CONVERSATION)?;
            let id = read.get("conversationId").and_then(Value::as_str).filter(|id| !id.is_empty());
            let id = id.ok_or_else(|| Refusal::invalid(NO_CONVERSATION))?;
            let id = Name::new(NameKind::Conversation, id)?;
            let key = service.store.put_conversation(user, &id, body, clock::now()).await?;
            ok(json!({
                "status": "saved",
                "userId": user.as_str(),
                "conversationId": id.as_str(),
                "key": key,
            }))
        }
        _ => Err(Refusal::method("GET, POST")),
    }
}

async fn one_conversation(service: &UserData, user: &Name, id: &Name, head: &Head) -> Answer {
    match head.method {
        Method::GET => {
            let found = service.store.conversation(user, id).await?;
            let found = found.ok_or_else(|| Refusal::missing("Conversation not found"))?;
            let (user_id, conversation_id) = (user.as_str(), id.as_str());
            let body = OneConversation {
                user_id,
                conversation_id,
                conversation: &found.body,
                metadata: json!({
                    "userId": user_id,
                    "conversationId": conversation_id,
                    "savedAt": found.saved_at,
                }),
                uploaded: found.modified.to_rfc3339_millis(),
            };
            Ok(reply::json(StatusCode::OK, body))
        }
        Method::DELETE => {
            let key = service.store.delete_conversation(user, id).await?;
            ok(json!({
                "status": "deleted",
                "userId": user.as_str(),
                "conversationId": id.as_str(),
                "key": key,
            }))
        }
        _ => Err(Refusal::method("GET, DELETE")),
    }
}

async fn settings(service: &UserData, user: &Name, which: &Name, call: Call) -> Answer {
    let (user_id, name) = (user.as_str(), which.as_str());
    match call.head.method {
        Method::GET => {
            let found = service.store.settings(user, which).await?;
            let found = found.ok_or_else(|| Refusal::missing("Settings not found"))?;
            let body = OneSettings {
                user_id,
                name,
                settings: &found.body,
                metadata: json!({"userId": user_id, "savedAt": found.saved_at}),
                uploaded: found.modified.to_rfc3339_millis(),
            };
            Ok(reply::json(StatusCode::OK, body))
        }
        Method::PUT => {
            let body = call.body(service.store.limits().settings_bytes).await?;
            object(&body, NO_SETTINGS)?;
            let key = service.store.put_settings(user, which, body, clock::now()).await?;
            ok(json!({"status": "saved", "userId": user_id, "name": name, "key": key}))
        }
        Method::DELETE => {
            let key = service.store.delete_settings(user, which).await?;
            ok(json!({"status": "deleted", "userId": user_id, "name": name, "key": key}))
        }
        _ => Err(Refusal::method("GET, PUT, DELETE")),
    }
}

/// With the conversation as it was saved, byte by byte.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneConversation<'a> {
    user_id: &'a str,
    conversation_id: &'a str,
    conversation: &'a RawValue,
    metadata: Value,
    uploaded: String,
}

/// With the settings as they were saved.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneSettings<'a> {
    user_id: &'a str,
    name: &'a str,
    settings: &'a RawValue,
    metadata: Value,
    uploaded: String,
}

/// The body as a JSON object. Malformed, `null` and whatever else are the same: what is needed is missing.
fn object(body: &Bytes, missing: &str) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::invalid(missing))
}

fn page(head: &Head, kind: NameKind) -> Result<Page, Refusal> {
    let limit = head.parameter("limit")?.map(str::parse::<usize>).transpose();
    let limit = limit.ok().filter(|limit| *limit != Some(0));
    let limit = limit.ok_or_else(|| Refusal::invalid("Invalid limit"))?;
    let after = head.parameter("cursor")?.map(|cursor| Name::new(kind, cursor)).transpose();
    Ok(Page { after: after.map_err(|_| Refusal::invalid("Invalid cursor"))?, limit })
}
