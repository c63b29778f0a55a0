//! The process of one device: its app and its coordinator, until it is killed.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ditto_sync::{Phase, SqliteRepository};
use ditto_sync_testkit::remote_store::RemoteStore;

use crate::{
    app::{App, End, Side},
    tables::registry,
};

/// Which test is the process of a device, as `--exact` wants it.
pub(crate) const TEST: &str = "kill::device::device_process";
/// What the process is told, in its environment.
pub(crate) const SIDE: &str = "DITTO_SYNC_CRASH_DEVICE";
pub(crate) const FILE: &str = "DITTO_SYNC_CRASH_FILE";
pub(crate) const ADDRESS: &str = "DITTO_SYNC_CRASH_ADDRESS";
pub(crate) const LIFE: &str = "DITTO_SYNC_CRASH_LIFE";

/// Transactions in one life, so that the files do not grow without bound.
const TRANSACTIONS: usize = 60;

/// Where the app notes what it is about to commit, and then that it has.
pub(crate) fn journal_beside(file: &Path) -> PathBuf {
    file.with_extension("journal")
}

/// Not a test of its own: the process of a device. Started by the tests of `kill`, and a no-op otherwise.
#[tokio::test]
async fn device_process() {
    let Ok(side) = std::env::var(SIDE) else {
        return;
    };
    let side = *Side::BOTH
        .iter()
        .find(|known| known.name() == side)
        .expect("a side");
    let file = PathBuf::from(std::env::var_os(FILE).expect("a file"));
    let address: SocketAddr = told(ADDRESS).parse().expect("an address");
    let store = RemoteStore::connect(address, side.name())
        .await
        .expect("the store opens");
    let repository = SqliteRepository::open(&file).await.expect("the database opens");
    let sync = registry()
        .start(repository, store)
        .await
        .expect("whatever was killed, the next coordinator starts");
    let app = App::open(side, &file, told(LIFE).parse().expect("a number")).await;
    write(app, &journal_beside(&file)).await;
    let mut status = sync.status();
    // It waits to be killed; should its parent be gone, it ends.
    let stopped = status.wait_for(|status| status.phase == Phase::Stopped);
    drop(stopped.await.expect("the coordinator tells how it is"));
}

async fn write(mut app: App, journal: &Path) {
    let mut journal = OpenOptions::new()
        .append(true)
        .create(true)
        .open(journal)
        .expect("the journal opens");
    let mut random = fastrand::Rng::with_seed(app.number().unsigned_abs());
    for _ in 0..TRANSACTIONS {
        let (sql, end) = app.compose();
        if end == End::Commit {
            note(&mut journal, "will", app.number());
        }
        app.carry_out((&sql, end)).await;
        if end == End::Commit {
            note(&mut journal, "done", app.number());
        }
        // For variety only.
        tokio::time::sleep(Duration::from_micros(random.u64(..3000))).await;
    }
}

/// In one write, so that a kill leaves all of the line or nothing.
fn note(journal: &mut File, what: &str, number: i64) {
    let line = format!("{what} {number}\n");
    journal
        .write_all(line.as_bytes())
        .expect("the journal is written");
}

fn told(name: &str) -> String {
    std::env::var(name).expect("the parent tells everything")
}
