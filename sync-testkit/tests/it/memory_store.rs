//! The memory store beyond the contract: faults, accidents, the network by hand and live.

mod accident;
mod convergence;
mod fault;
mod network;
mod volume;

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::{DocumentStore, StoreError, WriteOutcome},
};
use ditto_sync_testkit::{MemoryStore, models::STOCK};

/// The id of a stock.
fn stock_id(id: &str) -> DocumentId {
    DocumentId::text(id).unwrap()
}

/// A whole stock document.
fn stock(id: &str, quantity: i64) -> Document {
    Document::from_iter([("id", id), ("branchId", "kigali-1")])
        .into_iter()
        .chain([("quantity".into(), quantity.into())])
        .collect()
}

/// Writes one operation on a stock against whatever the store holds now, as one batch of its own.
async fn write_stock(store: &MemoryStore, id: &str, action: Action) -> Result<WriteOutcome, StoreError> {
    let replica = ReplicaId::from_bytes(*b"0123456789abcdef");
    let sequence = store.identity(replica).await?.last_applied.unwrap_or(0) + 1;
    let id = stock_id(id);
    let found = store.fetch(&STOCK, std::slice::from_ref(&id)).await?.remove(0);
    let expect = STOCK
        .hash_of(found.as_ref())
        .unwrap()
        .map_or(Expect::Absent, Expect::Hash);
    let record = Record {
        covers: None,
        sent: None,
        undo: Undo::Seed,
    };
    let operation = Operation {
        model: &STOCK,
        id,
        expect,
        action,
        record,
    };
    let intent = Intent {
        batch: BatchId { replica, sequence },
        operations: vec![operation],
    };
    store.write(&intent).await
}

fn increment(amount: i64) -> Action {
    Action::Patch {
        set: Vec::new(),
        increments: vec![("quantity".into(), amount)],
    }
}
