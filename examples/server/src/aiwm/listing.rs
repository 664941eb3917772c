//! `GET /agents` and its like: a page of what an organization has, of those that fit.
//!
//! The filters of a kind are its members that have few values, such as `status`, read from the table that checks what
//! comes in; `search` looks for a part of the name. Members of the query that are not known are ignored.

use axum::{extract::RawQuery, response::Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    admin::{MAX_PAGE, shown},
    answer::Refusal,
    body::{self, Checks},
    connect::service,
    objects::{Rule, members},
};
use crate::{
    http::reply,
    state::Shared,
    store::aiwm::{self as rows, Kind, Object, Wanted},
};

/// Objects on a page, unless somebody wants another number.
const PAGE: u64 = 10;
/// Characters of a search.
pub(super) const MAX_SEARCH: usize = 100;

/// The members of a kind by which it can be filtered, and their values.
pub(super) fn filters(kind: Kind) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    members(kind).iter().filter_map(|(name, rule)| match rule {
        Rule::OneOf(values) | Rule::OptionalOneOf(values) => Some((*name, *values)),
        _ => None,
    })
}

/// What a query asks for.
#[derive(Debug)]
struct Listing {
    page: u64,
    limit: u64,
    wanted: Wanted,
}

impl Listing {
    fn of(kind: Kind, query: &str) -> Result<Self, Refusal> {
        let given = body::form(query.as_bytes());
        let mut checks = Checks::default();
        let page = checks.number(&given, "page").unwrap_or(1);
        let limit = checks.number(&given, "limit").unwrap_or(PAGE).min(MAX_PAGE);
        let mut members = Map::new();
        for (name, values) in filters(kind) {
            let Some(value) = given.get(name) else { continue };
            checks.one_of(&given, name, values);
            members.insert(name.to_owned(), value.clone());
        }
        let search = given
            .contains_key("search")
            .then(|| checks.text(&given, "search", MAX_SEARCH).to_ascii_lowercase());
        checks.done()?;
        Ok(Self { page, limit, wanted: Wanted { members, search } })
    }
}

pub(super) async fn list(
    shared: Shared,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    kind: Kind,
) -> Result<Response, Refusal> {
    let person = service(&shared)?.reader(&headers)?;
    let Listing { page, limit, wanted } = Listing::of(kind, &query.unwrap_or_default())?;
    let offset = (page - 1).saturating_mul(limit);
    let job = move |c: &rusqlite::Connection| {
        let scope = person.scope();
        let (objects, fit) = rows::list(c, kind, scope, &wanted, limit, offset)?;
        let tracked = |object: &Object| {
            (kind == Kind::Agent).then(|| rows::tracking(c, &object.id)).transpose()
        };
        let data = objects
            .iter()
            .map(|object| Ok(shown(object, tracked(object)?)))
            .collect::<rusqlite::Result<Vec<_>>>()?;
        // Of everything that there is, whatever was asked for.
        let (_, total) = rows::list(c, kind, scope, &Wanted::default(), 0, 0)?;
        let statistics = if kind == Kind::Agent {
            json!({
                "total": total,
                "byStatus": rows::counts(c, scope, "status")?,
                "byType": rows::counts(c, scope, "type")?,
            })
        } else {
            json!({"total": total})
        };
        Ok((data, fit, statistics))
    };
    let (data, total, statistics): (Vec<Value>, u64, Value) = shared.store.read(job).await?;
    let pages = total.div_ceil(limit);
    let pagination = json!({"page": page, "limit": limit, "total": total, "totalPages": pages});
    let body = json!({"data": data, "pagination": pagination, "statistics": statistics});
    Ok(reply::json(StatusCode::OK, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_is_read_with_bounds() {
        let read = |query| Listing::of(Kind::Agent, query);
        let all = read("").unwrap();
        assert_eq!((all.page, all.limit), (1, 10));
        assert!(all.wanted.members.is_empty() && all.wanted.search.is_none());
        let some = read("page=3&limit=1000&status=busy&search=Ab+C&populate=x").unwrap();
        assert_eq!((some.page, some.limit), (3, 100));
        assert_eq!(some.wanted.members["status"], "busy");
        assert_eq!(some.wanted.members.len(), 1);
        assert_eq!(some.wanted.search.as_deref(), Some("ab c"));
        for bad in ["page=0", "page=x", "limit=-1", "status=asleep", "type=", "search="] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(Listing::of(Kind::Node, "status=asleep").is_ok(), "nodes have no status");
    }
}
