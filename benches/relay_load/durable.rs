//! Messages stored for somebody who is absent, each acknowledged to its sender: ours and JetStream.
//!
//! JetStream of the version that Debian has acknowledges what the operating system has; ours, what the disk has. On a
//! file system in memory (`/dev/shm`) both mean the same, and that is what is compared. On the disk ours stands alone,
//! beside how often the disk can be made to write at all.

use std::{
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use agentmesh_benches::{
    child::Child,
    results::{Results, target_dir},
};
use agentmesh_core::wire::relay_id::RelayMessageId;

use crate::{
    agentmesh::{self, Numbered},
    nats,
    system::{End, System},
};

/// Messages under way at a time.
const WINDOWS: [usize; 2] = [1, 256];

pub(crate) fn run(each: Duration, results: &mut Results) {
    let disk = target_dir().join("bench");
    std::fs::create_dir_all(&disk).unwrap();
    for (place, root) in [("in memory", PathBuf::from("/dev/shm")), ("on disk", disk)] {
        if !root.is_dir() {
            continue;
        }
        for window in WINDOWS {
            let dir = tempfile::tempdir_in(&root).unwrap();
            let group = format!("durable {place}, {window} under way, msg/s");
            let child = Child::serve("agentmesh", &[dir.path().to_str().unwrap()]);
            let rate = measure(&mut ours(&child), window, each);
            results.add(&group, "agentmesh", rate);
            if place == "in memory" && nats::is_installed() {
                let child = nats::serve(Some(&dir.path().join("js")));
                let rate = measure(&mut nats::jetstream(child.addr), window, each);
                results.add(&group, "jetstream", rate);
            }
        }
        if place == "on disk" {
            results.add("fdatasync of 4 KiB, 1/s", "disk", syncs(&root, each));
        }
    }
}

fn ours(child: &Child) -> End {
    let absent = agentmesh::identity().amid().to_string();
    let connection = agentmesh::connect(child.addr, &agentmesh::identity(), agentmesh::NATIVE);
    let message =
        agentmesh::message(System::Acknowledged, &absent, RelayMessageId::from_bytes([0; 16]));
    let numbered = Some(Numbered::new(&message, &absent));
    End { connection, message, numbered }
}

fn measure(end: &mut End, window: usize, each: Duration) -> f64 {
    let (mut sent, mut safe) = (0, 0);
    let mut batch = Vec::new();
    let start = Instant::now();
    while start.elapsed() < each {
        while sent < safe + window {
            batch.extend_from_slice(end.next());
            sent += 1;
        }
        end.connection.write(&batch);
        batch.clear();
        safe += end.connection.read().others;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let safe = safe as f64;
    safe / start.elapsed().as_secs_f64()
}

/// In a file that does not grow, as a log does not once it has been filled.
fn syncs(dir: &Path, each: Duration) -> f64 {
    let mut file = tempfile::tempfile_in(dir).unwrap();
    file.write_all(&[0; 4096]).unwrap();
    file.sync_all().unwrap();
    let mut count = 0.0;
    let start = Instant::now();
    while start.elapsed() < each {
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        count += 1.0;
    }
    count / start.elapsed().as_secs_f64()
}
