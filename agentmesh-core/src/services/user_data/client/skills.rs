//! Skills: texts that an agent finds in its sandbox.

use http::Method;
use serde_json::json;

use super::{
    super::{Deleted, Skill, SkillList, Stored, UserDataError, names::NameKind},
    UserDataClient, check,
    request::Call,
};

/// Bytes of a skill.
const MAX_SKILL: usize = 1024 * 1024;

impl UserDataClient {
    /// Stores a skill, over one of the same name.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`]; [`UserDataError::Invalid`] without content; [`UserDataError::TooLarge`] above
    /// 1 MiB; [`UserDataError::Full`] if the user has as many as may be; and what any request can fail with.
    pub async fn put_skill(
        &self,
        user: &str,
        name: &str,
        content: &str,
    ) -> Result<Stored, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Skill, name)?;
        if content.is_empty() {
            return Err(UserDataError::Invalid { problem: "a skill needs content" });
        }
        if content.len() > MAX_SKILL {
            return Err(UserDataError::TooLarge { what: "the skill", limit: MAX_SKILL });
        }
        let body = json!({"name": name, "content": content});
        let path = ["users", user, "skills"];
        self.call(Call::send("put skill", Method::POST, &path, &body, self.0.timeouts.upload)).await
    }

    /// The names of all skills of a user; none for a user that nobody knows.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn list_skills(&self, user: &str) -> Result<SkillList, UserDataError> {
        check(NameKind::User, user)?;
        let path = ["users", user, "skills"];
        self.all_pages("list skills", &path).await
    }

    /// A skill.
    ///
    /// # Errors
    /// [`UserDataError::NotFound`], [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn skill(&self, user: &str, name: &str) -> Result<Skill, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Skill, name)?;
        let path = ["users", user, "skills", name];
        self.call(Call::get("get skill", &path, self.0.timeouts.request)).await
    }

    /// Deletes a skill. One that is not there is deleted, too.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn delete_skill(&self, user: &str, name: &str) -> Result<Deleted, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Skill, name)?;
        let path = ["users", user, "skills", name];
        self.call(Call::delete("delete skill", &path, self.0.timeouts.request)).await
    }
}
