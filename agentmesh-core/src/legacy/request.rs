//! What a KNOCK of `agentmesh/0.2` asks for, read leniently: the text is what was signed, this is only a view of it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{LegacyFormatError, X3dhMessage, canonical_json, text::malformed};
use crate::{
    knock::KnockRequest,
    limits::{DEFAULT_SESSION_TTL, MAX_CAPABILITY},
    wire::json::Object,
};

const WHAT: &str = "KNOCK request";

/// The request of a KNOCK, read. Members that this build does not know are in the text only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyRequest {
    /// How the session is to be used: `one-shot`, `streaming`, `persistent`, or a word that we do not know.
    pub session_type: String,
    /// How long the session is to live, in seconds, rounded up. None, zero or nonsense is the default.
    pub ttl_s: u64,
    /// The capability asked for.
    pub capability: String,
    /// What to do with it.
    pub action: String,
    /// Parameters, as JSON text.
    pub params: Option<String>,
    /// The X3DH message that the initiator sends along, if it does.
    pub x3dh: Option<X3dhMessage>,
}

#[derive(Deserialize)]
struct In<'a> {
    r#type: String,
    #[serde(default)]
    ttl: Option<f64>,
    #[serde(borrow)]
    intent: Object<IntentIn<'a>>,
    #[serde(default, borrow)]
    x3dh: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct IntentIn<'a> {
    #[serde(default)]
    capability: String,
    #[serde(default)]
    action: String,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
}

impl LegacyRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// [`LegacyFormatError`] if a member is missing, given twice or of the wrong type, or too long.
    pub fn parse(json: &str) -> Result<Self, LegacyFormatError> {
        let Object(read): Object<In<'_>> = serde_json::from_str(json).map_err(malformed(WHAT))?;
        let Object(intent) = read.intent;
        for text in [&read.r#type, &intent.capability, &intent.action] {
            if text.len() > MAX_CAPABILITY {
                let (limit, actual) = (MAX_CAPABILITY, text.len());
                return Err(LegacyFormatError::TooLong { what: WHAT, limit, actual });
            }
        }
        Ok(Self {
            session_type: read.r#type,
            ttl_s: seconds(read.ttl),
            capability: intent.capability,
            action: intent.action,
            params: intent.params.map(|params| params.get().to_owned()),
            x3dh: read.x3dh.map(|raw| X3dhMessage::from_json(raw.get())).transpose()?,
        })
    }
}

/// Rounded up, so that nobody is granted more than the policy says.
fn seconds(ttl: Option<f64>) -> u64 {
    match ttl {
        // The cast saturates.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Some(ttl) if ttl > 0.0 => ttl.ceil() as u64,
        _ => DEFAULT_SESSION_TTL,
    }
}

/// The text of a request with an X3DH message in it, as JavaScript would print it.
pub(super) fn with_x3dh(
    request: &KnockRequest,
    x3dh: Option<&X3dhMessage>,
) -> Result<String, LegacyFormatError> {
    let invalid = || LegacyFormatError::InvalidValue { what: WHAT, field: "request" };
    let mut json = request.to_json().map_err(|_| invalid())?;
    if let Some(x3dh) = x3dh {
        // A request is an object, and never empty.
        json.pop();
        json.push_str(",\"x3dh\":");
        json.push_str(&x3dh.to_json());
        json.push('}');
    }
    canonical_json(&json)
}
