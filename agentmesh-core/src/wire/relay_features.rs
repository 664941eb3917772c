//! What a client and a relay may agree on beyond plain 0.2 (`docs/protocol/native.md` §8). A name that one side
//! does not know is skipped, so that new ones can be added later.

use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, SeqAccess},
    ser::SerializeSeq,
};

/// The extensions announced in `connect` and answered in `connected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Features {
    /// `connect` carries a signature bound to the relay and to a nonce.
    pub auth: bool,
    /// Frames have ids, the relay acknowledges what it stored, recipients acknowledge what they have.
    pub ack: bool,
    /// Everything unacknowledged comes again after `connected`.
    pub resume: bool,
    /// Messages and acknowledgements may be WebSocket binary frames.
    pub binary: bool,
}

impl Features {
    /// Plain 0.2.
    pub const NONE: Self = Self { auth: false, ack: false, resume: false, binary: false };
    /// Everything this build knows.
    pub const ALL: Self = Self { auth: true, ack: true, resume: true, binary: true };

    /// What both have.
    pub const fn intersection(self, other: Self) -> Self {
        Self {
            auth: self.auth && other.auth,
            ack: self.ack && other.ack,
            resume: self.resume && other.resume,
            binary: self.binary && other.binary,
        }
    }

    /// Whether this is plain 0.2.
    pub const fn is_empty(&self) -> bool {
        !(self.auth || self.ack || self.resume || self.binary)
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        [(self.auth, "auth"), (self.ack, "ack"), (self.resume, "resume"), (self.binary, "binary")]
            .into_iter()
            .filter_map(|(on, name)| on.then_some(name))
    }
}

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for name in self.names() {
            list.serialize_element(name)?;
        }
        list.end()
    }
}

/// A list element that may be anything; only strings count.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element<'a> {
    Name(#[serde(borrow)] std::borrow::Cow<'a, str>),
    Other(IgnoredAny),
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Features;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of feature names")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Features, E> {
                Ok(Features::NONE)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Features, A::Error> {
                let mut features = Features::NONE;
                while let Some(element) = list.next_element::<Element<'_>>()? {
                    let Element::Name(name) = element else { continue };
                    match &*name {
                        "auth" => features.auth = true,
                        "ack" => features.ack = true,
                        "resume" => features.resume = true,
                        "binary" => features.binary = true,
                        _ => {}
                    }
                }
                Ok(features)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_a_list_and_skips_what_it_does_not_know() {
        assert_eq!(
            serde_json::to_string(&Features::ALL).unwrap(),
            r#"["auth","ack","resume","binary"]"#
        );
        let read = |json: &str| serde_json::from_str::<Features>(json).unwrap();
        assert_eq!(read(r#"["auth","ack","resume","binary"]"#), Features::ALL);
        assert_eq!(
            read(r#"["telepathy",7,{"a":[1]},"ack"]"#),
            Features { ack: true, ..Features::NONE }
        );
        assert_eq!(read("null"), Features::NONE);
        assert!(serde_json::from_str::<Features>("5").is_err());
    }

    #[test]
    fn intersection_is_what_both_have() {
        let ours = Features { binary: false, ..Features::ALL };
        let theirs = Features { auth: true, binary: true, ..Features::NONE };
        assert_eq!(ours.intersection(theirs), Features { auth: true, ..Features::NONE });
        assert!(Features::NONE.is_empty());
    }
}
