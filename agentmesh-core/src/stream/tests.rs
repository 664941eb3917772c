//! Both ends against each other over a network that drops, duplicates and reorders, with ends that die.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    Timestamp,
    test_utils::seeded_rng,
    wire::{
        peer_error::PeerError,
        stream::{ChunkContent, StreamBody, StreamEnd, StreamFrame},
    },
};

fn terms(frames: u32) -> StreamTerms {
    StreamTerms { frames, bytes: 64 * 1024 }
}

fn start(frames: u32) -> StreamState {
    StreamState { chunks: 0, frames: 0, terms: terms(frames) }
}

fn request() -> MessageId {
    MessageId::new_v7(Timestamp::from_millis(1_770_206_400_000), &mut seeded_rng(5))
}

fn id(n: u64) -> MessageId {
    frame_id(Amid::from_bytes([1; 20]), Amid::from_bytes([2; 20]), request(), n)
}

fn commit(sender: &mut Sender) -> Option<(u64, StreamFrame)> {
    let (n, frame, _) = sender.next_frame(false)?;
    sender.committed();
    Some((n, frame))
}

fn size(frame: &StreamFrame) -> usize {
    StreamBody::Frame(frame.clone()).encode().unwrap().len()
}

#[test]
fn frame_ids_are_reproducible_and_differ_in_all_they_depend_on() {
    let (a, b) = (Amid::from_bytes([1; 20]), Amid::from_bytes([2; 20]));
    assert_eq!(id(3), id(3));
    assert_eq!(id(3).time(), request().time());
    let other = MessageId::new_v7(request().time(), &mut seeded_rng(6));
    let ids = [
        id(3),
        id(4),
        frame_id(b, a, request(), 3),
        frame_id(a, a, request(), 3),
        frame_id(a, b, other, 3),
    ];
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| MessageId::from_bytes(*id.as_bytes()).is_ok()));
}

#[test]
fn chunks_that_wait_for_a_commit_travel_together() {
    let mut sender = Sender::new(start(16), []);
    sender.push("a".into()).unwrap();
    let (_, first, _) = sender.next_frame(false).unwrap();
    assert_eq!(first.chunks.len(), 1, "the first goes at once");
    for _ in 0..500 {
        sender.push("b".into()).unwrap();
    }
    assert_eq!(sender.next_frame(false), None, "one frame at a time is on its way to the disk");
    sender.committed();
    let (n, second, last) = sender.next_frame(false).unwrap();
    assert_eq!((n, second.first, second.chunks.len(), last), (1, 1, 500, false));
}

#[test]
fn slow_reader_bounds_what_the_sender_takes() {
    let mut sender = Sender::new(start(4), []);
    let chunk = || ChunkContent::from("0123456789");
    let mut pushed = 0_u64;
    let mut frames = Vec::new();
    while sender.has_room(&chunk()) {
        sender.push(chunk()).unwrap();
        pushed += 1;
        frames.extend(commit(&mut sender));
    }
    assert_eq!(frames.len(), 4, "as many frames as were granted");
    assert!(sender.is_blocked());
    assert!(pushed < 5_000 + 4, "{pushed} chunks were taken");
    // One frame consumed makes room for one.
    assert!(sender.prune(|frame| frame != 0));
    let (n, frame) = commit(&mut sender).unwrap();
    assert_eq!(n, 4);
    assert!(frame.chunks.len() > 500, "what waited travels together");
    assert_eq!(commit(&mut sender), None);
}

#[test]
fn bytes_under_way_are_bounded_too_and_one_frame_always_fits() {
    let mut sender = Sender::new(start(64), []);
    let large = || ChunkContent::from(vec![7; crate::limits::MAX_STREAM_CHUNK]);
    let mut bytes = 0;
    for _ in 0..20 {
        if sender.has_room(&large()) {
            sender.push(large()).unwrap();
        }
        bytes += commit(&mut sender).map_or(0, |(_, frame)| size(&frame));
    }
    assert!(bytes <= 64 * 1024, "{bytes} bytes are under way");
    assert!(bytes >= 2 * crate::limits::MAX_STREAM_CHUNK);
    let mut narrow = Sender::new(
        StreamState { terms: StreamTerms { frames: 1, bytes: 32 * 1024 }, ..start(1) },
        [],
    );
    narrow.push(large()).unwrap();
    assert!(commit(&mut narrow).is_some());
}

#[test]
fn end_needs_no_window_and_nothing_comes_behind_it() {
    let mut sender = Sender::new(start(1), []);
    sender.push("a".into()).unwrap();
    commit(&mut sender).unwrap();
    sender.end(StreamEnd::Finished);
    assert_eq!(sender.push("b".into()), None);
    let (_, frame, last) = sender.next_frame(false).unwrap();
    assert_eq!((frame.end, frame.chunks.len(), last), (Some(StreamEnd::Finished), 0, true));
    assert!(!sender.is_done());
    sender.committed();
    assert!(sender.is_done());
    assert_eq!(sender.next_frame(true), None);
}

#[test]
fn cancel_drops_what_waits() {
    let mut sender = Sender::new(start(1), []);
    for _ in 0..10 {
        sender.push("a".into()).unwrap();
        commit(&mut sender);
    }
    sender.cancel("enough".into());
    assert!(sender.is_done());
    assert_eq!(sender.next_frame(true), None);
    assert_eq!(sender.stopped(), Some(&Stop::Cancelled { reason: "enough".into() }));
    assert_eq!(sender.push("b".into()), None);
}

#[test]
fn stalled_stream_says_so_in_its_last_frame() {
    let mut sender = Sender::new(start(1), []);
    sender.push("a".into()).unwrap();
    commit(&mut sender).unwrap();
    sender.push("b".into()).unwrap();
    sender.halt(Stop::Stalled);
    let (_, frame, last) = sender.next_frame(false).unwrap();
    assert!(last && frame.chunks.is_empty());
    let Some(StreamEnd::Failed(error)) = frame.end else { panic!("{frame:?}") };
    assert_eq!(error.code, "STREAM_STALLED");
}

#[test]
fn refused_frame_is_made_again_with_what_came_meanwhile() {
    let mut sender = Sender::new(start(4), []);
    sender.push("a".into()).unwrap();
    sender.next_frame(false).unwrap();
    sender.push("b".into()).unwrap();
    sender.refused();
    let (n, frame, _) = sender.next_frame(false).unwrap();
    assert_eq!((n, frame.first, frame.chunks.len()), (0, 0, 2));
}

#[test]
fn sender_that_died_goes_on_behind_what_was_queued() {
    let mut sender = Sender::new(start(4), []);
    for _ in 0..3 {
        sender.push("a".into()).unwrap();
        commit(&mut sender);
    }
    sender.push("lost: never on disk".into()).unwrap();
    let state = sender.state();
    let mut again = Sender::new(state, [1, 2]);
    assert_eq!(again.next_number(), 3);
    again.push("d".into()).unwrap();
    assert_eq!(again.next_frame(false), None, "how large the old frames are is not known");
    again.prune(|_| false);
    let (n, frame) = commit(&mut again).unwrap();
    assert_eq!((n, frame.first), (3, 3));
}

fn frame(first: u64, count: usize) -> StreamFrame {
    let chunks = (0..count).map(|i| format!("{}", first + i as u64).into()).collect();
    StreamFrame { first, chunks, ..Default::default() }
}

#[test]
fn reader_orders_and_drops_what_it_has() {
    let mut reader = Reader::new(start(8));
    assert_eq!(reader.accept(id(1), frame(2, 2), 10), Accepted::Held);
    assert_eq!(reader.pop(), None, "0 and 1 are missing");
    assert_eq!(reader.accept(id(1), frame(2, 2), 10), Accepted::Known);
    assert_eq!(reader.accept(id(0), frame(0, 2), 10), Accepted::Held);
    assert_eq!(reader.pop().unwrap().first, 0);
    assert_eq!(reader.pop().unwrap().first, 2);
    assert_eq!(reader.accept(id(9), frame(1, 2), 10), Accepted::Nothing);
    // Half of it is known.
    assert_eq!(reader.accept(id(8), frame(3, 3), 10), Accepted::Held);
    let rest = reader.pop().unwrap();
    assert_eq!((rest.first, rest.chunks.len()), (4, 2));
    reader.consume(3);
    assert_eq!(reader.take_done(), [id(0)]);
    reader.consume(6);
    assert_eq!(reader.take_done(), [id(1), id(8)]);
}

#[test]
fn reader_refuses_what_exceeds_the_window_but_not_its_end() {
    let mut reader = Reader::new(start(2));
    assert_eq!(reader.accept(id(0), frame(0, 1), 10), Accepted::Held);
    assert_eq!(reader.accept(id(1), frame(1, 1), 10), Accepted::Held);
    let end = StreamFrame { end: Some(StreamEnd::Finished), ..frame(2, 0) };
    let mut other = Reader::new(start(2));
    other.accept(id(0), frame(0, 1), 10);
    other.accept(id(1), frame(1, 1), 10);
    assert_eq!(other.accept(id(2), frame(2, 1), 10), Accepted::Violation);
    assert_eq!(reader.accept(id(2), end, 10), Accepted::Held);
    let mut large = Reader::new(start(64));
    let taken =
        (0..64).take_while(|n| large.accept(id(*n), frame(*n, 1), 32 * 1024) == Accepted::Held);
    assert_eq!(taken.count(), 3, "the window of bytes and one frame");
}

#[test]
fn reader_skips_what_its_application_has() {
    let mut reader = Reader::new(StreamState { chunks: 3, ..start(8) });
    reader.skip_to(5);
    reader.accept(id(1), frame(3, 4), 10);
    let rest = reader.pop().unwrap();
    assert_eq!((rest.first, rest.chunks.len()), (5, 2));
    reader.consume(7);
    assert_eq!(reader.take_done(), [id(1)]);
}

/// What the network and the agents do next.
#[derive(Debug, Clone)]
enum Act {
    Push(u8),
    Commit,
    Refuse,
    /// The message with this place among those under way arrives, and stays under way: it may come again.
    Arrive(prop::sample::Index),
    Consume(u8),
    KillSender,
    KillReader,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..40u8).prop_map(Act::Push),
        4 => Just(Act::Commit),
        1 => Just(Act::Refuse),
        6 => any::<prop::sample::Index>().prop_map(Act::Arrive),
        4 => (1..60u8).prop_map(Act::Consume),
        1 => Just(Act::KillSender),
        1 => Just(Act::KillReader),
    ]
}

/// Both ends with what is durable around them: the sender's outbox, the reader's inbox and what it receipted.
struct World {
    sender: Sender,
    reader: Reader,
    outbox: BTreeMap<u64, StreamFrame>,
    inbox: BTreeMap<u64, StreamFrame>,
    receipted: BTreeSet<u64>,
    /// What the reader would find after it died.
    durable: StreamState,
    said: u64,
    read: u64,
    popped: std::collections::VecDeque<u64>,
}

impl World {
    fn new(frames: u32) -> Self {
        Self {
            sender: Sender::new(start(frames), []),
            reader: Reader::new(start(frames)),
            outbox: BTreeMap::new(),
            inbox: BTreeMap::new(),
            receipted: BTreeSet::new(),
            durable: start(frames),
            said: 0,
            read: 0,
            popped: Default::default(),
        }
    }

    fn name(&self, message: MessageId) -> u64 {
        (0..=self.sender.state().frames).find(|n| id(*n) == message).unwrap()
    }

    fn handled(&mut self, messages: Vec<MessageId>) {
        for message in messages {
            let n = self.name(message);
            self.inbox.remove(&n);
            self.receipted.insert(n);
            self.outbox.remove(&n);
        }
        let outbox = &self.outbox;
        self.sender.prune(|n| outbox.contains_key(&n));
    }

    fn arrive(&mut self, n: u64, frame: StreamFrame) {
        if self.receipted.contains(&n) {
            return;
        }
        // The engine hands a message on once, and again after a restart.
        self.inbox.insert(n, frame.clone());
        let bytes = size(&frame);
        match self.reader.accept(id(n), frame, bytes) {
            Accepted::Held | Accepted::Known => {}
            Accepted::Nothing => self.handled(vec![id(n)]),
            Accepted::Violation => panic!("an honest sender exceeded the window"),
        }
        while let Some(frame) = self.reader.pop() {
            for (i, chunk) in frame.chunks.iter().enumerate() {
                let number = frame.first + i as u64;
                assert_eq!(chunk.as_text(), Some(number.to_string().as_str()));
                self.popped.push_back(number);
            }
        }
    }

    fn consume(&mut self, count: usize) {
        for _ in 0..count {
            let Some(number) = self.popped.pop_front() else { break };
            assert_eq!(number, self.read, "each once, in order");
            self.read += 1;
        }
        self.reader.consume(self.read);
        let done = self.reader.take_done();
        if !done.is_empty() {
            self.durable = self.reader.state();
        }
        self.handled(done);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Push(count) => {
                for _ in 0..count {
                    let chunk = ChunkContent::from(self.said.to_string());
                    if self.sender.has_room(&chunk) && self.sender.push(chunk).is_some() {
                        self.said += 1;
                    }
                }
            }
            Act::Commit => {
                if let Some((n, frame)) = commit(&mut self.sender) {
                    self.outbox.insert(n, frame);
                }
            }
            Act::Refuse => {
                if self.sender.next_frame(false).is_some() {
                    self.sender.refused();
                }
            }
            Act::Arrive(at) => {
                if !self.outbox.is_empty() {
                    let (n, frame) = self.outbox.iter().nth(at.index(self.outbox.len())).unwrap();
                    let (n, frame) = (*n, frame.clone());
                    self.arrive(n, frame);
                }
            }
            Act::Consume(count) => self.consume(count.into()),
            Act::KillSender => {
                let state = self.sender.state();
                self.sender = Sender::new(state, self.outbox.keys().copied().collect::<Vec<_>>());
                self.said = self.sender.next_number();
            }
            Act::KillReader => {
                // The application knows what it read; frames that it did not consume are in the inbox.
                self.reader = Reader::new(self.durable);
                self.reader.skip_to(self.read);
                self.popped.clear();
                for (n, frame) in self.inbox.clone() {
                    self.arrive(n, frame);
                }
            }
        }
    }

    /// Everything gets through from here.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.act(Act::Commit);
            for (n, frame) in self.outbox.clone() {
                self.arrive(n, frame);
            }
            self.consume(usize::MAX);
            if self.sender.is_done() && self.reader.is_done() {
                return;
            }
        }
        panic!("they never come to an end: {:?} {:?}", self.sender, self.reader);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_chunk_comes_once_and_in_order_whatever_happens(
        frames in 1..8u32,
        acts in proptest::collection::vec(act(), 0..200),
    ) {
        let mut world = World::new(frames);
        for act in acts {
            world.act(act);
            prop_assert!(world.outbox.len() <= frames as usize + 1, "the window holds");
        }
        world.sender.end(StreamEnd::Finished);
        world.settle();
        prop_assert_eq!(world.read, world.said);
        prop_assert_eq!(world.sender.on_disk(), world.said);
    }

    #[test]
    fn frames_of_a_sender_always_encode(
        chunks in proptest::collection::vec(0..5000usize, 0..60),
        words in "\\PC{0,1024}",
        metadata in 0..4000usize,
    ) {
        let mut sender = Sender::new(start(64), []);
        sender.set_metadata(format!("\"{}\"", "m".repeat(metadata)));
        for len in chunks {
            let chunk = ChunkContent::from(vec![1; len]);
            if sender.has_room(&chunk) {
                sender.push(chunk).unwrap();
            }
        }
        sender.end(StreamEnd::Failed(PeerError::new("CODE", words)));
        for _ in 0..100 {
            let Some((_, frame)) = commit(&mut sender) else { break };
            prop_assert!(StreamBody::Frame(frame).encode().is_ok());
            sender.prune(|_| false);
        }
        prop_assert!(sender.is_done());
    }
}
