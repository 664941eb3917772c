//! Settings: one JSON object a name. An addition: deployed servers answer 404.

use http::Method;
use serde_json::{Map, Value};

use super::{
    super::{Deleted, Settings, Stored, UserDataError, names::NameKind},
    UserDataClient, check,
    request::Call,
};

/// Bytes of settings.
const MAX_SETTINGS: usize = 256 * 1024;

/// The name that a user's settings have unless they have another.
pub const PREFERENCES: &str = "preferences";

impl UserDataClient {
    /// Stores settings, over those of the same name.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`]; [`UserDataError::TooLarge`] above 256 KiB; and what any request can fail with.
    pub async fn put_settings(
        &self,
        user: &str,
        name: &str,
        settings: &Map<String, Value>,
    ) -> Result<Stored, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Settings, name)?;
        let path = ["users", user, "settings", name];
        let body = Value::Object(settings.clone());
        let limit = self.0.timeouts.upload;
        let call = Call::send("put settings", Method::PUT, &path, &body, limit);
        if call.body.as_ref().is_some_and(|body| body.len() > MAX_SETTINGS) {
            return Err(UserDataError::TooLarge { what: "the settings", limit: MAX_SETTINGS });
        }
        self.call(call).await
    }

    /// Settings.
    ///
    /// # Errors
    /// [`UserDataError::NotFound`], [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn settings(&self, user: &str, name: &str) -> Result<Settings, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Settings, name)?;
        let path = ["users", user, "settings", name];
        self.call(Call::get("get settings", &path, self.0.timeouts.request)).await
    }

    /// Deletes settings. Those that are not there are deleted, too.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn delete_settings(&self, user: &str, name: &str) -> Result<Deleted, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Settings, name)?;
        let path = ["users", user, "settings", name];
        self.call(Call::delete("delete settings", &path, self.0.timeouts.request)).await
    }
}
