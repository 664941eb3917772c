//! The KNOCK, a CBOR map: 1 request tstr · 2 tier tstr · 3 certificate bstr, optional · 4 time uint ms · 5 nonce
//! bstr 16 · 6 suites `[uint…]` (`docs/protocol/native.md` §6.2).

use core::fmt;

use rand_core::CryptoRng;

use super::{
    KnockError, KnockInfo, KnockRequest, Tier,
    signed::{check_len, missing, sign, verify},
};
use crate::{
    Timestamp,
    handshake::{SessionId, Suite},
    identity::{Amid, Identity, Label},
    keys::VerifyingKey,
    limits::{
        CLOCK_SKEW, KNOCK_MAX_AGE, MAX_KNOCK_CERTIFICATE, MAX_KNOCK_ENTRIES, MAX_KNOCK_REQUEST,
        MAX_SUITES, MAX_TIER,
    },
    wire::{
        CborError,
        cbor::{Decoder, Encoder},
        plaintext::{SignedBody, timestamp},
    },
};

/// Asks for a session.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Knock {
    /// What is asked for, as the initiator wrote it: see [`KnockRequest`].
    pub request: String,
    /// What the initiator claims to be. Policies believe the registry, not this.
    pub tier: Tier,
    /// A certificate, as the initiator sent it. Proves nothing by itself.
    pub certificate: Option<Vec<u8>>,
    /// When it was made, by the initiator's clock.
    pub time: Timestamp,
    /// What the answer has to repeat.
    pub nonce: [u8; 16],
    /// Ids of all suites that the initiator speaks, ascending.
    pub suites: Vec<u8>,
}

impl Knock {
    /// A KNOCK with a fresh nonce. `suites` are the ids of all suites that we speak.
    ///
    /// # Errors
    /// [`KnockError::Request`] or [`KnockError::Body`] if the request cannot be sent.
    pub fn new(
        request: &KnockRequest,
        tier: Tier,
        suites: &[u8],
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, KnockError> {
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let request = request.to_json()?;
        Ok(Self { request, tier, certificate: None, time: now, nonce, suites: suites.to_owned() })
    }

    /// Encodes and signs it, for the session with this AD.
    ///
    /// # Errors
    /// As [`Knock::new`], since the fields may have been changed.
    pub fn seal(
        &self,
        own: &Identity,
        associated_data: &[u8; 32],
    ) -> Result<SignedBody, KnockError> {
        KnockRequest::parse(&self.request)?;
        Ok(sign(Label::Knock, self.encode()?, own, associated_data))
    }

    /// Believes a KNOCK: its signature is one by `from` for the session with this AD, it is at most four days old and
    /// five minutes ahead, and the handshake is in the strongest suite that it could be in.
    ///
    /// Whether it was seen before is for [`ReplayMemory::admit`](super::ReplayMemory::admit), which takes what this returns.
    ///
    /// # Errors
    /// [`KnockError`].
    pub fn open(
        signed: &SignedBody,
        from: &VerifyingKey,
        associated_data: &[u8; 32],
        checks: KnockChecks<'_>,
    ) -> Result<VerifiedKnock, KnockError> {
        verify(Label::Knock, signed, from, associated_data)?;
        let knock = Self::decode(&signed.body)?;
        let request = KnockRequest::parse(&knock.request)?;
        if checks.now.since(knock.time) > KNOCK_MAX_AGE {
            return Err(KnockError::Expired);
        }
        if knock.time.since(checks.now) > CLOCK_SKEW {
            return Err(KnockError::FromTheFuture);
        }
        if !knock.suites.contains(&checks.suite.id()) {
            return Err(CborError::InvalidValue { field: "suites" }.into());
        }
        checks
            .suite
            .check_accepted(checks.own_suites, &knock.suites, checks.pinned)
            .map_err(|source| KnockError::SuiteDowngrade { source })?;
        Ok(VerifiedKnock { from: *from, knock, request })
    }

    /// The body.
    ///
    /// # Errors
    /// [`KnockError::Body`] for a field beyond its limit.
    fn encode(&self) -> Result<Vec<u8>, KnockError> {
        let certificate = self.certificate.as_deref();
        check_len(self.request.len(), MAX_KNOCK_REQUEST, "request")?;
        check_len(self.tier.as_str().len(), MAX_TIER, "tier")?;
        check_len(certificate.map_or(0, <[u8]>::len), MAX_KNOCK_CERTIFICATE, "certificate")?;
        check_len(self.suites.len(), MAX_SUITES, "suites")?;
        check_suites(&self.suites)?;
        let mut out = Encoder::with_capacity(self.request.len() + 128);
        out.map(5 + usize::from(certificate.is_some()));
        out.uint(1).text(&self.request);
        out.uint(2).text(self.tier.as_str());
        if let Some(certificate) = certificate {
            out.uint(3).bytes(certificate);
        }
        out.uint(4).uint(self.time.as_millis());
        out.uint(5).bytes(&self.nonce);
        out.uint(6).array(self.suites.len());
        for suite in &self.suites {
            out.uint((*suite).into());
        }
        Ok(out.finish())
    }

    /// Reads a body without believing it, for instance one that was believed when it was stored.
    ///
    /// # Errors
    /// [`KnockError::Body`].
    pub fn decode(body: &[u8]) -> Result<Self, KnockError> {
        let (mut request, mut tier, mut certificate) = (None, None, None);
        let (mut time, mut nonce, mut suites) = (None, None, None);
        let mut input = Decoder::new(body);
        let mut entries = input.map(MAX_KNOCK_ENTRIES, "KNOCK")?;
        while let Some(key) = entries.next(&mut input)? {
            match key {
                1 => request = Some(input.text(MAX_KNOCK_REQUEST, "request")?.to_owned()),
                2 => tier = Some(Tier::from(input.text(MAX_TIER, "tier")?)),
                3 => {
                    let bytes = input.bytes(MAX_KNOCK_CERTIFICATE, "certificate")?;
                    certificate = Some(bytes.to_owned());
                }
                4 => time = Some(timestamp(&mut input, "time")?),
                5 => nonce = Some(input.array_of_bytes("nonce")?),
                6 => suites = Some(read_suites(&mut input)?),
                _ => input.skip()?,
            }
        }
        input.finish()?;
        Ok(Self {
            request: request.ok_or(missing("request"))?,
            tier: tier.ok_or(missing("tier"))?,
            certificate,
            time: time.ok_or(missing("time"))?,
            nonce: nonce.ok_or(missing("nonce"))?,
            suites: suites.ok_or(missing("suites"))?,
        })
    }
}

impl fmt::Debug for Knock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, tier, certificate, time, nonce: _, suites } = self;
        f.debug_struct("Knock")
            .field("request", &format_args!("{} bytes", request.len()))
            .field("tier", tier)
            .field("certificate", &certificate.as_ref().map(Vec::len))
            .field("time", time)
            .field("suites", suites)
            .finish_non_exhaustive()
    }
}

/// What a KNOCK is measured by.
#[derive(Debug, Clone, Copy)]
pub struct KnockChecks<'a> {
    /// The time.
    pub now: Timestamp,
    /// The suite of the handshake that it came with.
    pub suite: Suite,
    /// Ids of the suites in the bundle that the handshake was made with.
    pub own_suites: &'a [u8],
    /// The strongest suite that the peer was ever seen with.
    pub pinned: Option<Suite>,
}

/// A KNOCK that [`Knock::open`] believed.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedKnock {
    from: VerifyingKey,
    knock: Knock,
    request: KnockRequest,
}

impl VerifiedKnock {
    /// Whose it is.
    pub const fn identity(&self) -> &VerifyingKey {
        &self.from
    }

    /// The AMID of whose it is.
    pub fn amid(&self) -> Amid {
        Amid::of(&self.from)
    }

    /// The KNOCK.
    pub const fn knock(&self) -> &Knock {
        &self.knock
    }

    /// Its request.
    pub const fn request(&self) -> &KnockRequest {
        &self.request
    }

    /// What a handler gets to see.
    pub fn into_info(self, session_id: SessionId, suite: Suite) -> KnockInfo {
        KnockInfo::describe(self.from, session_id, suite, self.knock, self.request)
    }
}

/// Some, ascending and none twice. Ids that this build does not know are kept.
fn check_suites(suites: &[u8]) -> Result<(), CborError> {
    if !suites.is_empty() && !suites.contains(&0) && suites.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(CborError::InvalidValue { field: "suites" })
    }
}

fn read_suites(input: &mut Decoder<'_>) -> Result<Vec<u8>, CborError> {
    let count = input.array(MAX_SUITES, "suites")?;
    let mut suites = Vec::with_capacity(count);
    for _ in 0..count {
        let id = input.uint("suite")?;
        suites.push(u8::try_from(id).map_err(|_| CborError::InvalidValue { field: "suites" })?);
    }
    check_suites(&suites)?;
    Ok(suites)
}
