//! Handshakes that come more than once, and two at once.

use std::collections::{HashMap, HashSet};

use agentmesh_core::{
    Timestamp,
    handshake::{self, HandshakeError, InitialMessage, ResponderKeys, SessionId, Suite},
    hazmat::knock_takes_over,
    identity::Identity,
    knock::{Knock, KnockChecks},
    prekeys::PreKeys,
    session::Session,
    wire::{frame::NativeFrame, plaintext::Plaintext},
};
use serde_json::{Value, json};

use super::{
    Topic,
    agents::Agent,
    opening::Opening,
    sessions::Handshake,
    support::{NOW, Recorder, hex},
    talk::refusal,
};

/// The order of the responder's checks (native.md §4), over the core's parts.
struct Responder {
    agent: Agent,
    identity: Identity,
    prekeys: Option<PreKeys>,
    sessions: HashMap<SessionId, Session>,
    tombstones: HashSet<SessionId>,
    rng: Recorder,
    events: Vec<Value>,
}

impl Responder {
    fn new(agent: &Agent) -> Self {
        Self {
            agent: agent.clone(),
            identity: agent.identity(),
            prekeys: Some(agent.prekeys()),
            sessions: HashMap::new(),
            tombstones: HashSet::new(),
            rng: Recorder::new(700),
            events: Vec::new(),
        }
    }

    fn accept(
        &mut self,
        frame: &[u8],
        from: &Agent,
        now: Timestamp,
    ) -> Result<SessionId, &'static str> {
        let Ok(NativeFrame::Handshake(frame)) = NativeFrame::parse(frame.to_vec()) else {
            return Err("malformed");
        };
        let hs = InitialMessage::parse(frame.hs()).map_err(|_| "malformed")?;
        if hs.initiator() != from.identity().amid() {
            return Err("amid-mismatch");
        }
        let own = *self.identity.signing_key();
        let sid = handshake::session_id(&own, frame.hs());
        if sid != frame.session_id() {
            return Err("malformed");
        }
        if self.tombstones.contains(&sid) {
            return Err("duplicate");
        }
        if let Some(session) = self.sessions.get_mut(&sid) {
            let refused = session.decrypt(frame.body(), now).expect_err("a KNOCK opens once");
            return Err(refusal(&refused));
        }
        let prekeys = self.prekeys.as_ref().ok_or("prekey-gone")?;
        let keys = ResponderKeys::find(&own, prekeys, &hs).map_err(|error| match error {
            HandshakeError::PreKeyGone { .. } => "prekey-gone",
            other => panic!("{other}"),
        })?;
        let own_suites = keys.triple.suites();
        let established = handshake::accept(&hs, keys).map_err(|_| "non-contributory")?;
        let ad = established.associated_data;
        let spk = keys.triple.key();
        let mut session =
            Session::accept(hs.suite(), established, spk, frame.body(), now, &mut self.rng)
                .unwrap();
        let plaintext = session.decrypt(frame.body(), now).map_err(|e| refusal(&e))?;
        let signed = Plaintext::decode(&plaintext).unwrap().signed.unwrap();
        let checks = KnockChecks { now, suite: hs.suite(), own_suites, pinned: None };
        Knock::open(&signed, hs.identity(), &ad, checks).unwrap();
        self.sessions.insert(sid, session);
        self.prekeys.as_mut().unwrap().consume(hs.one_time_prekey_id(), hs.one_time_kem_id());
        Ok(sid)
    }

    /// Delivers a frame of `from`; what comes of it must be `result`.
    fn deliver(&mut self, frame: &[u8], from: &Agent, result: &str) {
        let at = NOW.plus_millis(1000 * self.events.len() as u64);
        let got = self.accept(frame, from, at);
        assert_eq!(got.err().unwrap_or("established"), result, "event {}", self.events.len());
        let mut event = json!({
            "op": "deliver",
            "frame": hex(frame),
            "from_amid": from.identity().amid().to_string(),
            "at": at.as_millis(),
            "result": result,
        });
        if let Ok(sid) = got {
            event["sid"] = hex(sid.as_bytes()).into();
        }
        self.events.push(event);
    }

    fn close(&mut self, sid: SessionId) {
        assert!(self.sessions.remove(&sid).is_some());
        self.tombstones.insert(sid);
        self.events.push(json!({"op": "close", "sid": hex(sid.as_bytes())}));
    }

    fn lose_session(&mut self, sid: SessionId) {
        assert!(self.sessions.remove(&sid).is_some());
        self.events.push(json!({"op": "lose-session", "sid": hex(sid.as_bytes())}));
    }

    fn delete_triple(&mut self) {
        self.prekeys = None;
        self.tombstones.clear();
        self.events.push(json!({"op": "delete-triple"}));
    }

    fn into_json(self, name: &str) -> Value {
        json!({"name": name, "responder": self.agent.responder(), "events": self.events})
    }
}

pub(crate) fn replay() -> Topic {
    let opening =
        |b: Agent, seed| Opening::new(Agent::new(seed), b.without_kem(), Suite::X25519, seed + 1);
    let mut vectors = Vec::new();

    let with_opk = opening(Agent::new(710), 720);
    let (first, a) = (&with_opk.first, &with_opk.a);
    let mut b = Responder::new(&with_opk.b);
    b.deliver(first, a, "established");
    b.deliver(first, a, "duplicate");
    b.close(with_opk.sid);
    b.deliver(first, a, "duplicate");
    b.delete_triple();
    b.deliver(first, a, "prekey-gone");
    vectors.push(b.into_json("with OPK"));

    let mut b = Responder::new(&with_opk.b);
    b.deliver(first, a, "established");
    b.lose_session(with_opk.sid);
    b.deliver(first, a, "prekey-gone");
    vectors.push(b.into_json("with OPK, the session lost"));

    let without_opk = opening(Agent::new(711).without_opk(), 730);
    let (first, a) = (&without_opk.first, &without_opk.a);
    let mut b = Responder::new(&without_opk.b);
    b.deliver(first, a, "established");
    b.deliver(first, a, "duplicate");
    b.close(without_opk.sid);
    b.deliver(first, a, "duplicate");
    b.delete_triple();
    b.deliver(first, a, "prekey-gone");
    vectors.push(b.into_json("without OPK"));

    let mut b = Responder::new(&with_opk.b);
    let (first, a) = (&with_opk.first, &with_opk.a);
    let flipped = |at: usize| {
        let mut frame = first.clone();
        frame[at] ^= 1;
        frame
    };
    b.deliver(&flipped(first.len() - 1), a, "undecryptable");
    b.deliver(&flipped(2 + 110 + 16 + 42 + 12), a, "undecryptable");
    b.deliver(&flipped(2 + 110), a, "malformed");
    b.deliver(first, &Agent::new(712), "amid-mismatch");
    b.deliver(first, a, "established");
    vectors.push(b.into_json("forged ones consume nothing"));
    Topic { name: "replay", spec: "native.md §4", vectors, refusals: Vec::new() }
}

/// Two handshakes under way at once, as the agent sees it that made `own`.
fn crossed(
    name: &str,
    (own, own_hs): (&Agent, &Handshake),
    (peer, peer_hs): (&Agent, &Handshake),
) -> Value {
    let key = |agent: &Agent| *agent.identity().signing_key().as_bytes();
    let new = knock_takes_over(&key(own), &key(peer), Some((true, true, NOW)), NOW);
    let used = if new { peer_hs } else { own_hs };
    let sid = |handshake: &Handshake| hex(handshake.established.session_id.as_bytes());
    json!({
        "name": name,
        "in_use": {"initiator": "own", "pending": true},
        "own_signing": hex(key(own)),
        "peer_signing": hex(key(peer)),
        "own_hs": hex(own_hs.message.as_bytes()),
        "peer_hs": hex(peer_hs.message.as_bytes()),
        "own_sid": sid(own_hs),
        "peer_sid": sid(peer_hs),
        "used_sid": sid(used),
        "use": chosen(new),
    })
}

const fn chosen(new: bool) -> &'static str {
    if new { "new" } else { "current" }
}

pub(crate) fn crossing() -> Topic {
    let mut vectors = Vec::new();
    for (seed, suite) in [(740, Suite::X25519), (750, Suite::X25519MlKem768)] {
        let (a, b) = (Agent::new(seed), Agent::new(seed + 1));
        let (ab, ba) =
            (Handshake::new(&a, &b, suite, seed + 2), Handshake::new(&b, &a, suite, seed + 3));
        let of_a = crossed(&format!("suite {}: A's view", suite.id()), (&a, &ab), (&b, &ba));
        let of_b = crossed(&format!("suite {}: B's view", suite.id()), (&b, &ba), (&a, &ab));
        assert_eq!(of_a["used_sid"], of_b["used_sid"]);
        assert_ne!(of_a["use"], of_b["use"]);
        vectors.extend([of_a, of_b]);
    }
    // Where no session is pending, the keys do not matter.
    let decide = |in_use, time| {
        let [one, other] = [[1; 32], [2; 32]];
        let new = knock_takes_over(&one, &other, in_use, time);
        assert_eq!(knock_takes_over(&other, &one, in_use, time), new);
        chosen(new)
    };
    vectors.push(json!({"name": "no session", "in_use": null, "use": decide(None, NOW)}));
    vectors.push(json!({
        "name": "our own, which the peer had",
        "in_use": {"initiator": "own", "pending": false},
        "use": decide(Some((true, false, NOW.plus_millis(1000))), NOW),
    }));
    for (name, time) in
        [("a later", NOW.plus_millis(1)), ("the same", NOW), ("an earlier", NOW.minus_millis(1))]
    {
        vectors.push(json!({
            "name": format!("the peer's, {name} time"),
            "in_use": {"initiator": "peer", "knock_time": NOW.as_millis()},
            "knock_time": time.as_millis(),
            "use": decide(Some((false, false, NOW)), time),
        }));
    }
    Topic { name: "crossing", spec: "native.md §7.6", vectors, refusals: Vec::new() }
}
