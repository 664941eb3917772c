//! The program of docs/guides/signaling.md, which is this file's.

// begin
use std::collections::HashMap;

use agentmesh_core::services::signaling::{
    Negotiator, Payload, PeerAction, PeerId, PeerInput, PeerTimings, SignalingClient,
    SignalingError, SignalingEvent,
};
use tokio::time::Instant;

/// Stands for the peer connections of a WebRTC library: makes descriptions, sets them, opens channels.
trait WebRtc {
    /// Does what the negotiator asks for; a description that it made comes back.
    fn perform(&mut self, peer: &PeerId, action: PeerAction) -> Option<PeerInput>;
    /// Whether there is nothing left to negotiate.
    fn is_done(&self) -> bool;
}

async fn meet(url: &str, room: &str, rtc: &mut impl WebRtc) -> Result<(), SignalingError> {
    let client = SignalingClient::builder(url, room).connect().await?;
    let (mut events, start) = (client.events(), Instant::now());
    let mut peers: HashMap<PeerId, Negotiator> = HashMap::new();
    while !rtc.is_done() {
        let wake = peers.values().filter_map(Negotiator::next_wake).min();
        let event = tokio::select! {
            event = events.next() => event,
            () = tokio::time::sleep_until(start + wake.unwrap_or_default()), if wake.is_some() => None,
        };
        let now = start.elapsed();
        match event {
            Some(SignalingEvent::Roster(roster)) => {
                let own = client.id().ok_or(SignalingError::NotJoined)?;
                for peer in roster.joined {
                    let new =
                        || Negotiator::new(&own, &peer, roster.first, PeerTimings::default(), now);
                    peers.entry(peer.clone()).or_insert_with(new).handle(PeerInput::Back, now);
                }
                for peer in roster.left {
                    if let Some(negotiator) = peers.get_mut(&peer) {
                        negotiator.handle(PeerInput::Left, now);
                    }
                }
            }
            Some(SignalingEvent::Signal(signal)) => {
                match (peers.get_mut(&signal.sender), Payload::parse(&signal.value)) {
                    (Some(negotiator), Some(payload)) => {
                        negotiator.handle(PeerInput::Received(payload), now);
                    }
                    _ => println!("{} says {}", signal.sender, signal.value),
                }
            }
            // Peers know the client by its old id: everything begins anew.
            Some(SignalingEvent::IdentityChanged { .. }) => peers.clear(),
            Some(SignalingEvent::Closed { error }) => return Err(error),
            Some(_) => {}
            None => peers.values_mut().for_each(|negotiator| negotiator.tick(now)),
        }
        for (peer, negotiator) in &mut peers {
            loop {
                let actions = negotiator.take_actions();
                if actions.is_empty() {
                    break;
                }
                for action in actions {
                    match action {
                        PeerAction::Send(payload) => {
                            match client.send_payload(peer, &payload).await {
                                // The roster will say so, too.
                                Ok(()) | Err(SignalingError::PeerGone { .. }) => {}
                                Err(error) => return Err(error),
                            }
                        }
                        action => {
                            if let Some(input) = rtc.perform(peer, action) {
                                negotiator.handle(input, now);
                            }
                        }
                    }
                }
            }
        }
        peers.retain(|_, negotiator| !negotiator.is_closed());
    }
    client.leave().await;
    Ok(())
}
// end

use agentmesh_core::services::signaling::{Description, DescriptionKind};

/// Agrees with one peer, on paper.
#[derive(Default)]
struct Paper {
    agreed: bool,
}

impl WebRtc for Paper {
    fn perform(&mut self, peer: &PeerId, action: PeerAction) -> Option<PeerInput> {
        let made = |kind| {
            let sdp = format!("v=0\na=ice-ufrag:for-{peer}\n");
            Some(PeerInput::Created(Description { kind, sdp }))
        };
        match action {
            PeerAction::CreateOffer { .. } => made(DescriptionKind::Offer),
            PeerAction::CreateAnswer => {
                self.agreed = true;
                made(DescriptionKind::Answer)
            }
            PeerAction::SetRemote(description) => {
                self.agreed |= description.kind == DescriptionKind::Answer;
                None
            }
            _ => None,
        }
    }

    fn is_done(&self) -> bool {
        self.agreed
    }
}

#[tokio::test]
async fn program_of_the_guide_runs() {
    let server = super::server().await;
    let url = server.url();
    let (mut a, mut b) = (Paper::default(), Paper::default());
    let met = async { tokio::join!(meet(&url, "r", &mut a), meet(&url, "r", &mut b)) };
    let (first, second) = tokio::time::timeout(super::PATIENCE, met).await.unwrap();
    assert_eq!((first, second), (Ok(()), Ok(())));
    server.shutdown().await;
}

#[test]
fn guide_prints_the_program_that_runs() {
    let own = include_str!("guide.rs");
    let program = own.split("// begin\n").nth(1).unwrap().split("// end\n").next().unwrap();
    let guide = include_str!("../../../docs/guides/signaling.md");
    assert!(guide.contains(program.trim()), "the guide's program is not the one that runs");
}
