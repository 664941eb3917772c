//! The W3C trace context of a message, which travels inside the ciphertext: only the two agents see it.
//!
//! Knows the text form (<https://www.w3.org/TR/trace-context/>, version 00) and nothing of any tracing backend. An
//! application that has one says where the current context comes from
//! ([`AgentConfig::trace_source`](super::AgentConfig::trace_source)); spans carry the ids as fields, so that logs of both
//! ends can be joined without a backend, too.

use core::{fmt, str::FromStr};

use rand_core::CryptoRng;

/// A `traceparent`: which trace something belongs to, and which span caused it.
///
/// ```
/// use agentmesh_core::client::trace::TraceParent;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let parent: TraceParent = text.parse()?;
/// assert_eq!(parent.to_string(), text);
/// assert_eq!(parent.trace_id(), "0af7651916cd43dd8448eb211c80319c");
/// # Ok::<(), agentmesh_core::client::trace::NotATraceParent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

/// A text that is no `traceparent` of version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of version 00")]
pub struct NotATraceParent;

impl TraceParent {
    /// The beginning of a new, sampled trace.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut new = Self { trace: [0; 16], span: [0; 8], flags: 1 };
        while new.trace == [0; 16] {
            rng.fill_bytes(&mut new.trace);
        }
        new.child(rng)
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn child(self, rng: &mut dyn CryptoRng) -> Self {
        let mut new = Self { span: [0; 8], ..self };
        while new.span == [0; 8] {
            rng.fill_bytes(&mut new.span);
        }
        new
    }

    /// The trace's id, 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        hex(&self.trace)
    }

    /// The causing span's id, 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        hex(&self.span)
    }

    /// Whether the trace is recorded.
    pub const fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl FromStr for TraceParent {
    type Err = NotATraceParent;

    fn from_str(text: &str) -> Result<Self, NotATraceParent> {
        let mut fields = text.split('-');
        let mut next = || fields.next().ok_or(NotATraceParent);
        let (version, trace, span, flags) = (next()?, next()?, next()?, next()?);
        let parsed =
            Self { trace: bytes(trace)?, span: bytes(span)?, flags: bytes::<1>(flags)?[0] };
        let whole = version == "00" && fields.next().is_none();
        let named = parsed.trace != [0; 16] && parsed.span != [0; 8];
        if whole && named { Ok(parsed) } else { Err(NotATraceParent) }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex(&self.trace), hex(&self.span), self.flags)
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Lower case and exactly that long, as the standard wants it.
fn bytes<const N: usize>(text: &str) -> Result<[u8; N], NotATraceParent> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(NotATraceParent);
    }
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(NotATraceParent),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        if let [high, low] = pair {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_utils::seeded_rng;

    #[test]
    fn only_the_standard_form_is_taken() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        assert!(!good.parse::<TraceParent>().unwrap().is_sampled());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(NotATraceParent), "{bad}");
        }
    }

    #[test]
    fn child_is_another_span_of_the_same_trace() {
        let mut rng = seeded_rng(1);
        let root = TraceParent::generate(&mut rng);
        let child = root.child(&mut rng);
        assert_eq!(root.trace_id(), child.trace_id());
        assert_ne!(root.span_id(), child.span_id());
        assert!(child.is_sampled());
        assert_eq!(child.to_string().parse(), Ok(child));
    }
}
