//! `did:agentmesh:<amid>` and its DID document (docs/protocol/registry.md).
//!
//! Writes documents as the DID and multikey specifications want them, signed as a whole by their owner. Reads those, and
//! what deployed software writes: the JavaScript SDK's bare base58 keys, the registry's `z` before base64. Whatever the
//! source, a document exists here only if its signing key is the one behind the DID; everything else in it is hearsay
//! unless [`DidDocument::open`] found the owner's proof. Knows no network: whoever resolves hands the text in.

mod jcs;
mod multibase;
mod proof;

use serde_json::{Map, Value, json};

use super::{Amid, Identity, IdentityPublic};
use crate::{
    error::errors,
    keys::{DhPublicKey, VerifyingKey},
    limits::MAX_DID_DOCUMENT,
    time::Timestamp,
};
use multibase::KeyKind;

const METHOD: &str = "did:agentmesh:";
const SIGNING_KEY: &str = "#signing-key";
const AGREEMENT_KEY: &str = "#key-agreement";
const SIGNING_TYPE: &str = "Ed25519VerificationKey2020";
const AGREEMENT_TYPE: &str = "X25519KeyAgreementKey2020";
/// The type of the service that names an agent's relay.
pub const RELAY_SERVICE: &str = "AgentMeshRelay";
/// Services and keys in a document at most.
const MAX_ENTRIES: usize = 64;

errors! {
    /// Why a DID or its document was refused.
    pub enum DidError {
        /// Not a DID at all.
        #[error("not a DID")]
        InvalidDid = "DID_INVALID", InvalidInput, permanent;
        /// A DID of a method that is not ours.
        #[error("not a did:agentmesh")]
        MethodNotSupported = "DID_METHOD_NOT_SUPPORTED", InvalidInput, permanent;
        /// Longer than a document can sensibly be.
        #[error("a DID document of {actual} bytes exceeds the limit of {limit}")]
        TooLong {
            /// The limit in bytes.
            limit: usize,
            /// What was given.
            actual: usize,
        } = "DID_DOCUMENT_TOO_LONG", InvalidInput, permanent;
        /// Not JSON, or not of the shape of a DID document.
        #[error("not a DID document: {what}")]
        Malformed {
            /// What is wrong.
            what: &'static str,
        } = "DID_DOCUMENT_MALFORMED", InvalidInput, permanent;
        /// The signing key in the document is not the one that the DID is the hash of.
        #[error("the signing key in the document is not that of the DID")]
        KeyMismatch = "DID_KEY_MISMATCH", Authentication, permanent;
        /// The document is not signed in a way that covers its content. The JavaScript SDK's signatures do not.
        #[error("the document is not signed by its owner")]
        NoProof = "DID_NO_PROOF", Authentication, permanent;
        /// The signature is not one of the owner over this document.
        #[error("the signature on the document is not valid")]
        BadProof = "DID_BAD_PROOF", Authentication, permanent;
    }
}

impl Amid {
    /// The agent that a DID names.
    ///
    /// # Errors
    /// [`DidError::InvalidDid`], [`DidError::MethodNotSupported`].
    pub fn from_did(did: &str) -> Result<Self, DidError> {
        match did.strip_prefix(METHOD) {
            Some(amid) => amid.parse().map_err(|_| DidError::InvalidDid),
            None if did.starts_with("did:") => Err(DidError::MethodNotSupported),
            None => Err(DidError::InvalidDid),
        }
    }
}

/// Something to reach the agent by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DidService {
    /// The part of the id after the DID, such as `#relay`.
    pub fragment: String,
    /// What it is, such as [`RELAY_SERVICE`].
    pub kind: String,
    /// Its URL.
    pub endpoint: String,
}

impl DidService {
    /// The agent's relay.
    pub fn relay(endpoint: impl Into<String>) -> Self {
        Self { fragment: "#relay".into(), kind: RELAY_SERVICE.into(), endpoint: endpoint.into() }
    }
}

/// Who stands for what a document says, besides the signing key, which the DID itself proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vouched {
    /// Whoever the document came from. Do not rely on exchange key or services.
    Source,
    /// The agent: its signature covers the whole document.
    Owner,
}

/// A DID document of an agent.
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{
///     Timestamp,
///     identity::{Identity, did::{DidDocument, DidService, Vouched}},
///     rng::SystemRng,
/// };
///
/// let now = Timestamp::from_millis(1_770_206_400_000);
/// let identity = Identity::generate(now, &mut SystemRng);
/// let relay = DidService::relay("wss://relay.example/v1/connect");
/// let text = DidDocument::new(&identity.public()).with_service(relay).sign(&identity, now)?;
///
/// let read = DidDocument::open(&text)?;
/// assert_eq!((read.amid(), read.vouched()), (identity.amid(), Vouched::Owner));
/// assert_eq!(read.exchange_key(), Some(identity.exchange_key()));
/// assert!(DidDocument::open(&text.replace("relay.example", "evil.example")).is_err());
/// # }
/// # Ok::<(), agentmesh_core::identity::did::DidError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DidDocument {
    amid: Amid,
    signing_key: VerifyingKey,
    exchange_key: Option<DhPublicKey>,
    services: Vec<DidService>,
    created: Option<Timestamp>,
    updated: Option<Timestamp>,
    vouched: Vouched,
}

impl DidDocument {
    /// The document of an agent with these keys.
    pub fn new(public: &IdentityPublic) -> Self {
        Self {
            amid: public.amid(),
            signing_key: public.signing,
            exchange_key: Some(public.exchange),
            services: Vec::new(),
            created: None,
            updated: None,
            vouched: Vouched::Source,
        }
    }

    /// With one more service.
    #[must_use]
    pub fn with_service(mut self, service: DidService) -> Self {
        self.services.push(service);
        self
    }

    /// With the dates it was made and last changed.
    #[must_use]
    pub const fn with_dates(mut self, created: Timestamp, updated: Timestamp) -> Self {
        self.created = Some(created);
        self.updated = Some(updated);
        self
    }

    /// Whose document it is.
    pub const fn amid(&self) -> Amid {
        self.amid
    }

    /// The agent's signing key. Always proven: the DID is its hash.
    pub const fn signing_key(&self) -> &VerifyingKey {
        &self.signing_key
    }

    /// The agent's exchange key, if the document has one. See [`DidDocument::vouched`].
    pub const fn exchange_key(&self) -> Option<&DhPublicKey> {
        self.exchange_key.as_ref()
    }

    /// How to reach the agent. See [`DidDocument::vouched`].
    pub fn services(&self) -> &[DidService] {
        &self.services
    }

    /// When the document was made, as it says.
    pub const fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// When the document was last changed, as it says.
    pub const fn updated(&self) -> Option<Timestamp> {
        self.updated
    }

    /// Who stands for the rest.
    pub const fn vouched(&self) -> Vouched {
        self.vouched
    }

    /// The document, unsigned.
    pub fn to_json(&self) -> String {
        Value::Object(self.members()).to_string()
    }

    /// The document, signed as a whole by its owner.
    ///
    /// # Errors
    /// [`DidError::KeyMismatch`] if it is not the document of `identity`.
    pub fn sign(&self, identity: &Identity, now: Timestamp) -> Result<String, DidError> {
        if identity.amid() != self.amid {
            return Err(DidError::KeyMismatch);
        }
        Ok(Value::Object(proof::sign(self.members(), identity, now)?).to_string())
    }

    /// Reads a document that its owner signed with [`DidDocument::sign`].
    ///
    /// # Errors
    /// [`DidError::NoProof`] and [`DidError::BadProof`] if it is not signed, or not by its owner; else as
    /// [`DidDocument::parse`].
    pub fn open(text: &str) -> Result<Self, DidError> {
        let members = object(text)?;
        let document = Self::read(&members)?;
        proof::verify(&members, &document.amid, &document.signing_key)?;
        Ok(Self { vouched: Vouched::Owner, ..document })
    }

    /// Reads a document of any source: ours, a registry's, the JavaScript SDK's with its `{document, proof}` around it or
    /// without. Proofs are not looked at.
    ///
    /// # Errors
    /// [`DidError::KeyMismatch`] if its signing key is not the one behind its DID; [`DidError::Malformed`],
    /// [`DidError::TooLong`], [`DidError::InvalidDid`], [`DidError::MethodNotSupported`].
    pub fn parse(text: &str) -> Result<Self, DidError> {
        let mut members = object(text)?;
        if let Some(Value::Object(document)) = members.remove("document") {
            members = document;
        }
        Self::read(&members)
    }

    fn read(members: &Map<String, Value>) -> Result<Self, DidError> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let id = text("id").ok_or(DidError::Malformed { what: "no id" })?;
        let amid = Amid::from_did(id)?;
        let keys = entries(members, "verificationMethod")?;
        let agreement = entries(members, "keyAgreement")?;
        let signing = key_of(keys, SIGNING_TYPE, KeyKind::Ed25519)?
            .ok_or(DidError::Malformed { what: "no signing key" })?;
        // The written specification embeds it where others refer to it.
        let exchange = match key_of(keys, AGREEMENT_TYPE, KeyKind::X25519)? {
            Some(key) => Some(key),
            None => key_of(agreement, AGREEMENT_TYPE, KeyKind::X25519)?,
        };
        let signing_key = VerifyingKey::from_bytes(signing)
            .ok()
            .filter(|key| Amid::of(key) == amid)
            .ok_or(DidError::KeyMismatch)?;
        let metadata = members.get("metadata");
        let date = |name: &str| {
            let inner = || metadata.and_then(|m| m.get(name)).and_then(Value::as_str);
            text(name).or_else(inner).and_then(Timestamp::parse_rfc3339)
        };
        Ok(Self {
            amid,
            signing_key,
            exchange_key: exchange.map(DhPublicKey::from_bytes),
            services: entries(members, "service")?.iter().filter_map(|s| service(s, id)).collect(),
            created: date("created"),
            updated: date("updated"),
            vouched: Vouched::Source,
        })
    }

    fn members(&self) -> Map<String, Value> {
        let did = self.amid.did();
        let signing = format!("{did}{SIGNING_KEY}");
        let agreement = format!("{did}{AGREEMENT_KEY}");
        let method = |id: &str, kind: &str, multibase: String| json!({"id": id, "type": kind, "controller": did, "publicKeyMultibase": multibase});
        let mut methods = vec![method(
            &signing,
            SIGNING_TYPE,
            multibase::encode(KeyKind::Ed25519, self.signing_key.as_bytes()),
        )];
        if let Some(key) = &self.exchange_key {
            let multibase = multibase::encode(KeyKind::X25519, key.as_bytes());
            methods.push(method(&agreement, AGREEMENT_TYPE, multibase));
        }
        let agreements: Vec<_> = self.exchange_key.iter().map(|_| agreement.as_str()).collect();
        let services: Vec<_> = self
            .services
            .iter()
            .map(|s| json!({"id": format!("{did}{}", s.fragment), "type": s.kind, "serviceEndpoint": s.endpoint}))
            .collect();
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        add(
            "@context",
            json!([
                "https://www.w3.org/ns/did/v1",
                "https://w3id.org/security/suites/ed25519-2020/v1",
                "https://w3id.org/security/suites/x25519-2020/v1"
            ]),
        );
        add("id", did.clone().into());
        add("verificationMethod", methods.into());
        add("authentication", json!([signing]));
        add("assertionMethod", json!([signing]));
        add("keyAgreement", json!(agreements));
        add("service", services.into());
        for (name, date) in [("created", self.created), ("updated", self.updated)] {
            if let Some(date) = date {
                add(name, date.to_rfc3339_signing().into());
            }
        }
        members
    }
}

fn object(text: &str) -> Result<Map<String, Value>, DidError> {
    if text.len() > MAX_DID_DOCUMENT {
        return Err(DidError::TooLong { limit: MAX_DID_DOCUMENT, actual: text.len() });
    }
    serde_json::from_str(text).map_err(|_| DidError::Malformed { what: "not a JSON object" })
}

/// A list in the document; absent is empty.
fn entries<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], DidError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) if list.len() <= MAX_ENTRIES => Ok(list),
        Some(_) => Err(DidError::Malformed { what: "a list is none, or too long" }),
    }
}

/// The one key of a type. Two would leave it to the reader which to believe.
fn key_of(list: &[Value], kind: &str, key: KeyKind) -> Result<Option<[u8; 32]>, DidError> {
    let mut of_kind = list.iter().filter(|m| m.get("type").and_then(Value::as_str) == Some(kind));
    let (Some(method), None) = (of_kind.next(), of_kind.next()) else {
        return if list.iter().any(|m| m.get("type").and_then(Value::as_str) == Some(kind)) {
            Err(DidError::Malformed { what: "two keys of one type" })
        } else {
            Ok(None)
        };
    };
    let text = method.get("publicKeyMultibase").and_then(Value::as_str);
    text.and_then(|text| multibase::decode(key, text))
        .map(Some)
        .ok_or(DidError::Malformed { what: "a key cannot be read" })
}

/// A service with one URL; others exist in the wild and are left out.
fn service(value: &Value, did: &str) -> Option<DidService> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let id = text("id")?;
    Some(DidService {
        fragment: id.strip_prefix(did).unwrap_or(id).to_owned(),
        kind: text("type")?.to_owned(),
        endpoint: text("serviceEndpoint")?.to_owned(),
    })
}

#[cfg(test)]
mod tests;
