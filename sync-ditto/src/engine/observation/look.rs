//! Looking at documents for an observation: some by id, or all of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ditto_sync_core::{id::DocumentId, value::Value};
use dittolive_ditto::dql::QueryResult;

use super::bell::{Bell, Ring, Ringing};
use crate::{
    engine::{
        error::EngineError,
        reading::{self, RawHash, in_terms_of},
        transaction::{Call, Read, Transactions, decoded},
        watch::{Sighting, Watch},
    },
    limits::SNAPSHOT_DOCUMENTS_MAX,
    statement::{count, select},
    wire::{Incoming, IncomingDocument},
};

/// A look at all documents that is done.
#[derive(Debug)]
pub(super) struct Swept {
    pub(super) took: Duration,
    /// The collection has grown: this replaces the bell of before.
    pub(super) bell: Option<Bell>,
}

/// Looks at doubtful documents.
pub(super) fn look_at(
    transactions: &Transactions,
    watch: &Watch,
    ids: Vec<DocumentId>,
) -> Result<(), EngineError> {
    match reading::fetch(transactions, watch.model, &ids) {
        Ok(found) => {
            watch.looked_at(ids, found);
            Ok(())
        }
        Err(error) => {
            watch.still_doubtful(ids);
            Err(error)
        }
    }
}

/// Looks at all documents, because the engine rang or because it has not for long.
pub(super) fn answer(
    transactions: &Transactions,
    watch: &Arc<Watch>,
    ringing: &Ringing,
) -> Result<Swept, EngineError> {
    let took = match ringing.take() {
        Some(Ring {
            snapshot: Some(snapshot),
            signal_next,
            ..
        }) => {
            let took = compare(watch, &snapshot)?;
            drop(snapshot);
            signal_next();
            let grown = watch.held() > 2 * SNAPSHOT_DOCUMENTS_MAX;
            let bell = grown.then(|| Bell::of(transactions, watch, false)).transpose()?;
            return Ok(Swept { took, bell });
        }
        Some(ring) => {
            // First, so that what changes from here on rings again.
            (ring.signal_next)();
            sweep(transactions, watch)?
        }
        None => sweep(transactions, watch)?,
    };
    Ok(Swept { took, bell: None })
}

/// Whether the engine may hand over all documents at every change.
pub(super) fn is_small(transactions: &Transactions, watch: &Watch) -> Result<bool, EngineError> {
    let count = count(watch.model.collection());
    transactions.read(async |call| {
        let result = call.execute_text(count).await?;
        let item = result.get_item(0);
        let counted = item.map(|item| decoded(&item.cbor_data())).transpose()?;
        let Some(Incoming(Value::Map(counted))) = counted else {
            return Ok(false);
        };
        let limit = i64::try_from(SNAPSHOT_DOCUMENTS_MAX).expect("a small number");
        Ok(counted
            .values()
            .all(|count| matches!(count, Value::Int(count) if *count <= limit)))
    })
}

/// Compares all documents with what is held; how long it took.
fn compare(watch: &Watch, snapshot: &QueryResult) -> Result<Duration, EngineError> {
    let started = Instant::now();
    watch.begin_sweep();
    for item in snapshot.iter() {
        let cbor = item.cbor_data();
        let incoming: IncomingDocument = decoded(&cbor)?;
        watch.saw(sighting(watch, Read { incoming, cbor }));
    }
    watch.end_sweep();
    Ok(started.elapsed())
}

/// Reads all documents, a chunk at a time, and compares them; how long it took.
pub(super) fn sweep(transactions: &Transactions, watch: &Watch) -> Result<Duration, EngineError> {
    let started = Instant::now();
    let ids = reading::scan(transactions, watch.model, &watch.query)?;
    watch.begin_sweep();
    transactions.read(async |call| read_all(call, watch, &ids).await)?;
    watch.end_sweep();
    Ok(started.elapsed())
}

async fn read_all(call: Call<'_>, watch: &Watch, ids: &[DocumentId]) -> Result<(), EngineError> {
    let ids: Vec<_> = ids.iter().collect();
    for statement in select(watch.model.collection(), &ids) {
        let read = call.documents(vec![statement]).await?;
        watch.saw(read.into_iter().filter_map(|read| sighting(watch, read)));
    }
    Ok(())
}

/// The document, if it matches: between the list of ids and the reading it may have changed.
fn sighting(watch: &Watch, read: Read) -> Option<Sighting> {
    let hash = RawHash::of(&read.cbor);
    let (id, document) = in_terms_of(watch.model, read.incoming)?;
    let row = watch.hash_of_row(&document);
    watch.matches(&document).then_some(Sighting { id, hash, row })
}
