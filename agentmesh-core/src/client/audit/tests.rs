use std::fs;

use super::*;
use crate::{Timestamp, identity::Identity, vault::StoreKey};

fn identity() -> Arc<Identity> {
    let mut rng = crate::test_utils::seeded_rng(910);
    Arc::new(Identity::generate(Timestamp::from_millis(1_770_206_400_000), &mut rng))
}

fn key() -> AuditKey {
    AuditKey::from_store_key(&StoreKey::from_bytes([5; 32]))
}

fn open(directory: &Path, options: AuditOptions) -> AuditLog {
    let owner = AuditOwner::signing(identity()).encrypted(key());
    AuditLog::open(directory, owner, options).unwrap()
}

fn all(severity: Severity) -> AuditOptions {
    AuditOptions::default().min_severity(severity)
}

fn log(log: &AuditLog, n: u64) {
    let fields = AuditFields::new().peer(Amid::from_bytes([9; 20])).with("n", n);
    log.log(AuditType::SessionInitiated, Severity::Info, "a session", fields);
}

fn numbers(entries: &[AuditEntry]) -> Vec<u64> {
    entries.iter().filter_map(|entry| entry.metadata.get("n")?.as_u64()).collect()
}

fn reader(directory: &Path) -> AuditReader {
    AuditReader::new(directory, Some(key()), Some(*identity().signing_key()))
}

#[tokio::test]
async fn log_goes_on_over_restarts_and_rotations_as_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let options = all(Severity::Info).rotation(2_000, 0);
    for start in 0..4 {
        let open = open(dir.path(), options);
        for n in 0..10 {
            log(&open, start * 10 + n);
        }
        assert_eq!(open.verify(None).await.unwrap().repairs, 0);
    }
    let report = reader(dir.path()).verify(None).unwrap();
    assert!(report.files > 4, "{report:?}");
    assert_eq!((report.first, report.events, report.dropped), (0, 40, 0));
    assert_eq!(report.anchored, Some(report.last - 1), "closed with a signature");
    let entries = reader(dir.path()).query(&AuditQuery::all()).unwrap();
    assert_eq!(numbers(&entries), (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn old_files_are_removed_and_the_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let open = open(dir.path(), all(Severity::Info).rotation(1_500, 3));
    for n in 0..60 {
        log(&open, n);
    }
    open.flush().await.unwrap();
    assert_eq!(files::numbers(dir.path()).unwrap().len(), 3);
    let report = open.verify(None).await.unwrap();
    assert!(report.first > 0);
    let pruned = open.query(AuditQuery::all().kind(AuditType::AuditPruned)).await.unwrap();
    assert!(!pruned.is_empty());
    let newest = open.query(AuditQuery::all().kind(AuditType::SessionInitiated).newest(2)).await;
    assert_eq!(numbers(&newest.unwrap()), [58, 59]);
    drop(open);
    // One file less than rotation left.
    let first = files::numbers(dir.path()).unwrap()[0];
    fs::remove_file(files::path_of(dir.path(), first)).unwrap();
    let missing = reader(dir.path()).verify(None).unwrap_err();
    assert_eq!(missing, AuditError::FileMissing { number: first });
}

#[tokio::test]
async fn crash_in_the_middle_of_a_line_is_repaired_and_noted() {
    let dir = tempfile::tempdir().unwrap();
    let path = files::path_of(dir.path(), 1);
    let first = open(dir.path(), all(Severity::Info));
    log(&first, 1);
    first.flush().await.unwrap();
    let before = fs::metadata(&path).unwrap().len();
    log(&first, 2);
    drop(first);
    let whole = fs::read(&path).unwrap();
    let anchor = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    for cut in usize::try_from(before).unwrap() + 1..anchor {
        fs::write(&path, &whole[..cut]).unwrap();
        let torn = reader(dir.path()).verify(None).unwrap().torn;
        let again = open(dir.path(), all(Severity::Info));
        log(&again, 3);
        let report = again.verify(None).await.unwrap();
        let whole_line = cut == anchor;
        assert_eq!((report.torn, report.repairs), (0, u64::from(!whole_line)), "cut at {cut}");
        assert_eq!(torn, u64::try_from(cut).unwrap() - before);
        let kept = again.query(AuditQuery::all()).await.unwrap();
        assert_eq!(numbers(&kept), [1, 3]);
    }
    // A power failure may leave zeros.
    fs::write(&path, [&whole[..], &[0; 4096]].concat()).unwrap();
    let again = open(dir.path(), all(Severity::Info));
    assert_eq!(again.verify(None).await.unwrap().repairs, 1);
    let repaired = again.query(AuditQuery::all().kind(AuditType::AuditRepaired)).await.unwrap();
    assert_eq!(repaired[0].metadata["bytes"], 4096);
    assert_eq!(repaired[0].severity, Severity::Warning);
}

#[tokio::test]
async fn crash_while_a_file_is_begun_leaves_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), all(Severity::Info));
    log(&first, 1);
    drop(first);
    fs::write(files::path_of(dir.path(), 2), br#"{"audit":1,"seq":"#).unwrap();
    let again = open(dir.path(), all(Severity::Info));
    log(&again, 2);
    let report = again.verify(None).await.unwrap();
    assert_eq!((report.files, report.repairs), (1, 1));
    assert_eq!(numbers(&again.query(AuditQuery::all()).await.unwrap()), [1, 2]);
}

#[tokio::test]
async fn encrypted_log_has_nothing_in_the_clear_0_2_c8() {
    let dir = tempfile::tempdir().unwrap();
    let open = open(dir.path(), all(Severity::Debug));
    let peer = Amid::from_bytes([9; 20]);
    let fields = AuditFields::new().peer(peer).with("capability", "weather/forecast");
    open.log("DEPLOYED", Severity::Debug, "telling words", fields);
    open.flush().await.unwrap();
    drop(open);
    let mut text = String::new();
    for entry in fs::read_dir(dir.path()).unwrap() {
        text += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    for word in ["telling", "DEPLOYED", "DEBUG", "weather", &peer.to_string()] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(!text.contains(&identity().amid().to_string()));
    let found = reader(dir.path()).query(&AuditQuery::all().peer(peer)).unwrap();
    assert_eq!(found[0].message, "telling words");
    // Without the key: the chain can be checked, and nothing read.
    let blind = AuditReader::new(dir.path(), None, None);
    assert!(!blind.verify(None).unwrap().readable);
    assert_eq!(blind.query(&AuditQuery::all()).unwrap_err(), AuditError::Key);
}

#[tokio::test]
async fn one_writer_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), all(Severity::Info));
    log(&first, 1);
    let owner = || AuditOwner::signing(identity());
    let second = AuditLog::open(dir.path(), owner(), AuditOptions::default()).unwrap_err();
    assert!(matches!(second, AuditError::Locked { .. }));
    drop(first);
    let other = AuditKey::from_bytes([1; 32]);
    let wrong = AuditLog::open(dir.path(), owner().encrypted(other), AuditOptions::default());
    assert_eq!(wrong.unwrap_err(), AuditError::Key);
    // Going on in the clear takes a file of its own.
    let plain = AuditLog::open(dir.path(), owner(), AuditOptions::default()).unwrap();
    log(&plain, 2);
    plain.flush().await.unwrap();
    let report = reader(dir.path()).verify(None).unwrap();
    assert_eq!((report.files, report.readable), (2, true));
    assert_eq!(numbers(&reader(dir.path()).query(&AuditQuery::all()).unwrap()), [1, 2]);
}

#[tokio::test]
async fn anchor_kept_elsewhere_finds_a_cut_log_and_a_restored_copy() {
    let dir = tempfile::tempdir().unwrap();
    let path = files::path_of(dir.path(), 1);
    let open1 = open(dir.path(), all(Severity::Info));
    log(&open1, 1);
    open1.flush().await.unwrap();
    let copy = fs::read(&path).unwrap();
    log(&open1, 2);
    let anchor = open1.anchor().await.unwrap();
    open1.verify(Some(anchor.clone())).await.unwrap();
    drop(open1);
    reader(dir.path()).verify(Some(anchor.clone())).unwrap();
    fs::write(&path, copy).unwrap();
    reader(dir.path()).verify(None).expect("the files alone do not show it");
    // Also after it was written on.
    let again = open(dir.path(), all(Severity::Info));
    for n in 10..20 {
        log(&again, n);
    }
    let seq = anchor.seq;
    let found = again.verify(Some(anchor)).await.unwrap_err();
    assert_eq!(found, AuditError::AnchorNotFound { seq });
}

#[tokio::test]
async fn log_keeps_what_is_grave_enough_and_finds_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let owner = AuditOwner::new(Amid::from_bytes([7; 20]));
    let open = AuditLog::open(dir.path(), owner, AuditOptions::default()).unwrap();
    open.log(AuditType::MessageReceived, Severity::Debug, "not by default", AuditFields::new());
    open.log(AuditType::KnockRejected, Severity::Warning, "no", AuditFields::new());
    open.log(AuditType::Error, Severity::Critical, "fire", AuditFields::new());
    let found = open.query(AuditQuery::all().min_severity(Severity::Error)).await.unwrap();
    assert_eq!(found.iter().map(|e| e.message.as_str()).collect::<Vec<_>>(), ["fire"]);
    assert_eq!(open.query(AuditQuery::all()).await.unwrap().len(), 2);
    assert_eq!(open.anchor().await.unwrap_err(), AuditError::Closed);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&files::path_of(dir.path(), 1)), 0o600);
    }
}

#[test]
fn logging_outside_of_a_runtime_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let owner = AuditOwner::new(Amid::from_bytes([7; 20]));
    let options = AuditOptions::default().fsync(Fsync::Every(std::time::Duration::from_millis(1)));
    let open = AuditLog::open(dir.path(), owner, options).unwrap();
    for n in 0..100 {
        log(&open, n);
    }
    drop(open);
    assert_eq!(AuditReader::new(dir.path(), None, None).verify(None).unwrap().events, 100);
}
