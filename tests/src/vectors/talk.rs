//! A conversation of two sessions, written down step by step.

use agentmesh_core::{
    Timestamp,
    codec::Reader,
    handshake::{Established, Suite},
    keys::{DhPublicKey, DhSecretKey},
    session::{DecryptError, Session},
};
use serde_json::{Value, json};

use super::support::{NOW, Recorder, hex};

const SESSION_ID: usize = 16;
/// Where a record with a sending chain has the private ratchet key: `docs/protocol/state.md`.
const RATCHET_PRIVATE: usize = 1 + 1 + 16 + 32 + 8 + 32 + 1;

pub(crate) struct Talk {
    suite: Suite,
    established: Established,
    prekey: [u8; 32],
    a: Session,
    b: Option<Session>,
    rng: Recorder,
    first: [[u8; 32]; 2],
    created_at: [Timestamp; 2],
    now: Timestamp,
    messages: Vec<(Vec<u8>, Vec<u8>)>,
    steps: Vec<Value>,
}

pub(crate) fn record(session: &Session) -> Vec<u8> {
    let mut out = Vec::new().into();
    session.to_record(&mut out);
    out.to_vec()
}

pub(crate) fn refusal(error: &DecryptError) -> &'static str {
    match error {
        DecryptError::Duplicate => "duplicate",
        DecryptError::Malformed => "malformed",
        DecryptError::Padding => "padding",
        DecryptError::TooManySkipped { .. } => "too-many-skipped",
        DecryptError::WrongSuite { .. } => "wrong-suite",
        error if error.is_undecryptable() => "undecryptable",
        other => panic!("{other}"),
    }
}

fn copy(established: &Established) -> Established {
    Established {
        shared_secret: established.shared_secret.duplicate(),
        associated_data: established.associated_data,
        session_id: established.session_id,
    }
}

fn ratchet_private(session: &Session) -> [u8; 32] {
    record(session)[RATCHET_PRIVATE..][..32].try_into().unwrap()
}

/// The key of the current sending chain.
pub(crate) fn sending_chain(session: &Session) -> [u8; 32] {
    assert!(!session.describe().turn_due);
    record(session)[RATCHET_PRIVATE + 64..][..32].try_into().unwrap()
}

impl Talk {
    pub(crate) fn new(suite: Suite, established: Established, prekey: [u8; 32], seed: u64) -> Self {
        let mut rng = Recorder::new(seed);
        let spk = DhSecretKey::from_bytes(prekey);
        let a =
            Session::initiate(suite, copy(&established), spk.public_key(), NOW, &mut rng).unwrap();
        let first = [ratchet_private(&a), [0; 32]];
        Self {
            suite,
            established,
            prekey,
            a,
            b: None,
            rng,
            first,
            created_at: [NOW; 2],
            now: NOW,
            messages: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn session(&mut self, is_a: bool) -> &mut Session {
        if is_a { &mut self.a } else { self.b.as_mut().unwrap() }
    }

    /// Encrypts; returns the message's number.
    pub(crate) fn send(&mut self, is_a: bool, plaintext: &[u8]) -> usize {
        self.now = self.now.plus_millis(1000);
        let id = self.messages.len();
        let due = self.session(is_a).describe().turn_due;
        let (now, mut rng) = (self.now, core::mem::replace(&mut self.rng, Recorder::new(0)));
        let message = self.session(is_a).encrypt(plaintext, now, &mut rng).unwrap();
        self.rng = rng;
        let message = message[SESSION_ID..].to_vec();
        let key = DhPublicKey::from_slice(&message[2..34]).unwrap();
        self.steps.push(json!({
            "op": "send",
            "who": who(is_a),
            "id": id,
            "plaintext": hex(plaintext),
            "ratchet_private": due.then(|| hex(self.rng.private_of(&key))),
            "message": hex(&message),
        }));
        self.messages.push((plaintext.to_vec(), message));
        id
    }

    pub(crate) fn message(&self, id: usize) -> Vec<u8> {
        self.messages[id].1.clone()
    }

    /// Delivers message `id`; what comes of it must be `result`.
    pub(crate) fn deliver(&mut self, is_a: bool, id: usize, result: &str) {
        let (plaintext, message) = self.messages[id].clone();
        let mut step = json!({"op": "deliver", "id": id});
        if result == "opened" {
            step["plaintext"] = hex(&plaintext).into();
        }
        self.receive(is_a, &message, result, step);
    }

    /// Delivers what nobody sent.
    pub(crate) fn inject(&mut self, is_a: bool, message: &[u8], result: &str) {
        self.receive(is_a, message, result, json!({"op": "inject", "message": hex(message)}));
    }

    fn receive(&mut self, is_a: bool, message: &[u8], result: &str, mut step: Value) {
        self.now = self.now.plus_millis(10);
        if !is_a && self.b.is_none() {
            let spk = DhSecretKey::from_bytes(self.prekey);
            let established = copy(&self.established);
            let b =
                Session::accept(self.suite, established, &spk, message, self.now, &mut self.rng);
            let b = b.unwrap();
            self.first[1] = ratchet_private(&b);
            self.created_at[1] = self.now;
            self.b = Some(b);
        }
        let now = self.now;
        let session = self.session(is_a);
        let before = record(session);
        let told = match session.decrypt(message, now) {
            Ok(plaintext) => {
                assert_eq!(step["plaintext"], hex(plaintext));
                "opened"
            }
            Err(error) => {
                assert_eq!(record(session), before);
                refusal(&error)
            }
        };
        assert_eq!(told, result, "step {} of the transcript", self.steps.len());
        step["who"] = who(is_a).into();
        step["at"] = now.as_millis().into();
        step["result"] = told.into();
        self.steps.push(step);
    }

    /// Writes the session's record down.
    pub(crate) fn record(&mut self, is_a: bool) -> Vec<u8> {
        let record = record(self.session(is_a));
        self.steps.push(json!({"op": "record", "who": who(is_a), "record": hex(&record)}));
        record
    }

    /// Goes back to an earlier record.
    pub(crate) fn restore(&mut self, is_a: bool, record: &[u8]) {
        *self.session(is_a) = Session::from_record(&mut Reader::new(record)).unwrap();
        self.steps.push(json!({"op": "restore", "who": who(is_a), "record": hex(record)}));
    }

    pub(crate) const fn wait(&mut self, ms: u64) {
        // Receiving takes 10 ms.
        self.now = self.now.plus_millis(ms).minus_millis(10);
    }

    pub(crate) fn into_json(self, name: &str) -> Value {
        json!({
            "name": name,
            "suite": self.suite.id(),
            "sid": hex(self.established.session_id.as_bytes()),
            "ad": hex(self.established.associated_data),
            "sk": hex(self.established.shared_secret.as_bytes()),
            "spk_private": hex(self.prekey),
            "first_ratchet_private_a": hex(self.first[0]),
            "first_ratchet_private_b": hex(self.first[1]),
            "created_at": {
                "a": self.created_at[0].as_millis(),
                "b": self.created_at[1].as_millis(),
            },
            "steps": self.steps,
        })
    }
}

const fn who(is_a: bool) -> &'static str {
    if is_a { "a" } else { "b" }
}
