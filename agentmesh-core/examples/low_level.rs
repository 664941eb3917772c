//! Two parties that move their bytes by hand: no relay, no registry, no runtime.
//!
//! Each has an identity, prekeys and sessions in a store of its own. What passes between them is JSON, here through strings; in
//! an application it goes through requests, queues or files. Run it with
//! `cargo run -p agentmesh-core --example low_level`.

use std::{error::Error, sync::Arc};

use agentmesh_core::{
    Context,
    identity::{Amid, Identity},
    keys::VerifyingKey,
    managers::{Bundle, Envelope, PrekeyManager, SealedStore, SessionManager, X3dhMessage},
    rng::SystemRng,
    storage::MemoryStorage,
    vault::StoreKey,
};
use serde_json::{Value, json};

struct Party {
    name: &'static str,
    identity: Arc<Identity>,
    prekeys: PrekeyManager,
    sessions: SessionManager,
}

impl Party {
    async fn open(name: &'static str) -> Result<Self, agentmesh_core::Error> {
        // A real application keeps the key where the store is not, and the store on a disk or in a bucket.
        let key = StoreKey::generate(&mut SystemRng);
        let store = SealedStore::new(MemoryStorage::new(), &key, Context::system());
        let identity = Arc::new(Identity::load_or_generate(&store, "session-identity").await?);
        let prekeys = PrekeyManager::new(Arc::clone(&identity), &store);
        let sessions = SessionManager::new(&prekeys);
        Ok(Self { name, identity, prekeys, sessions })
    }

    fn amid(&self) -> Amid {
        self.identity.amid()
    }

    /// What anybody may know.
    async fn public(&self) -> Result<(Amid, VerifyingKey, String), Box<dyn Error>> {
        let bundle = self.prekeys.load_or_initialize().await?;
        Ok((self.amid(), *self.identity.signing_key(), serde_json::to_string(&bundle)?))
    }

    async fn say(&self, session: &str, text: &str) -> Result<String, Box<dyn Error>> {
        let envelope = self.sessions.encrypt_message(session, &json!({ "text": text })).await?;
        Ok(serde_json::to_string(&envelope)?)
    }

    async fn hear(&self, session: &str, envelope: &str) -> Result<Value, Box<dyn Error>> {
        let envelope: Envelope = serde_json::from_str(envelope)?;
        let message = self.sessions.decrypt_message(session, &envelope).await?;
        say(&format!("{} read {message}", self.name));
        Ok(message)
    }
}

#[allow(clippy::print_stdout, reason = "an example talks to a terminal")]
fn say(line: &str) {
    println!("{line}");
}

pub(crate) async fn talk() -> Result<(), Box<dyn Error>> {
    let (alice, bob) = (Party::open("alice").await?, Party::open("bob").await?);
    alice.prekeys.load_or_initialize().await?;

    // Bob publishes; Alice got his AMID from somewhere that she trusts.
    let (bob_amid, bob_key, bundle) = bob.public().await?;
    let bundle: Bundle = serde_json::from_str(&bundle)?;

    // Alice opens a session and writes at once.
    let begun = alice.sessions.initiate_session(&bob_amid, &bundle, &bob_key).await?;
    let x3dh_message = serde_json::to_string(&begun.x3dh_message)?;
    let hello = alice.say(&begun.session_id, "hello").await?;

    // Both reach Bob, whenever that is.
    let x3dh_message: X3dhMessage = serde_json::from_str(&x3dh_message)?;
    let session = bob.sessions.accept_session(&alice.amid(), &x3dh_message).await?;
    bob.hear(&session, &hello).await?;

    // 0.2 needs this step; natively it changes nothing.
    if let Some(key) = bob.sessions.ratchet_public_key(&session).await? {
        alice.sessions.activate_session(&session, key.as_bytes()).await?;
    }

    let answer = bob.say(&session, "and to you").await?;
    alice.hear(&session, &answer).await?;

    // What comes twice is read once.
    let again = alice.hear(&session, &answer).await;
    assert!(again.is_err(), "a duplicate was read");
    for info in alice.sessions.sessions().await? {
        let description = info.description.map(|d| d.to_string()).unwrap_or_default();
        say(&format!("{} with {}: {description}", info.session_id, info.peer_amid));
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    talk().await
}
