//! The first message of a session, at both ends: handshake, session and KNOCK belong together, and are made and checked in
//! one order (`docs/protocol/native.md` §4). Nothing here knows records; whoever calls commits.

use rand_core::CryptoRng;

use crate::{
    Error,
    handshake::{InitialMessage, ResponderKeys, SessionId, Suite, accept, initiate},
    identity::Identity,
    knock::{Knock, KnockChecks, KnockError, VerifiedKnock},
    prekeys::{PreKeyBundle, PreKeys},
    session::Session,
    time::Timestamp,
    wire::{
        frame::HANDSHAKE_PREFIX,
        id::MessageId,
        plaintext::{MessageType, Plaintext},
    },
};

use super::outbound::control;

/// A session that we opened.
pub(crate) struct Begun {
    pub(crate) id: SessionId,
    pub(crate) hs: InitialMessage,
    pub(crate) session: Session,
    pub(crate) knock: Knock,
    /// Id of the message that carries the KNOCK.
    pub(crate) knock_id: MessageId,
    /// The handshake frame.
    pub(crate) frame: Vec<u8>,
}

/// Opens a session with the owner of a verified bundle.
pub(crate) fn begin(
    own: &Identity,
    bundle: &PreKeyBundle,
    suite: Suite,
    knock: impl FnOnce(&mut dyn CryptoRng) -> Result<Knock, KnockError>,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<Begun, Error> {
    let (hs, established) = initiate(own, bundle, suite, rng)?;
    let id = established.session_id;
    let associated_data = established.associated_data;
    let (_, remote) = bundle.signed_prekey();
    let mut session = Session::initiate(suite, established, remote, now, rng)?;
    let knock = knock(rng)?;
    let mut plaintext = control(MessageType::Knock, now, rng);
    plaintext.signed = Some(knock.seal(own, &associated_data)?);
    let mut frame = Vec::with_capacity(hs.as_bytes().len() + 1024);
    frame.extend_from_slice(&HANDSHAKE_PREFIX);
    frame.extend_from_slice(hs.as_bytes());
    session.encrypt_into(&plaintext.encode()?, &mut frame, now, rng)?;
    Ok(Begun { id, hs, session, knock, knock_id: plaintext.id, frame })
}

/// A session that a peer opened, with everything about its first message believed.
pub(crate) struct FirstMessage {
    pub(crate) session: Session,
    pub(crate) knock: VerifiedKnock,
    pub(crate) knock_id: MessageId,
    /// The KNOCK's body, as it was signed.
    pub(crate) body: Vec<u8>,
}

/// Checks 5 to 8: the prekeys are there, the message opens, and its KNOCK is the initiator's own. Consumes nothing: the
/// one-time keys go in the commit that keeps the session.
///
/// Who the initiator is, what it is pinned to, and whether the session is known is for the caller.
pub(crate) fn open_first(
    own: &Identity,
    prekeys: &PreKeys,
    hs: &InitialMessage,
    message: &mut [u8],
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<FirstMessage, Error> {
    let suite = hs.suite();
    let keys = ResponderKeys::find(own.signing_key(), prekeys, hs)?;
    let established = accept(hs, keys)?;
    let associated_data = established.associated_data;
    let mut session = Session::accept(suite, established, keys.triple.key(), message, now, rng)?;
    // The session is ours alone until it is kept, so it may advance at once.
    let opened = session.open(message, now)?;
    let plaintext = Plaintext::decode(opened.plaintext())?;
    session.commit(opened)?;
    let (MessageType::Knock, Some(signed)) = (plaintext.kind, plaintext.signed) else {
        return Err(KnockError::NotAKnock.into());
    };
    // What counts is the bundle that the initiator used, not what we would ourselves open a session with. The pin is
    // the caller's, who checks it before anything is computed.
    let checks = KnockChecks { now, suite, own_suites: keys.triple.suites(), pinned: None };
    let knock = Knock::open(&signed, hs.identity(), &associated_data, checks)?;
    Ok(FirstMessage { session, knock, knock_id: plaintext.id, body: signed.body })
}
