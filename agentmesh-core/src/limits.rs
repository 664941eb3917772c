//! Every bound of the protocol in one place, each with its reason.

use crate::time::{DAY, HOUR, MINUTE};

/// A native frame in bytes. Its base64 (65,536 characters) is what a relay accepts as `encrypted_payload`.
pub const MAX_FRAME: usize = 48 * 1024;
/// Characters of `encrypted_payload` that a relay accepts.
pub const MAX_ENCRYPTED_PAYLOAD: usize = 65_536;
/// A relay frame of either kind, around its payload: every character of the payload may be escaped in JSON, and ICE
/// candidates come beside it.
pub const MAX_RELAY_FRAME: usize = 1024 * 1024;
/// Plaintext is padded to a multiple of this, so that sizes say less.
pub const PADDING_BLOCK: usize = 256;
/// Bytes around the padded plaintext of the largest frame: kind 1 with ML-KEM (2 + 1198), sid, header, nonce, tag.
pub const MAX_FRAME_OVERHEAD: usize = 2 + 1198 + 16 + 42 + 12 + 16;
/// Padded plaintext that fits a frame of any kind.
pub const MAX_PLAINTEXT: usize = (MAX_FRAME - MAX_FRAME_OVERHEAD) / PADDING_BLOCK * PADDING_BLOCK;
/// A payload that goes as one message: what fits one frame with room for the CBOR around it. Longer ones go in parts.
pub const MAX_PAYLOAD: usize = MAX_PLAINTEXT - 1024;

/// Entries of a plaintext's map: those that exist, and room for later ones.
pub const MAX_PLAINTEXT_ENTRIES: usize = 64;
/// Nesting of CBOR that nobody asked for. What is asked for nests three deep.
pub const MAX_CBOR_DEPTH: usize = 16;
/// Nesting of JSON payloads: the JSON parsers of all languages take it with their defaults.
pub const MAX_JSON_DEPTH: usize = 64;
/// Pieces of one large payload: 64 MiB, the most that is ever reassembled, in pieces of 32 KiB.
pub const MAX_PARTS: u32 = 2048;
/// Payload bytes of a part: with what goes around it, it fills a frame of kind 2 well and padding costs little.
pub const PART_SIZE: usize = 45 * 1024;
/// The largest payload that is ever sent or put together from parts.
pub const MAX_LARGE_PAYLOAD: usize = 64 * 1024 * 1024;
/// The largest payload that is taken from a peer unless configured otherwise.
pub const DEFAULT_RECEIVED_PAYLOAD: usize = 16 * 1024 * 1024;
/// Parts under way to a peer without its receipt: a third of the 100 messages that a relay keeps for an agent, so that
/// there is always room for others, and enough to keep a fast line busy (1.4 MiB).
pub const PART_WINDOW: usize = 32;
/// Parts under way to all peers.
pub const PART_WINDOW_IN_ALL: usize = 256;
/// Large payloads sent to a peer at the same time; others wait.
pub const LARGE_MESSAGES_PER_PEER: usize = 4;
/// Large payloads put together for a peer at the same time: twice what a sender sends.
pub const ASSEMBLIES_PER_PEER: usize = 8;
/// Large payloads put together at the same time.
pub const ASSEMBLIES: usize = 64;
/// How long parts wait for the others. Senders give up after 72 h, and relays keep frames as long.
pub const ASSEMBLY_AGE: u64 = 96 * HOUR;
/// After this without a new part, an unfinished payload makes room for another one if there is no other room.
pub const ASSEMBLY_IDLE: u64 = 10 * MINUTE;
/// Refused payloads remembered, so that their late parts get the same answer; oldest out first.
pub const REFUSED_ASSEMBLIES: usize = 256;
/// A trace context. A W3C `traceparent` has 55 characters; later versions may have more.
pub const MAX_TRACE: usize = 256;
/// Name of a schema that a message says its payload follows.
pub const MAX_SCHEMA_NAME: usize = 128;
/// Text of a schema.
pub const MAX_SCHEMA: usize = 64 * 1024;
/// Schemas in a registry.
pub const MAX_SCHEMAS: usize = 256;
/// A payload that is checked against a schema: what is checked is built in memory.
pub const MAX_SCHEMA_INSTANCE: usize = 1024 * 1024;
/// Streams that have not ended, as sender and as reader.
pub const MAX_STREAMS: usize = 1000;
/// How long a stream in which nothing moves is remembered.
pub const STREAM_AGE: u64 = 7 * DAY;
/// How long the receipt for a stream's frame waits for the one that says that it was consumed, in milliseconds.
pub const STREAM_RECEIPT_DELAY: u64 = 950;
/// Frames of a stream that its reader may leave unconsumed: a relay's inbox of 100 keeps room for others.
pub const MAX_STREAM_WINDOW_FRAMES: u32 = 64;
/// Least bytes of a stream under way: one frame always fits.
pub const MIN_STREAM_WINDOW_BYTES: u32 = 32 * 1024;
/// Most bytes of a stream under way.
pub const MAX_STREAM_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// Encoded body of one stream frame; a plaintext takes it with room to spare.
pub const MAX_STREAM_FRAME: usize = 32 * 1024;
/// One chunk of a stream.
pub const MAX_STREAM_CHUNK: usize = 24 * 1024;
/// Chunks in one frame: a token is a few bytes, and so is what goes around it.
pub const MAX_STREAM_CHUNKS: usize = 1024;
/// JSON text beside a stream's chunks.
pub const MAX_STREAM_METADATA: usize = 4096;
/// Code in an error that is told to a peer.
pub const MAX_ERROR_CODE: usize = 64;
/// Words in an error that is told to a peer.
pub const MAX_ERROR_TEXT: usize = 1024;
/// Capabilities in one proposal.
pub const MAX_NEGOTIATED: usize = 64;
/// A prekey bundle's blob: 1,440 bytes with ML-KEM, and room for more suites.
pub const MAX_BUNDLE: usize = 2048;

/// Message keys derived for one gap. More is an attack or a lost store; a new handshake is cheaper.
pub const MAX_SKIP_PER_STEP: u32 = 1000;
/// Skipped message keys kept in a session, oldest out first.
pub const MAX_SKIPPED_KEYS: usize = 2000;
/// How long a skipped key waits for its message: as long as the relay keeps it, and a day.
pub const SKIPPED_KEY_AGE: u64 = 96 * HOUR;
/// Hashes of opened frames kept a session, to tell a duplicate from a sender that rolled back.
pub const RECENT_FRAMES: usize = 128;
/// After this, a session is replaced by a new handshake.
pub const SESSION_AGE: u64 = 30 * DAY;

/// One-time prekeys published.
pub const ONE_TIME_PREKEYS: usize = 100;
/// Replenish when fewer are left.
pub const ONE_TIME_PREKEYS_LOW: usize = 20;
/// One-time ML-KEM prekeys published. Each is 1.2 KB in the registry.
pub const ONE_TIME_KEM_PREKEYS: usize = 20;
/// Replenish when fewer are left.
pub const ONE_TIME_KEM_PREKEYS_LOW: usize = 5;
/// Private one-time prekeys kept, those handed out and never used included; the oldest go first.
pub const ONE_TIME_PREKEYS_KEPT: usize = 500;
/// Private one-time ML-KEM prekeys kept, likewise.
pub const ONE_TIME_KEM_PREKEYS_KEPT: usize = 100;
/// Age at which the signed prekey is rotated.
pub const SIGNED_PREKEY_AGE: u64 = 7 * DAY;
/// How long private parts outlive the upload of a newer bundle: the relay's 72 h and a day.
pub const SIGNED_PREKEY_GRACE: u64 = 96 * HOUR;
/// Prekey ids stay within the deployed registry's i32.
pub const MAX_PREKEY_ID: u32 = i32::MAX as u32;
/// Oldest bundle accepted.
pub const BUNDLE_MAX_AGE: u64 = 30 * DAY;
/// Clock difference tolerated for things dated in the future.
pub const CLOCK_SKEW: u64 = 5 * MINUTE;
/// Oldest signed timestamp that a relay or registry accepts.
pub const AUTH_MAX_AGE: u64 = 5 * MINUTE;
/// How far in the future such a timestamp may lie.
pub const AUTH_MAX_AHEAD: u64 = MINUTE;
/// Oldest KNOCK accepted: it may have waited for an offline peer.
pub const KNOCK_MAX_AGE: u64 = 96 * HOUR;

/// The request in a KNOCK: it says what is wanted; what it is done with comes as a message.
pub const MAX_KNOCK_REQUEST: usize = 16 * 1024;
/// A certificate in a KNOCK. The registry's have 1 to 2 KB.
pub const MAX_KNOCK_CERTIFICATE: usize = 8 * 1024;
/// Bytes of the tier that a KNOCK claims.
pub const MAX_TIER: usize = 32;
/// Entries of the map in a KNOCK or in an answer to one.
pub const MAX_KNOCK_ENTRIES: usize = 16;
/// Suites that a KNOCK may list.
pub const MAX_SUITES: usize = 16;
/// Bytes of a capability or action, so that a reason can quote it.
pub const MAX_CAPABILITY: usize = 256;
/// Bytes of a reason in a REJECT.
pub const MAX_REASON: usize = 512;
/// Session lifetime that a request asks for if it does not say, in seconds; also what the default policy grants.
pub const DEFAULT_SESSION_TTL: u64 = 300;
/// Nonces of KNOCKs remembered a peer, 24 bytes each: a peer that loses its store at every start and starts every six
/// minutes is served. Beyond, its KNOCKs are refused until the oldest is too old to be replayed.
pub const REPLAY_NONCES: usize = 1024;
/// A policy file in bytes.
pub const MAX_POLICY_FILE: usize = 1024 * 1024;

/// Messages held for a peer until its KNOCK is decided.
pub const HELD_MESSAGES_PER_PEER: usize = 16;
/// Bytes held for a peer until its KNOCK is decided.
pub const HELD_BYTES_PER_PEER: usize = 256 * 1024;
/// Peers with an undecided KNOCK.
pub const HELD_PEERS: usize = 100;
/// How long messages of a peer wait for the ACCEPT that they have overtaken; the relay may have lost it, or it lay there
/// too long. Longer than any decision takes.
pub const ACCEPT_PATIENCE: u64 = 5 * MINUTE;
/// Frames of unknown sessions parked a peer.
pub const PARKED_FRAMES_PER_PEER: usize = 8;
/// Peers with parked frames.
pub const PARKED_PEERS: usize = 100;
/// How long a parked frame waits for its session; after that it is forgotten here, and still at the relay.
pub const PARKED_AGE: u64 = 10 * MINUTE;
/// Bytes parked in all.
pub const PARKED_BYTES: usize = 1024 * 1024;
/// Peers with messages that were left at the relay, remembered so that later ones do not overtake them. Beyond,
/// everybody's wait until there is room.
pub const LEFT_BEHIND_PEERS: usize = 4096;
/// Superseded sessions kept for receiving, a peer.
pub const RECEIVE_ONLY_SESSIONS: usize = 5;
/// How long they are kept.
pub const RECEIVE_ONLY_AGE: u64 = 96 * HOUR;
/// Tombstones of closed and rejected sessions kept in all; none is evicted before its signed prekey is deleted.
pub const MAX_TOMBSTONES: usize = 10_000;

/// Peers that can be blocked one by one; each block writes the list, 28 bytes a peer.
pub const MAX_BLOCKED_PEERS: usize = 10_000;

/// At most one probe, and one probe reply, a peer in this time.
pub const PROBE_INTERVAL: u64 = MINUTE;
/// At most one session in the place of a closed one that a peer goes on in, a peer, in this time.
pub const REPLACE_INTERVAL: u64 = HOUR;
/// At most one refusal a sender in this time.
pub const REFUSE_INTERVAL: u64 = MINUTE;
/// Refusals sent to all peers in a second.
pub const REFUSALS_PER_SECOND: u32 = 10;
/// New tries after refusals, a peer and hour.
pub const REFUSED_RETRIES_PER_HOUR: usize = 3;

/// How long an unreceipted message stays in the outbox.
pub const OUTBOX_AGE: u64 = 72 * HOUR;
/// How long (peer, message id) is remembered, so that a handler sees a message once.
pub const SEEN_AGE: u64 = 7 * DAY;
/// First pause before a handshake frame is sent again; it doubles.
pub const HANDSHAKE_RESEND_MIN: u64 = MINUTE;
/// Longest pause before a handshake frame is sent again.
pub const HANDSHAKE_RESEND_MAX: u64 = HOUR;
/// Receipts in one message.
pub const MAX_RECEIPTS: usize = 256;
/// Receipts that wait for a session with one peer, oldest out first: what its mailbox and our inbox hold, and to spare.
pub const WAITING_RECEIPTS: usize = 1024;
/// Peers for whom receipts wait, so that those who end their sessions at once do not fill the outbox.
pub const WAITING_RECEIPT_PEERS: usize = 1000;

/// Bytes of a certificate chain in PEM.
pub const MAX_CERTIFICATE_CHAIN: usize = 64 * 1024;
/// Certificates in a chain.
pub const MAX_CERTIFICATES: usize = 5;

/// Sealed bytes of one stored record: the largest message that can be reassembled (64 MiB), and what goes around it.
pub const MAX_RECORD: usize = 65 * 1024 * 1024;

/// Bytes of a plain value's name: what object stores and key-value services take.
pub const MAX_VALUE_NAME: usize = 512;
/// Bytes of a plain value: caches and presence, not archives.
pub const MAX_VALUE: usize = 16 * 1024 * 1024;
/// Bytes of a plain value's metadata, eight more for each of its entries.
pub const MAX_VALUE_METADATA: usize = 4096;

/// Characters of base64 in an envelope of `agentmesh/0.2`: the deployed SDK fails somewhere above 120,000.
pub const LEGACY_MAX_CIPHERTEXT: usize = 90_000;
/// A KNOCK of `agentmesh/0.2`, or an answer to one: a request, an X3DH message and room for a certificate chain.
pub const LEGACY_MAX_KNOCK: usize = 64 * 1024;
/// How far a KNOCK of `agentmesh/0.2` may lie before or after now.
pub const LEGACY_KNOCK_WINDOW: u64 = 5 * MINUTE;
/// How long the previous signed prekey of the deployed SDK's prekey file is still good.
pub const LEGACY_SIGNED_PREKEY_GRACE: u64 = 24 * HOUR;
/// Used one-time prekey ids that the deployed SDK's prekey file lists.
pub const LEGACY_CONSUMED_IDS: usize = 1000;
/// One-time prekeys that such a file may hold.
pub const LEGACY_MAX_ONE_TIME_PREKEYS: usize = 10_000;
/// A session id of `agentmesh/0.2` in bytes. The deployed SDK's have 40.
pub const LEGACY_MAX_SESSION_ID: usize = 128;
/// Counters that JavaScript can count: 2^53 - 1.
pub const LEGACY_MAX_COUNTER: u64 = (1 << 53) - 1;
/// Bundles of ours kept for handshakes under way. One a week leaves two; the rest is for rotations by hand.
pub const MAX_RETIRED_BUNDLES: usize = 64;
/// Bytes of a DID document. Those of deployed agents take one to two KiB.
pub const MAX_DID_DOCUMENT: usize = 64 * 1024;
/// Bytes that a backup carries besides the identity: [`MAX_CONTINUATION_PEERS`] peers of 86 bytes, and room.
pub const MAX_CONTINUATION: usize = 1024 * 1024;
/// Peers in a backup.
pub const MAX_CONTINUATION_PEERS: usize = 10_000;
