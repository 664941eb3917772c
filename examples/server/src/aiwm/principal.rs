//! Who is asking, and what they may do.

use agentmesh_core::keys::kdf::{ct_eq, sha256};
use http::{HeaderMap, header};

use super::{Aiwm, answer::Refusal, tokens::Claims};

/// The organization of objects that the administrator's token makes.
const DEFAULT_ORG: &str = "default";
const MAX_ORG: usize = 128;

/// Somebody with a token that is good.
pub(super) enum Principal {
    /// A person, or the administrator's token.
    Person(Person),
    /// An agent with the token that `connect` gave it.
    Agent(Claims),
}

/// A person.
pub(super) struct Person {
    pub(super) name: String,
    /// Where new objects go.
    pub(super) org: String,
    /// Sees all organizations.
    everywhere: bool,
    reads: bool,
    writes: bool,
}

impl Person {
    /// The organization that this person is confined to.
    pub(super) fn scope(&self) -> Option<&str> {
        (!self.everywhere).then_some(self.org.as_str())
    }

    /// Whether this person may see what belongs to `org`.
    pub(super) fn sees(&self, org: &str) -> bool {
        self.everywhere || self.org == org
    }
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Aiwm {
    /// # Errors
    /// 401 without a good token.
    pub(super) fn principal(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let token = bearer(headers).ok_or_else(Refusal::unauthorized)?;
        if let Some(admin) = &self.admin_hash
            && ct_eq(admin, &sha256(&[token.as_bytes()]))
        {
            let chosen = organization(headers);
            return Ok(Principal::Person(Person {
                name: "admin".to_owned(),
                everywhere: chosen.is_none(),
                org: chosen.unwrap_or_else(|| DEFAULT_ORG.to_owned()),
                reads: true,
                writes: true,
            }));
        }
        let claims = self.tokens.verify(token)?;
        if claims.kind == "agent" {
            return Ok(Principal::Agent(claims));
        }
        let universe = claims.roles.iter().any(|role| role.starts_with("universe."));
        let chosen = organization(headers).filter(|_| universe);
        Ok(Principal::Person(Person {
            name: claims.sub,
            everywhere: universe && chosen.is_none(),
            org: chosen.unwrap_or(claims.org_id),
            reads: claims.roles.iter().any(|role| is(role, &["owner", "editor", "viewer"])),
            writes: claims.roles.iter().any(|role| is(role, &["owner", "editor"])),
        }))
    }

    /// A person who may read.
    pub(super) fn reader(&self, headers: &HeaderMap) -> Result<Person, Refusal> {
        match self.principal(headers)? {
            Principal::Person(person) if person.reads => Ok(person),
            _ => Err(Refusal::forbidden("read")),
        }
    }

    /// A person who may write; `verb` is for the refusal.
    pub(super) fn writer(&self, headers: &HeaderMap, verb: &str) -> Result<Person, Refusal> {
        match self.principal(headers)? {
            Principal::Person(person) if person.writes && !person.org.is_empty() => Ok(person),
            _ => Err(Refusal::forbidden(verb)),
        }
    }
}

fn organization(headers: &HeaderMap) -> Option<String> {
    let org = headers.get("x-organization-id")?.to_str().ok()?.trim();
    (!org.is_empty() && org.len() <= MAX_ORG).then(|| org.to_owned())
}

/// Whether a role, such as `organization.owner`, is one of these in any part of the tree.
fn is(role: &str, ranks: &[&str]) -> bool {
    let Some((place, rank)) = role.split_once('.') else { return false };
    match place {
        "universe" => rank == "owner",
        "organization" | "group" | "member" => ranks.contains(&rank),
        _ => false,
    }
}
