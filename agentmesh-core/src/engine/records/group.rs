//! A large message on its way out: everything but its payload, and which of its parts the peer has.

use core::fmt;

use crate::{
    codec::{CodecError, Reader, Write},
    engine::parts::Bitmap,
    limits,
    wire::plaintext::{Part, Plaintext},
};

/// See the module. Its parts are chunks of their own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// The message with an empty payload of the right type; its part is the first one.
    pub(crate) header: Plaintext,
    pub(crate) part: Part,
    /// Bytes of the payload.
    pub(crate) length: u64,
    /// Every part below this was handed to the relay at least once; after a restart they have precedence, so that there are
    /// never more different parts at the relay than the window allows.
    pub(crate) begun: u32,
    /// Parts that the peer has on its disk.
    pub(crate) confirmed: Bitmap,
    /// What the KNOCK asks for, if this message opens a session.
    pub(crate) intent: Option<String>,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { header, part: _, length, begun, confirmed, intent } = self;
        f.debug_struct("Group")
            .field("header", header)
            .field("length", length)
            .field("begun", begun)
            .field("confirmed", confirmed)
            .field("intent_len", &intent.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
}

impl Group {
    pub(crate) fn encode(&self, out: &mut impl Write) {
        // It was encoded before the message was taken, so this does not fail.
        out.put_lp(&self.header.encode().unwrap_or_default());
        out.put_u64(self.length);
        out.put_u32(self.begun);
        self.confirmed.encode(out);
        out.put_bool(self.intent.is_some());
        if let Some(intent) = &self.intent {
            out.put_lp(intent.as_bytes());
        }
    }

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (header, part) = decode_header(r)?;
        let length = r.u64("length")?;
        let begun = r.u32("begun")?;
        let confirmed = Bitmap::decode(r)?;
        if confirmed.len() != part.count || begun > part.count {
            return Err(CodecError::InvalidValue { field: "parts" });
        }
        let intent =
            r.option("intent", |r| r.text(limits::MAX_FRAME, "intent").map(str::to_owned))?;
        Ok(Self { header, part, length, begun, confirmed, intent })
    }
}

/// A message without its payload, as sender and recipient keep it beside the parts.
pub(crate) fn decode_header(r: &mut Reader<'_>) -> Result<(Plaintext, Part), CodecError> {
    let invalid = CodecError::InvalidValue { field: "header" };
    let bytes = r.lp(limits::MAX_PLAINTEXT, "header")?;
    let header = Plaintext::decode(bytes).map_err(|_| invalid.clone())?;
    let part = header.part.ok_or(invalid)?;
    Ok((header, part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        test_utils::{mesh::START, seeded_rng},
        wire::{id::MessageId, plaintext::MessageType},
    };

    #[test]
    fn record_whose_numbers_of_parts_contradict_each_other_is_refused() {
        for (count, begun, confirmed, fits) in
            [(3, 0, 3, true), (3, 3, 3, true), (3, 4, 3, false), (3, 0, 2, false), (3, 3, 4, false)]
        {
            let id = MessageId::new_v7(START, &mut seeded_rng(1));
            let mut header = Plaintext::new(id, MessageType::Message, 0, START);
            let part = Part { group: *id.as_bytes(), index: 0, count, sha256: [1; 32] };
            header.part = Some(part);
            let confirmed = Bitmap::new(confirmed);
            let group = Group { header, part, length: 9, begun, confirmed, intent: None };
            let mut bytes = Vec::new();
            group.encode(&mut bytes);
            let read = Group::decode(&mut Reader::new(&bytes));
            assert_eq!(read.is_ok_and(|read| read == group), fits, "{group:?}");
        }
    }
}
