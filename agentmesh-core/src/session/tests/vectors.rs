//! `tests/vectors/ratchet.json`: made by another implementation, from the specification alone. Fixes the key
//! derivation, every byte of the messages, and every byte of the stored state after each event.

use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

use super::*;

/// Hands out the vector's random bytes in the order they are asked for.
struct Script(Vec<u8>);

impl TryRng for Script {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("nothing draws integers")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("nothing draws integers")
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        dst.copy_from_slice(&self.0[..dst.len()]);
        self.0.drain(..dst.len());
        Ok(())
    }
}

impl TryCryptoRng for Script {}

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/ratchet.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn record(session: &Session) -> Vec<u8> {
    let mut out = Zeroizing::new(Vec::new());
    session.to_record(&mut out);
    out.to_vec()
}

#[test]
fn key_derivation() {
    let v = &vectors()["kdf"];
    let own = DhSecretKey::from_bytes(array(&v["own_secret"]));
    assert_eq!(own.public_key().as_bytes()[..], hex(&v["own_public"]));
    let remote = DhPublicKey::from_bytes(array(&v["remote_public"]));
    let (root, mut chain) =
        crate::ratchet::vector_turn(Secret::new(array(&v["root"])), &own, &remote);
    assert_eq!(root[..], hex(&v["next_root"]));
    assert_eq!(chain.as_bytes()[..], hex(&v["chain"]));
    for step in v["steps"].as_array().unwrap() {
        let (key, next) = chain.step();
        assert_eq!(key.as_bytes()[..], hex(&step["message_key"]));
        assert_eq!(next.as_bytes()[..], hex(&step["next_chain"]));
        chain = next;
    }
    println!("vectors: ours ratchet derivations: {}", v["steps"].as_array().unwrap().len());
}

#[test]
fn transcripts() {
    let vectors = vectors();
    let transcripts = vectors["transcripts"].as_array().unwrap();
    assert!(!transcripts.is_empty());
    transcripts.iter().for_each(replay);
    println!("vectors: ours ratchet transcripts: {}", transcripts.len());
}

fn replay(t: &Value) {
    let suite = Suite::from_u8(t["suite"].as_u64().unwrap().try_into().unwrap()).unwrap();
    let now = Timestamp::from_millis(t["now_ms"].as_u64().unwrap());
    let established = || Established {
        shared_secret: Secret::new(array(&t["shared_secret"])),
        associated_data: array(&t["associated_data"]),
        session_id: SessionId::from_bytes(array(&t["session_id"])),
    };
    let prekey = DhSecretKey::from_bytes(array(&t["prekey_secret"]));
    let mut rng = Script(hex(&t["initiator_random"]));
    let mut alice =
        Session::initiate(suite, established(), prekey.public_key(), now, &mut rng).unwrap();
    assert_eq!(record(&alice), hex(&t["initiator_record"]));
    let first = hex(&t["events"][0]["message"]);
    let mut rng = Script(hex(&t["responder_random"]));
    let mut bob =
        Session::accept(suite, established(), &prekey, &first[SID..], now, &mut rng).unwrap();
    assert_eq!(record(&bob), hex(&t["responder_record"]));

    for event in t["events"].as_array().unwrap() {
        let who = event["by"].as_str().or(event["restore"].as_str()).unwrap();
        let session = if who == "alice" { &mut alice } else { &mut bob };
        let stored = hex(&event["record"]);
        if event["restore"].is_string() {
            *session = Session::from_record(&mut Reader::new(&stored)).unwrap();
        } else if event["send"].is_string() {
            let mut rng = Script(hex(&event["random"]));
            let message = session.encrypt(&hex(&event["plaintext"]), now, &mut rng).unwrap();
            assert_eq!(message, hex(&event["message"]), "{}", event["send"]);
            assert!(rng.0.is_empty());
        } else {
            let at = Timestamp::from_millis(event["at_ms"].as_u64().unwrap());
            let result = session.decrypt(&hex(&event["message"])[SID..], at);
            let expected = match event["refused"].as_str() {
                None => Ok(hex(&event["plaintext"])),
                Some("duplicate") => Err(DecryptError::Duplicate),
                Some("rollback") => Err(DecryptError::Rollback),
                Some("unknown chain") => Err(DecryptError::UnknownChain),
                Some(other) => panic!("{other}"),
            };
            assert_eq!(result, expected, "{}", event["receive"]);
        }
        assert_eq!(record(session), stored, "{event}");
    }
}
