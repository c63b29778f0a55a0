//! What is known of one row: [`RowTrace`] (durable, from the repository), [`HistoryEvent`] (what this coordinator saw), and both together, printable:
//! [`Explanation`]. How far a row has got: [`Receipt`].

use std::{fmt, sync::Arc, time::SystemTime};

use crate::{
    hash::ContentHash,
    id::DocumentId,
    intent::{BatchId, OutboxSeq},
    merge::{Conflict, ConflictKind},
    quarantine::QuarantineRecord,
    repository::Way,
};

/// All that a repository keeps about one row.
#[derive(Debug, Clone, Default)]
pub struct RowTrace {
    /// The row exists.
    pub exists: bool,
    /// It stays on this device because its scope fields are NULL.
    pub local: bool,
    /// Its outbox entries, oldest first: local changes that the store has not accepted.
    pub entries: Vec<TracedEntry>,
    /// The hash on which row and document last agreed.
    pub known: Option<ContentHash>,
    /// The intent in flight that holds it.
    pub in_flight: Option<BatchId>,
    /// Its document waits for another row: since when, and why.
    pub parked: Option<(SystemTime, String)>,
    /// Its records in quarantine.
    pub quarantined: Vec<QuarantineRecord>,
    /// The version of its document that was discarded is ignored, since this time.
    pub ignored: Option<SystemTime>,
    /// Concurrent changes that met, oldest first, as far as they are kept.
    pub conflicts: Vec<ConflictReport>,
}

/// One local change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TracedEntry {
    /// Its position in the outbox.
    pub seq: OutboxSeq,
    /// What happened to the row.
    pub change: &'static str,
}

/// Concurrent changes that met, as they are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictReport {
    /// When they met.
    pub at: SystemTime,
    /// What they were, with both values.
    pub conflict: Conflict,
}

/// How far the last change of a row has got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Receipt {
    /// There is no such row, no local change of it, and no document was ever agreed on.
    Unknown,
    /// A local change is committed and captured, and not yet accepted by the store. A row older than the triggers counts as that before it is seeded.
    Captured,
    /// The row stays on this device because its scope fields are NULL; it is sent once they have values.
    Local,
    /// A local change cannot be sent.
    Quarantined {
        /// Why, naming the field.
        reason: String,
    },
    /// The store has accepted everything. It may not have reached a peer.
    Stored {
        /// The last batch that carried it, if this coordinator remembers.
        batch: Option<BatchId>,
    },
    /// Another device has confirmed that it holds the last change. Only of stores that can tell, and while this coordinator remembers the batch.
    Peer {
        /// The last batch that carried it.
        batch: BatchId,
    },
}

/// Something that happened to a row while this coordinator ran.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryEvent {
    /// A local change became part of this intent.
    Drafted(BatchId),
    /// The store has accepted this intent.
    Sent(BatchId),
    /// The store refused this intent because its document has changed meanwhile.
    Stale(BatchId),
    /// Our own write came back.
    Echoed,
    /// The document was delivered again though nothing had changed.
    Redelivered,
    /// The row was written or deleted because of its document.
    Applied,
    /// Its document waits for another row.
    Parked,
    /// It cannot be sent or applied.
    Quarantined(Way, Arc<str>),
    /// Its write keeps failing though the store answers: it is tried alone, so that it holds nobody up.
    SetAside(Arc<str>),
    /// Someone asked for it to be tried again.
    Retried,
    /// Someone edited it.
    Edited,
    /// Someone gave it up.
    Discarded(Way),
    /// Concurrent changes met.
    Conflict(ConflictKind),
}

/// What is known of one row. Print it for a support person.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The collection.
    pub collection: &'static str,
    /// The row.
    pub id: DocumentId,
    /// What is durable.
    pub trace: RowTrace,
    /// What happened while this coordinator ran, oldest first, as far as it remembers.
    pub history: Vec<(SystemTime, HistoryEvent)>,
    /// Another device has confirmed that it holds the last batch of the history.
    pub at_peer: bool,
}

impl Explanation {
    /// How far the last change of the row has got.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        let trace = &self.trace;
        let held = trace
            .quarantined
            .iter()
            .find(|record| record.way == Way::Outbound);
        if let Some(record) = held {
            let reason = record.reason.clone();
            return Receipt::Quarantined { reason };
        }
        let unmet = trace.exists && trace.known.is_none();
        let gone = !trace.exists && trace.known.is_none();
        let batch = self.last_sent();
        if trace.local && trace.in_flight.is_none() {
            Receipt::Local
        } else if !trace.entries.is_empty() || trace.in_flight.is_some() || unmet {
            Receipt::Captured
        } else if gone && batch.is_none() {
            Receipt::Unknown
        } else {
            match batch {
                Some(batch) if self.at_peer => Receipt::Peer { batch },
                batch => Receipt::Stored { batch },
            }
        }
    }

    /// The last batch of the history that the store has accepted.
    pub(crate) fn last_sent(&self) -> Option<BatchId> {
        self.history.iter().rev().find_map(|(_, event)| match event {
            HistoryEvent::Sent(batch) => Some(*batch),
            _ => None,
        })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace = &self.trace;
        writeln!(f, "{}/{}", self.collection, self.id)?;
        writeln!(
            f,
            "  row: {}",
            if trace.exists { "exists" } else { "does not exist" }
        )?;
        writeln!(f, "  receipt: {:?}", self.receipt())?;
        for entry in &trace.entries {
            writeln!(f, "  captured: {} (entry {})", entry.change, entry.seq.0)?;
        }
        match trace.known {
            Some(hash) => writeln!(f, "  agreed with the store on: {}", hex(hash))?,
            None => writeln!(f, "  agreed with the store on: nothing")?,
        }
        if let Some(batch) = trace.in_flight {
            writeln!(f, "  in flight: {batch}")?;
        }
        if let Some((since, reason)) = &trace.parked {
            writeln!(f, "  parked since {}: {reason}", time(*since))?;
        }
        for record in &trace.quarantined {
            writeln!(f, "  quarantined since {}: {record}", time(record.since))?;
        }
        if let Some(since) = trace.ignored {
            writeln!(
                f,
                "  the document was discarded at {}, and is ignored until it changes",
                time(since)
            )?;
        }
        for report in &trace.conflicts {
            let (at, conflict) = (time(report.at), &report.conflict);
            writeln!(f, "  conflict at {at}: {:?} {:?}", conflict.kind, conflict.fields)?;
        }
        for (at, event) in &self.history {
            writeln!(f, "  {} {event}", time(*at))?;
        }
        Ok(())
    }
}

impl fmt::Display for HistoryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |way: &Way| match way {
            Way::Outbound => "on its way out",
            Way::Inbound => "on its way in",
        };
        match self {
            Self::Drafted(batch) => write!(f, "drafted as part of {batch}"),
            Self::Sent(batch) => write!(f, "accepted by the store with {batch}"),
            Self::Stale(batch) => write!(f, "refused with {batch}: the document has changed meanwhile"),
            Self::Echoed => f.write_str("our own write came back"),
            Self::Redelivered => f.write_str("delivered again, unchanged"),
            Self::Applied => f.write_str("applied"),
            Self::Parked => f.write_str("parked"),
            Self::Quarantined(direction, reason) => write!(f, "quarantined {}: {reason}", way(direction)),
            Self::SetAside(error) => write!(f, "set aside: {error}"),
            Self::Retried => f.write_str("retried on request"),
            Self::Edited => f.write_str("edited on request"),
            Self::Discarded(direction) => write!(f, "discarded on request, {}", way(direction)),
            Self::Conflict(kind) => write!(f, "conflict: {kind:?}"),
        }
    }
}

fn hex(hash: ContentHash) -> String {
    hash.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds since 1970: unambiguous, and no calendar is needed.
fn time(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("@{}.{:03}", since.as_secs(), since.subsec_millis())
}
