//! Keys of objects: `users/{user}/skills/{name}`, `users/{user}/conversations/{id}.json`,
//! `users/{user}/settings/{name}.json`.
//!
//! Knows both layouts of skills that are in use, and reads names back out of keys. Does not know where objects are.

use super::super::names::{Name, NameKind};

/// The file that a skill is in the nested layout.
const SKILL_FILE: &str = "SKILL.md";
const JSON: &str = ".json";

/// Where skills are written. Both are read, whichever is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SkillLayout {
    /// `users/{user}/skills/{name}`, as the documents say.
    #[default]
    Flat,
    /// `users/{user}/skills/{name}/SKILL.md`, as agents look for skills.
    Nested,
}

impl SkillLayout {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Flat => Self::Nested,
            Self::Nested => Self::Flat,
        }
    }
}

/// The folder of a user's skills, with the slash at its end.
pub(super) fn skills(user: &Name) -> String {
    format!("users/{user}/skills/")
}

pub(super) fn skill(user: &Name, name: &Name, layout: SkillLayout) -> String {
    match layout {
        SkillLayout::Flat => format!("users/{user}/skills/{name}"),
        SkillLayout::Nested => format!("users/{user}/skills/{name}/{SKILL_FILE}"),
    }
}

/// The name of the skill whose key, without its folder, this is. `None` for whatever else lies there.
pub(super) fn skill_name(rest: &str) -> Option<Name> {
    let name = match rest.split_once('/') {
        None => rest,
        Some((name, SKILL_FILE)) => name,
        Some(_) => return None,
    };
    exact(NameKind::Skill, name)
}

pub(super) fn conversations(user: &Name) -> String {
    format!("users/{user}/conversations/")
}

pub(super) fn conversation(user: &Name, id: &Name) -> String {
    format!("users/{user}/conversations/{id}{JSON}")
}

pub(super) fn conversation_id(rest: &str) -> Option<Name> {
    exact(NameKind::Conversation, rest.strip_suffix(JSON)?)
}

pub(super) fn settings(user: &Name, name: &Name) -> String {
    format!("users/{user}/settings/{name}{JSON}")
}

/// What would be found under another key is not listed: nobody could read it.
fn exact(kind: NameKind, text: &str) -> Option<Name> {
    Name::new(kind, text).ok().filter(|name| name.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(NameKind::Skill, text).unwrap()
    }

    #[test]
    fn keys_are_those_of_the_documents() {
        let user = name("user-123");
        let key = |layout| skill(&user, &name("debugging.md"), layout);
        assert_eq!(key(SkillLayout::Flat), "users/user-123/skills/debugging.md");
        assert_eq!(key(SkillLayout::Nested), "users/user-123/skills/debugging.md/SKILL.md");
        assert_eq!(
            conversation(&user, &name("conv-123")),
            "users/user-123/conversations/conv-123.json"
        );
        assert_eq!(
            settings(&user, &name("preferences")),
            "users/user-123/settings/preferences.json"
        );
    }

    #[test]
    fn names_are_read_back_and_strangers_are_passed_over() {
        assert_eq!(skill_name("a.md").unwrap().as_str(), "a.md");
        assert_eq!(skill_name("a.md/SKILL.md").unwrap().as_str(), "a.md");
        assert_eq!(conversation_id("c.json").unwrap().as_str(), "c");
        for stranger in ["a/b", "a/b/SKILL.md", ".hidden", "", "/SKILL.md", "e\u{301}"] {
            assert_eq!(skill_name(stranger), None, "{stranger}");
        }
        for stranger in ["c", ".json", "a/c.json"] {
            assert_eq!(conversation_id(stranger), None, "{stranger}");
        }
    }
}
