//! A session as it is opened: the handshake frame with its KNOCK, and what follows it.

use agentmesh_core::{
    handshake::{InitialMessage, SessionId, Suite},
    keys::Secret,
    knock::{Knock, KnockRequest, Tier},
    session::Session,
    wire::{
        frame::{HandshakeFrame, MessageFrame},
        id::MessageId,
        plaintext::{MessageType, Payload, Plaintext},
    },
};

use super::{
    agents::{Agent, public},
    plaintexts::message_key,
    sessions::Handshake,
    support::{NOW, Recorder},
};

/// Two agents, their session, and the frames that opened it.
pub(crate) struct Opening {
    pub(crate) a: Agent,
    pub(crate) b: Agent,
    pub(crate) hs: InitialMessage,
    pub(crate) ad: [u8; 32],
    pub(crate) sid: SessionId,
    /// A's end after the KNOCK.
    pub(crate) session: Session,
    pub(crate) first_key: Secret<32>,
    pub(crate) first_plaintext: Vec<u8>,
    pub(crate) first: Vec<u8>,
    pub(crate) rng: Recorder,
}

impl Opening {
    /// A knocks on B.
    pub(crate) fn new(a: Agent, b: Agent, suite: Suite, seed: u64) -> Self {
        let handshake = Handshake::new(&a, &b, suite, seed);
        let mut rng = Recorder::new(seed + 1);
        let spk = public(&b.spk.private);
        let mut session =
            Session::initiate(suite, handshake.established(), &spk, NOW, &mut rng).unwrap();
        let suites = [2, 3];
        let request = KnockRequest::new("weather/forecast", "query");
        let knock = Knock::new(
            &request,
            Tier::Anonymous,
            &suites[..suite.id() as usize - 1],
            NOW,
            &mut rng,
        );
        let ad = handshake.established.associated_data;
        let id = MessageId::new_v7(NOW, &mut rng);
        let mut plaintext = Plaintext::new(id, MessageType::Knock, 0, NOW);
        plaintext.signed = Some(knock.unwrap().seal(&a.identity(), &ad).unwrap());
        let first_plaintext = plaintext.encode().unwrap();
        let first_key = message_key(&session);
        let message = session.encrypt(&first_plaintext, NOW, &mut rng).unwrap();
        let frame = HandshakeFrame::new(handshake.message.as_bytes(), &message).unwrap();
        Self {
            a,
            b,
            ad,
            sid: handshake.established.session_id,
            hs: handshake.message,
            session,
            first_key,
            first_plaintext,
            first: frame.into_bytes(),
            rng,
        }
    }

    /// A's next message.
    pub(crate) fn next(&mut self) -> (Secret<32>, Vec<u8>, MessageFrame) {
        let id = MessageId::new_v7(NOW, &mut self.rng);
        let mut plaintext = Plaintext::new(id, MessageType::Message, 0, NOW);
        plaintext.payload = Payload::Json("{\"hello\":\"w\u{f6}rld\"}".into());
        let plaintext = plaintext.encode().unwrap();
        let key = message_key(&self.session);
        let message = self.session.encrypt(&plaintext, NOW, &mut self.rng).unwrap();
        (key, plaintext, MessageFrame::new(&message).unwrap())
    }
}
