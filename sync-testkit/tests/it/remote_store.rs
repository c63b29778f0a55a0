//! A store reached through the loopback interface keeps the same contract as the one it reaches.

use ditto_sync_core::{
    column::Image,
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::{DocumentStore, StoreError, WriteOutcome},
    value::Value,
};
use ditto_sync_testkit::{
    Flavor, MemoryConfig, MemoryHub,
    contract::store::StoreFixture,
    models::{ANYTHING, ORDER_LINE, READING, STOCK},
    remote_store::{RemoteStore, StoreServer, Verdict, WriteMoment},
};

mod ditto_flavor {
    ditto_sync_testkit::store_contract!(super::RemoteFixture::new(super::Flavor::Ditto).await);
}

mod mesh_flavor {
    ditto_sync_testkit::store_contract!(super::RemoteFixture::new(super::Flavor::Mesh).await);
}

#[tokio::test]
async fn a_write_that_is_stopped_on_arrival_is_not_done() {
    let (hub, server) = host(|_, moment| stop_at(moment, WriteMoment::Arrived)).await;
    let store = connect(&server).await;
    let unanswered = intent();
    tokio::select! {
        biased;
        outcome = store.write(&unanswered) => panic!("nobody answers: {outcome:?}"),
        // Calls are carried out one after the other, so once this is answered the write is over.
        identity = store.identity(unanswered.batch.replica) => {
            assert_eq!(identity.expect("an identity").last_applied, None);
        }
    }
    assert_eq!(hub.store("till").documents(&STOCK), []);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_done_once() {
    let mut stops = 1;
    let (hub, server) = host(move |_, moment| {
        let verdict = stop_at(moment, WriteMoment::Done);
        if verdict == Verdict::Stop && stops > 0 {
            stops -= 1;
            return verdict;
        }
        Verdict::GoOn
    })
    .await;
    let store = connect(&server).await;
    let intent = intent();
    tokio::select! {
        biased;
        outcome = store.write(&intent) => panic!("nobody answers: {outcome:?}"),
        identity = store.identity(intent.batch.replica) => {
            assert_eq!(identity.expect("an identity").last_applied, Some(1));
        }
    }
    assert_eq!(
        store.write(&intent).await.expect("an answer"),
        WriteOutcome::Applied
    );
    assert_eq!(hub.store("till").operations_applied(), 1);
}

#[tokio::test]
async fn a_store_that_is_opened_again_is_closed_for_whoever_had_it() {
    let (_hub, server) = host(|_, _| Verdict::GoOn).await;
    let before = connect(&server).await;
    let after = connect(&server).await;
    let replica = intent().batch.replica;
    let error = before.identity(replica).await.expect_err("it is closed");
    assert!(matches!(error, StoreError::Closed), "{error:?}");
    after.identity(replica).await.expect("the new one works");
    server.shutdown().await;
    let error = after.identity(replica).await.expect_err("the host is gone");
    assert!(matches!(error, StoreError::Closed), "{error:?}");
}

async fn host(
    witness: impl FnMut(&str, WriteMoment) -> Verdict + Send + 'static,
) -> (MemoryHub, StoreServer) {
    let hub = MemoryHub::new(MemoryConfig::new(Flavor::Ditto));
    let server = serve(&hub, witness).await;
    (hub, server)
}

async fn serve(
    hub: &MemoryHub,
    witness: impl FnMut(&str, WriteMoment) -> Verdict + Send + 'static,
) -> StoreServer {
    let models = vec![&STOCK, &ORDER_LINE, &READING, &ANYTHING];
    StoreServer::start(hub.clone(), models, witness)
        .await
        .expect("a server")
}

async fn connect(server: &StoreServer) -> RemoteStore {
    RemoteStore::connect(server.address(), "till")
        .await
        .expect("a store")
}

fn stop_at(moment: WriteMoment, wanted: WriteMoment) -> Verdict {
    if moment == wanted {
        Verdict::Stop
    } else {
        Verdict::GoOn
    }
}

/// Inserts one stock.
fn intent() -> Intent {
    let fields = [
        ("id", Value::from("s")),
        ("branchId", Value::from("b")),
        ("quantity", Value::from(1_i64)),
    ];
    Intent {
        batch: BatchId {
            replica: ReplicaId::from_bytes([1; 16]),
            sequence: 1,
        },
        operations: vec![Operation {
            model: &STOCK,
            id: DocumentId::text("s").expect("an id"),
            expect: Expect::Absent,
            action: Action::Insert(Document::from_iter(fields)),
            record: Record {
                covers: None,
                sent: None,
                undo: Undo::Insert {
                    base: None,
                    sent: Some(Image::new(Vec::new())),
                },
            },
        }],
    }
}

struct RemoteFixture {
    hub: MemoryHub,
    server: StoreServer,
}

impl RemoteFixture {
    async fn new(flavor: Flavor) -> Self {
        let hub = MemoryHub::new(MemoryConfig::new(flavor));
        let server = serve(&hub, |_, _| Verdict::GoOn).await;
        Self { hub, server }
    }
}

impl StoreFixture for RemoteFixture {
    type Store = RemoteStore;

    async fn open(&self, name: &str) -> RemoteStore {
        let store = RemoteStore::connect(self.server.address(), name)
            .await
            .expect("a store");
        // Every case is alone until it asks for a peer.
        self.hub.network().isolate(name);
        store
    }

    async fn reopen(&self, name: &str, store: RemoteStore) -> RemoteStore {
        drop(store);
        RemoteStore::connect(self.server.address(), name)
            .await
            .expect("a store")
    }

    fn has_peers(&self) -> bool {
        true
    }

    async fn connect(&self, one: &RemoteStore, other: &RemoteStore) {
        self.hub.network().heal(one.name(), other.name());
    }

    async fn disconnect(&self, one: &RemoteStore, other: &RemoteStore) {
        self.hub.network().partition(one.name(), other.name());
    }

    async fn settle(&self, _: &RemoteStore, _: &RemoteStore) {
        self.hub.network().drain();
    }
}
