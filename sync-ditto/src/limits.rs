//! Every limit of the Ditto store, with its unit and its reason. The figures were measured on engine 5.1.0.

use std::time::Duration;

/// Most operations of one intent: such a transaction holds the engine's write lock about 50 ms.
pub(crate) const INTENT_OPERATIONS_MAX: usize = 1000;
/// Documents of one array statement. Larger ones gain nothing and take memory.
pub(crate) const STATEMENT_DOCUMENTS: usize = 500;
/// Bytes of one array statement, about.
pub(crate) const STATEMENT_BYTES: usize = 2 << 20;
/// Ids of one `IN`: its cost grows faster than its length.
pub(crate) const STATEMENT_IDS: usize = 100;
/// Documents of one statement that adds different amounts.
pub(crate) const STATEMENT_INCREMENTS: usize = 50;

/// Longest collection name in bytes. The engine ends the process at longer ones.
pub(crate) const COLLECTION_BYTES_MAX: usize = 255;
/// Longest `_id` in bytes of CBOR.
pub(crate) const ID_CBOR_BYTES_MAX: usize = 256;
/// Biggest document in bytes. The engine refuses 5 MiB with the document's history in it; half of that leaves room for the history.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 5 << 19;

/// Jobs waiting for one worker.
pub(crate) const JOBS_WAITING: usize = 64;

/// Most documents that an observation has the engine hand over whole at every change. Above it the engine only says that something changed.
pub(crate) const SNAPSHOT_DOCUMENTS_MAX: usize = 2000;
/// Documents looked at in one go.
pub(crate) const LOOK_DOCUMENTS: usize = 1000;
/// Ids reported in one batch.
pub(crate) const CHANGES_MAX: usize = 4096;
/// Time from the first sign of a change in a large collection to the sweep that finds it, so that one sweep finds many.
pub(crate) const SWEEP_DEBOUNCE: Duration = Duration::from_millis(250);
/// A look at everything is followed by so many times its own time without one: bounds the share of a core.
pub(crate) const REST_FACTOR: u32 = 15;
/// Longest time between two sweeps, whatever the engine tells.
pub(crate) const SWEEP_AT_LEAST: Duration = Duration::from_secs(300);

/// Batches whose commit numbers are remembered, to tell which peers have them.
pub(crate) const COMMITS_REMEMBERED: usize = 1024;
