//! From `header 42 | nonce 12 | ciphertext | tag 16` to plaintext, in the caller's buffer, without touching the
//! session; and the taking over of what that changed.

use core::fmt;

use crate::{
    handshake::{SessionId, Suite},
    keys::{
        DhPublicKey,
        aead::{NONCE_LEN, TAG_LEN},
    },
    limits::{MAX_PLAINTEXT, MAX_SKIP_PER_STEP, PADDING_BLOCK},
    ratchet::{Candidate, HEADER_LEN, Header, Refusal, Step},
    session::{DecryptError, Session, SessionError, padding, recent::FrameMark},
    time::Timestamp,
};

/// A message that was authenticated and decrypted, and has not changed its session yet.
///
/// Hand it to [`Session::commit`]; dropping it leaves the session as if the message had never come.
#[must_use = "the session has not taken the message over yet"]
pub struct Opened<'m> {
    plaintext: &'m [u8],
    advance: Advance,
}

/// What opening a message will change in its session, apart from the message's buffer: for callers that have to
/// load something before they can decide. Hand it to [`Session::advance`].
#[must_use = "the session has not taken the message over yet"]
pub struct Advance {
    step: Step,
    mark: FrameMark,
    at: Timestamp,
    session: SessionId,
    commits: u64,
}

impl fmt::Debug for Advance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step: _, mark: _, at: _, session, commits: _ } = self;
        f.debug_struct("Advance").field("session", session).finish_non_exhaustive()
    }
}

impl<'m> Opened<'m> {
    /// What the peer wrote.
    pub const fn plaintext(&self) -> &'m [u8] {
        self.plaintext
    }

    /// Plaintext and change, apart.
    pub fn split(self) -> (&'m [u8], Advance) {
        (self.plaintext, self.advance)
    }
}

impl fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plaintext, advance } = self;
        f.debug_struct("Opened")
            .field("session", &advance.session)
            .field("plaintext_len", &plaintext.len())
            .finish_non_exhaustive()
    }
}

/// A message's fields.
struct Parts<'m> {
    header: &'m [u8; HEADER_LEN],
    nonce: &'m [u8; NONCE_LEN],
    /// Ciphertext and tag.
    sealed: &'m mut [u8],
}

impl<'m> Parts<'m> {
    fn split(message: &'m mut [u8]) -> Option<Self> {
        let (header, rest) = message.split_first_chunk_mut::<HEADER_LEN>()?;
        let (nonce, sealed) = rest.split_first_chunk_mut::<NONCE_LEN>()?;
        let len = sealed.len().checked_sub(TAG_LEN)?;
        let fits = len != 0 && len <= MAX_PLAINTEXT && len.is_multiple_of(PADDING_BLOCK);
        fits.then_some(Self { header, nonce, sealed })
    }

    fn mark(&self) -> Option<FrameMark> {
        self.sealed.last_chunk().map(FrameMark::of)
    }
}

impl Session {
    /// Authenticates and decrypts `message`, a frame's bytes behind the session id, in place.
    ///
    /// Nothing of the session changes before [`Session::commit`]. Work is bounded, whatever the header says: at most
    /// one Diffie-Hellman and 1,001 steps of a chain.
    ///
    /// # Errors
    /// [`DecryptError`]; the message's ciphertext is then unspecified, but is not plaintext.
    pub fn open<'m>(
        &self,
        message: &'m mut [u8],
        now: Timestamp,
    ) -> Result<Opened<'m>, DecryptError> {
        let parts = Parts::split(message).ok_or(DecryptError::Malformed)?;
        let mark = parts.mark().ok_or(DecryptError::Malformed)?;
        let (suite, header) = Header::parse(parts.header).map_err(|_| DecryptError::Malformed)?;
        if suite != self.suite.id() {
            return Err(DecryptError::WrongSuite { expected: self.suite.id(), actual: suite });
        }
        let Candidate { key, step } =
            self.ratchet.candidate(&header, now).map_err(|refusal| self.explain(refusal, mark))?;
        let aad = self.aad(parts.header);
        let padded =
            key.open(parts.nonce, &aad, parts.sealed).map_err(|_| self.unauthentic(mark))?;
        let plaintext = padding::unpad(padded).ok_or(DecryptError::Padding)?;
        let (session, commits) = (self.id, self.commits);
        Ok(Opened { plaintext, advance: Advance { step, mark, at: now, session, commits } })
    }

    /// Takes over what opening a message changed; returns its plaintext. Messages may have been encrypted since.
    ///
    /// # Errors
    /// [`DecryptError::Stale`] if another message was committed since this one was opened, or another session
    /// opened it.
    pub fn commit<'m>(&mut self, opened: Opened<'m>) -> Result<&'m [u8], DecryptError> {
        let Opened { plaintext, advance } = opened;
        self.advance(advance)?;
        Ok(plaintext)
    }

    /// As [`Session::commit`], of a change that was split from its plaintext.
    ///
    /// # Errors
    /// As [`Session::commit`].
    pub fn advance(&mut self, advance: Advance) -> Result<(), DecryptError> {
        let Advance { step, mark, at, session, commits } = advance;
        if session != self.id || commits != self.commits {
            return Err(DecryptError::Stale);
        }
        self.ratchet.commit_received(step, at);
        self.recent.push(mark);
        self.commits += 1;
        Ok(())
    }

    /// [`Session::open`] and [`Session::commit`] in one, on a copy of the message.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn decrypt(&mut self, message: &[u8], now: Timestamp) -> Result<Vec<u8>, DecryptError> {
        let mut buffer = message.to_vec();
        let opened = self.open(&mut buffer, now)?;
        let len = self.commit(opened)?.len();
        buffer.drain(..HEADER_LEN + NONCE_LEN);
        buffer.truncate(len);
        Ok(buffer)
    }

    fn explain(&self, refusal: Refusal, mark: FrameMark) -> DecryptError {
        if self.recent.contains(mark) {
            return DecryptError::Duplicate;
        }
        match refusal {
            Refusal::Used => DecryptError::Rollback,
            Refusal::NoSuchChain => DecryptError::UnknownChain,
            Refusal::TooManySkipped { gap } => {
                DecryptError::TooManySkipped { gap, limit: MAX_SKIP_PER_STEP }
            }
        }
    }

    /// A frame of a chain that was left behind looks like one of a new chain until it fails here.
    fn unauthentic(&self, mark: FrameMark) -> DecryptError {
        if self.recent.contains(mark) {
            DecryptError::Duplicate
        } else {
            DecryptError::Authentication
        }
    }
}

/// The ratchet key of a session's first message: pn and n are 0, the suite is the session's.
pub(super) fn first_ratchet_key(suite: Suite, message: &[u8]) -> Result<DhPublicKey, SessionError> {
    let header = message.first_chunk().ok_or(SessionError::NotFirst)?;
    match Header::parse(header) {
        Ok((s, Header { ratchet_key, pn: 0, n: 0 })) if s == suite.id() => Ok(ratchet_key),
        _ => Err(SessionError::NotFirst),
    }
}
