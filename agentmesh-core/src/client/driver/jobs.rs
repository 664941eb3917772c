//! Work that waits for somebody else: the registry, the policy. Owned by the driver, bounded, retried with backoff.

mod decider;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::client::platform::{JoinSet, time::Instant};
use tracing::Instrument;

use super::{
    Driver,
    batch::{Job, Reply},
    policy::InForce,
};
use decider::Decider;

use crate::{
    Error, ErrorInfo, Timestamp,
    client::{
        agent::{AgentConfig, KnockHandler},
        backoff::{Backoff, BackoffConfig},
        http::HttpError,
        platform::Clock,
        policy_file::Look,
        registry::{AnswerError, RegistryClient, RegistryError, RevocationCache, Upload},
    },
    engine::{Engine, Input, Request, SendFailure},
    handshake::SessionId,
    identity::{Amid, Identity},
    keys::VerifyingKey,
    knock::{Decision, KnockInfo},
    maps::{HashMap, HashSet},
    prekeys::{KnownPeer, PreKeyBundle, Publication, Stock, UploadReceipt},
    rng::SystemRng,
    wire::id::MessageId,
};
#[cfg(feature = "legacy-0-2")]
use crate::{
    client::registry::{FetchedBundle, Listing},
    engine::LegacyOffer,
    identity::IdentityPublic,
};

/// Registry requests under way at once; what is over waits for the next tick, which asks again.
const MAX_FETCHES: usize = 16;
/// KNOCK decisions under way at once; the engine bounds undecided KNOCKs, too.
const MAX_DECISIONS: usize = 100;

/// How often an agent without a bundle is asked for it again, before it counts as one that will have none.
const UNPUBLISHED_TRIES: u32 = 4;
/// KNOCKs remembered for the rate limit.
const MAX_KNOCKS: usize = 1000;

/// What a job brought.
#[derive(Debug)]
pub(super) enum JobResult {
    Bundle {
        peer: Amid,
        result: Result<Box<PreKeyBundle>, RegistryError>,
    },
    PeerKey {
        peer: Amid,
        result: Result<VerifyingKey, RegistryError>,
    },
    #[cfg(feature = "legacy-0-2")]
    LegacyOffer {
        peer: Amid,
        offer: Box<LegacyOffer>,
    },
    #[cfg(feature = "legacy-0-2")]
    LegacyKeys {
        peer: Amid,
        result: Result<IdentityPublic, RegistryError>,
    },
    Policy(Look),
    Published {
        receipt: UploadReceipt,
        result: Result<Upload, RegistryError>,
    },
    Decided {
        session: SessionId,
        decision: Decision,
    },
    Handled {
        from: Amid,
        id: MessageId,
    },
    Online(Result<Registration, RegistryError>),
    Forgotten,
    Done,
}

/// How the registry knows us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registration {
    /// It did not before.
    pub(super) newly: bool,
    /// It holds our exchange key, and not an earlier one.
    pub(super) current_key: bool,
    /// The date of the bundle of ours that it serves.
    pub(super) bundle: Option<Timestamp>,
}

/// Somebody the registry is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fetch {
    Bundle(Amid),
    PeerKey(Amid),
    #[cfg(feature = "legacy-0-2")]
    LegacyKeys(Amid),
}

/// The driver's tasks. Dropping it ends them.
pub(super) struct Jobs {
    registry: Option<RegistryClient>,
    pub(super) policy: InForce,
    revocations: Arc<RevocationCache>,
    knock_handler: Option<KnockHandler>,
    knock_timeout: Duration,
    clock: Clock,
    #[cfg(feature = "legacy-0-2")]
    allow_legacy: bool,
    #[cfg(feature = "legacy-0-2")]
    speaks_natively: bool,
    knocks: VecDeque<(Instant, Amid)>,
    tasks: JoinSet<JobResult>,
    under_way: HashSet<Fetch>,
    failing: HashMap<Fetch, (Backoff, Instant)>,
    deciding: HashSet<SessionId>,
    publishing: bool,
    publish_at: Option<Instant>,
    publish_backoff: Backoff,
    /// The registry was seen to carry no native bundles: it never changes a key.
    plain_registry: bool,
}

impl Jobs {
    pub(super) fn new(registry: Option<RegistryClient>, config: &AgentConfig) -> Self {
        Self {
            registry,
            policy: Ok(Arc::new(config.policy.clone())),
            revocations: Arc::new(RevocationCache::new(config.revocation_ttl)),
            knock_handler: config.knock_handler.clone(),
            knock_timeout: config.knock_timeout,
            clock: config.clock,
            #[cfg(feature = "legacy-0-2")]
            allow_legacy: config.engine.allow_legacy,
            #[cfg(feature = "legacy-0-2")]
            speaks_natively: config.engine.speaks_natively(),
            knocks: VecDeque::new(),
            tasks: JoinSet::new(),
            under_way: HashSet::default(),
            failing: HashMap::default(),
            deciding: HashSet::default(),
            publishing: false,
            publish_at: None,
            publish_backoff: Backoff::new(BackoffConfig::RECONNECT),
            plain_registry: false,
        }
    }

    /// The next result. A task that panicked is reported as done; what it was for is asked for again.
    pub(super) async fn next(&mut self) -> JobResult {
        match self.tasks.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => {
                tracing::error!(target: "agentmesh", %error, "a background task failed");
                self.under_way.clear();
                self.deciding.clear();
                JobResult::Done
            }
            None => std::future::pending().await,
        }
    }

    pub(super) fn registry(&self) -> Option<RegistryClient> {
        self.registry.clone()
    }

    pub(super) fn set_identity(&self, identity: Arc<Identity>) {
        if let Some(registry) = &self.registry {
            registry.set_identity(identity);
        }
    }

    /// Whether the registry would go on naming an exchange key that we have replaced.
    pub(super) const fn registry_keeps_keys(&self) -> bool {
        self.plain_registry
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn stop(&mut self) {
        self.tasks.abort_all();
    }

    /// When something that failed may be tried again. What is due already, the next tick asks for.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.failing.values().map(|(_, at)| *at).chain(self.publish_at).filter(|at| *at > now).min()
    }

    /// What the engine asked for.
    pub(super) fn request(&mut self, request: Request, engine: &Engine) {
        match request {
            Request::Bundle(peer) => self.fetch(Fetch::Bundle(peer)),
            Request::PeerKey(peer) => self.fetch(Fetch::PeerKey(peer)),
            #[cfg(feature = "legacy-0-2")]
            Request::LegacyPeer(peer) => self.fetch(Fetch::LegacyKeys(peer)),
            Request::PublishPrekeys => self.publish(engine),
            Request::DecideKnock { session, knock } => {
                let sessions = engine.sessions_besides(&knock.from);
                self.decide(session, *knock, sessions);
            }
        }
    }

    fn fetch(&mut self, fetch: Fetch) {
        let Some(registry) = self.registry.clone() else { return };
        let waits = self.failing.get(&fetch).is_some_and(|(_, at)| *at > Instant::now());
        if waits || self.under_way.len() >= MAX_FETCHES || !self.under_way.insert(fetch) {
            return;
        }
        // Of a policy that cannot be read nobody knows what it requires.
        let required = self.policy.as_ref().map_or(true, |p| p.require_revocation_check);
        let check = required.then(|| Arc::clone(&self.revocations));
        #[cfg(feature = "legacy-0-2")]
        let (allow_legacy, native) = (self.allow_legacy, self.speaks_natively);
        self.spawn(async move {
            match fetch {
                #[cfg(feature = "legacy-0-2")]
                Fetch::Bundle(peer) if allow_legacy => {
                    if let Some(check) = check
                        && let Err(error) = check.check_for_session(&registry, &peer).await
                    {
                        return JobResult::Bundle { peer, result: Err(error.into()) };
                    }
                    let known = KnownPeer::first_contact(peer);
                    match registry.fetch_any_bundle(&known, native).await {
                        Ok(FetchedBundle::Native(bundle)) => {
                            JobResult::Bundle { peer, result: Ok(bundle) }
                        }
                        Ok(FetchedBundle::Legacy(offer)) => JobResult::LegacyOffer { peer, offer },
                        Err(error) => JobResult::Bundle { peer, result: Err(error) },
                    }
                }
                #[cfg(feature = "legacy-0-2")]
                Fetch::LegacyKeys(peer) => {
                    let keys = |listing: Listing| IdentityPublic {
                        signing: listing.signing_key,
                        exchange: listing.exchange_key,
                    };
                    let result = registry.lookup(&peer).await.map(keys);
                    JobResult::LegacyKeys { peer, result }
                }
                Fetch::Bundle(peer) => {
                    if let Some(check) = check
                        && let Err(error) = check.check_for_session(&registry, &peer).await
                    {
                        return JobResult::Bundle { peer, result: Err(error.into()) };
                    }
                    // What was known of the peer before, the engine knows and checks.
                    let result = registry.fetch_bundle(&KnownPeer::first_contact(peer)).await;
                    JobResult::Bundle { peer, result: result.map(Box::new) }
                }
                Fetch::PeerKey(peer) => {
                    let result = registry.lookup(&peer).await.map(|listing| listing.signing_key);
                    JobResult::PeerKey { peer, result }
                }
            }
        });
    }

    fn publish(&mut self, engine: &Engine) {
        let Some(registry) = self.registry.clone() else { return };
        if self.publishing || self.publish_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.publishing = true;
        let publication: Publication = engine.publication();
        let native = engine.speaks_natively();
        self.spawn(async move {
            let receipt = publication.receipt();
            #[cfg(feature = "legacy-0-2")]
            if !native {
                let result = registry.upload_legacy_prekeys(&publication).await;
                return JobResult::Published { receipt, result };
            }
            debug_assert!(native, "only builds that can speak 0.2 can speak nothing else");
            JobResult::Published { receipt, result: registry.upload_prekeys(&publication).await }
        });
    }

    /// From now on prekeys are published whenever there are new ones.
    pub(super) const fn allow_publishing(&mut self, now: Instant) {
        self.publish_at = Some(now);
    }

    fn decide(&mut self, session: SessionId, knock: KnockInfo, sessions: usize) {
        if self.deciding.len() >= MAX_DECISIONS || !self.deciding.insert(session) {
            return;
        }
        let decider = Decider {
            registry: self.registry.clone(),
            policy: self.policy.clone(),
            revocations: Arc::clone(&self.revocations),
            handler: self.knock_handler.clone(),
            limit: self.knock_timeout,
            now: self.clock.now(),
            sessions,
            knocks_last_minute: self.recent_knocks(knock.from),
        };
        self.spawn(
            async move { JobResult::Decided { session, decision: decider.decide(knock).await } },
        );
    }

    /// KNOCKs of a peer within the last minute, without this one, which is counted from now on.
    fn recent_knocks(&mut self, peer: Amid) -> u32 {
        let now = Instant::now();
        self.knocks.retain(|(at, _)| now.duration_since(*at) < Duration::from_secs(60));
        if self.knocks.len() >= MAX_KNOCKS {
            self.knocks.pop_front();
        }
        let before = self.knocks.iter().filter(|(_, from)| *from == peer).count();
        self.knocks.push_back((now, peer));
        u32::try_from(before).unwrap_or(u32::MAX)
    }

    /// Marks a message as handled that never reached the application's stream.
    pub(super) fn handled(&mut self, from: Amid, id: MessageId) {
        self.spawn(async move { JobResult::Handled { from, id } });
    }

    pub(super) fn spawn(&mut self, job: impl Future<Output = JobResult> + Send + 'static) {
        self.tasks.spawn(job.in_current_span());
    }

    /// When a failed request may be made again. Grows with every failure.
    fn failed(&mut self, fetch: Fetch, now: Instant) {
        let (backoff, at) = self
            .failing
            .entry(fetch)
            .or_insert_with(|| (Backoff::new(BackoffConfig::RECONNECT), now));
        *at = now + backoff.next_delay(None, &mut SystemRng);
    }

    /// Notes the end of a request. True if what it brought may be otherwise in a moment.
    fn ended(&mut self, fetch: Fetch, error: Option<&RegistryError>) -> bool {
        self.under_way.remove(&fetch);
        // An agent registers first and publishes then: between the two it is there without a bundle.
        let tries = self.failing.get(&fetch).map_or(0, |(backoff, _)| backoff.attempts());
        let unpublished = matches!(
            error,
            Some(RegistryError::Answer(AnswerError::NativeBundleUnavailable { .. }))
        );
        let patient = unpublished && tries < UNPUBLISHED_TRIES;
        match error {
            Some(_) if patient => self.failed(fetch, Instant::now()),
            // A key that the registry does not have now is asked for again, but not at once: the frames that make
            // us ask may be forged.
            Some(error) if error.is_retryable() || matches!(fetch, Fetch::PeerKey(_)) => {
                self.failed(fetch, Instant::now());
            }
            _ => {
                self.failing.remove(&fetch);
            }
        }
        patient
    }

    /// Drops pauses that are over; the engine's tick asks again for what it still needs.
    pub(super) fn start_due(&mut self, now: Instant) {
        self.failing.retain(|_, (_, at)| *at + Duration::from_secs(600) > now);
    }
}

impl Driver {
    /// Turns what a job brought into inputs.
    pub(super) fn on_job(&mut self, result: JobResult, jobs: &mut Vec<Job>) {
        match result {
            JobResult::Bundle { peer, result } => {
                let patient = self.jobs.ended(Fetch::Bundle(peer), result.as_ref().err());
                if let Err(error) = &result {
                    self.engine.note_trouble(peer, error.code());
                }
                match result {
                    Err(error) if patient => {
                        tracing::debug!(target: "agentmesh", code = error.code(), "no bundle yet");
                    }
                    Ok(bundle) => jobs.push(Job::silent(Input::Bundle { peer, bundle })),
                    Err(error) => {
                        if let Some(reason) = final_failure(peer, &error) {
                            jobs.push(Job::silent(Input::NoBundle { peer, reason }));
                        } else {
                            tracing::debug!(target: "agentmesh", code = error.code(), "no bundle yet");
                        }
                    }
                }
            }
            #[cfg(feature = "legacy-0-2")]
            JobResult::LegacyOffer { peer, offer } => {
                let _ = self.jobs.ended(Fetch::Bundle(peer), None);
                jobs.push(Job::silent(Input::LegacyOffer { peer, offer }));
            }
            #[cfg(feature = "legacy-0-2")]
            JobResult::LegacyKeys { peer, result } => {
                let _ = self.jobs.ended(Fetch::LegacyKeys(peer), result.as_ref().err());
                if let Ok(keys) = result {
                    jobs.push(Job::silent(Input::LegacyKeys { peer, keys }));
                }
            }
            JobResult::PeerKey { peer, result } => {
                let _ = self.jobs.ended(Fetch::PeerKey(peer), result.as_ref().err());
                if let Ok(key) = result {
                    jobs.push(Job::silent(Input::PeerKey { peer, key }));
                }
            }
            JobResult::Policy(look) => self.on_policy_look(look, jobs),
            JobResult::Published { receipt, result } => self.on_published(receipt, result, jobs),
            JobResult::Decided { session, decision } => {
                self.jobs.deciding.remove(&session);
                jobs.push(Job::silent(Input::Decide { session, decision }));
            }
            JobResult::Handled { from, id } => {
                jobs.push(Job { input: Input::Handled { from, id }, reply: Reply::None });
            }
            JobResult::Online(result) => self.on_registered(result, jobs),
            JobResult::Forgotten => self.on_forgotten(),
            JobResult::Done => {}
        }
    }

    fn on_published(
        &mut self,
        receipt: UploadReceipt,
        result: Result<Upload, RegistryError>,
        jobs: &mut Vec<Job>,
    ) {
        self.jobs.publishing = false;
        let now = Instant::now();
        match result {
            Ok(upload) => {
                self.jobs.publish_backoff.reset();
                self.jobs.publish_at = Some(now);
                self.jobs.plain_registry = upload == Upload::LegacyOnly;
                let stock: Option<Stock> = match upload {
                    Upload::Native { stock } => Some(stock),
                    Upload::LegacyOnly => None,
                };
                jobs.push(Job::silent(Input::PrekeysPublished { receipt, stock }));
                if self.jobs.plain_registry && self.online.other_exchange_key() {
                    let error = AnswerError::OtherExchangeKey;
                    self.status.set_offline(error.to_string());
                    self.online.fail(&Error::from(error));
                } else {
                    self.online.published();
                }
            }
            Err(RegistryError::Http(HttpError::Conflict { .. })) => self.superseded(),
            Err(error) => {
                self.trouble(&error);
                self.status.set_offline(error.to_string());
                let backoff = &mut self.jobs.publish_backoff;
                let delay = backoff.next_delay(None, &mut SystemRng);
                Self::log_failure("prekeys not published yet", &error, backoff, delay);
                self.jobs.publish_at = Some(now + delay);
                if !error.is_retryable() {
                    self.online.fail(&Error::from(error));
                }
            }
        }
        self.settle_online();
    }
}

/// What a registry's answer means for messages that wait for the bundle; `None` if trying again may help.
fn final_failure(amid: Amid, error: &RegistryError) -> Option<SendFailure> {
    match error {
        RegistryError::Answer(AnswerError::AgentNotFound { .. }) => {
            Some(SendFailure::UnknownRecipient { amid })
        }
        RegistryError::Answer(AnswerError::Revoked { .. }) => Some(SendFailure::Revoked { amid }),
        RegistryError::Answer(AnswerError::NativeBundleUnavailable { .. }) => {
            Some(SendFailure::NativeBundleUnavailable { amid })
        }
        error if error.is_retryable() => None,
        error => Some(SendFailure::BundleRefused { amid, code: error.code() }),
    }
}
