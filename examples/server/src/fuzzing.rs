//! What clients send to the relay's WebSocket, for whoever throws bytes at it (feature `fuzzing`). Panics if a promise is
//! broken: however the bytes are cut, the same events come out of them.

use crate::relay::websocket::{Decoder, Input};

/// Small, so that the limit is met.
const LIMIT: usize = 1024;

/// The first byte says how the rest is cut.
pub fn websocket(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let whole = events(data.chunks(data.len().max(1)));
    let pieces = events(data.chunks(usize::from(*cut).max(1)));
    assert_eq!(whole, pieces);
}

/// What came, and how it ended.
fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut decoder = Decoder::new(LIMIT);
    let mut input = Input::default();
    let mut events = Vec::new();
    for piece in pieces {
        input.spare(piece.len()).extend_from_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(Some(event)) => events.push(format!("{event:?}")),
                Ok(None) => break,
                Err(violation) => {
                    events.push(format!("{violation:?}"));
                    return events;
                }
            }
        }
    }
    events
}
