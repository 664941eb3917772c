//! HS, the public half of a handshake (docs/protocol/native.md §4):
//!
//! ```text
//! HS = suite u8 | IKs_A 32 | IKx_A 32 | EK_A 32 | SPK.id u32 | OPK.id u32
//!    | kem_kind u8 (0 none, 1 KPK, 2 KOPK) | KEM.id u32 | CT (1088 bytes in suite 3, else empty)
//! ```

use super::{HandshakeError, SessionId, Suite, session_id};
use crate::{
    codec::{CodecError, Reader, Write},
    identity::Amid,
    keys::{DhPublicKey, KEM_CIPHERTEXT_LEN, KemCiphertext, VerifyingKey},
    limits::MAX_PREKEY_ID,
};

/// Length of HS without ML-KEM.
pub const HANDSHAKE_LEN: usize = 1 + 3 * 32 + 4 + 4 + 1 + 4;
/// Length of HS with ML-KEM.
pub const HANDSHAKE_KEM_LEN: usize = HANDSHAKE_LEN + KEM_CIPHERTEXT_LEN;

/// Which of the responder's ML-KEM keys a handshake uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KemKind {
    /// None: a suite without ML-KEM.
    None = 0,
    /// The last-resort key of the bundle, KPK.
    LastResort = 1,
    /// A one-time key, KOPK.
    OneTime = 2,
}

/// HS, made by [`initiate`](super::initiate) or parsed: 110 bytes, or 1198 with ML-KEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialMessage {
    fields: Fields,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) suite: Suite,
    pub(super) identity: VerifyingKey,
    pub(super) exchange: DhPublicKey,
    pub(super) ephemeral: DhPublicKey,
    pub(super) signed_prekey_id: u32,
    /// 0 for none.
    pub(super) one_time_prekey_id: u32,
    pub(super) kem_kind: KemKind,
    /// 0 for none.
    pub(super) kem_id: u32,
    pub(super) ciphertext: Option<KemCiphertext>,
}

impl InitialMessage {
    pub(super) fn new(fields: Fields) -> Self {
        let mut bytes = Vec::with_capacity(HANDSHAKE_KEM_LEN);
        bytes.put_u8(fields.suite.id());
        bytes.put(fields.identity.as_bytes());
        bytes.put(fields.exchange.as_bytes());
        bytes.put(fields.ephemeral.as_bytes());
        bytes.put_u32(fields.signed_prekey_id);
        bytes.put_u32(fields.one_time_prekey_id);
        bytes.put_u8(fields.kem_kind as u8);
        bytes.put_u32(fields.kem_id);
        if let Some(ciphertext) = &fields.ciphertext {
            bytes.put(ciphertext.as_bytes());
        }
        Self { fields, bytes }
    }

    /// How long an HS is that begins with this suite id; none if no HS does.
    pub const fn len_of_suite(suite: u8) -> Option<usize> {
        match Suite::from_u8(suite) {
            Some(Suite::X25519) => Some(HANDSHAKE_LEN),
            Some(Suite::X25519MlKem768) => Some(HANDSHAKE_KEM_LEN),
            _ => None,
        }
    }

    /// Parses exactly one HS. Needs no secrets, proves nothing yet.
    ///
    /// # Errors
    /// [`HandshakeError::UnsupportedSuite`]; [`HandshakeError::Malformed`] for any other length, ids out of range,
    /// ML-KEM fields that do not go with the suite; [`HandshakeError::UnusableKey`] for an identity key that cannot sign.
    pub fn parse(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let fields = read(bytes)?;
        Ok(Self { fields, bytes: bytes.to_vec() })
    }

    /// The bytes, as parsed or made.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The suite; a native one.
    pub const fn suite(&self) -> Suite {
        self.fields.suite
    }

    /// The identity key that the initiator claims; the KNOCK's signature proves it.
    pub const fn identity(&self) -> &VerifyingKey {
        &self.fields.identity
    }

    /// The AMID of that key, to be compared with the relay's `from`.
    pub fn initiator(&self) -> Amid {
        Amid::of(&self.fields.identity)
    }

    /// The initiator's exchange key.
    pub const fn exchange(&self) -> &DhPublicKey {
        &self.fields.exchange
    }

    /// The initiator's ephemeral key.
    pub const fn ephemeral(&self) -> &DhPublicKey {
        &self.fields.ephemeral
    }

    /// Which of the responder's signed prekeys it uses.
    pub const fn signed_prekey_id(&self) -> u32 {
        self.fields.signed_prekey_id
    }

    /// Which of the responder's one-time prekeys it uses; 0 for none.
    pub const fn one_time_prekey_id(&self) -> u32 {
        self.fields.one_time_prekey_id
    }

    /// What kind of ML-KEM key it uses.
    pub const fn kem_kind(&self) -> KemKind {
        self.fields.kem_kind
    }

    /// Which of the responder's ML-KEM prekeys of that kind it uses; 0 for none.
    pub const fn kem_id(&self) -> u32 {
        self.fields.kem_id
    }

    /// The one-time ML-KEM prekey it uses; 0 for none. What [`PreKeys::consume`](crate::prekeys::PreKeys::consume) takes.
    pub const fn one_time_kem_id(&self) -> u32 {
        match self.fields.kem_kind {
            KemKind::OneTime => self.fields.kem_id,
            KemKind::None | KemKind::LastResort => 0,
        }
    }

    /// The id of the session it opens with `responder`.
    pub fn session_id(&self, responder: &VerifyingKey) -> SessionId {
        session_id(responder, &self.bytes)
    }

    pub(super) const fn ciphertext(&self) -> Option<&KemCiphertext> {
        self.fields.ciphertext.as_ref()
    }
}

fn read(bytes: &[u8]) -> Result<Fields, HandshakeError> {
    let mut r = Reader::new(bytes);
    let suite = r.u8("suite")?;
    let suite = Suite::from_u8(suite)
        .filter(|suite| suite.is_native())
        .ok_or(HandshakeError::UnsupportedSuite { suite })?;
    let identity = r.array("identity key")?;
    let exchange = DhPublicKey::from_bytes(r.array("exchange key")?);
    let ephemeral = DhPublicKey::from_bytes(r.array("ephemeral key")?);
    let signed_prekey_id = r.u32("signed prekey id")?;
    let one_time_prekey_id = r.u32("one-time prekey id")?;
    let kem_kind = match (suite, r.u8("ML-KEM kind")?) {
        (Suite::X25519, 0) => KemKind::None,
        (Suite::X25519MlKem768, 1) => KemKind::LastResort,
        (Suite::X25519MlKem768, 2) => KemKind::OneTime,
        _ => return Err(CodecError::InvalidValue { field: "ML-KEM kind" }.into()),
    };
    let kem_id = r.u32("ML-KEM prekey id")?;
    let ciphertext = match kem_kind {
        KemKind::None => None,
        KemKind::LastResort | KemKind::OneTime => {
            let field = "ciphertext";
            let bytes = r.bytes(KEM_CIPHERTEXT_LEN, field)?;
            Some(KemCiphertext::from_bytes(bytes).map_err(|_| CodecError::InvalidValue { field })?)
        }
    };
    r.finish("handshake")?;
    for (field, valid) in [
        ("signed prekey id", (1..=MAX_PREKEY_ID).contains(&signed_prekey_id)),
        ("one-time prekey id", one_time_prekey_id <= MAX_PREKEY_ID),
        ("ML-KEM prekey id", kem_id <= MAX_PREKEY_ID && (kem_id == 0) == ciphertext.is_none()),
    ] {
        if !valid {
            return Err(CodecError::InvalidValue { field }.into());
        }
    }
    let identity = VerifyingKey::from_bytes(identity)
        .map_err(|_| HandshakeError::UnusableKey { field: "the identity key" })?;
    Ok(Fields {
        suite,
        identity,
        exchange,
        ephemeral,
        signed_prekey_id,
        one_time_prekey_id,
        kem_kind,
        kem_id,
        ciphertext,
    })
}
