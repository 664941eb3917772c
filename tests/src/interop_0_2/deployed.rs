//! An agent as the deployed SDK's managers make one: its identity, prekey state and session in the files' formats, a
//! plain WebSocket without extensions, plain HTTP. It knows nothing of `Agent`.

use std::time::Duration;

use agentmesh_core::{
    Timestamp,
    client::platform::Clock,
    identity::{Amid, Identity, IdentityPublic},
    keys::{DhPublicKey, VerifyingKey},
    legacy::{
        Bundle, Envelope, LegacyAnswer, LegacyKnock, LegacyPrekeys, LegacySession, LegacyVerdict,
    },
    rng::SystemRng,
};
use agentmesh_server::Server;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Deployed {
    identity: Identity,
    registry: String,
    /// `prekeys/state.json`.
    prekeys: String,
    /// `sessions/<id>.json`.
    session: Option<String>,
    peer: Option<Amid>,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

fn now() -> Timestamp {
    Clock::system().now()
}

impl Deployed {
    /// Registers, uploads prekeys, connects: all without what 0.2 does not know.
    pub(super) async fn start(server: &Server) -> Self {
        let identity = Identity::generate(now(), &mut SystemRng);
        let prekeys = LegacyPrekeys::generate(now(), &mut SystemRng);
        let registry = server.registry_url();
        let file: Value = serde_json::from_str(&identity.to_json()).unwrap();
        let (timestamp, signature) = identity.sign_timestamp(now());
        post(
            &format!("{registry}/registry/register"),
            json!({
                "amid": file["amid"],
                "signing_public_key": file["signing_public_key"],
                "exchange_public_key": file["exchange_public_key"],
                "timestamp": timestamp,
                "signature": signature,
            }),
        )
        .await;
        let bundle: Value =
            serde_json::from_str(&prekeys.bundle(&identity, now()).to_json()).unwrap();
        let (timestamp, signature) = identity.sign_timestamp(now());
        post(
            &format!("{registry}/registry/prekeys"),
            json!({
                "amid": file["amid"],
                "signed_prekey": bundle["signed_prekey"],
                "signed_prekey_signature": bundle["signed_prekey_signature"],
                "signed_prekey_id": bundle["signed_prekey_id"],
                "one_time_prekeys": bundle["one_time_prekeys"],
                "timestamp": timestamp,
                "signature": signature,
            }),
        )
        .await;
        let (mut socket, _) = connect_async(server.relay_url()).await.unwrap();
        let (timestamp, signature) = identity.sign_timestamp(now());
        let key = file["signing_public_key"].as_str().unwrap().replace("ed25519:", "");
        let connect = json!({
            "type": "connect",
            "protocol": "agentmesh/0.2",
            "amid": file["amid"],
            "public_key": key,
            "signature": signature,
            "timestamp": timestamp,
            "p2p_capable": false,
        });
        socket.send(Message::text(connect.to_string())).await.unwrap();
        let prekeys = prekeys.to_json().to_string();
        let mut deployed = Self { identity, registry, prekeys, session: None, peer: None, socket };
        assert_eq!(deployed.frame("connected").await["pending_messages"], 0);
        deployed
    }

    pub(super) fn amid(&self) -> Amid {
        self.identity.amid()
    }

    pub(super) async fn send(&mut self, to: Amid, message_type: &str, payload: &str) {
        let frame = json!({
            "type": "send",
            "to": to.to_string(),
            "encrypted_payload": payload,
            "message_type": message_type,
        });
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame of this type; what 0.2 does not know is passed over.
    async fn frame(&mut self, wanted: &str) -> Value {
        let next = async {
            loop {
                if let Message::Text(text) = self.socket.next().await.unwrap().unwrap() {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] == wanted {
                        return frame;
                    }
                }
            }
        };
        timeout(PATIENCE, next).await.expect("the frame did not come")
    }

    /// Sender, type and payload of the next message.
    async fn receive(&mut self) -> (Amid, String, String) {
        let frame = self.frame("receive").await;
        let text = |name: &str| frame[name].as_str().unwrap().to_owned();
        (text("from").parse().unwrap(), text("message_type"), text("encrypted_payload"))
    }

    async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}/{path}", self.registry)).await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    /// The keys that the registry has of a peer.
    async fn lookup(&self, peer: Amid) -> IdentityPublic {
        let listing = self.get(&format!("registry/lookup?amid={peer}")).await;
        let key = |name: &str, prefix: &str| -> [u8; 32] {
            let text = listing[name].as_str().unwrap().replace(prefix, "");
            let json = format!("\"{text}\"");
            *agentmesh_core::legacy::ratchet_key_from_json(&json).unwrap().as_bytes()
        };
        let signing = VerifyingKey::from_bytes(key("signing_public_key", "ed25519:")).unwrap();
        assert_eq!(Amid::of(&signing), peer);
        let exchange = DhPublicKey::from_bytes(key("exchange_public_key", "x25519:"));
        IdentityPublic { signing, exchange }
    }

    /// Loads the session, works with it, saves it again.
    fn with_session<T>(&mut self, work: impl FnOnce(&mut LegacySession) -> T) -> T {
        let mut session = LegacySession::from_json(self.session.as_ref().unwrap()).unwrap();
        let done = work(&mut session);
        self.session = Some(session.to_json().to_string());
        done
    }

    /// Takes the next KNOCK, accepts it, and returns the first message of the session.
    pub(super) async fn answer_knock_and_hear(&mut self) -> String {
        let (from, message_type, payload) = self.receive().await;
        assert_eq!(message_type, "knock");
        let keys = self.lookup(from).await;
        let knock = LegacyKnock::from_json(&payload).unwrap();
        let knock = knock.verify(&self.amid(), &keys.signing, now()).unwrap();
        let x3dh = knock.request.x3dh.unwrap();
        let mut prekeys = LegacyPrekeys::from_json(&self.prekeys).unwrap();
        let responder = prekeys.responder_keys(&self.identity, &x3dh, now()).unwrap();
        let session =
            LegacySession::accept(&keys, &x3dh, responder, now(), &mut SystemRng).unwrap();
        prekeys.consume(x3dh.one_time_prekey_id.unwrap());
        self.prekeys = prekeys.to_json().to_string();
        let verdict = LegacyVerdict::Accept {
            session_id: format!("sess_{}", &session.id()["session_".len()..]),
            ratchet_key: Some(*session.ratchet_public_key()),
        };
        self.session = Some(session.to_json().to_string());
        self.peer = Some(from);
        let answer = LegacyAnswer::sign(&self.identity, &knock, verdict, now());
        self.send(from, "accept", &answer.to_json()).await;
        self.hear().await
    }

    /// The next encrypted message.
    pub(super) async fn hear(&mut self) -> String {
        let (from, message_type, payload) = self.receive().await;
        assert_eq!((Some(from), &*message_type), (self.peer, "message"));
        let envelope = Envelope::from_json(&payload).unwrap();
        self.with_session(|session| session.decrypt(&envelope, now(), &mut SystemRng).unwrap())
    }

    /// An encrypted message.
    pub(super) async fn say(&mut self, text: &str) {
        let envelope =
            self.with_session(|session| session.encrypt(text, now(), &mut SystemRng).unwrap());
        self.send(self.peer.unwrap(), "message", &envelope.to_json()).await;
    }

    /// A KNOCK with the peer's bundle; its session waits for the answer.
    pub(super) async fn compose_knock(&mut self, peer: Amid) -> String {
        let keys = self.lookup(peer).await;
        let answer = self.get(&format!("registry/prekeys/{peer}")).await;
        let bundle = Bundle::from_json(&answer.to_string()).unwrap();
        let (session, x3dh) =
            LegacySession::initiate(&self.identity, &keys, &bundle, now(), &mut SystemRng).unwrap();
        self.session = Some(session.to_json().to_string());
        self.peer = Some(peer);
        let x3dh: Value = serde_json::from_str(&x3dh.to_json()).unwrap();
        let request = json!({
            "type": "one-shot",
            "ttl": 300,
            "intent": { "capability": "*", "action": "message" },
            "x3dh": x3dh,
        });
        let rng = &mut SystemRng;
        LegacyKnock::sign_json(&self.identity, peer, &request.to_string(), now(), rng)
            .unwrap()
            .to_json()
    }

    /// Knocks, and takes the ratchet key out of the answer.
    pub(super) async fn knock(&mut self, peer: Amid) {
        let text = self.compose_knock(peer).await;
        self.send(peer, "knock", &text).await;
        let (from, message_type, payload) = self.receive().await;
        assert_eq!((from, &*message_type), (peer, "accept"));
        let keys = self.lookup(peer).await;
        let nonce = LegacyKnock::from_json(&text).unwrap().nonce().to_owned();
        let answer = LegacyAnswer::from_json(&payload).unwrap();
        let verdict = answer.verify(&self.amid(), &keys.signing, &nonce, now()).unwrap();
        let LegacyVerdict::Accept { ratchet_key: Some(key), .. } = verdict else {
            panic!("{verdict:?}")
        };
        self.with_session(|session| session.activate(key, now()).unwrap());
    }
}

async fn post(url: &str, body: Value) {
    let answer =
        reqwest::Client::builder().build().unwrap().post(url).json(&body).send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{url}: {status}: {}", answer.text().await.unwrap());
}
