//! The crate's one error type, and the means to give every error a stable code.
//!
//! Each operation has an error enum of its own beside its code; all of them implement [`ErrorInfo`] and
//! convert into [`Error`]. Codes never change once released; `docs/errors.md` is generated from the
//! doc comments of the variants and checked by a test.

use core::fmt;

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller passed something that can never work.
    InvalidInput,
    /// A signature, key or tag did not verify.
    Authentication,
    /// A peer, relay or registry broke the protocol.
    Protocol,
    /// The thing asked for does not exist.
    NotFound,
    /// Somebody else changed or holds it.
    Conflict,
    /// The store could not be read or written.
    Storage,
    /// The network or a server failed.
    Network,
    /// Too many requests; wait and try again.
    RateLimited,
    /// A deadline passed.
    Timeout,
    /// A policy, ours or the peer's, said no.
    Policy,
    /// The client was closed.
    Closed,
    /// A bug in this library; please report it.
    Internal,
}

impl ErrorKind {
    /// The kind's stable name, as it appears in JSON and in the bindings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Authentication => "authentication",
            Self::Protocol => "protocol",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Storage => "storage",
            Self::Network => "network",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Policy => "policy",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What every error of this crate can say about itself.
pub trait ErrorInfo: std::error::Error {
    /// Stable upper-case code, such as `BUNDLE_STALE`.
    fn code(&self) -> &'static str;
    /// Who has to act.
    fn kind(&self) -> ErrorKind;
    /// Whether the same call may succeed later without anybody changing anything.
    fn is_retryable(&self) -> bool;
}

/// One line of the glossary in `docs/errors.md`.
#[derive(Debug, Clone, Copy)]
pub struct ErrorDoc {
    /// The enum the variant belongs to.
    pub error: &'static str,
    /// Stable code.
    pub code: &'static str,
    /// Who has to act.
    pub kind: ErrorKind,
    /// Whether trying again can help.
    pub retryable: bool,
    /// The variant's documentation.
    pub doc: &'static [&'static str],
}

/// Defines an error enum together with its codes and its part of the glossary.
///
/// ```text
/// errors! {
///     /// Why a key was refused.
///     pub enum KeyError {
///         /// The point has small order.
///         #[error("the public key has small order")]
///         SmallOrder = "KEY_SMALL_ORDER", InvalidInput, permanent;
///         /// A key of the wrong length.
///         #[error("expected {expected} bytes, got {actual}")]
///         Length {
///             /// Bytes wanted.
///             expected: usize,
///             /// Bytes given.
///             actual: usize,
///         } = "KEY_LENGTH", InvalidInput, permanent;
///     }
/// }
/// ```
macro_rules! errors {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $(
                $(#[doc = $doc:expr])+
                #[error($($fmt:tt)+)]
                $variant:ident $({ $( $(#[$fmeta:meta])* $field:ident : $ty:ty ),* $(,)? })?
                    = $code:literal, $kind:ident, $retry:ident;
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[doc = $doc])+
                #[error($($fmt)+)]
                $variant $({ $( $(#[$fmeta])* $field : $ty ),* })?,
            )*
        }

        impl $name {
            /// Every code of this enum, for the glossary.
            pub const GLOSSARY: &'static [$crate::error::ErrorDoc] = &[
                $( $crate::error::ErrorDoc {
                    error: stringify!($name),
                    code: $code,
                    kind: $crate::error::ErrorKind::$kind,
                    retryable: $crate::error::errors!(@retry $retry),
                    doc: &[$($doc),+],
                }, )*
            ];
        }

        impl $crate::error::ErrorInfo for $name {
            fn code(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $code, )* }
            }
            fn kind(&self) -> $crate::error::ErrorKind {
                match self { $( Self::$variant { .. } => $crate::error::ErrorKind::$kind, )* }
            }
            fn is_retryable(&self) -> bool {
                match self { $( Self::$variant { .. } => $crate::error::errors!(@retry $retry), )* }
            }
        }
    };
    (@retry retryable) => { true };
    (@retry permanent) => { false };
}
pub(crate) use errors;

/// What somebody else said of an error, after a colon, if they said anything.
#[cfg(any(feature = "signaling", feature = "agent-ws"))]
pub(crate) fn words(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Joins the operation errors into [`Error`].
macro_rules! union {
    ($( $(#[doc = $doc:expr])+ $(#[cfg($($cfg:tt)*)])? $variant:ident($ty:path); )*) => {
        /// Any error of this crate. Match on the variant, or use [`ErrorInfo`] for code, kind and retryability.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Error {
            $(
                $(#[doc = $doc])+
                $(#[cfg($($cfg)*)])?
                #[error(transparent)]
                $variant(#[from] $ty),
            )*
        }

        impl Error {
            fn info(&self) -> &dyn ErrorInfo {
                match self { $( $(#[cfg($($cfg)*)])? Self::$variant(e) => e, )* }
            }
        }

        /// Every code that this build can return, for the generated glossary.
        pub fn glossary() -> Vec<ErrorDoc> {
            let mut all = Vec::new();
            $( $(#[cfg($($cfg)*)])? all.extend_from_slice(<$ty>::GLOSSARY); )*
            all
        }
    };
}

impl ErrorInfo for Error {
    fn code(&self) -> &'static str {
        self.info().code()
    }
    fn kind(&self) -> ErrorKind {
        self.info().kind()
    }
    fn is_retryable(&self) -> bool {
        self.info().is_retryable()
    }
}

union! {
    /// Bytes that do not parse.
    Codec(crate::codec::CodecError);
    /// Bytes that are not deterministic CBOR.
    Cbor(crate::wire::CborError);
    /// Text that is not JSON.
    Json(crate::wire::json::JsonError);
    /// A native frame that does not parse.
    Frame(crate::wire::frame::FrameError);
    /// A probe, probe reply or refusal that is not believed.
    Control(crate::wire::control::ControlError);
    /// A message that cannot be encoded or decoded.
    Plaintext(crate::wire::plaintext::PlaintextError);
    /// A proposal of capabilities, or its answer, that was refused.
    Capability(crate::wire::capability::CapabilityError);
    /// A schema, or a payload that does not follow one.
    #[cfg(feature = "schema")]
    Schema(crate::schema::SchemaError);
    /// A stream that ended or did not begin.
    #[cfg(feature = "client")]
    Stream(crate::client::StreamError);
    /// A KNOCK, or an answer to one, that is not believed.
    Knock(crate::knock::KnockError);
    /// A policy file that was refused.
    Policy(crate::knock::PolicyError);
    /// A relay frame that does not parse.
    RelayFrame(crate::wire::relay_frame::RelayFrameError);
    /// A signed request that was refused.
    RequestAuth(crate::wire::registry_auth::RequestAuthError);
    /// Text that is not an AMID.
    Amid(crate::identity::AmidError);
    /// An identity that cannot be read, or would not sign.
    Identity(crate::identity::IdentityError);
    /// An exchange key that is not rotated now.
    Rotation(crate::engine::RotationError);
    /// A certificate that is not believed.
    #[cfg(feature = "trust")]
    Certificate(crate::trust::CertificateError);
    /// A DID or its document that was refused.
    Did(crate::identity::did::DidError);
    /// A backup that could not be made or read.
    Backup(crate::identity::backup::BackupError);
    /// A bundle that was refused.
    Bundle(crate::prekeys::BundleError);
    /// Stored prekeys that cannot be read.
    PreKeys(crate::prekeys::PreKeyError);
    /// A handshake that failed.
    Handshake(crate::handshake::HandshakeError);
    /// Something of `agentmesh/0.2` that cannot be read.
    #[cfg(feature = "legacy-0-2")]
    LegacyFormat(crate::legacy::LegacyFormatError);
    /// A session of `agentmesh/0.2` that could not begin.
    #[cfg(feature = "legacy-0-2")]
    LegacyHandshake(crate::legacy::LegacyHandshakeError);
    /// A message that was not encrypted in a session of `agentmesh/0.2`.
    #[cfg(feature = "legacy-0-2")]
    LegacyEncrypt(crate::legacy::LegacyEncryptError);
    /// A message that was not opened in a session of `agentmesh/0.2`.
    #[cfg(feature = "legacy-0-2")]
    LegacyDecrypt(crate::legacy::LegacyDecryptError);
    /// A KNOCK of `agentmesh/0.2` that is not believed.
    #[cfg(feature = "legacy-0-2")]
    LegacyKnock(crate::legacy::LegacyKnockError);
    /// An agent's state that could not be opened or created.
    Load(crate::engine::LoadError);
    /// A message that was not taken.
    Send(crate::engine::SendError);
    /// A message that will not be delivered.
    SendFailure(crate::engine::SendFailure);
    /// Something around the engine.
    #[cfg(feature = "client")]
    Agent(crate::client::AgentError);
    /// A primitive that refused its input.
    Key(crate::keys::KeyError);
    /// A session that could not begin.
    Session(crate::session::SessionError);
    /// A message that could not be encrypted.
    Encrypt(crate::session::EncryptError);
    /// A message that could not be opened.
    Decrypt(crate::session::DecryptError);
    /// A store that could not be opened, read or written.
    Storage(crate::storage::StorageError);
    /// An audit log that cannot be written, read or believed.
    Audit(crate::audit::AuditError);
    /// A store that could not be copied, or must not be used because it was.
    Copy(crate::storage::CopyError);
    /// A store key that a passphrase does not unlock.
    Passphrase(crate::vault::passphrase::PassphraseError);
    /// A stored record that could not be sealed or opened.
    Vault(crate::vault::VaultError);
    /// A step of the low-level API that was not done.
    Manager(crate::managers::ManagerError);
    /// An identity that could not be loaded or saved.
    IdentityStore(crate::managers::IdentityStoreError);
    /// A value that could not be read or written.
    Value(crate::values::KeyValueError);
    /// An HTTP request that failed.
    #[cfg(feature = "client")]
    Http(crate::client::http::HttpError);
    /// A registry's answer that was not good enough.
    #[cfg(feature = "client")]
    Registry(crate::client::registry::AnswerError);
    /// A connection that could not be made, or ended.
    #[cfg(feature = "client")]
    Transport(crate::client::transport::TransportError);
    /// An AIWM controller that was not reached, or said no.
    #[cfg(feature = "aiwm")]
    Aiwm(crate::services::aiwm::AiwmError);
    /// A relay connection that could not be used.
    #[cfg(feature = "client")]
    Relay(crate::client::relay::RelayError);
    /// A question to an agent over its WebSocket that got no answer.
    #[cfg(feature = "agent-ws")]
    AgentWebSocket(crate::services::agent_ws::AgentWebSocketError);
    /// A backend that has no answer.
    #[cfg(feature = "agent-ws-service")]
    Chat(crate::services::agent_ws::service::ChatError);
    /// A signaling server that was not reached, or a signal that did not go out.
    #[cfg(feature = "signaling")]
    Signaling(crate::services::signaling::SignalingError);
    /// A name that is none.
    #[cfg(feature = "user-data")]
    Name(crate::services::user_data::NameError);
    /// User data that were not kept, or not found again.
    #[cfg(feature = "user-data-store")]
    UserDataStore(crate::services::user_data::store::UserDataStoreError);
    /// User data, or an agent's channel, that could not be reached or used.
    #[cfg(feature = "user-data")]
    UserData(crate::services::user_data::UserDataError);
}
