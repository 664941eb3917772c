//! The same for every kind of store, then what is special about directories.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, memory::InMemory};

use super::*;
use crate::{Timestamp, client::s3::S3Config, redaction::Shown, services::user_data::NameKind};

fn name(text: &str) -> Name {
    Name::new(NameKind::Skill, text).unwrap()
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + second * 1000)
}

fn open(config: UserDataStoreConfig, layout: SkillLayout) -> UserDataStore {
    UserDataStore::open(config.layout(layout)).unwrap()
}

/// Memory and a directory, in both layouts.
fn all() -> (Vec<UserDataStore>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut stores = Vec::new();
    for layout in [SkillLayout::Flat, SkillLayout::Nested] {
        stores.push(open(UserDataStoreConfig::memory(), layout));
        let dir = dir.path().join(format!("{layout:?}"));
        stores.push(open(UserDataStoreConfig::directory(dir), layout));
    }
    (stores, dir)
}

async fn names(store: &UserDataStore, user: &str) -> Vec<String> {
    let listed = store.skills(&name(user), &Page::default()).await.unwrap();
    assert_eq!(listed.cursor, None);
    listed.items.iter().map(|skill| skill.name.to_string()).collect()
}

#[tokio::test]
async fn skills_are_written_read_listed_and_deleted() {
    let (stores, _dir) = all();
    for store in stores {
        let user = name("u");
        assert_eq!(names(&store, "u").await, [""; 0]);
        let key = store.put_skill(&user, &name("b.md"), "# B\n\0ö", at(0)).await.unwrap();
        assert!(key.starts_with("users/u/skills/b.md"), "{key}");
        store.put_skill(&user, &name("a.md"), "old", at(1)).await.unwrap();
        store.put_skill(&user, &name("a.md"), "new", at(2)).await.unwrap();
        store.put_skill(&name("U"), &name("other.md"), "other", at(2)).await.unwrap();
        assert_eq!(names(&store, "u").await, ["a.md", "b.md"]);
        let skill = store.skill(&user, &name("b.md")).await.unwrap().unwrap();
        assert_eq!(skill.content, "# B\n\0ö");
        assert_eq!(store.skill(&user, &name("a.md")).await.unwrap().unwrap().content, "new");
        assert_eq!(store.skill(&name("U"), &name("a.md")).await.unwrap(), None);
        for _ in 0..2 {
            assert_eq!(store.delete_skill(&user, &name("b.md")).await.unwrap(), key);
        }
        assert_eq!(store.skill(&user, &name("b.md")).await.unwrap(), None);
        assert_eq!(names(&store, "u").await, ["a.md"]);
        store.check().await.unwrap();
    }
}

#[tokio::test]
async fn case_09_any_name_can_be_kept() {
    let (stores, _dir) = all();
    let long = "x".repeat(128);
    let wide = "€".repeat(85);
    let percent = "%".repeat(128);
    let odd = [
        "你好.md",
        "😀",
        "é",
        "a#1",
        "a b",
        "100%",
        "SKILL.md",
        "x:y",
        "~",
        "%2F",
        &long,
        &wide,
        &percent,
    ];
    for store in stores {
        for user in [name("u"), name("😀 %2F#1")] {
            for odd in odd {
                store.put_skill(&user, &name(odd), odd, at(0)).await.unwrap();
                let id = name(odd);
                let body = Bytes::from(serde_json::json!({"conversationId": odd}).to_string());
                store.put_conversation(&user, &id, body, at(0)).await.unwrap();
            }
            let mut wanted = odd.map(str::to_owned).to_vec();
            wanted.sort();
            assert_eq!(names(&store, user.as_str()).await, wanted);
            let listed = store.conversations(&user, &Page::default()).await.unwrap();
            assert_eq!(listed.items.len(), odd.len());
            for odd in odd {
                assert_eq!(store.skill(&user, &name(odd)).await.unwrap().unwrap().content, odd);
                assert!(store.conversation(&user, &name(odd)).await.unwrap().is_some());
            }
        }
    }
}

#[tokio::test]
async fn both_layouts_are_read_and_the_stores_own_is_written() {
    for (layout, dir) in [
        (SkillLayout::Flat, None),
        (SkillLayout::Flat, Some(tempfile::tempdir().unwrap())),
        (SkillLayout::Nested, None),
        (SkillLayout::Nested, Some(tempfile::tempdir().unwrap())),
    ] {
        let shared: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let config = || match &dir {
            Some(dir) => UserDataStoreConfig::directory(dir.path()),
            None => UserDataStoreConfig::over(Arc::clone(&shared), "some/prefix/"),
        };
        let (ours, theirs) = (open(config(), layout), open(config(), layout.other()));
        let user = name("u");
        for old in ["a.md", "b.md"] {
            theirs.put_skill(&user, &name(old), "old", at(0)).await.unwrap();
        }
        ours.put_skill(&user, &name("b.md"), "new", at(1)).await.unwrap();
        ours.put_skill(&user, &name("c.md"), "new", at(1)).await.unwrap();
        for store in [&ours, &theirs] {
            assert_eq!(names(store, "u").await, ["a.md", "b.md", "c.md"]);
            let content = async |of| store.skill(&user, &name(of)).await.unwrap().unwrap().content;
            assert_eq!(content("a.md").await, "old");
            assert_eq!(content("b.md").await, "new");
        }
        for each in ["a.md", "b.md", "c.md"] {
            ours.delete_skill(&user, &name(each)).await.unwrap();
        }
        assert_eq!(names(&theirs, "u").await, [""; 0]);
    }
}

#[tokio::test]
async fn documents_are_kept_byte_by_byte_and_only_if_they_are_objects() {
    let (stores, _dir) = all();
    for store in stores {
        let user = name("u");
        let body = r#"{ "conversationId":"c", "a":1.50, "a":2, "n": 1e99 }"#;
        let key = store.put_conversation(&user, &name("c"), body.into(), at(0)).await;
        assert_eq!(key.unwrap(), "users/u/conversations/c.json");
        let found = store.conversation(&user, &name("c")).await.unwrap().unwrap();
        assert_eq!(found.body.get(), body);
        assert!(Timestamp::parse_rfc3339(&found.saved_at).is_some(), "{}", found.saved_at);
        for bad in
            ["", "null", "[]", "{", "{}", r#"{"conversationId":5}"#, r#"{"conversationId":"d"}"#]
        {
            let refused = store.put_conversation(&user, &name("c"), bad.into(), at(0)).await;
            assert!(matches!(refused, Err(UserDataStoreError::NotJson { .. })), "{bad}");
        }
        let key =
            store.put_settings(&user, &name("preferences"), r#"{"a":[]}"#.into(), at(0)).await;
        assert_eq!(key.unwrap(), "users/u/settings/preferences.json");
        let found = store.settings(&user, &name("preferences")).await.unwrap().unwrap();
        assert_eq!(found.body.get(), r#"{"a":[]}"#);
        let refused = store.put_settings(&user, &name("preferences"), "5".into(), at(0)).await;
        assert!(matches!(refused, Err(UserDataStoreError::NotJson { .. })));
        for _ in 0..2 {
            store.delete_settings(&user, &name("preferences")).await.unwrap();
            store.delete_conversation(&user, &name("c")).await.unwrap();
        }
        assert!(store.settings(&user, &name("preferences")).await.unwrap().is_none());
        assert!(store.conversation(&user, &name("c")).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_is_noted_is_what_the_documents_say() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = open(UserDataStoreConfig::over(Arc::clone(&objects), ""), SkillLayout::Flat);
    store.put_skill(&name("é"), &name("a"), "x", at(0)).await.unwrap();
    let key = object_store::path::Path::parse("users/é/skills/a").unwrap();
    let found = objects.get(&key).await.unwrap();
    let shown = format!("{:?}", found.attributes);
    for part in ["text/markdown", "userId", "%C3%A9", "uploadedAt", "2023-11-14T22:13:20.000Z"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let skill = store.skill(&name("é"), &name("a")).await.unwrap().unwrap();
    assert_eq!(skill.uploaded_at, "2023-11-14T22:13:20.000Z");
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let limits =
        UserDataLimits { skill_bytes: 4, conversation_bytes: 30, settings_bytes: 8, skills: 2 };
    let config = UserDataStoreConfig::memory().limits(limits);
    let store = UserDataStore::open(config).unwrap();
    let user = name("u");
    assert!(store.put_skill(&user, &name("a"), "1234", at(0)).await.is_ok());
    let refused = store.put_skill(&user, &name("a"), "12345", at(0)).await;
    assert_eq!(refused, Err(UserDataStoreError::TooLarge { what: "skill", limit: 4 }));
    assert!(store.put_skill(&user, &name("b"), "", at(0)).await.is_ok());
    let refused = store.put_skill(&user, &name("c"), "", at(0)).await;
    assert_eq!(refused, Err(UserDataStoreError::TooManySkills { limit: 2 }));
    assert!(store.put_skill(&user, &name("b"), "over", at(0)).await.is_ok());
    let long = Bytes::from(r#"{"conversationId":"c","a":"12345"}"#);
    let refused = store.put_conversation(&user, &name("c"), long, at(0)).await;
    assert!(matches!(refused, Err(UserDataStoreError::TooLarge { limit: 30, .. })));
    let refused = store.put_settings(&user, &name("s"), r#"{"a":123}"#.into(), at(0)).await;
    assert!(matches!(refused, Err(UserDataStoreError::TooLarge { limit: 8, .. })));
}

#[tokio::test]
async fn long_lists_come_whole_or_in_parts() {
    let limits = UserDataLimits { skills: 3000, ..UserDataLimits::default() };
    let store = UserDataStore::open(UserDataStoreConfig::memory().limits(limits)).unwrap();
    let user = name("u");
    for n in 0..1500 {
        store.put_skill(&user, &name(&format!("s{n:04}")), "x", at(0)).await.unwrap();
    }
    assert_eq!(names(&store, "u").await.len(), 1500);
    let (mut page, mut found) = (Page { after: None, limit: Some(400) }, Vec::new());
    loop {
        let listed = store.skills(&user, &page).await.unwrap();
        assert!(listed.items.len() <= 400);
        found.extend(listed.items.into_iter().map(|skill| skill.name.to_string()));
        let Some(cursor) = listed.cursor else { break };
        page.after = Some(cursor);
    }
    assert_eq!(found, names(&store, "u").await);
}

#[tokio::test]
async fn what_is_no_text_or_no_json_is_damaged_and_left() {
    let objects = Arc::new(InMemory::new());
    let store = open(UserDataStoreConfig::over(objects.clone(), ""), SkillLayout::Flat);
    for key in ["users/u/skills/a", "users/u/conversations/a.json", "users/u/settings/a.json"] {
        objects.put(&key.into(), PutPayload::from_static(b"\xff")).await.unwrap();
    }
    let damaged = |key: &str| UserDataStoreError::Damaged { key: key.to_owned() };
    let (user, a) = (name("u"), name("a"));
    assert_eq!(store.skill(&user, &a).await, Err(damaged("users/u/skills/a")));
    let refused = store.conversation(&user, &a).await.unwrap_err();
    assert_eq!(refused, damaged("users/u/conversations/a.json"));
    assert_eq!(store.settings(&user, &a).await.unwrap_err(), damaged("users/u/settings/a.json"));
}

#[tokio::test]
async fn a_directory_that_fails_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let refused = UserDataStore::open(UserDataStoreConfig::directory(&file)).unwrap_err();
    assert!(matches!(refused, UserDataStoreError::Config { .. }), "{refused}");
    let store = open(UserDataStoreConfig::directory(dir.path()), SkillLayout::Flat);
    std::fs::write(dir.path().join("users"), "x").unwrap();
    let refused = store.put_skill(&name("u"), &name("a"), "x", at(0)).await.unwrap_err();
    assert!(
        matches!(refused, UserDataStoreError::Unavailable { operation: "write", .. }),
        "{refused}"
    );
}

#[test]
fn credentials_are_not_shown() {
    let bucket = S3Config::new("b", "p").endpoint("https://s3.example");
    let bucket = bucket.credentials("key-id", "hush-hush", Some("a-token"));
    let config = UserDataStoreConfig::s3(bucket);
    let store = UserDataStore::open(config.clone()).unwrap();
    let mut shown = Shown::default();
    shown.add("UserDataStoreConfig", &config);
    shown.add("Objects", &store.objects);
    shown.add("UserDataStore", &store);
    let text = shown.without(&[b"key-id", b"hush-hush", b"a-token"]);
    assert!(text.contains("s3://b/p"), "{text}");
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_directory_is_readable_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(UserDataStoreConfig::directory(dir.path()), SkillLayout::Flat);
    store.put_skill(&name("user-123"), &name("debugging.md"), "# Debugging", at(0)).await.unwrap();
    let expected = dir.path().join("users/user-123/skills/debugging.md");
    assert_eq!(files(dir.path()), [expected.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(expected).unwrap(), "# Debugging");
}

#[cfg(unix)]
#[tokio::test]
async fn links_in_a_directory_are_not_followed() {
    use std::os::unix::fs::symlink;

    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(outside.path().join("skills")).unwrap();
    std::fs::write(outside.path().join("skills/secret"), "hush").unwrap();
    let store = open(UserDataStoreConfig::directory(dir.path()), SkillLayout::Flat);
    store.put_skill(&name("u"), &name("a"), "x", at(0)).await.unwrap();
    symlink(outside.path(), dir.path().join("users/v")).unwrap();
    symlink(outside.path().join("skills/secret"), dir.path().join("users/u/skills/b")).unwrap();
    let is_link = |error: UserDataStoreError| matches!(error, UserDataStoreError::Link { .. });
    assert!(is_link(store.skill(&name("v"), &name("secret")).await.unwrap_err()));
    assert!(is_link(store.skill(&name("u"), &name("b")).await.unwrap_err()));
    assert!(is_link(store.put_skill(&name("u"), &name("b"), "x", at(0)).await.unwrap_err()));
    assert!(is_link(store.delete_skill(&name("v"), &name("secret")).await.unwrap_err()));
    assert!(is_link(store.skills(&name("v"), &Page::default()).await.unwrap_err()));
    assert_eq!(names(&store, "u").await, ["a"]);
    assert_eq!(files(outside.path()).len(), 1);
}
