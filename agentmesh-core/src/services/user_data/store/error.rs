//! Why something was not kept, or not found again.

use std::path::PathBuf;

use crate::error::errors;

errors! {
    /// Why something was not kept, or not found again. What merely is not there is no error.
    pub enum UserDataStoreError {
        /// The store cannot be set up like this.
        #[error("{setting}: {problem}")]
        Config {
            /// Which setting.
            setting: &'static str,
            /// What is wrong with it.
            problem: String,
        } = "USER_DATA_STORE_CONFIG", InvalidInput, permanent;
        /// The bucket or the disk failed, or was not reached. Nothing is half written.
        #[error("the store cannot {operation}: {message}")]
        Unavailable {
            /// What was tried: `read`, `write`, `delete` or `list`.
            operation: &'static str,
            /// What the store says, without credentials.
            message: String,
        } = "USER_DATA_STORE_UNAVAILABLE", Storage, retryable;
        /// Longer than what is kept.
        #[error("the {what} exceeds {limit} bytes")]
        TooLarge {
            /// `skill`, `conversation` or `settings`.
            what: &'static str,
            /// Bytes allowed.
            limit: u64,
        } = "USER_DATA_TOO_LARGE", InvalidInput, permanent;
        /// The user has as many skills already as are allowed; those that exist may still be replaced.
        #[error("the user has {limit} skills already")]
        TooManySkills {
            /// Skills allowed.
            limit: usize,
        } = "USER_DATA_TOO_MANY_SKILLS", Conflict, permanent;
        /// What was given is not the JSON that is kept there.
        #[error("the {what} is not {wanted}")]
        NotJson {
            /// `conversation` or `settings`.
            what: &'static str,
            /// What it should have been.
            wanted: &'static str,
        } = "USER_DATA_NOT_JSON", InvalidInput, permanent;
        /// What is stored there was not written by such a store, or was damaged. It is left as it is.
        #[error("what is stored under {key} is damaged")]
        Damaged {
            /// The object's key.
            key: String,
        } = "USER_DATA_DAMAGED", Storage, permanent;
        /// A link inside the directory of the store, which could lead anywhere. It is not followed.
        #[error("{path} is a link, or what a directory should be is a file", path = path.display())]
        Link {
            /// Where.
            path: PathBuf,
        } = "USER_DATA_STORE_LINK", Storage, permanent;
    }
}
