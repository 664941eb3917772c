//! Who may connect: the first frame of a connection.

use agentmesh_core::{
    Timestamp,
    keys::VerifyingKey,
    limits::AUTH_MAX_AGE,
    wire::{
        relay_auth::ConnectAuth,
        relay_error::RelayErrorCode,
        relay_features::Features,
        relay_frame::{ClientFrame, ConnectFrame, RELAY_PROTOCOL},
    },
};

use super::{REVOKED, Relay};
use crate::{
    auth::{ProofError, request::signature_nonce, signing_key_of, verify_timestamp},
    store::{
        nonces::{self, Scope},
        revocations,
    },
};

/// Also spoken; nothing differs that a relay would notice.
const OLDER_PROTOCOL: &str = "agentmesh/0.1";

/// Why a connection is refused, for its error frame.
pub(super) type Refusal = (RelayErrorCode, String);

fn refusal(code: RelayErrorCode, why: impl ToString) -> Refusal {
    (code, why.to_string())
}

/// Who was admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) amid: String,
    /// What both sides know.
    pub(super) features: Features,
}

impl Relay {
    /// Verifies the first frame. `host` is what the client called us.
    pub(super) async fn admit(
        &self,
        text: &str,
        host: &str,
        now: Timestamp,
    ) -> Result<Admitted, Refusal> {
        let connect = match ClientFrame::parse(text) {
            Ok(ClientFrame::Connect(connect)) => connect,
            Ok(_) => {
                return Err(refusal(
                    RelayErrorCode::Unauthorized,
                    "the first frame has to be a connect",
                ));
            }
            Err(error) => return Err(refusal(RelayErrorCode::InvalidMessage, error)),
        };
        if ![RELAY_PROTOCOL, OLDER_PROTOCOL].contains(&connect.protocol.as_str()) {
            let why = format!("this relay speaks {RELAY_PROTOCOL}");
            return Err(refusal(RelayErrorCode::ProtocolMismatch, why));
        }
        let key = signing_key_of(&connect.amid, &connect.public_key)
            .map_err(|why| refusal(RelayErrorCode::Unauthorized, why))?;
        let time = verify_timestamp(&key, &connect.timestamp, &connect.signature, now)
            .map_err(|why| refusal(RelayErrorCode::InvalidSignature, why))?;
        let bound = self.check_auth(&connect, &key, host)?;
        self.use_up(&connect, bound, time).await?;
        let features = Features { resume: connect.features.ack, ..Features::ALL };
        let features = features.intersection(connect.features);
        Ok(Admitted { amid: connect.amid, features })
    }

    fn check_auth(
        &self,
        connect: &ConnectFrame,
        key: &VerifyingKey,
        host: &str,
    ) -> Result<Option<ConnectAuth>, Refusal> {
        let Some(field) = &connect.auth else {
            if connect.features.auth {
                let why = "the feature auth needs the field auth";
                return Err(refusal(RelayErrorCode::Unauthorized, why));
            }
            return Ok(None);
        };
        let auth = ConnectAuth::parse(field)
            .ok_or_else(|| refusal(RelayErrorCode::Unauthorized, "the field auth is malformed"))?;
        if !self.config.is_own_host(host) {
            let why = "this relay does not go by the name it was called";
            return Err(refusal(RelayErrorCode::Unauthorized, why));
        }
        auth.verify(key, host, &connect.timestamp)
            .map_err(|_| refusal(RelayErrorCode::InvalidSignature, ProofError::BadSignature))?;
        Ok(Some(auth))
    }

    /// Each proof works once, and who has ever sent a bound one never gets in without. On the disk, so that neither a
    /// restart nor a crash forgets.
    async fn use_up(
        &self,
        connect: &ConnectFrame,
        auth: Option<ConnectAuth>,
        time: Timestamp,
    ) -> Result<(), Refusal> {
        let amid = connect.amid.clone();
        let plain = signature_nonce(&connect.signature);
        let checked = self.store.write(move |connection| {
            if revocations::is_revoked(connection, &amid)? {
                return Ok(Err(REVOKED));
            }
            let scope = Scope::Connect;
            let (kind, nonce) = match &auth {
                Some(auth) => {
                    nonces::pledge(connection, scope, &amid)?;
                    (scope, auth.nonce())
                }
                None if nonces::has_pledged(connection, scope, &amid)? => {
                    return Ok(Err("this agent needs auth"));
                }
                // Registry and relay take the same timestamps; each works once, at one of them.
                None => (Scope::Timestamp, &plain),
            };
            let expires = time.plus_millis(AUTH_MAX_AGE + 1);
            let new = nonces::use_once(connection, kind, &amid, nonce, expires)?;
            Ok(new.then_some(()).ok_or("this connect was used before"))
        });
        match checked.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(refusal(RelayErrorCode::Unauthorized, why)),
            Err(error) => {
                tracing::error!(%error, "could not check a connect");
                Err(refusal(RelayErrorCode::InternalError, "the relay's store failed"))
            }
        }
    }
}
