//! Agents, instructions, tools and nodes in the description. What may be said of them is read from the table that checks
//! it, so that the two cannot disagree.

use serde_json::Value;
use utoipa::{
    Modify,
    openapi::{
        ArrayBuilder, Content, HttpMethod, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response,
        ResponseBuilder, Schema, Type,
        path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::SchemaType,
        security::SecurityRequirement,
    },
};

use crate::{
    aiwm::{
        admin::{MAX_PAGE, MAX_SECRET},
        listing::{MAX_SEARCH, filters},
        objects::{Rule, members},
    },
    store::aiwm::Kind,
};

/// Kind, path, name of the schema, and what a sentence calls one and many of them.
const KINDS: [(Kind, &str, &str, &str, &str); 4] = [
    (Kind::Agent, "/agents", "NewAgent", "an agent", "agents"),
    (Kind::Instruction, "/instructions", "NewInstruction", "an instruction", "instructions"),
    (Kind::Tool, "/tools", "NewTool", "a tool", "tools"),
    (Kind::Node, "/nodes", "NewNode", "a node", "nodes"),
];
const JSON: &str = "application/json";

/// Adds creating, listing, showing, changing and deleting of every kind.
pub(super) struct Objects;

impl Modify for Objects {
    fn modify(&self, openapi: &mut OpenApi) {
        for (kind, path, name, one, many) in KINDS {
            let schemas = &mut openapi.components.get_or_insert_default().schemas;
            schemas.insert(name.to_owned(), schema(kind, true).into());
            let single = format!("{path}/{{id}}");
            let new = body(Ref::from_schema_name(name).into());
            let change = body(schema(kind, false).into());
            let operations = [
                (path, HttpMethod::Get, listing(kind, many)),
                (path, HttpMethod::Post, operation(&format!("Makes {one}."), "201", Some(new))),
                (single.as_str(), HttpMethod::Get, about(&format!("Shows {one}."), None)),
                (
                    single.as_str(),
                    HttpMethod::Put,
                    about(
                        &format!("Changes {one}: what is absent stays, null removes."),
                        Some(change),
                    ),
                ),
                (single.as_str(), HttpMethod::Delete, about(&format!("Deletes {one}."), None)),
            ];
            for (path, method, operation) in operations {
                openapi.paths.add_path_operation(path, vec![method], operation);
            }
        }
    }
}

/// What a new object's members are, or those of a change, of which none is required.
fn schema(kind: Kind, new: bool) -> ObjectBuilder {
    let mut schema = ObjectBuilder::new();
    for (name, rule) in members(kind) {
        schema = schema.property(*name, member(*rule));
        if new && matches!(rule, Rule::Text(_) | Rule::OneOf(_) | Rule::RequiredObject) {
            schema = schema.required(*name);
        }
    }
    if new && kind == Kind::Agent {
        let secret = text().schema_type(or_null(Type::String));
        let secret = secret.min_length(Some(1)).max_length(Some(MAX_SECRET)).write_only(true);
        schema = schema.property("secret", secret);
    }
    schema
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// What may be absent may also be null.
fn or_null(kind: Type) -> SchemaType {
    SchemaType::Array(vec![kind, Type::Null])
}

fn member(rule: Rule) -> RefOr<Schema> {
    match rule {
        Rule::Text(max) => text().min_length(Some(1)).max_length(Some(max)).into(),
        Rule::OneOf(values) => text().enum_values(Some(values.iter().copied())).into(),
        Rule::OptionalOneOf(values) => {
            let values = values.iter().map(|value| Value::from(*value)).chain([Value::Null]);
            text().schema_type(or_null(Type::String)).enum_values(Some(values)).into()
        }
        Rule::OptionalText => text().schema_type(or_null(Type::String)).into(),
        Rule::Strings => ArrayBuilder::new().schema_type(or_null(Type::Array)).items(text()).into(),
        Rule::RequiredObject => ObjectBuilder::new().into(),
        Rule::Object => ObjectBuilder::new().schema_type(or_null(Type::Object)).into(),
        Rule::Flag => ObjectBuilder::new().schema_type(or_null(Type::Boolean)).into(),
    }
}

fn body(schema: RefOr<Schema>) -> RequestBody {
    let content = Content::new(Some(schema));
    RequestBodyBuilder::new().content(JSON, content).required(Some(Required::True)).build()
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content(JSON, content).build()
}

fn operation(summary: &str, success: &str, body: Option<RequestBody>) -> Operation {
    let mut operation = OperationBuilder::new()
        .tag("administration")
        .summary(Some(summary))
        .security(SecurityRequirement::new("bearer", std::iter::empty::<String>()))
        .response(success, RefOr::T(Response::new("Done")))
        .response("401", RefOr::T(problem("No token, or one that is no longer good")))
        .response("403", RefOr::T(problem("The token does not allow it")));
    if body.is_some() {
        operation = operation
            .response("400", RefOr::T(problem("What is wrong is in `errors`")))
            .response("413", RefOr::T(problem("The body is over 100 KiB")));
    }
    operation.request_body(body).build()
}

/// About one object, which may not be there.
fn about(summary: &str, body: Option<RequestBody>) -> Operation {
    let mut operation = operation(summary, "200", body);
    let id = parameter("id", ParameterIn::Path, text().pattern(Some("^[0-9a-fA-F]{24}$")));
    operation.parameters = Some(vec![RefOr::T(id)]);
    let missing = RefOr::T(problem("Nobody here has it"));
    operation.responses.responses.insert("404".to_owned(), missing);
    operation
}

fn listing(kind: Kind, many: &str) -> Operation {
    let mut operation = operation(&format!("Lists {many}, oldest first."), "200", None);
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1_usize));
    let capped = format!("More than {MAX_PAGE} is {MAX_PAGE}.");
    let search = text().min_length(Some(1)).max_length(Some(MAX_SEARCH));
    let mut parameters = vec![
        parameter("page", ParameterIn::Query, number()),
        parameter("limit", ParameterIn::Query, number().description(Some(capped))),
        parameter("search", ParameterIn::Query, search),
    ];
    parameters.extend(filters(kind).map(|(name, values)| {
        let one_of = text().enum_values(Some(values.iter().copied()));
        parameter(name, ParameterIn::Query, one_of)
    }));
    operation.parameters = Some(parameters.into_iter().map(RefOr::T).collect());
    let wrong = RefOr::T(problem("What is wrong is in `errors`"));
    operation.responses.responses.insert("400".to_owned(), wrong);
    operation
}

fn parameter(name: &str, place: ParameterIn, schema: ObjectBuilder) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(required);
    parameter.schema(Some(schema)).build()
}
