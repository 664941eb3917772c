//! Conversations: JSON objects that are kept as they are.

use http::Method;

use super::{
    super::{
        Conversation, ConversationList, Deleted, Stored, StoredConversation, UserDataError,
        names::NameKind,
    },
    UserDataClient, check,
    request::Call,
};

/// Bytes of a conversation.
const MAX_CONVERSATION: usize = 10 * 1024 * 1024;

impl UserDataClient {
    /// Stores a conversation, over one of the same id. Every field is kept.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`]; [`UserDataError::TooLarge`] above 10 MiB; and what any request can fail with.
    pub async fn save_conversation(
        &self,
        user: &str,
        conversation: &Conversation,
    ) -> Result<Stored, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Conversation, &conversation.id)?;
        let path = ["users", user, "conversations"];
        let body = conversation.to_body();
        let limit = self.0.timeouts.upload;
        let call = Call::send("save conversation", Method::POST, &path, &body, limit);
        if call.body.as_ref().is_some_and(|body| body.len() > MAX_CONVERSATION) {
            let what = "the conversation";
            return Err(UserDataError::TooLarge { what, limit: MAX_CONVERSATION });
        }
        self.call(call).await
    }

    /// A conversation as it was saved.
    ///
    /// # Errors
    /// [`UserDataError::NotFound`], [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn conversation(
        &self,
        user: &str,
        id: &str,
    ) -> Result<StoredConversation, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Conversation, id)?;
        let path = ["users", user, "conversations", id];
        self.call(Call::get("get conversation", &path, self.0.timeouts.request)).await
    }

    /// All conversations of a user, without their contents. Deployed servers answer [`UserDataError::NotFound`]: they
    /// have no such list.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn list_conversations(&self, user: &str) -> Result<ConversationList, UserDataError> {
        check(NameKind::User, user)?;
        let path = ["users", user, "conversations"];
        self.all_pages("list conversations", &path).await
    }

    /// Deletes a conversation. One that is not there is deleted, too. Deployed servers answer
    /// [`UserDataError::NotFound`]: they delete none.
    ///
    /// # Errors
    /// [`UserDataError::InvalidName`], and what any request can fail with.
    pub async fn delete_conversation(
        &self,
        user: &str,
        id: &str,
    ) -> Result<Deleted, UserDataError> {
        check(NameKind::User, user)?;
        check(NameKind::Conversation, id)?;
        let path = ["users", user, "conversations", id];
        self.call(Call::delete("delete conversation", &path, self.0.timeouts.request)).await
    }
}
