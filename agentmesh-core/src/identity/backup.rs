//! An identity sealed under a passphrase, as text that can be printed, mailed and pasted:
//!
//! ```text
//! text    = "agentmesh-backup-v1:" || base64(payload), white space anywhere in it
//! payload = memory in KiB u32 | passes u32 | lanes u32 | salt 16 | nonce 12 | ciphertext || tag 16
//! key     = Argon2id(passphrase in UTF-8, salt, memory, passes, lanes, 32 bytes)
//! sealed with AES-256-GCM; AAD = "agentmesh-backup-v1:" || payload up to the nonce
//! plaintext = the stored form of the identity
//! ```
//!
//! Never holds sessions (a restored copy of a ratchet repeats keys) nor prekeys. A backup of a store in use is of the form
//! `agentmesh-backup-v2:`, the same but for its plaintext:
//!
//! ```text
//! plaintext = lp(the stored form of the identity) | lp(continuation)
//! ```
//!
//! The continuation is whatever the engine needs to go on elsewhere without using a number twice
//! ([`Continuation`](crate::engine::Continuation)); this file does not look into it.

use core::fmt;

use base64ct::{Base64, Encoding};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::{Identity, IdentityError};
use crate::{
    codec::{CodecError, Reader, Write},
    error::errors,
    keys::{
        KeyError,
        aead::{NONCE_LEN, TAG_LEN, open_in_place, seal_in_place},
        passphrase::{self, PassphraseCost},
    },
    limits::MAX_CONTINUATION,
};

const PREFIX: &str = "agentmesh-backup-v1:";
/// The form with a continuation.
const PREFIX_2: &str = "agentmesh-backup-v2:";
/// What all versions begin with.
const FAMILY: &str = "agentmesh-backup-";
const SALT_LEN: usize = 16;
const HEADER_LEN: usize = 3 * 4 + SALT_LEN;
/// Generous: longer text is no backup, and not worth decoding.
const MAX_TEXT: usize = 4096;
/// The same for a form with a continuation.
const MAX_TEXT_2: usize = 4096 + 2 * MAX_CONTINUATION;

errors! {
    /// Why a backup could not be made or read.
    pub enum BackupError {
        /// An empty passphrase protects nothing.
        #[error("the passphrase is empty")]
        EmptyPassphrase = "BACKUP_EMPTY_PASSPHRASE", InvalidInput, permanent;
        /// More peers than a backup can hold.
        #[error("what goes into the backup is too long")]
        TooLong = "BACKUP_TOO_LONG", InvalidInput, permanent;
        /// The text is no backup at all.
        #[error("not a backup")]
        NotABackup = "BACKUP_NOT_A_BACKUP", InvalidInput, permanent;
        /// A backup of a form that a newer release writes.
        #[error("a backup of a newer version")]
        UnknownVersion = "BACKUP_UNKNOWN_VERSION", InvalidInput, permanent;
        /// A backup that was cut or mistyped.
        #[error("damaged backup: {source}")]
        Damaged {
            /// Where and why.
            source: CodecError,
        } = "BACKUP_DAMAGED", InvalidInput, permanent;
        /// It would cost more memory or time than a backup may.
        #[error("the backup's parameters are out of bounds")]
        Cost = "BACKUP_COST", InvalidInput, permanent;
        /// The passphrase is wrong, or the backup was changed; nobody can tell which.
        #[error("wrong passphrase, or the backup was changed")]
        WrongPassphrase = "BACKUP_WRONG_PASSPHRASE", Authentication, permanent;
        /// Not enough memory to derive the key.
        #[error("not enough memory to derive the key")]
        OutOfMemory = "BACKUP_OUT_OF_MEMORY", Internal, retryable;
        /// What was sealed is no identity.
        #[error("the backup opened, but: {source}")]
        Identity {
            /// Why.
            source: IdentityError,
        } = "BACKUP_IDENTITY", InvalidInput, permanent;
    }
}

impl From<CodecError> for BackupError {
    fn from(source: CodecError) -> Self {
        Self::Damaged { source }
    }
}

/// Seals `identity` under `passphrase`.
///
/// The passphrase counts byte by byte, as UTF-8: whoever lets people type it on several systems should normalise it (NFC)
/// first. Takes as long as `cost` says.
///
/// # Errors
/// [`BackupError::EmptyPassphrase`], [`BackupError::OutOfMemory`].
///
/// ```
/// # #[cfg(feature = "getrandom")] {
/// use agentmesh_core::{
///     Timestamp,
///     identity::{Identity, backup},
///     keys::passphrase::PassphraseCost,
///     rng::SystemRng,
/// };
///
/// let identity = Identity::generate(Timestamp::from_millis(1_770_206_400_000), &mut SystemRng);
/// let cost = PassphraseCost::DEFAULT;
/// let text = backup::seal(&identity, "correct horse battery staple", cost, &mut SystemRng)?;
/// let restored = backup::open(&text, "correct horse battery staple")?;
/// assert_eq!(restored.amid(), identity.amid());
/// # }
/// # Ok::<(), agentmesh_core::identity::backup::BackupError>(())
/// ```
pub fn seal(
    identity: &Identity,
    passphrase: &str,
    cost: PassphraseCost,
    rng: &mut dyn CryptoRng,
) -> Result<String, BackupError> {
    seal_plaintext(PREFIX, &identity.to_record(), passphrase, cost, rng)
}

/// Seals `identity` together with what the engine needs to go on elsewhere.
///
/// # Errors
/// As [`seal`]; [`BackupError::TooLong`].
pub fn seal_with(
    identity: &Identity,
    continuation: &[u8],
    passphrase: &str,
    cost: PassphraseCost,
    rng: &mut dyn CryptoRng,
) -> Result<String, BackupError> {
    if continuation.len() > MAX_CONTINUATION {
        return Err(BackupError::TooLong);
    }
    let record = identity.to_record();
    let mut plaintext = Zeroizing::new(Vec::with_capacity(8 + record.len() + continuation.len()));
    plaintext.put_lp(&record);
    plaintext.put_lp(continuation);
    seal_plaintext(PREFIX_2, &plaintext, passphrase, cost, rng)
}

fn seal_plaintext(
    prefix: &str,
    plaintext: &[u8],
    passphrase: &str,
    cost: PassphraseCost,
    rng: &mut dyn CryptoRng,
) -> Result<String, BackupError> {
    if passphrase.is_empty() {
        return Err(BackupError::EmptyPassphrase);
    }
    let mut salt = [0; SALT_LEN];
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let key = passphrase::derive(passphrase, &salt, cost).map_err(|_| BackupError::OutOfMemory)?;

    // All at once: growing would leave the record behind in freed memory.
    let mut payload = Vec::with_capacity(HEADER_LEN + NONCE_LEN + plaintext.len() + TAG_LEN);
    payload.put_u32(cost.memory_kib());
    payload.put_u32(cost.passes());
    payload.put_u32(cost.lanes());
    payload.put(&salt);
    let aad = [prefix.as_bytes(), &payload].concat();
    payload.put(&nonce);
    let from = payload.len();
    payload.put(plaintext);
    if seal_in_place(&key, &nonce, &aad, &mut payload, from).is_err() {
        payload.zeroize();
        return Err(BackupError::OutOfMemory);
    }
    Ok(format!("{prefix}{}", Base64::encode_string(&payload)))
}

/// What was in a backup.
pub struct Restored {
    /// The identity.
    pub identity: Identity,
    /// What [`seal_with`] was given; `None` in a backup of the identity alone.
    pub continuation: Option<Vec<u8>>,
}

/// A continuation says whom the agent talks to.
impl fmt::Debug for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, continuation } = self;
        f.debug_struct("Restored")
            .field("identity", identity)
            .field("continuation_len", &continuation.as_ref().map(Vec::len))
            .finish()
    }
}

/// Opens a backup of either form, for the identity alone.
///
/// The identity's prekeys are not in it: make new ones with [`PreKeys::recover`](crate::prekeys::PreKeys::recover).
///
/// # Errors
/// Every variant of [`BackupError`] but `EmptyPassphrase` and `TooLong`.
pub fn open(text: &str, passphrase: &str) -> Result<Identity, BackupError> {
    open_with(text, passphrase).map(|restored| restored.identity)
}

/// Opens a backup of either form.
///
/// # Errors
/// As [`open`].
pub fn open_with(text: &str, passphrase: &str) -> Result<Restored, BackupError> {
    if text.len() > MAX_TEXT_2 {
        return Err(BackupError::NotABackup);
    }
    let text: String = text.split_whitespace().collect();
    let identity = |record: &[u8]| {
        Identity::from_record(record).map_err(|source| BackupError::Identity { source })
    };
    if let Some(encoded) = text.strip_prefix(PREFIX) {
        if text.len() > MAX_TEXT {
            return Err(BackupError::NotABackup);
        }
        let record = open_plaintext(PREFIX, encoded, passphrase)?;
        return Ok(Restored { identity: identity(&record)?, continuation: None });
    }
    let Some(encoded) = text.strip_prefix(PREFIX_2) else {
        let known = text.starts_with(FAMILY);
        return Err(if known { BackupError::UnknownVersion } else { BackupError::NotABackup });
    };
    let plaintext = open_plaintext(PREFIX_2, encoded, passphrase)?;
    let mut r = Reader::new(&plaintext);
    let record = r.lp(MAX_TEXT, "identity")?;
    let continuation = r.lp(MAX_CONTINUATION, "continuation")?.to_vec();
    r.finish("backup")?;
    Ok(Restored { identity: identity(record)?, continuation: Some(continuation) })
}

fn open_plaintext(
    prefix: &str,
    encoded: &str,
    passphrase: &str,
) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let payload =
        Base64::decode_vec(encoded).map_err(|_| CodecError::InvalidValue { field: "base64" })?;

    let mut r = Reader::new(&payload);
    let header = Reader::new(&payload).bytes(HEADER_LEN, "header")?;
    let (memory, passes, lanes) = (r.u32("memory")?, r.u32("passes")?, r.u32("lanes")?);
    let cost = PassphraseCost::new(memory, passes, lanes).map_err(|_| BackupError::Cost)?;
    let salt = r.array("salt")?;
    let nonce = r.array("nonce")?;
    let mut plaintext = Zeroizing::new(r.rest().to_vec());

    let key = passphrase::derive(passphrase, &salt, cost).map_err(|e| match e {
        KeyError::OutOfMemory => BackupError::OutOfMemory,
        _ => BackupError::Cost,
    })?;
    let aad = [prefix.as_bytes(), header].concat();
    open_in_place(&key, &nonce, &aad, &mut plaintext).map_err(|_| BackupError::WrongPassphrase)?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{test_utils::seeded_rng, time::Timestamp};

    fn cheap() -> PassphraseCost {
        PassphraseCost::new(8 * 1024, 1, 1).unwrap()
    }

    fn sealed() -> (Identity, String) {
        let mut rng = seeded_rng(1);
        let identity = Identity::generate(Timestamp::from_millis(1_770_206_400_000), &mut rng);
        let text = seal(&identity, "pässwörd", cheap(), &mut rng).unwrap();
        (identity, text)
    }

    fn refused(text: &str) -> BackupError {
        open(text, "pässwörd").unwrap_err()
    }

    #[test]
    fn opens_with_the_passphrase_only() {
        let (identity, text) = sealed();
        assert!(text.starts_with("agentmesh-backup-v1:"));
        let restored = open(&text, "pässwörd").unwrap();
        assert_eq!(restored.to_record(), identity.to_record());
        for wrong in ["password", "", "pässwörd "] {
            assert_eq!(open(&text, wrong).unwrap_err(), BackupError::WrongPassphrase);
        }
    }

    #[test]
    fn survives_being_printed_in_lines() {
        let (identity, text) = sealed();
        let lines: Vec<&str> =
            text.as_bytes().chunks(40).map(|c| core::str::from_utf8(c).unwrap()).collect();
        let restored = open(&format!("  {}\r\n", lines.join("\n")), "pässwörd").unwrap();
        assert_eq!(restored.amid(), identity.amid());
    }

    #[test]
    fn says_what_is_wrong_with_the_text() {
        let (identity, text) = sealed();
        assert_eq!(refused(""), BackupError::NotABackup);
        assert_eq!(refused(&identity.to_json()), BackupError::NotABackup);
        assert_eq!(refused(&"a".repeat(5000)), BackupError::NotABackup);
        assert_eq!(refused(&text.replace("-v1:", "-v3:")), BackupError::UnknownVersion);
        // The version is sealed, too.
        assert_eq!(refused(&text.replace("-v1:", "-v2:")), BackupError::WrongPassphrase);
        assert!(matches!(refused(&text[..text.len() - 1]), BackupError::Damaged { .. }));
        assert!(matches!(refused(&text[..60]), BackupError::Damaged { .. }));
        // Four characters are three bytes: well-formed, but not what was sealed.
        assert_eq!(refused(&text[..text.len() - 4]), BackupError::WrongPassphrase);
    }

    #[test]
    fn refuses_costs_out_of_bounds_before_spending_them() {
        let (_, text) = sealed();
        let mut payload = Base64::decode_vec(text.strip_prefix(PREFIX).unwrap()).unwrap();
        for (at, value) in [(0, u32::MAX), (0, 1), (4, 1000), (8, 1000)] {
            let good = payload.clone();
            payload[at..at + 4].copy_from_slice(&value.to_be_bytes());
            let text = format!("{PREFIX}{}", Base64::encode_string(&payload));
            assert_eq!(refused(&text), BackupError::Cost);
            payload = good;
        }
        // Within the bounds, but not what was sealed.
        payload[7] = 2;
        let text = format!("{PREFIX}{}", Base64::encode_string(&payload));
        assert_eq!(refused(&text), BackupError::WrongPassphrase);
    }

    #[test]
    fn a_continuation_comes_back_as_it_was() {
        let (identity, plain) = sealed();
        let mut rng = seeded_rng(3);
        let text = seal_with(&identity, b"where it was", "pässwörd", cheap(), &mut rng).unwrap();
        assert!(text.starts_with("agentmesh-backup-v2:"));
        let restored = open_with(&text, "pässwörd").unwrap();
        assert_eq!(restored.identity.to_record(), identity.to_record());
        assert_eq!(restored.continuation.as_deref(), Some(&b"where it was"[..]));
        assert_eq!(open(&text, "pässwörd").unwrap().amid(), identity.amid());
        assert_eq!(open(&text, "other").unwrap_err(), BackupError::WrongPassphrase);
        assert_eq!(open_with(&plain, "pässwörd").unwrap().continuation, None);
        let long = vec![0; MAX_CONTINUATION + 1];
        let refused = seal_with(&identity, &long, "x", cheap(), &mut rng);
        assert_eq!(refused, Err(BackupError::TooLong));
    }

    #[test]
    fn what_opens_and_is_no_identity_is_refused() {
        let (salt, nonce) = ([1; SALT_LEN], [2; NONCE_LEN]);
        let mut payload = Vec::new();
        for number in [8 * 1024, 1, 1] {
            payload.put_u32(number);
        }
        payload.put(&salt);
        let aad = [PREFIX.as_bytes(), &payload].concat();
        payload.put(&nonce);
        let from = payload.len();
        payload.put(b"somebody");
        let key = passphrase::derive("pässwörd", &salt, cheap()).unwrap();
        seal_in_place(&key, &nonce, &aad, &mut payload, from).unwrap();
        let text = format!("{PREFIX}{}", Base64::encode_string(&payload));
        assert!(matches!(refused(&text), BackupError::Identity { .. }));
    }

    #[test]
    fn an_empty_passphrase_is_refused() {
        let (identity, _) = sealed();
        let refused = seal(&identity, "", cheap(), &mut seeded_rng(2));
        assert_eq!(refused, Err(BackupError::EmptyPassphrase));
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(text in ".{0,200}", base64 in "[A-Za-z0-9+/=]{0,80}") {
            let _ = open(&text, "x");
            let _ = open(&format!("{PREFIX}{base64}"), "x");
        }
    }
}
