//! The store of user data in a bucket, against an S3 server in a process of its own: keys, metadata and pages are those of
//! the deployed services.

use agentmesh_core::{
    Timestamp,
    services::user_data::{
        Name, NameKind,
        store::{Page, SkillLayout, UserDataStore, UserDataStoreConfig, UserDataStoreError},
    },
};
use object_store::{Attribute, ObjectStoreExt, path::Path};

use crate::s3;

fn name(text: &str) -> Name {
    Name::new(NameKind::Skill, text).unwrap()
}

fn at() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

#[tokio::test]
async fn a_bucket_holds_what_deployed_services_would_find() {
    let prefix = s3::fresh_prefix();
    let config = UserDataStoreConfig::s3(s3::config(s3::shared(), &prefix));
    let store = UserDataStore::open(config.clone()).unwrap();
    let user = name("user-é");
    for skill in ["debugging.md", "你好.md", "😀", "a b+c", "100%", "a#1"] {
        let key = store.put_skill(&user, &name(skill), skill, at()).await.unwrap();
        assert_eq!(key, format!("users/user-é/skills/{skill}"));
        let found = store.skill(&user, &name(skill)).await.unwrap().unwrap();
        assert_eq!(
            (found.content.as_str(), found.uploaded_at.as_str()),
            (skill, "2023-11-14T22:13:20.000Z")
        );
    }
    let bucket = s3::bucket(s3::shared());
    let raw = Path::parse(format!("{prefix}/users/user-é/skills/你好.md")).unwrap();
    let found = bucket.get(&raw).await.unwrap();
    let attribute = |key| found.attributes.get(&key).map(|value| value.as_ref().to_owned());
    assert_eq!(attribute(Attribute::ContentType).as_deref(), Some("text/markdown"));

    let listed = store.skills(&user, &Page::default()).await.unwrap();
    assert_eq!(listed.items.len(), 6);
    let nested = UserDataStore::open(config.layout(SkillLayout::Nested)).unwrap();
    nested.put_skill(&user, &name("你好.md"), "new", at()).await.unwrap();
    assert_eq!(store.skill(&user, &name("你好.md")).await.unwrap().unwrap().content, "new");
    assert_eq!(store.skills(&user, &Page::default()).await.unwrap().items.len(), 6);
    assert!(bucket.head(&raw).await.is_err());
    store.delete_skill(&user, &name("你好.md")).await.unwrap();
    assert_eq!(nested.skill(&user, &name("你好.md")).await.unwrap(), None);
}

/// The server of the tests has pages of 100.
#[tokio::test]
async fn case_12_all_pages_of_a_bucket_are_read() {
    let config = UserDataStoreConfig::s3(s3::config(s3::shared(), &s3::fresh_prefix()));
    let store = UserDataStore::open(config).unwrap();
    let user = name("u");
    for n in 0..250 {
        let (id, body) = (format!("c{n:03}"), format!(r#"{{"conversationId":"c{n:03}"}}"#));
        store.put_conversation(&user, &name(&id), body.into(), at()).await.unwrap();
    }
    let whole = store.conversations(&user, &Page::default()).await.unwrap();
    assert_eq!((whole.items.len(), whole.cursor), (250, None));
    let page = Page { after: Some(name("c119")), limit: Some(50) };
    let part = store.conversations(&user, &page).await.unwrap();
    let ids: Vec<_> = part.items.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((ids[0], ids[49], part.cursor), ("c120", "c169", Some(name("c169"))));
}

#[tokio::test]
async fn b21_a_bucket_that_is_not_reached_is_an_error_without_credentials() {
    let config = s3::config("http://127.0.0.1:1", "p");
    let store = UserDataStore::open(UserDataStoreConfig::s3(config)).unwrap();
    let refused = store.skill(&name("u"), &name("a")).await.unwrap_err();
    assert!(
        matches!(refused, UserDataStoreError::Unavailable { operation: "read", .. }),
        "{refused}"
    );
    assert!(!format!("{refused} {refused:?}").contains("test-secret"), "{refused}");
    let shown = format!("{store:?}");
    assert!(!shown.contains("test-"), "{shown}");
}
