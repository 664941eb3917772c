//! What is kept of a peer of 0.2: the exchange key it registered, its sessions, and the handshakes of its that were taken.

use zeroize::Zeroizing;

use crate::{
    codec::{CodecError, Reader, Write},
    keys::DhPublicKey,
    legacy::X3dhMessage,
    limits::LEGACY_MAX_SESSION_ID,
};

use super::super::ManagerError;

const VERSION: u8 = 1;
/// Sessions kept for what is still under way in them.
const OLDER: usize = 2;
/// Handshakes of one peer that are remembered.
const HANDSHAKES: usize = 64;

/// A peer of the suite `legacy-0.2`.
#[derive(Debug, Default)]
pub(super) struct Contact {
    /// The exchange key that it registered, as the application said.
    pub(super) exchange: Option<DhPublicKey>,
    /// The session that messages to it go in.
    pub(super) sending: Option<String>,
    /// Sessions beside it, the newest first.
    pub(super) older: Vec<String>,
    taken: Vec<Taken>,
}

/// A handshake that opened a session.
#[derive(Debug)]
struct Taken {
    ephemeral: DhPublicKey,
    signed_prekey_id: u32,
    one_time_prekey_id: Option<u32>,
    session: String,
}

impl Contact {
    /// Makes `id` the session to send in, or one beside it; returns those that no longer fit.
    pub(super) fn add(&mut self, id: &str, sending: bool) -> Vec<String> {
        let aside = if sending { self.sending.replace(id.to_owned()) } else { Some(id.to_owned()) };
        self.older.splice(0..0, aside);
        self.older.split_off(self.older.len().min(OLDER))
    }

    /// Forgets a session. What remains of those beside it takes its place.
    pub(super) fn forget(&mut self, id: &str) {
        self.older.retain(|old| old != id);
        if self.sending.as_deref() == Some(id) {
            self.sending = if self.older.is_empty() { None } else { Some(self.older.remove(0)) };
        }
    }

    /// The session that this very handshake opened, if it was taken before.
    ///
    /// # Errors
    /// [`ManagerError::Malformed`] for an ephemeral key that another handshake had.
    pub(super) fn taken(&self, message: &X3dhMessage) -> Result<Option<&str>, ManagerError> {
        let found = self.taken.iter().find(|taken| taken.ephemeral == message.ephemeral_key);
        match found {
            None => Ok(None),
            Some(taken)
                if taken.signed_prekey_id == message.signed_prekey_id
                    && taken.one_time_prekey_id == message.one_time_prekey_id =>
            {
                Ok(Some(&taken.session))
            }
            Some(_) => Err(ManagerError::Malformed { what: "X3DH message" }),
        }
    }

    /// Remembers a handshake for as long as its signed prekey could answer it again. One with a one-time prekey makes room
    /// when there are too many: that key is gone.
    ///
    /// # Errors
    /// [`ManagerError::TooManyClosed`].
    pub(super) fn take(
        &mut self,
        message: &X3dhMessage,
        session: &str,
        is_kept: impl Fn(u32) -> bool,
    ) -> Result<(), ManagerError> {
        self.taken.retain(|taken| is_kept(taken.signed_prekey_id));
        if self.taken.len() >= HANDSHAKES {
            let spent = self.taken.iter().position(|taken| taken.one_time_prekey_id.is_some());
            self.taken.remove(spent.ok_or(ManagerError::TooManyClosed)?);
        }
        self.taken.push(Taken {
            ephemeral: message.ephemeral_key,
            signed_prekey_id: message.signed_prekey_id,
            one_time_prekey_id: message.one_time_prekey_id,
            session: session.to_owned(),
        });
        Ok(())
    }

    pub(super) fn encode(&self, out: &mut Zeroizing<Vec<u8>>) {
        out.put_u8(VERSION);
        out.put_option(self.exchange, |w, key| w.put(key.as_bytes()));
        out.put_option(self.sending.as_deref(), |w, id| w.put_lp(id.as_bytes()));
        out.put_count(self.older.len());
        for id in &self.older {
            out.put_lp(id.as_bytes());
        }
        out.put_count(self.taken.len());
        for taken in &self.taken {
            out.put(taken.ephemeral.as_bytes());
            out.put_u32(taken.signed_prekey_id);
            out.put_option(taken.one_time_prekey_id, |w, id| w.put_u32(id));
            out.put_lp(taken.session.as_bytes());
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes);
        let version = r.u8("version")?;
        if version != VERSION {
            return Err(CodecError::UnknownVersion { what: "0.2 peer", version });
        }
        let id = |r: &mut Reader<'_>| r.text(LEGACY_MAX_SESSION_ID, "session").map(str::to_owned);
        let exchange =
            r.option("exchange key", |r| r.array("exchange key").map(DhPublicKey::from_bytes))?;
        let sending = r.option("session", id)?;
        let mut older = Vec::new();
        for _ in 0..r.count(OLDER, "sessions")? {
            older.push(id(&mut r)?);
        }
        let mut taken = Vec::new();
        for _ in 0..r.count(HANDSHAKES, "handshakes")? {
            taken.push(Taken {
                ephemeral: DhPublicKey::from_bytes(r.array("ephemeral key")?),
                signed_prekey_id: r.u32("signed prekey")?,
                one_time_prekey_id: r.option("one-time prekey", |r| r.u32("one-time prekey"))?,
                session: id(&mut r)?,
            });
        }
        r.finish("0.2 peer")?;
        Ok(Self { exchange, sending, older, taken })
    }
}
