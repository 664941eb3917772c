//! Lists that come in pages: all of them together.

use super::{
    super::{ConversationList, SkillList, UserDataError},
    UserDataClient,
    request::Call,
};

/// Pages of a list that are followed.
const MAX_PAGES: usize = 1000;

/// A list that says where its next page begins.
pub(super) trait Pages: serde::de::DeserializeOwned {
    fn cursor(&mut self) -> &mut Option<String>;

    /// Puts the next page behind this one, which has no cursor by now.
    fn append(&mut self, page: Self);
}

impl Pages for SkillList {
    fn cursor(&mut self) -> &mut Option<String> {
        &mut self.cursor
    }

    fn append(&mut self, page: Self) {
        self.count += page.count;
        self.skills.extend(page.skills);
        self.cursor = page.cursor;
    }
}

impl Pages for ConversationList {
    fn cursor(&mut self) -> &mut Option<String> {
        &mut self.cursor
    }

    fn append(&mut self, page: Self) {
        self.count += page.count;
        self.conversations.extend(page.conversations);
        self.cursor = page.cursor;
    }
}

impl UserDataClient {
    /// Asks for a list, and for the rest of it.
    pub(super) async fn all_pages<T: Pages>(
        &self,
        what: &'static str,
        path: &[&str],
    ) -> Result<T, UserDataError> {
        let get = || Call::get(what, path, self.0.timeouts.request);
        let mut all: T = self.call(get()).await?;
        let mut pages = 1;
        while let Some(cursor) = all.cursor().take() {
            pages += 1;
            if pages > MAX_PAGES {
                return Err(endless());
            }
            let query = [("cursor", cursor.as_str())];
            let mut page: T = self.call(Call { query: &query, ..get() }).await?;
            if page.cursor().as_deref() == Some(cursor.as_str()) {
                return Err(endless());
            }
            all.append(page);
        }
        Ok(all)
    }
}

/// A server that gives pages without end.
fn endless() -> UserDataError {
    let problem = "a list that does not end".to_owned();
    UserDataError::Protocol { problem, request_id: String::new() }
}
