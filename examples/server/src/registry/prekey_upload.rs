//! `POST /registry/prekeys`: an agent publishes its prekeys.
//!
//! The native bundle and its one-time keys are verified, so that a mistake shows where it is made. The 0.2 fields are
//! stored as they are: they are vouched for by whoever proved to be the agent, and peers verify them.

use agentmesh_core::{
    Timestamp,
    identity::{Amid, Label},
    keys::{Signature, VerifyingKey},
    limits::MAX_PREKEY_ID,
    prekeys::{BundleError, BundleParts, KnownPeer, PreKeyBundle},
    wire::registry::{NativeUpload, PrekeyUpload, PrekeyUploadResponse, SignedPrekeyJson},
};
use axum::{body::Body, extract::State, response::Response};
use base64ct::{Base64, Encoding};
use http::{Request, StatusCode};

use super::{bounds, write};
use crate::{
    auth::request::PlainProof,
    clock,
    http::{
        call::Call,
        reply::{self, Refused},
    },
    state::Shared,
    store::prekeys::{self, Bundle, Stored, Upload},
};

fn bad(code: &str, why: impl ToString) -> Refused {
    reply::error(StatusCode::BAD_REQUEST, code, why)
}

pub(super) async fn upload(
    State(shared): State<Shared>,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let call = Call::read(request).await?;
    let upload: PrekeyUpload = call.json()?;
    let plain = PlainProof {
        amid: &upload.amid,
        timestamp: &upload.timestamp,
        signature: &upload.signature,
    };
    let (proof, key) = write::authorize(&shared, &call, plain).await?;
    check(&upload)?;
    let signed_prekey_id = upload.signed_prekey_id;
    let submitted = u64::try_from(upload.one_time_prekeys.len()).unwrap_or(u64::MAX);
    let is_native = upload.native.is_some();
    // Up to a thousand signatures: not on a thread that serves connections.
    let now = clock::now();
    let upload = tokio::task::spawn_blocking(move || verified(upload, &key, now)).await;
    let upload = upload.map_err(|e| reply::internal("prekeys could not be verified", &e))??;
    let stored = write::write(&shared, proof, move |connection| {
        let stored = prekeys::store(connection, &upload)?;
        prekeys::trim(connection, &upload.amid, bounds::ONE_TIME_ROWS)?;
        let full = prekeys::rows(connection, &upload.amid)? > bounds::ONE_TIME_ROWS;
        Ok((stored, full, prekeys::stock(connection, &upload.amid)?))
    });
    let (stored, full, stock) = stored.await?;
    if stored == Stored::Stale {
        let why = "a newer bundle of this agent is here already";
        return Err(reply::error(StatusCode::CONFLICT, "BUNDLE_STALE", why));
    }
    if full {
        tracing::warn!("an agent has more unused one-time keys than it should");
    }
    let response = PrekeyUploadResponse {
        success: true,
        signed_prekey_id,
        one_time_prekeys_stored: submitted,
        native: is_native.then_some(stock),
    };
    Ok(reply::json(StatusCode::OK, response))
}

fn check(upload: &PrekeyUpload) -> Result<(), Refused> {
    let native = upload.native.as_ref();
    let counts = [
        upload.one_time_prekeys.len(),
        native.map_or(0, |n| n.opks.len()),
        native.map_or(0, |n| n.kopks.len()),
    ];
    if counts.iter().any(|count| *count > bounds::ONE_TIME_KEYS) {
        let why = format!("at most {} one-time keys of a kind at a time", bounds::ONE_TIME_KEYS);
        return Err(bad("TOO_MANY_KEYS", why));
    }
    write::check_length("signed_prekey", &upload.signed_prekey, bounds::KEY)?;
    write::check_length("signed_prekey_signature", &upload.signed_prekey_signature, bounds::KEY)?;
    let ids = upload.one_time_prekeys.iter().map(|key| key.id);
    if ids.chain([upload.signed_prekey_id]).any(|id| id > MAX_PREKEY_ID) {
        return Err(reply::malformed("prekey ids are 32-bit signed integers"));
    }
    let mut keys = upload.one_time_prekeys.iter();
    keys.try_for_each(|key| write::check_length("a one-time key", &key.key, bounds::KEY))
}

/// Verifies the native part.
fn verified(upload: PrekeyUpload, key: &VerifyingKey, now: Timestamp) -> Result<Upload, Refused> {
    let mut verified = Upload {
        amid: upload.amid,
        signed_prekey: upload.signed_prekey,
        signed_prekey_signature: upload.signed_prekey_signature,
        signed_prekey_id: upload.signed_prekey_id,
        one_time: upload.one_time_prekeys,
        bundle: None,
        opks: Vec::new(),
        kopks: Vec::new(),
    };
    if let Some(NativeUpload { bundle, opks, kopks }) = upload.native {
        verified.bundle = Some(verify_bundle(&bundle, key, now)?);
        for one_time in &opks {
            verify_one_time(one_time, Label::Opk, key)?;
        }
        for one_time in &kopks {
            verify_one_time(one_time, Label::Kem, key)?;
        }
        verified.opks = opks;
        verified.kopks = kopks;
    }
    Ok(verified)
}

fn verify_bundle(text: &str, key: &VerifyingKey, now: Timestamp) -> Result<Bundle, Refused> {
    let blob = Base64::decode_vec(text).map_err(|_| bad("BUNDLE_MALFORMED", "not base64"))?;
    let owner = KnownPeer::first_contact(Amid::of(key));
    let bundle = PreKeyBundle::verify(BundleParts::bundle_only(&blob), &owner, now);
    let bundle = bundle.map_err(|error| bad(code(&error), &error))?;
    let (created_at, exchange_key) = (bundle.created_at(), *bundle.exchange());
    Ok(Bundle { blob, created_at, exchange_key })
}

fn code(error: &BundleError) -> &'static str {
    agentmesh_core::ErrorInfo::code(error)
}

fn verify_one_time(
    one_time: &SignedPrekeyJson,
    label: Label,
    owner: &VerifyingKey,
) -> Result<(), Refused> {
    let refused = || bad("INVALID_KEY", format!("one-time key {} is not valid", one_time.id));
    if !(1..=MAX_PREKEY_ID).contains(&one_time.id) {
        return Err(refused());
    }
    let key = Base64::decode_vec(&one_time.key).map_err(|_| refused())?;
    let signature = Base64::decode_vec(&one_time.signature).map_err(|_| refused())?;
    let signature = Signature::from_slice(&signature).map_err(|_| refused())?;
    let id = one_time.id.to_be_bytes();
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
    let (message, expected): (&[&[u8]], usize) = match label {
        Label::Kem => (&[&id, &length, &key], 1184),
        _ => (&[&id, &key], 32),
    };
    if key.len() != expected {
        return Err(refused());
    }
    owner.verify_labelled(label, message, &signature).map_err(|_| refused())
}
