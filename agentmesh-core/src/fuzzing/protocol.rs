//! What peers and relays send.

use super::{believed, text};
use crate::{
    handshake::InitialMessage,
    identity::Amid,
    knock::{Knock, KnockRequest, Policy},
    prekeys::{BundleParts, KnownPeer, PreKeyBundle},
    ratchet::{HEADER_LEN, Header},
    test_utils::mesh::START,
    wire::{
        capability::Proposal,
        frame::NativeFrame,
        peer_error::PeerError,
        plaintext::Plaintext,
        registry_auth::RequestAuth,
        relay_auth::ConnectAuth,
        relay_binary::BinaryFrame,
        relay_frame::{ClientFrame, ServerFrame},
        stream::StreamBody,
    },
};

/// A frame is the bytes that it was read from; what its first bytes say is what all of it says.
pub(super) fn native_frame(data: &[u8]) {
    let peeked = NativeFrame::peek(data);
    let Ok(frame) = NativeFrame::parse(data.to_vec()) else { return };
    if let Some((session, is_message)) = peeked {
        assert_eq!(session, frame.session_id());
        assert_eq!(is_message, matches!(frame, NativeFrame::Message(_)));
    }
    assert_eq!(frame.encode(), data);
}

pub(super) fn handshake(data: &[u8]) {
    let Ok(message) = InitialMessage::parse(data) else { return };
    assert_eq!(message.as_bytes(), data);
    assert_eq!(message.initiator(), Amid::of(message.identity()));
    believed::handshake(&message);
}

pub(super) fn ratchet_header(data: &[u8]) {
    let Ok(bytes) = <&[u8; HEADER_LEN]>::try_from(data) else { return };
    if let Ok((suite, header)) = Header::parse(bytes) {
        assert_eq!(&header.encode(suite), bytes);
    }
    believed::ratchet_header(bytes);
}

/// Whoever is asked for: nobody's signature can be made up. But its owner signs what it likes.
pub(super) fn bundle(data: &[u8]) {
    let (peer, blob) = data.split_at(data.len().min(20));
    let Ok(peer) = <[u8; 20]>::try_from(peer) else { return };
    let parts = BundleParts { blob, one_time: None, one_time_kem: None };
    let known = KnownPeer::first_contact(Amid::from_bytes(peer));
    let _ = PreKeyBundle::verify(parts, &known, START);
    believed::bundle(blob);
}

/// There is one form of each message: what is read is written as it was, but for the keys of later releases, which are skipped.
pub(super) fn plaintext(data: &[u8]) {
    if let Ok(plaintext) = Plaintext::decode(data) {
        let written = plaintext.encode();
        only_form(data, written.as_deref().ok());
        assert_eq!(written.and_then(|bytes| Plaintext::decode(&bytes)).ok(), Some(plaintext));
    }
    if let Ok(frame) = StreamBody::decode(data) {
        let written = frame.encode();
        only_form(data, written.as_deref().ok());
        assert_eq!(written.and_then(|bytes| StreamBody::decode(&bytes)).ok(), Some(frame));
    }
}

fn only_form(data: &[u8], written: Option<&[u8]>) {
    let same_or_shorter = |written: &[u8]| written == data || written.len() < data.len();
    assert!(written.is_some_and(same_or_shorter), "two forms of one message");
}

pub(super) fn relay_frame(data: &[u8]) {
    if let Ok(frame) = BinaryFrame::parse(data)
        && !matches!(frame, BinaryFrame::Unknown(_))
    {
        assert_eq!(frame.encode(), data);
    }
    let Some(text) = text(data) else { return };
    if let Ok(frame) = ClientFrame::parse(text) {
        assert_eq!(ClientFrame::parse(&frame.to_json()), Ok(frame));
    }
    if let Ok(frame) = ServerFrame::parse(text) {
        assert_eq!(ServerFrame::parse(&frame.to_json()), Ok(frame));
    }
    let _ = (ConnectAuth::parse(text), RequestAuth::parse(text));
}

pub(super) fn knock(data: &[u8]) {
    let _ = Knock::decode(data);
    believed::knock(data);
    let Some(text) = text(data) else { return };
    if let Ok(request) = KnockRequest::parse(text)
        && let Ok(json) = request.to_json()
    {
        assert_eq!(KnockRequest::parse(&json), Ok(request));
    }
    if let Ok(proposal) = Proposal::parse(text)
        && let Ok(json) = proposal.to_json()
    {
        assert_eq!(Proposal::parse(&json), Ok(proposal));
    }
    let _ = PeerError::parse(text);
}

pub(super) fn policy_file(data: &[u8]) {
    if let Some(text) = text(data) {
        let _ = Policy::from_json(text);
    }
}
