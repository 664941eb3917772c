use super::*;

fn registry(schema: &str) -> SchemaRegistry {
    let mut registry = SchemaRegistry::new();
    registry.register("x", schema).unwrap();
    registry
}

fn violation(path: &str, keyword: &str) -> Result<(), SchemaError> {
    Err(SchemaError::Violation { name: "x".into(), path: path.into(), keyword: keyword.into() })
}

#[test]
fn standard_schemas_are_there_and_mean_what_the_protocol_says() {
    let schemas = SchemaRegistry::standard();
    let amid = "3vaLv8qnmGSndxmYvHiHWN3cb312";
    let good = |schema: &str, json: &str| {
        assert_eq!(schemas.check(schema, &json.replace("AMID", amid)), Ok(()), "{json}");
    };
    let bad = |schema: &str, json: &str| {
        let refused = schemas.check(schema, &json.replace("AMID", amid));
        assert!(matches!(refused, Err(SchemaError::Violation { .. })), "{json}");
    };
    let nonce = "0".repeat(32);
    let knock = |kind: &str, ttl: &str| {
        format!(
            r#"{{"version":"agentmesh/0.2","from":"AMID","to":"AMID","request":{{"type":"{kind}","ttl":{ttl},"intent":{{"capability":"*","action":"message"}}}},"timestamp":1,"nonce":"{nonce}","signature":"x"}}"#
        )
    };
    good("agentmesh/knock", &knock("one-shot", "3600"));
    // 0.2 refused whole numbers where a number was wanted.
    good("agentmesh/knock", &knock("streaming", "0.5"));
    bad("agentmesh/knock", &knock("forever", "1"));
    bad("agentmesh/knock", "{}");
    let answer = |rest: &str| {
        format!(
            r#"{{"timestamp":1,"from":"AMID","to":"AMID","knockNonce":"{nonce}","signature":"x",{rest}}}"#
        )
    };
    good("agentmesh/knock-response", &answer(r#""type":"ACCEPT","sessionId":"sess_1""#));
    good("agentmesh/knock-response", &answer(r#""type":"REJECT","reason":"no""#));
    bad("agentmesh/knock-response", &answer(r#""type":"ACCEPT""#));
    let message =
        r#"{"from":"AMID","to":"AMID","sessionId":"s","sequence":0,"timestamp":1,"payload":[]}"#;
    good("agentmesh/message", message);
    bad("agentmesh/message", &message.replace("AMID", "0OIl"));
    bad("agentmesh/message", &message.replace("\"sequence\":0", "\"sequence\":-1"));
}

/// 0.2 ignored every keyword beside a missing `type`, and siblings of `const`, `enum` and `oneOf`.
#[test]
fn every_keyword_counts() {
    let x = registry(
        r#"{"required":["a"],"oneOf":[{"type":"object"}],"properties":{"a":{"enum":[1,2],"minimum":2}}}"#,
    );
    assert_eq!(x.check("x", r#"{"a":2}"#), Ok(()));
    assert_eq!(x.check("x", r#"{"a":1}"#), violation("/a", "minimum"));
    assert_eq!(x.check("x", "{}"), violation("", "required"));
    let any = registry(r#"{"items":{"type":"string"}}"#);
    assert_eq!(any.check("x", "[\"a\",1]"), violation("/1", "type"));
}

#[test]
fn nothing_is_fetched() {
    let mut registry = SchemaRegistry::new();
    for reference in [
        "http://localhost:1/schema.json",
        "https://example.com/schema.json",
        "file:///etc/passwd",
        "other.json",
    ] {
        let refused = registry.register("x", &format!(r#"{{"$ref":"{reference}"}}"#));
        assert!(matches!(refused, Err(SchemaError::Invalid { .. })), "{reference}: {refused:?}");
    }
    registry.register("x", r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"null"}}}"##).unwrap();
    assert_eq!(registry.check("x", "null"), Ok(()));
}

/// A pattern that takes an exponential time to fail in a backtracking engine, and a backreference that only such an
/// engine can do.
#[test]
fn patterns_are_linear() {
    let x = registry(r#"{"pattern":"^(a+)+$"}"#);
    let hostile = format!("\"{}!\"", "a".repeat(100_000));
    assert_eq!(x.check("x", &hostile), violation("", "pattern"));
    let mut registry = SchemaRegistry::new();
    for pattern in [r"(a)\\1", "(?=a)b", "((((a{100}){100}){100}){100})"] {
        let refused = registry.register("x", &format!(r#"{{"pattern":"{pattern}"}}"#));
        assert!(matches!(refused, Err(SchemaError::Invalid { .. })), "{pattern}");
    }
}

#[test]
fn sizes_depths_and_names_are_bounded() {
    let mut registry = SchemaRegistry::new();
    let long = format!(r#"{{"const":"{}"}}"#, "x".repeat(MAX_SCHEMA));
    assert!(matches!(registry.register("x", &long), Err(SchemaError::TooLarge { .. })));
    let deep = format!("{}{}", r#"{"not":"#.repeat(65) + "{}", "}".repeat(65));
    assert!(matches!(registry.register("x", &deep), Err(SchemaError::Invalid { .. })));
    for name in ["", "agentmesh/knock", &"x".repeat(MAX_SCHEMA_NAME + 1)] {
        let refused = registry.register(name, "{}");
        assert_eq!(refused, Err(SchemaError::Name { name: name.to_owned() }));
    }
    registry.register("x", "true").unwrap();
    assert!(matches!(registry.register("x", "false"), Err(SchemaError::Name { .. })));
    let long = format!("\"{}\"", "x".repeat(MAX_SCHEMA_INSTANCE));
    assert!(matches!(registry.check("x", &long), Err(SchemaError::TooLarge { .. })));
    let deep = "[".repeat(65) + &"]".repeat(65);
    assert_eq!(registry.check("x", &deep), violation("", "json"));
    assert_eq!(registry.check("x", "{"), violation("", "json"));
    let unknown = SchemaError::Unknown { name: "y".into() };
    assert_eq!(registry.check("y", "1"), Err(unknown));
}

#[test]
fn debug_names_schemas_only() {
    assert_eq!(format!("{:?}", registry("true")), "{\"x\"}");
}
