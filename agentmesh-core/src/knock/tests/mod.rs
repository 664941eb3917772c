//! `defects` has one test for each defect of 0.2's KNOCK and policy that is not to come back.

mod defects;
mod message;
mod policy;
mod replay;

use super::*;
use crate::{
    Timestamp, handshake::Suite, identity::Identity, test_utils::seeded_rng,
    wire::plaintext::SignedBody,
};

const NOW: Timestamp = Timestamp::from_millis(1_770_206_400_123);
const AD: [u8; 32] = [0xad; 32];

fn alice() -> Identity {
    Identity::generate(NOW, &mut seeded_rng(1))
}

fn bob() -> Identity {
    Identity::generate(NOW, &mut seeded_rng(2))
}

fn request() -> KnockRequest {
    KnockRequest::new("weather/forecast", "query")
}

fn knock() -> Knock {
    Knock::new(&request(), Tier::Anonymous, &[2, 3], NOW, &mut seeded_rng(3)).unwrap()
}

fn checks() -> KnockChecks<'static> {
    KnockChecks { now: NOW, suite: Suite::X25519MlKem768, own_suites: &[2, 3], pinned: None }
}

fn open(signed: &SignedBody) -> Result<VerifiedKnock, KnockError> {
    Knock::open(signed, alice().signing_key(), &AD, checks())
}

fn verified(knock: &Knock) -> VerifiedKnock {
    let checks = KnockChecks { now: knock.time, ..checks() };
    let signed = knock.seal(&alice(), &AD).unwrap();
    Knock::open(&signed, alice().signing_key(), &AD, checks).unwrap()
}
