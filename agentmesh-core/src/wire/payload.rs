//! `encrypted_payload` of a relay frame: which protocol it belongs to, and base64 of native frames
//! (`docs/protocol/native.md` §1, §6).

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::frame::{FRAME_VERSION, FrameError};
use crate::limits::MAX_FRAME;

/// Which protocol a payload belongs to. A hint: the frame inside may still be malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadKind {
    /// A native frame.
    Native,
    /// JSON: `agentmesh/0.2`, encrypted or not.
    Legacy,
    /// Neither.
    Unknown,
}

/// Tells by its first characters which protocol a payload belongs to.
///
/// ```
/// use agentmesh_core::wire::payload::{PayloadKind, payload_kind};
///
/// assert_eq!(payload_kind(r#"{"type":"encrypted"}"#), PayloadKind::Legacy);
/// assert_eq!(payload_kind("AwIAAA=="), PayloadKind::Native);
/// assert_eq!(payload_kind("hello"), PayloadKind::Unknown);
/// ```
pub fn payload_kind(payload: &str) -> PayloadKind {
    let native = || {
        let head = payload.get(..4).and_then(|head| STANDARD.decode(head).ok());
        head.is_some_and(|head| head.first() == Some(&FRAME_VERSION))
    };
    match payload.as_bytes().first() {
        Some(b'{') => PayloadKind::Legacy,
        _ if native() => PayloadKind::Native,
        _ => PayloadKind::Unknown,
    }
}

/// A frame as `encrypted_payload`: standard base64 with padding.
pub fn to_payload(frame: &[u8]) -> String {
    STANDARD.encode(frame)
}

/// The frame in an `encrypted_payload`; give it to [`NativeFrame::parse`](super::frame::NativeFrame::parse).
///
/// # Errors
/// [`FrameError::Base64`] unless it is standard base64 with padding and without stray bits, and
/// [`FrameError::TooLong`], before anything is decoded.
pub fn from_payload(payload: &str) -> Result<Vec<u8>, FrameError> {
    let most = payload.len() / 4 * 3;
    // Padding stands for up to two bytes.
    if most > MAX_FRAME + 2 {
        return Err(FrameError::TooLong { limit: MAX_FRAME, actual: most });
    }
    let frame = STANDARD.decode(payload).map_err(|_| FrameError::Base64)?;
    if frame.len() > MAX_FRAME {
        return Err(FrameError::TooLong { limit: MAX_FRAME, actual: frame.len() });
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kind_goes_by_the_first_bytes() {
        for (payload, kind) in [
            ("", PayloadKind::Unknown),
            ("{", PayloadKind::Legacy),
            (" {}", PayloadKind::Unknown),
            ("Aw==", PayloadKind::Native),
            ("AwE", PayloadKind::Unknown),
            ("BAEA", PayloadKind::Unknown),
            ("A\u{fc}\u{fc}", PayloadKind::Unknown),
            ("Aw-_", PayloadKind::Unknown),
        ] {
            assert_eq!(payload_kind(payload), kind, "{payload:?}");
        }
        for kind in 1..=5u8 {
            for next in [0, 0x7f, 0xff] {
                assert_eq!(payload_kind(&to_payload(&[3, kind, next])), PayloadKind::Native);
            }
        }
    }

    #[test]
    fn base64_is_strict() {
        assert_eq!(from_payload("AwEC"), Ok(vec![3, 1, 2]));
        assert_eq!(from_payload("AwI="), Ok(vec![3, 2]));
        for bad in ["AwI", "AwJ=", "AwI==", "Aw I=", "AwI=\n", "Aw-_", "=", "AwEC=", "Aw==AwEC"] {
            assert_eq!(from_payload(bad), Err(FrameError::Base64), "{bad:?}");
        }
    }

    #[test]
    fn length_is_bounded() {
        let longest = to_payload(&vec![3; MAX_FRAME]);
        assert_eq!(longest.len(), crate::limits::MAX_ENCRYPTED_PAYLOAD);
        assert_eq!(from_payload(&longest).map(|f| f.len()), Ok(MAX_FRAME));
        for extra in 1..5 {
            let payload = to_payload(&vec![3; MAX_FRAME + extra]);
            assert!(matches!(from_payload(&payload), Err(FrameError::TooLong { .. })), "{extra}");
        }
    }

    proptest! {
        #[test]
        fn round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(from_payload(&to_payload(&bytes)), Ok(bytes));
        }

        #[test]
        fn never_panics(payload in "\\PC{0,40}") {
            let _ = (payload_kind(&payload), from_payload(&payload));
        }
    }
}
