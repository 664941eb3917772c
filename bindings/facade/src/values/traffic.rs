//! Messages that wait, streams that are open, limits on sending, and what the registry says of agents.

use agentmesh_core::{
    client::{
        BucketStatus, OpenStream as CoreStream, RateStatus as CoreRates, Sent as CoreSent,
        registry::{Listing as CoreListing, SearchPage as CorePage},
    },
    engine::{Awaited, InboxItem as CoreIn, OutboxItem as CoreOut},
    stream::StreamRole,
    wire::capability::{Agreement as CoreAgreement, Fit},
};
use serde::Serialize;

use super::message_type;

/// What came of a message by the time that sending it returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// The recipient.
    pub to: String,
    /// How far it came, by number: queued 0, stored 1, delivered 2, handled 3.
    pub stage: u8,
}

impl From<CoreSent> for Sent {
    fn from(sent: CoreSent) -> Self {
        Self { id: sent.id.to_string(), to: sent.to.to_string(), stage: sent.stage as u8 }
    }
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutboxItem {
    /// Its id.
    pub id: String,
    /// The recipient.
    pub to: String,
    /// How far it is, by number.
    pub stage: u8,
    /// When it was queued.
    pub queued_at: u64,
    /// When it is given up.
    pub expires_at: u64,
    /// Bytes kept for it.
    pub size: u64,
    /// How often it was handed to the relay since the agent was opened.
    pub attempts: u32,
    /// The code of what went wrong last.
    pub last_error: Option<String>,
    /// Of a payload in parts: how many the recipient has, and how many there are.
    pub parts: Option<(u32, u32)>,
}

impl From<CoreOut> for OutboxItem {
    fn from(item: CoreOut) -> Self {
        Self {
            id: item.id.to_string(),
            to: item.to.to_string(),
            stage: item.stage as u8,
            queued_at: item.queued_at.as_millis(),
            expires_at: item.expires_at.as_millis(),
            size: item.size,
            attempts: item.attempts,
            last_error: item.last_error,
            parts: item.parts,
        }
    }
}

/// A message that came in and is not handled. Its payload comes with the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InboxItem {
    /// Its id.
    pub id: String,
    /// Who sent it.
    pub sender: String,
    /// What it is.
    pub kind: String,
    /// The message of ours that it answers.
    pub in_reply_to: Option<String>,
    /// When it was sent, by the sender's clock.
    pub sent_at: u64,
    /// When it was opened here.
    pub received_at: u64,
    /// Bytes of the payload that are here.
    pub size: u64,
    /// `handler`, `decision` or `parts`.
    pub waits_for: &'static str,
    /// Of a payload in parts: how many are here, and how many there are.
    pub parts: Option<(u32, u32)>,
}

impl From<CoreIn> for InboxItem {
    fn from(item: CoreIn) -> Self {
        let (waits_for, parts) = match item.waits_for {
            Awaited::Parts { done, total } => ("parts", Some((done, total))),
            Awaited::Decision => ("decision", None),
            _ => ("handler", None),
        };
        Self {
            id: item.id.to_string(),
            sender: item.from.to_string(),
            kind: message_type(item.kind),
            in_reply_to: item.in_reply_to.map(|id| id.to_string()),
            sent_at: item.sent_at.as_millis(),
            received_at: item.received_at.as_millis(),
            size: item.size,
            waits_for,
            parts,
        }
    }
}

/// A stream that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenStream {
    /// The agent at the other end.
    pub peer: String,
    /// The request.
    pub id: String,
    /// Whether we read it; otherwise we send it.
    pub reading: bool,
    /// Sender: chunks queued. Reader: chunks consumed.
    pub position: u64,
}

impl From<CoreStream> for OpenStream {
    fn from(stream: CoreStream) -> Self {
        Self {
            peer: stream.peer.to_string(),
            id: stream.id.to_string(),
            reading: stream.role == StreamRole::Reader,
            position: stream.position,
        }
    }
}

/// How full the buckets of the limits on sending are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RateStatus {
    /// That of all messages, if they are limited.
    pub overall: Option<Bucket>,
    /// That of the messages to the peer that was asked for.
    pub peer: Option<Bucket>,
    /// Peers that are counted.
    pub peers: usize,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// Messages that may be sent at once, now.
    pub available: u32,
    /// Messages that may be sent at once, at most.
    pub burst: u32,
    /// Messages a second in the long run.
    pub per_second: f64,
}

impl From<BucketStatus> for Bucket {
    fn from(bucket: BucketStatus) -> Self {
        let BucketStatus { available, burst, per_second, .. } = bucket;
        Self { available, burst, per_second }
    }
}

impl From<CoreRates> for RateStatus {
    fn from(status: CoreRates) -> Self {
        Self {
            overall: status.global.map(Into::into),
            peer: status.peer.map(Into::into),
            peers: status.peers,
        }
    }
}

/// What the registry says of an agent. Only the signing key is proven: the AMID is its hash.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listing {
    /// Who.
    pub amid: String,
    /// Its signing key, 32 bytes.
    pub signing_key: Vec<u8>,
    /// The exchange key it registered, 32 bytes.
    pub exchange_key: Vec<u8>,
    /// A name for people.
    pub display_name: Option<String>,
    /// Its organization.
    pub organization: Option<String>,
    /// What the registry says that it is.
    pub tier: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Whether it says it can be reached.
    pub status: String,
    /// 0 to 1.
    pub reputation: f64,
    /// Last sign of life.
    pub last_seen: Option<u64>,
}

impl From<CoreListing> for Listing {
    fn from(listing: CoreListing) -> Self {
        let details = listing.details;
        Self {
            amid: listing.amid.to_string(),
            signing_key: listing.signing_key.as_bytes().to_vec(),
            exchange_key: listing.exchange_key.as_bytes().to_vec(),
            display_name: details.display_name,
            organization: details.organization,
            tier: details.tier.to_string(),
            capabilities: details.capabilities,
            status: details.status.to_string(),
            reputation: details.reputation_score,
            last_seen: listing.last_seen.map(|at| at.as_millis()),
        }
    }
}

/// A page of search results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchPage {
    /// By reputation, then by last sign of life.
    pub agents: Vec<Listing>,
    /// How many the registry counts on all pages.
    pub total: u64,
    /// Where the next page begins, if this one was full.
    pub next_offset: Option<u64>,
    /// Entries left out, because their key is not that of their AMID.
    pub rejected: usize,
}

impl From<CorePage> for SearchPage {
    fn from(page: CorePage) -> Self {
        Self {
            agents: page.agents.into_iter().map(Into::into).collect(),
            total: page.total,
            next_offset: page.next_offset,
            rejected: page.rejected,
        }
    }
}

/// What a peer grants of what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// The best offer for each wish that has one.
    pub agreed: Vec<CapabilityMatch>,
}

/// A wish, and what is granted for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapabilityMatch {
    /// What was asked for.
    pub wanted: String,
    /// What is granted.
    pub offered: String,
    /// `exact`, `wildcard` or `prefix`.
    pub fit: &'static str,
}

impl From<CoreAgreement> for Agreement {
    fn from(agreement: CoreAgreement) -> Self {
        let agreed = agreement.agreed.into_iter().map(|found| CapabilityMatch {
            wanted: found.wanted,
            offered: found.offered,
            fit: match found.fit {
                Fit::Exact => "exact",
                Fit::Wildcard => "wildcard",
                Fit::Prefix => "prefix",
            },
        });
        Self { agreed: agreed.collect() }
    }
}
