//! How prekeys are stored (docs/protocol/state.md):
//!
//! ```text
//! version u8 = 1 | next SPK id u32 | next KPK id u32 | bundle created_at_ms u64 | bundle uploaded bool
//! pool(OPK) | pool(KOPK) | count u32 | triple, oldest first, the current one last
//! pool   = next id u32 | uploaded through u32 | option(stock u32) | count u32 | (id u32 | key), by id
//! key    = X25519 private 32 | public 32, or the ML-KEM seed 64
//! triple = SPK id u32 | created_at_ms u64 | SPK 64 | IKx 64 | option(KPK id u32 | seed 64)
//!          | option(replaced_at_ms u64) | drained bool
//! ```
//!
//! X25519 public keys are stored beside the private ones, to save a hundred multiplications on loading; the vault's
//! seal vouches for the pairs.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{KOPK_POOL, OPK_POOL, PreKeyError, PreKeys, SignedPreKey, pool::Pool};
use crate::{
    codec::{CodecError, Reader, Write},
    keys::{DhPublicKey, DhSecretKey, KemSecretKey, Secret},
    limits::MAX_PREKEY_ID,
};

const VERSION: u8 = 1;
/// Triples in a record: far more than can wait out their grace period at one rotation a week.
const MAX_TRIPLES: usize = 1024;

type Out = Zeroizing<Vec<u8>>;

impl PreKeys {
    /// The stored form. Contains private keys in the clear; the vault seals it.
    pub fn to_record(&self) -> Zeroizing<Vec<u8>> {
        let keys = self.one_time.keys.len() + self.one_time_kem.keys.len();
        let mut out =
            Zeroizing::new(Vec::with_capacity(512 + 68 * keys + 256 * self.retired.len()));
        out.put_u8(VERSION);
        out.put_u32(self.next_signed_id);
        out.put_u32(self.next_kem_id);
        out.put_u64(self.bundle_created_at.as_millis());
        out.put_bool(self.bundle_uploaded);
        put_pool(&mut out, &self.one_time, put_dh);
        put_pool(&mut out, &self.one_time_kem, |out, key| out.put(key.seed()));
        out.put_count(self.retired.len() + 1);
        self.retired.iter().chain([&self.current]).for_each(|triple| put_triple(&mut out, triple));
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`PreKeyError::Record`]. A record that does not parse is never replaced silently: see [`PreKeys::recover`].
    pub fn from_record(record: &[u8]) -> Result<Self, PreKeyError> {
        read(record).map_err(|source| PreKeyError::Record { source })
    }
}

fn put_dh(out: &mut Out, key: &DhSecretKey) {
    out.put(key.secret_bytes());
    out.put(key.public_key().as_bytes());
}

fn put_pool<K>(out: &mut Out, pool: &Pool<K>, put_key: impl Fn(&mut Out, &K)) {
    out.put_u32(pool.next_id);
    out.put_u32(pool.uploaded_through);
    out.put_option(pool.stock, |out, n| out.put_u32(n));
    out.put_count(pool.keys.len());
    for (id, key) in &pool.keys {
        out.put_u32(*id);
        put_key(out, key);
    }
}

fn put_triple(out: &mut Out, triple: &SignedPreKey) {
    let SignedPreKey { id, dh, kem, exchange, created_at, replaced_at, drained } = triple;
    out.put_u32(*id);
    out.put_u64(created_at.as_millis());
    put_dh(out, dh);
    put_dh(out, exchange);
    out.put_option(kem.as_ref(), |out, (id, key)| {
        out.put_u32(*id);
        out.put(key.seed());
    });
    out.put_option(*replaced_at, |out, at| out.put_u64(at.as_millis()));
    out.put_bool(*drained);
}

fn read(record: &[u8]) -> Result<PreKeys, CodecError> {
    let mut r = Reader::new(record);
    let version = r.u8("version")?;
    if version != VERSION {
        return Err(CodecError::UnknownVersion { what: "prekeys", version });
    }
    let next_signed_id = read_counter(&mut r, "next signed prekey id")?;
    let next_kem_id = read_counter(&mut r, "next ML-KEM prekey id")?;
    let bundle_created_at = r.timestamp("bundle created_at")?;
    let bundle_uploaded = r.bool("bundle uploaded")?;
    let one_time = read_pool(&mut r, OPK_POOL.kept, read_dh)?;
    let one_time_kem = read_pool(&mut r, KOPK_POOL.kept, read_kem)?;
    let count = r.count(MAX_TRIPLES, "signed prekeys")?;
    let mut retired =
        (0..count).map(|_| read_triple(&mut r)).collect::<Result<Vec<_>, CodecError>>()?;
    r.finish("prekeys")?;
    check_order(&retired, next_signed_id, next_kem_id)?;
    let current = retired.pop().ok_or(CodecError::InvalidValue { field: "signed prekeys" })?;
    if current.replaced_at.is_some() {
        return Err(CodecError::InvalidValue { field: "replaced_at" });
    }
    Ok(PreKeys {
        current,
        retired,
        next_signed_id,
        next_kem_id,
        one_time,
        one_time_kem,
        bundle_created_at,
        bundle_uploaded,
    })
}

/// 1 before the first id, 2^31 after the last.
fn read_counter(r: &mut Reader<'_>, field: &'static str) -> Result<u32, CodecError> {
    let next = r.u32(field)?;
    if (1..=MAX_PREKEY_ID + 1).contains(&next) {
        Ok(next)
    } else {
        Err(CodecError::InvalidValue { field })
    }
}

/// Ids go up and stay below their counters, so that none is given out twice.
fn check_order(triples: &[SignedPreKey], next_id: u32, next_kem_id: u32) -> Result<(), CodecError> {
    let ids = triples.iter().map(|triple| triple.id);
    let kem_ids = triples.iter().filter_map(|triple| triple.kem.as_ref().map(|(id, _)| *id));
    if !ids.chain([next_id]).is_sorted_by(|a, b| a < b) {
        return Err(CodecError::InvalidValue { field: "signed prekey id" });
    }
    if !kem_ids.chain([next_kem_id]).is_sorted_by(|a, b| a < b) {
        return Err(CodecError::InvalidValue { field: "ML-KEM prekey id" });
    }
    Ok(())
}

fn read_dh(r: &mut Reader<'_>) -> Result<DhSecretKey, CodecError> {
    let secret = Secret::read(r, "private key")?;
    Ok(DhSecretKey::from_parts(secret, DhPublicKey::from_bytes(r.array("public key")?)))
}

fn read_kem(r: &mut Reader<'_>) -> Result<KemSecretKey, CodecError> {
    Secret::read(r, "ML-KEM seed").map(KemSecretKey::from_seed)
}

fn read_pool<K>(
    r: &mut Reader<'_>,
    kept: usize,
    read_key: impl Fn(&mut Reader<'_>) -> Result<K, CodecError>,
) -> Result<Pool<K>, CodecError> {
    let next_id = read_counter(r, "next one-time id")?;
    let uploaded_through = r.u32("uploaded through")?;
    if uploaded_through >= next_id {
        return Err(CodecError::InvalidValue { field: "uploaded through" });
    }
    let stock = r.option("stock", |r| r.u32("stock"))?;
    let mut keys = BTreeMap::new();
    for _ in 0..r.count(kept, "one-time keys")? {
        let id = r.u32("one-time id")?;
        // Ascending and below the counter, as above.
        if keys.last_key_value().is_some_and(|(last, _)| *last >= id) || id == 0 || id >= next_id {
            return Err(CodecError::InvalidValue { field: "one-time id" });
        }
        keys.insert(id, read_key(r)?);
    }
    Ok(Pool { next_id, keys, uploaded_through, stock })
}

fn read_triple(r: &mut Reader<'_>) -> Result<SignedPreKey, CodecError> {
    let triple = SignedPreKey {
        id: read_id(r, "signed prekey id")?,
        created_at: r.timestamp("created_at")?,
        dh: read_dh(r)?,
        exchange: read_dh(r)?,
        kem: r.option("ML-KEM prekey", |r| Ok((read_id(r, "ML-KEM prekey id")?, read_kem(r)?)))?,
        replaced_at: r.option("replaced_at", |r| r.timestamp("replaced_at"))?,
        drained: r.bool("drained")?,
    };
    if triple.drained && triple.replaced_at.is_none() {
        return Err(CodecError::InvalidValue { field: "drained" });
    }
    Ok(triple)
}

fn read_id(r: &mut Reader<'_>, field: &'static str) -> Result<u32, CodecError> {
    let id = r.u32(field)?;
    if (1..=MAX_PREKEY_ID).contains(&id) { Ok(id) } else { Err(CodecError::InvalidValue { field }) }
}
