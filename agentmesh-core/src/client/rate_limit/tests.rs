use super::*;

const START: Timestamp = Timestamp::from_millis(1_000_000);

fn peer(n: u8) -> Amid {
    Amid::from_bytes([n; 20])
}

fn passed(limiter: &mut RateLimiter, peer: Amid, now: Timestamp, tries: usize) -> usize {
    (0..tries).filter(|_| limiter.try_acquire(peer, now).is_ok()).count()
}

#[test]
fn burst_first_then_the_rate() {
    let mut limiter = RateLimiter::new(RateLimits::default());
    assert_eq!(passed(&mut limiter, peer(1), START, 100), 50);
    let refused = limiter.try_acquire(peer(1), START).unwrap_err();
    assert_eq!(
        refused,
        RateLimited { scope: RateScope::Peer, retry_after: Duration::from_millis(20) }
    );
    assert_eq!(passed(&mut limiter, peer(1), START.plus_millis(19), 100), 0);
    assert_eq!(passed(&mut limiter, peer(1), START.plus_millis(20), 100), 1);
    assert_eq!(passed(&mut limiter, peer(1), START.plus_millis(1020), 100), 50);
    // Ten seconds at the rate give what the rate says, to the token, however the tries are spread.
    let mut sum = 0;
    for ms in (1..=10_000).step_by(7) {
        sum += passed(&mut limiter, peer(1), START.plus_millis(1020 + ms), 5);
    }
    assert_eq!(sum, 499);
}

#[test]
fn refused_by_the_peer_s_bucket_spends_nothing_of_the_global_one_0_2_c6() {
    let limits = RateLimits::default()
        .with_global(Some(Rate::per_second(1, 10)))
        .with_per_peer(Some(Rate::per_second(1, 1)));
    let mut limiter = RateLimiter::new(limits);
    assert_eq!(passed(&mut limiter, peer(1), START, 1_000), 1);
    let status = limiter.status(Some(peer(1)), START);
    assert_eq!(status.global.unwrap().available, 9);
    assert_eq!(status.peer.unwrap().available, 0);
    for n in 2..=10 {
        assert_eq!(passed(&mut limiter, peer(n), START, 1), 1);
    }
    // And the other way round: the peer's bucket keeps what the global one refuses.
    let refused = limiter.try_acquire(peer(11), START).unwrap_err();
    assert_eq!((refused.scope, refused.retry_after), (RateScope::Global, Duration::from_secs(1)));
    assert_eq!(limiter.status(Some(peer(11)), START).peer.unwrap().available, 1);
}

#[test]
fn longer_of_both_waits_is_told() {
    let limits = RateLimits::default()
        .with_global(Some(Rate::per_minute(1, 1)))
        .with_per_peer(Some(Rate::per_second(1, 1)));
    let mut limiter = RateLimiter::new(limits);
    limiter.try_acquire(peer(1), START).unwrap();
    let refused = limiter.try_acquire(peer(1), START).unwrap_err();
    assert_eq!((refused.scope, refused.retry_after), (RateScope::Global, Duration::from_secs(60)));
}

#[test]
fn each_bucket_s_status_tells_its_own_rate() {
    let mut limiter = RateLimiter::new(RateLimits::default());
    let status = limiter.status(Some(peer(1)), START);
    let (global, own) = (status.global.unwrap(), status.peer.unwrap());
    assert_eq!((global.burst, global.per_second), (500, 100.0));
    assert_eq!((own.burst, own.per_second), (50, 50.0));
}

#[test]
fn peers_are_bounded_and_the_least_recently_used_goes() {
    let rate = Rate::per_minute(1, 1);
    let mut buckets = PeerBuckets::new(rate, 3);
    for n in 1..=3 {
        buckets.spend(peer(n), START);
    }
    buckets.spend(peer(1), START);
    buckets.spend(peer(4), START);
    assert_eq!((buckets.buckets.len(), buckets.by_use.len()), (3, 3));
    assert!(buckets.wait(peer(1), START).is_some(), "used again, so kept");
    assert!(buckets.wait(peer(2), START).is_none(), "forgotten, so full again");
    for n in 0..=255 {
        buckets.spend(peer(n), START);
    }
    assert_eq!((buckets.buckets.len(), buckets.by_use.len()), (3, 3));
}

#[test]
fn clock_that_is_set_back_neither_refills_nor_blocks() {
    let mut limiter = RateLimiter::new(RateLimits::default());
    assert_eq!(passed(&mut limiter, peer(1), START, 50), 50);
    let before = START.minus_millis(500_000);
    assert_eq!(passed(&mut limiter, peer(1), before, 10), 0);
    assert_eq!(passed(&mut limiter, peer(1), before.plus_millis(20), 10), 1);
}

#[test]
fn off_is_off_and_zero_is_one() {
    let mut limiter = RateLimiter::new(RateLimits::off());
    assert_eq!(passed(&mut limiter, peer(1), START, 100_000), 100_000);
    assert_eq!(limiter.status(None, START).global, None);
    assert_eq!(Rate::per_second(0, 0), Rate::per_second(1, 1));
}
