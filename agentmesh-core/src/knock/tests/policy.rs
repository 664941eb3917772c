use proptest::prelude::*;

use super::*;
use crate::{identity::Amid, limits::MAX_POLICY_FILE, time::MINUTE};

fn amid(n: u8) -> Amid {
    Amid::from_bytes([n; 20])
}

/// What an organization of the best repute might ask for.
fn context() -> KnockContext<'static> {
    let mut context = KnockContext::new(amid(1), "travel/flights", 300);
    context.tier = Tier::Organization;
    context.reputation = 1.0;
    context
}

fn policy(json: &str) -> Policy {
    Policy::from_json(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn reason(policy: &Policy, context: &KnockContext<'_>) -> String {
    match policy.evaluate(context) {
        Decision::Accept { ttl_s } => {
            assert_eq!(ttl_s, Some(context.ttl_s));
            "accepted".into()
        }
        Decision::Reject { reason, .. } => reason,
        Decision::Later => panic!("a policy decides"),
    }
}

#[test]
fn defaults_and_presets_are_those_of_the_protocol() {
    let default = Policy::default();
    assert_eq!((&default.min_tier, default.min_reputation), (&Tier::Anonymous, 0.0));
    assert!(!default.auto_accept && !default.allow_legacy && !default.strict_mode);
    assert_eq!((default.max_session_ttl, default.max_concurrent_sessions), (300, 100));
    assert_eq!(policy("{}"), default);
    assert_eq!(Policy::permissive(), Policy { auto_accept: true, ..default.clone() });
    let verified = Policy { min_tier: Tier::Verified, min_reputation: 0.5, ..default.clone() };
    assert_eq!(Policy::verified(), verified);
    let organization = Policy { min_tier: Tier::Organization, min_reputation: 0.7, ..default };
    assert_eq!(Policy::organization(), organization);
}

#[test]
fn rules_are_judged_in_order_with_their_reasons() {
    // Breaks every rule; each step mends the one that was named.
    let mut policy = policy(&format!(
        r#"{{"minTier":"verified","minReputation":0.5,"allowedIntents":["a"],"blockedIntents":["b"],
            "allowedAmids":["{}"],"blockedAmids":["{}"],"maxSessionTtl":300,"maxConcurrentSessions":2,
            "rateLimit":{{"knocksPerMinute":3,"messagesPerMinute":9}},"autoRejectWhenOffline":true}}"#,
        amid(2),
        amid(1),
    ));
    let mut context = KnockContext::new(amid(1), "b", 301);
    (context.legacy, context.reputation, context.sessions) = (true, 0.25, 2);
    (context.age_ms, context.knocks_last_minute) = (5 * MINUTE + 1, 3);
    assert_eq!(reason(&policy, &context), "Legacy protocol not allowed");
    policy.allow_legacy = true;
    assert_eq!(reason(&policy, &context), "AMID is blocked");
    policy.blocked_amids.clear();
    assert_eq!(reason(&policy, &context), "AMID not in allow list");
    context.from = amid(2);
    assert_eq!(reason(&policy, &context), "Tier anonymous below minimum verified");
    context.tier = Tier::Verified;
    policy.accepted_tiers = vec![Tier::Organization];
    assert_eq!(reason(&policy, &context), "Tier verified not accepted");
    context.tier = Tier::Organization;
    assert_eq!(reason(&policy, &context), "Reputation 0.25 below minimum 0.5");
    context.reputation = 0.5;
    assert_eq!(reason(&policy, &context), "Intent category b is blocked");
    context.capability = "c";
    assert_eq!(reason(&policy, &context), "Intent category c not in allow list");
    context.capability = "a";
    assert_eq!(reason(&policy, &context), "Requested TTL 301s exceeds maximum 300s");
    context.ttl_s = 300;
    assert_eq!(reason(&policy, &context), "Agent was offline");
    context.age_ms = 5 * MINUTE;
    let busy = Decision::reject_for("More than 3 KNOCKs per minute", 60);
    assert_eq!(policy.evaluate(&context), busy);
    context.knocks_last_minute = 2;
    let full = Decision::reject_for("Maximum of 2 concurrent sessions reached", 60);
    assert_eq!(policy.evaluate(&context), full);
    context.sessions = 1;
    assert_eq!(reason(&policy, &context), "accepted");
}

#[test]
fn tiers_are_ordered_and_unknown_ones_count_for_nothing() {
    let tiers = [Tier::Anonymous, Tier::Verified, Tier::Organization];
    for (i, min_tier) in tiers.iter().enumerate() {
        let policy = Policy { min_tier: min_tier.clone(), ..Policy::default() };
        for (j, tier) in tiers.iter().enumerate() {
            let context = KnockContext { tier: tier.clone(), ..context() };
            assert_eq!(policy.evaluate(&context).is_accept(), j >= i);
        }
    }
    let gold = Tier::Unknown("gold".into());
    assert!(
        !Policy { min_tier: gold.clone(), ..Policy::default() }.evaluate(&context()).is_accept()
    );
    let context = KnockContext { tier: gold.clone(), ..context() };
    assert!(Policy::default().evaluate(&context).is_accept());
    let verified = Policy { min_tier: Tier::Verified, ..Policy::default() };
    assert_eq!(reason(&verified, &context), "Tier gold below minimum verified");
    // As a minimum it cannot be reached.
    let golden = Policy { min_tier: gold.clone(), ..Policy::default() };
    assert!(!golden.evaluate(&context).is_accept());
    let only_gold = Policy { accepted_tiers: vec![gold], ..Policy::default() };
    assert!(!only_gold.evaluate(&context).is_accept());
}

#[test]
fn intents_are_compared_as_they_are() {
    let exact = policy(r#"{"allowedIntents":["travel","x/*"],"blockedIntents":["spam"]}"#);
    let judged = |policy: &Policy, capability| {
        policy.evaluate(&KnockContext { capability, ..context() }).is_accept()
    };
    assert!(judged(&exact, "travel") && judged(&exact, "x/*"));
    for capability in ["travel/flights", "Travel", "travel ", "x/y", "*", "spam", "spam/x", ""] {
        assert!(!judged(&exact, capability), "{capability}");
    }
    let blocking = policy(r#"{"blockedIntents":["spam"]}"#);
    assert!(!judged(&blocking, "spam") && judged(&blocking, "spam/x"));
}

#[test]
fn intents_of_the_written_specification_are_categories() {
    let policy =
        policy(r#"{"accepted_intents":["travel","a/b"],"rejected_intents":["travel/spam"]}"#);
    let judged =
        |capability| policy.evaluate(&KnockContext { capability, ..context() }).is_accept();
    for capability in ["travel", "travel/flights", "travel/flights/cheap", "a/b", "a/b/c"] {
        assert!(judged(capability), "{capability}");
    }
    for capability in ["travelling", "a", "a/c", "travel/spam", "travel/spam/now", "/travel", ""] {
        assert!(!judged(capability), "{capability}");
    }
}

#[test]
fn both_spellings_are_read() {
    let (one, two) = (amid(1), amid(2));
    let camel = policy(&format!(
        r#"{{"minTier":"verified","minReputation":0.5,"allowedIntents":["a"],"blockedIntents":["b"],
            "allowedAmids":["{one}"],"blockedAmids":["{two}"],"autoAccept":true,"maxSessionTtl":60,
            "maxConcurrentSessions":7,"allowLegacy":true}}"#
    ));
    let snake = policy(&format!(
        r#"{{"min_tier":"verified","min_reputation":0.5,"allowed_intents":["a"],"blocked_intents":["b"],
            "allowed_amids":["{one}"],"blocked_amids":["{two}"],"auto_accept":true,"max_session_ttl":60,
            "max_concurrent_sessions":7,"allow_legacy":true}}"#
    ));
    assert_eq!(camel, snake);
    assert_eq!((camel.max_session_ttl, camel.max_concurrent_sessions), (60, 7));
    assert!(camel.auto_accept && camel.allow_legacy);
    assert_eq!(camel.blocked_amids, [two].into());

    let written = policy(&format!(
        r#"{{"accept_tiers":[1,1.5],"min_reputation":0.5,"accepted_intents":["travel"],
            "rejected_intents":["marketplace"],"blocklist":["{two}"],"allowlist":["{one}"],
            "strict_mode":false,"max_concurrent_sessions":10,
            "rate_limit":{{"knocks_per_minute":30,"messages_per_minute":100}},"store_transcripts":true,
            "auto_reject_when_offline":false,
            "notify_owner":{{"on_knock_from_unknown":false,"threshold_usd":50}}}}"#
    ));
    assert_eq!(written.accepted_tiers, [Tier::Verified, Tier::Organization]);
    assert_eq!(
        written.rate_limit.map(|r| (r.knocks_per_minute, r.messages_per_minute)),
        Some((30, 100))
    );
    assert_eq!((written.max_concurrent_sessions, written.min_reputation), (10, 0.5));
    assert_eq!(reason(&written, &context()), "accepted");
    assert_eq!(reason(&written, &KnockContext { from: two, ..context() }), "AMID is blocked");
    assert_eq!(
        reason(&written, &KnockContext { from: amid(3), ..context() }),
        "AMID not in allow list"
    );
    let anonymous = KnockContext { tier: Tier::Anonymous, ..context() };
    assert_eq!(reason(&written, &anonymous), "Tier anonymous not accepted");
    let all = policy(r#"{"accept_tiers":[2,1,1.5]}"#);
    assert_eq!(reason(&all, &anonymous), "accepted");
}

#[test]
fn strict_mode_with_an_empty_allow_list_accepts_nobody() {
    let strict = policy(r#"{"strict_mode":true,"allowlist":[]}"#);
    assert_eq!(reason(&strict, &context()), "AMID not in allow list");
    let strict = policy(&format!(r#"{{"strictMode":true,"allowlist":["{}"]}}"#, amid(1)));
    assert_eq!(reason(&strict, &context()), "accepted");
}

#[test]
fn what_is_not_understood_is_an_error() {
    let x = amid(1);
    for bad in [
        "",
        "null",
        "[]",
        "true",
        r#"{"minTier":"verified""#,
        r#"{} {}"#,
        r#"{"blockedAmid":[]}"#,
        r#"{"minimumTier":"verified"}"#,
        r#"{"minTier":"gold"}"#,
        r#"{"minTier":2}"#,
        r#"{"minTier":null}"#,
        r#"{"minReputation":"0.5"}"#,
        r#"{"minReputation":1.5}"#,
        r#"{"minReputation":-0.1}"#,
        r#"{"minReputation":null}"#,
        r#"{"minReputation":NaN}"#,
        r#"{"blockedAmids":null}"#,
        r#"{"blockedAmids":"x"}"#,
        r#"{"blockedAmids":["amid_1"]}"#,
        r#"{"blockedIntents":[1]}"#,
        r#"{"blockedIntents":null}"#,
        r#"{"rejected_intents":null}"#,
        r#"{"accept_tiers":[]}"#,
        r#"{"accept_tiers":[3]}"#,
        r#"{"accept_tiers":["gold"]}"#,
        r#"{"accept_tiers":1}"#,
        r#"{"maxSessionTtl":-1}"#,
        r#"{"maxSessionTtl":1.5}"#,
        r#"{"maxConcurrentSessions":4294967296}"#,
        r#"{"strict_mode":"yes"}"#,
        r#"{"rate_limit":{"knocks_per_minute":30}}"#,
        r#"{"rate_limit":{"knocks_per_minute":30,"messages_per_minute":1,"x":1}}"#,
        r#"{"rate_limit":null}"#,
        r#"{"rate_limit":[30,100]}"#,
        r#"["verified"]"#,
        r#"{"autoAccept":1}"#,
        // Said twice, of which one would be lost.
        r#"{"minTier":"verified","min_tier":"anonymous"}"#,
        r#"{"blockedIntents":["a"],"rejected_intents":["b"]}"#,
        r#"{"allowedIntents":["a"],"rejected_intents":["b"]}"#,
        &format!(r#"{{"blockedAmids":["{x}"],"blocklist":[]}}"#),
    ] {
        assert!(matches!(Policy::from_json(bad), Err(PolicyError::Malformed { .. })), "{bad}");
    }
    let long = format!("{{}}{}", " ".repeat(MAX_POLICY_FILE));
    assert!(matches!(Policy::from_json(&long), Err(PolicyError::TooLong { .. })));
}

#[test]
fn errors_say_what_to_mend() {
    let error = Policy::from_json(r#"{"blockedAmid":[]}"#).unwrap_err().to_string();
    assert!(error.contains("blockedAmid") && error.contains("line 1"), "{error}");
}

#[test]
fn revocation_that_cannot_be_checked_keeps_everybody_out_where_it_must_be_checked() {
    let decide = |required, revocation| {
        let policy = Policy { require_revocation_check: required, ..Policy::default() };
        policy.evaluate(&KnockContext { revocation, ..context() })
    };
    assert!(decide(false, RevocationState::Unchecked).is_accept());
    assert_eq!(
        decide(true, RevocationState::Unchecked),
        Decision::reject_for("Revocation could not be checked", 60)
    );
    for required in [false, true] {
        assert!(decide(required, RevocationState::Clear).is_accept());
        let revoked = decide(required, RevocationState::Revoked);
        assert_eq!(revoked, Decision::reject("Agent is revoked"));
    }
    for text in [r#"{"requireRevocationCheck":true}"#, r#"{"require_revocation_check":true}"#] {
        assert!(Policy::from_json(text).unwrap().require_revocation_check);
    }
}

#[test]
fn numbers_that_are_none_reject() {
    for reputation in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5] {
        let context = KnockContext { reputation, ..context() };
        assert!(!Policy::default().evaluate(&context).is_accept(), "{reputation}");
    }
    let unreachable = Policy { min_reputation: f64::NAN, ..Policy::default() };
    assert!(!unreachable.evaluate(&context()).is_accept());
    assert!(unreachable.to_json().is_err());
}

fn tiers() -> impl Strategy<Value = Tier> {
    prop_oneof![Just(Tier::Anonymous), Just(Tier::Verified), Just(Tier::Organization)]
}

fn session_types() -> impl Strategy<Value = SessionType> {
    prop_oneof![
        Just(SessionType::OneShot),
        Just(SessionType::Streaming),
        Just(SessionType::Persistent)
    ]
}

#[test]
fn session_types_can_be_limited() {
    let policy = Policy::from_json(r#"{"acceptedSessionTypes":["one-shot","streaming"]}"#).unwrap();
    let with = |session_type| KnockContext { session_type, ..context() };
    assert!(policy.evaluate(&with(SessionType::Streaming)).is_accept());
    assert_eq!(
        reason(&policy, &with(SessionType::Persistent)),
        "Session type persistent not accepted"
    );
    assert!(Policy::default().evaluate(&with(SessionType::Persistent)).is_accept());
    for odd in [r#"{"acceptedSessionTypes":[]}"#, r#"{"accepted_session_types":["forever"]}"#] {
        assert!(Policy::from_json(odd).is_err(), "{odd}");
    }
}

prop_compose! {
    fn any_policy()(
        min_tier in tiers(),
        accepted_tiers in proptest::collection::vec(tiers(), 0..3),
        min_reputation in (0..=100u8).prop_map(|n| f64::from(n) / 100.0),
        intents in proptest::array::uniform2(proptest::collection::btree_set("[a-z/]{0,6}", 0..4)),
        amids in proptest::array::uniform2(proptest::collection::btree_set((0..6u8).prop_map(amid), 0..4)),
        flags in any::<[bool; 6]>(),
        limits in any::<(u64, u32)>(),
        accepted_session_types in proptest::collection::vec(session_types(), 0..3),
        rate in proptest::option::of(any::<(u32, u32)>()),
    ) -> Policy {
        let [allowed_intents, blocked_intents] = intents;
        let [allowed_amids, blocked_amids] = amids;
        let [match_categories, strict_mode, auto_accept, allow_legacy, auto_reject_when_offline, require_revocation_check] = flags;
        Policy {
            min_tier, accepted_tiers, min_reputation, allowed_intents, blocked_intents, match_categories,
            accepted_session_types,
            allowed_amids, blocked_amids, strict_mode, auto_accept, allow_legacy, auto_reject_when_offline, require_revocation_check,
            max_session_ttl: limits.0,
            max_concurrent_sessions: limits.1,
            rate_limit: rate.map(|(knocks_per_minute, messages_per_minute)| RateLimit { knocks_per_minute, messages_per_minute }),
        }
    }
}

proptest! {
    #[test]
    fn files_round_trip(policy in any_policy()) {
        let text = policy.to_json().unwrap();
        prop_assert_eq!(Policy::from_json(&text), Ok(policy));
    }

    /// A further rule never lets in what was kept out.
    #[test]
    fn rules_only_restrict(policy in any_policy(), from in 0..6u8, capability in "[a-z/]{0,6}", reputation in 0.0..=1.0, tier in tiers()) {
        let mut context = KnockContext::new(amid(from), &capability, 300);
        context.reputation = reputation;
        context.tier = tier;
        if !policy.evaluate(&context).is_accept() {
            let mut stricter = policy.clone();
            stricter.blocked_amids.insert(amid(from.wrapping_add(1)));
            stricter.blocked_intents.insert("z".into());
            stricter.strict_mode = true;
            stricter.max_session_ttl /= 2;
            prop_assert!(!stricter.evaluate(&context).is_accept());
        }
        let mut blocked = policy;
        blocked.blocked_amids.insert(amid(from));
        prop_assert!(!blocked.evaluate(&context).is_accept());
    }

    #[test]
    fn reading_never_panics(text in "[{}\\[\\]\":,a-zA-Z0-9_. ]{0,80}") {
        let _ = Policy::from_json(&text);
    }
}
