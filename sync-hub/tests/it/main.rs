//! The hub as its users run it: a process.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::{DocumentStore, WriteOutcome},
    value::Value,
};
use ditto_sync_mesh::{MeshSecret, MeshStore, Ticket};
use ditto_sync_testkit::models::STOCK;

/// Long enough for any machine; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: [u8; 32] = [0xab; 32];

/// A running hub; killed when dropped.
struct Hub {
    child: Child,
    directory: PathBuf,
}

impl Hub {
    fn start(directory: &Path) -> Self {
        let path = |name: &str| directory.join(name).to_str().expect("a path of text").to_owned();
        std::fs::write(path("secret"), "ab".repeat(32)).expect("the file is written");
        // Or the ticket of the last time might be read.
        let _ = std::fs::remove_file(path("ticket"));
        let output = std::fs::File::create(path("output")).expect("a file for its output");
        let child = Command::new(env!("CARGO_BIN_EXE_ditto-sync-hub"))
            .args(["--mesh", "hub-test", "--json", "--listen", "127.0.0.1:0"])
            .args(["--dir", &path("hub"), "--secret-file", &path("secret")])
            .args(["--ticket-file", &path("ticket"), "--status-every", "1"])
            .stdin(Stdio::null())
            .stdout(output)
            .spawn()
            .expect("the hub starts");
        Self {
            child,
            directory: directory.to_owned(),
        }
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.directory.join("output")).expect("its output can be read")
    }

    async fn ticket(&self) -> Ticket {
        let file = self.directory.join("ticket");
        let text = || {
            std::fs::read_to_string(&file)
                .ok()
                .filter(|text| text.ends_with('\n'))
        };
        until("the hub has written its ticket", async || text().is_some()).await;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "nobody else may read it");
        }
        text().expect("it is there").parse().expect("a ticket")
    }

    /// As a service manager does.
    #[cfg(unix)]
    async fn terminate(mut self) {
        let done = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(done.expect("there is such a command").success());
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "the hub does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let output = self.output();
        assert!(status.success(), "{status}: {output}");
        let last: serde_json::Value =
            serde_json::from_str(output.lines().last().expect("it has said something")).expect("JSON");
        assert_eq!(last["state"], "closed");
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // A test that fails leaves no process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(outcome.is_ok(), "waited {PATIENCE:?} until {what}");
}

async fn device(directory: &Path, ticket: &Ticket) -> MeshStore {
    let store = MeshStore::builder("hub-test")
        .directory(directory)
        .listen("127.0.0.1:0".parse().expect("an address"))
        .open()
        .await
        .expect("a store opens");
    store.join(ticket).await.expect("it is of this mesh");
    store
}

fn id() -> DocumentId {
    DocumentId::text("s1").expect("a short id")
}

async fn insert(store: &MeshStore) {
    let fields: [(&str, Value); 2] = [("id", "s1".into()), ("quantity", 7.into())];
    let intent = Intent {
        batch: BatchId {
            replica: ReplicaId::from_bytes([9; 16]),
            sequence: 1,
        },
        operations: vec![Operation {
            model: &STOCK,
            id: id(),
            expect: Expect::Absent,
            action: Action::Insert(fields.into_iter().collect()),
            record: Record {
                covers: None,
                sent: None,
                undo: Undo::Seed,
            },
        }],
    };
    let outcome = store.write(&intent).await.expect("the store takes it");
    assert_eq!(outcome, WriteOutcome::Applied);
}

async fn fetch(store: &MeshStore) -> Option<Document> {
    let mut found = store.fetch(&STOCK, &[id()]).await.expect("the store answers");
    found.pop().flatten()
}

fn is_confirmed(store: &MeshStore) -> bool {
    let peers = store.peers();
    let collections = peers.iter().flat_map(|peer| &peer.collections);
    let mut of_it = collections.filter(|collection| collection.collection == "stocks");
    of_it.any(|collection| collection.behind == 0)
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_one_device_leaves_at_the_hub_another_finds_there_even_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let hub = Hub::start(directory.path());
    let ticket = hub.ticket().await;
    assert_eq!(
        ticket.secret,
        MeshSecret::from_bytes(SECRET),
        "the one it was given"
    );
    let first = device(&directory.path().join("first"), &ticket).await;
    insert(&first).await;
    until("the hub has it", async || is_confirmed(&first)).await;
    first.close().await;
    hub.terminate().await;

    let hub = Hub::start(directory.path());
    let second = device(&directory.path().join("second"), &hub.ticket().await).await;
    until("the hub has handed it on", async || {
        fetch(&second).await.is_some()
    })
    .await;
    let document = fetch(&second).await.expect("it was waited for");
    assert_eq!(document.get("quantity"), Some(&7.into()));
    until("the hub tells of its peer", async || {
        hub.output().lines().any(|line| {
            serde_json::from_str::<serde_json::Value>(line)
                .is_ok_and(|status| status["peers"].to_string().contains("\"connected\":true"))
        })
    })
    .await;
    second.close().await;
    hub.terminate().await;
}

#[test]
fn wrong_options_are_an_error_that_says_what_to_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_ditto-sync-hub"))
        .args(["--dir", "nowhere"])
        .output()
        .expect("the hub starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.trim(), "ditto-sync-hub: `--mesh` is missing: see --help");
}
