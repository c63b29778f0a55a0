//! The contract of the SQL side: [`Repository`].
//!
//! A repository reads row, outbox and known set inside its own transactions, lets the pure functions of [`merge`](crate::merge) decide, and carries
//! the decision out. It is correct when it passes the repository contract suite of `ditto-sync-testkit`.

mod error;
mod incoming;
mod outgoing;
mod state;

use std::{collections::HashSet, future::Future};

pub use self::{
    error::{Finding, RepositoryError},
    incoming::{Applied, InboundBatch, InboundItem, Incoming, Remote, Restored, Weighed},
    outgoing::{Acknowledged, Draft, DraftRequest, DraftRows, RowSet},
    state::{Mark, ModelState, PendingCount, Recovered, Recovery, SeedState, SyncState},
};
use crate::{
    audit::{AuditedRow, RowDigest},
    descriptor::ModelDescriptor,
    explain::{ConflictReport, RowTrace},
    hash::ContentHash,
    id::{DocumentId, IdList},
    intent::Intent,
    live::{ReadRow, Touched},
    quarantine::{QuarantineRecord, Release, Released},
    query::Query,
    scope::Scopes,
};

/// The app's tables, and the bookkeeping kept beside them.
///
/// Every method is one transaction: it happens as a whole or, after an error, a crash or a cancellation, not at all. Only one coordinator
/// uses a repository at a time, and it calls one method at a time (except [`changed`](Self::changed)); apps write whenever they like.
pub trait Repository: Send + Sync + 'static {
    /// Checks the tables of `models`, creates bookkeeping and capture triggers where they are missing, takes the lock that keeps a second
    /// coordinator out, and tells where the last coordinator stopped. Rows in quarantine on their way out are tried once more by the drafts
    /// that follow. May be repeated after an error and after a [`close`](Self::close).
    ///
    /// # Errors
    /// [`RepositoryError::Unusable`] lists everything wrong with the tables at once; [`RepositoryError::InUse`] when another
    /// coordinator has the database, through this handle or another.
    fn prepare(
        &self,
        models: &[&'static ModelDescriptor],
    ) -> impl Future<Output = Result<SyncState, RepositoryError>> + Send;

    /// Where this coordinator has come to, as it is durable now: what [`prepare`](Self::prepare) would answer, without preparing again. For a
    /// coordinator that goes on with another store.
    ///
    /// # Errors
    /// When the database fails.
    fn state(&self) -> impl Future<Output = Result<SyncState, RepositoryError>> + Send;

    /// What was found at the last [`prepare`](Self::prepare) that does not stand in the way, but asks for a change of the app's schema.
    fn warnings(&self) -> Vec<Finding> {
        Vec::new()
    }

    /// Returns when a local change may have been committed since the last return, by any connection of any process. A hint: may return
    /// for nothing, but never misses a change for ever.
    ///
    /// Cancellation safe.
    fn changed(&self) -> impl Future<Output = ()> + Send;

    /// Computes the next intent from the rows that are dirty (and, if asked, from rows no store has met yet) and makes it durable, so
    /// that it survives power loss, before it returns. Entries that mean nothing are dropped; rows that cannot be sent are quarantined. Without work nothing is written.
    ///
    /// Must not be called while an intent is in flight.
    ///
    /// # Errors
    /// When the database fails.
    fn draft(&self, request: DraftRequest<'_>)
    -> impl Future<Output = Result<Draft, RepositoryError>> + Send;

    /// Records that the store has applied `intent`, the one in flight: known set, outbox, batch id; clean rows outside the scope are removed.
    ///
    /// # Errors
    /// When the database fails. Repeating is safe as long as the intent is in flight.
    fn acknowledge(
        &self,
        intent: &Intent,
        scopes: &Scopes,
    ) -> impl Future<Output = Result<Acknowledged, RepositoryError>> + Send;

    /// Forgets `intent`, the one in flight, which the store refused as a whole. Its rows stay dirty; its batch id is used up. Operations named in `rejected` are
    /// quarantined.
    ///
    /// # Errors
    /// When the database fails.
    fn discard(
        &self,
        intent: &Intent,
        rejected: &[Quarantined],
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// Brings documents into the tables: parents first, deletes children first, marks set in the same transaction. Documents whose hash is
    /// known cost no write; a batch of nothing else writes nothing at all.
    ///
    /// Must not be called while an intent is in flight, nor with documents fetched before the last [`acknowledge`](Self::acknowledge).
    ///
    /// # Errors
    /// When the database fails. A record that does not fit its table is not an error: it is parked or quarantined and reported.
    fn apply(&self, batch: InboundBatch<'_>)
    -> impl Future<Output = Result<Applied, RepositoryError>> + Send;

    /// The ids of rows and known documents of `model`, and of documents parked, in quarantine or ignored, that are not in `seen`: what a reconcile has to
    /// look at beside the store's own ids.
    ///
    /// # Errors
    /// When the database fails.
    fn unseen(
        &self,
        model: &'static ModelDescriptor,
        seen: &IdList,
    ) -> impl Future<Output = Result<IdList, RepositoryError>> + Send;

    /// Documents that wait for a parent row, or for a row that stands in their way; and rows with a change that no trigger saw, which wait for their
    /// documents.
    ///
    /// # Errors
    /// When the database fails.
    fn parked(&self) -> impl Future<Output = Result<Vec<RowRef>, RepositoryError>> + Send;

    /// The app says that it has changed or deleted this row, and perhaps no trigger saw it. Unless the row has unsent changes already, it is compared with
    /// what was last agreed on, and a difference is captured: an insert, where nothing was ever agreed on; else a change whose base is the document that the
    /// row meets next. Whether there was one. Must not be called while an intent with this row is in flight.
    ///
    /// # Errors
    /// When the database fails.
    fn note_changed(&self, row: &RowRef) -> impl Future<Output = Result<bool, RepositoryError>> + Send;

    /// How far the seeding of each model has come, in the order given to [`prepare`](Self::prepare). A draft that finds that nothing is left to seed of
    /// a model makes that durable, and the model is looked through no more.
    ///
    /// # Errors
    /// When the database fails.
    fn seeding(&self) -> impl Future<Output = Result<Vec<SeedState>, RepositoryError>> + Send;

    /// Has these models be looked through for rows to seed again, and rows that could not be sent be tried once more.
    ///
    /// # Errors
    /// When the database fails.
    fn reset_seeding(
        &self,
        models: &[&'static ModelDescriptor],
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// How much is dirty, by collection.
    ///
    /// # Errors
    /// When the database fails.
    fn pending(&self) -> impl Future<Output = Result<Vec<PendingCount>, RepositoryError>> + Send;

    /// Everything in quarantine, both ways, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    fn quarantine(&self) -> impl Future<Output = Result<Vec<QuarantineRecord>, RepositoryError>> + Send;

    /// Retries, edits or discards what is in quarantine of one row. After [`Release::EditDocument`] the intent returned is in flight. Must not be
    /// called while an intent is.
    ///
    /// # Errors
    /// When the database fails. That there is no such record, or that a constraint refuses the edit, is no error: see [`Released`].
    fn release(
        &self,
        row: &RowRef,
        release: &Release,
    ) -> impl Future<Output = Result<Released, RepositoryError>> + Send;

    /// What is durable about one row, for people.
    ///
    /// # Errors
    /// When the database fails.
    fn trace(&self, row: &RowRef) -> impl Future<Output = Result<RowTrace, RepositoryError>> + Send;

    /// The conflicts that are kept (the newest, at least a thousand), oldest first.
    ///
    /// # Errors
    /// When the database fails.
    fn conflicts(&self) -> impl Future<Output = Result<Vec<ConflictReport>, RepositoryError>> + Send;

    /// Makes marks durable that belong to no document.
    ///
    /// # Errors
    /// When the database fails.
    fn mark(&self, marks: &[Mark]) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// Re-baselines after the store or the database file turned out to be another than last time. One transaction.
    ///
    /// # Errors
    /// When the database fails.
    fn recover(&self, recovery: &Recovery)
    -> impl Future<Output = Result<Recovered, RepositoryError>> + Send;

    /// The sums of all clean rows of `model` that have agreed with a document, for an audit.
    ///
    /// # Errors
    /// When the database fails, or the repository cannot audit.
    fn digest(
        &self,
        model: &'static ModelDescriptor,
        buckets: usize,
    ) -> impl Future<Output = Result<RowDigest, RepositoryError>> + Send {
        let _ = (model, buckets);
        async {
            Err(RepositoryError::Unsupported(
                "this repository cannot audit".to_owned(),
            ))
        }
    }

    /// The rows that [`digest`](Self::digest) has put into these of `buckets`, clean as of now.
    ///
    /// # Errors
    /// As above.
    fn audited(
        &self,
        model: &'static ModelDescriptor,
        (wanted, buckets): (&HashSet<usize>, usize),
    ) -> impl Future<Output = Result<Vec<AuditedRow>, RepositoryError>> + Send {
        let _ = (model, wanted, buckets);
        async {
            Err(RepositoryError::Unsupported(
                "this repository cannot audit".to_owned(),
            ))
        }
    }

    /// Forgets on what these rows agreed with their documents, unless they are dirty: the documents are taken when they are applied next.
    ///
    /// # Errors
    /// When the database fails.
    fn forget(&self, rows: &[RowRef]) -> impl Future<Output = Result<(), RepositoryError>> + Send;

    /// From now on remembers which rows of `models` change, in place of the models named before; none, and nothing is remembered and nothing costs
    /// anything. What is committed after it returned is told by [`heard`](Self::heard). It outlives a [`close`](Self::close) and the next
    /// [`prepare`](Self::prepare); what changed between the two is told.
    ///
    /// Like the three that follow it may be called at any time, beside the coordinator's calls.
    ///
    /// # Errors
    /// When the database fails, or the repository cannot tell.
    fn listen(
        &self,
        models: &[&'static ModelDescriptor],
    ) -> impl Future<Output = Result<(), RepositoryError>> + Send {
        let _ = models;
        async { Err(cannot("tell which rows change")) }
    }

    /// Waits until rows of the models that are listened to have changed, by any connection of any process or by this repository, and the changes are
    /// committed. Never misses one; a row may be told again though nothing changed, and what changed and changed back is told. One caller at a time.
    ///
    /// Cancellation safe: what was not returned is told by the next call.
    ///
    /// # Errors
    /// When the database fails, or the repository is closed: call again later.
    fn heard(&self) -> impl Future<Output = Result<Vec<Touched>, RepositoryError>> + Send {
        async { Err(cannot("tell which rows change")) }
    }

    /// The rows of these ids as of one moment, in that order; `None` for those that do not exist.
    ///
    /// # Errors
    /// When the database fails, or the repository is closed.
    fn read_rows(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> impl Future<Output = Result<Vec<Option<ReadRow>>, RepositoryError>> + Send {
        let _ = (model, ids);
        async { Err(cannot("show rows")) }
    }

    /// The rows whose documents match `query`, as of one moment, in the order of their key columns. A row that cannot be read is listed with the
    /// reason, unless its columns rule it out. Rows whose key makes no id are left out.
    ///
    /// # Errors
    /// When the database fails, the repository is closed, or the query cannot be asked of the model.
    fn select_rows(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
    ) -> impl Future<Output = Result<Vec<(DocumentId, ReadRow)>, RepositoryError>> + Send {
        let _ = (model, query);
        async { Err(cannot("show rows")) }
    }

    /// Which of these documents of `model`, by their hashes, are what their rows agreed on last, so that an [`apply`](Self::apply) of them, in scope, would find nothing to
    /// do: echoes and re-deliveries. One answer for each id. Asked before rows are made of
    /// documents, with hashes alone. It reads what it needs, as the sets of a table that was not asked about before; where it cannot be certain, it says no.
    ///
    /// # Errors
    /// When the database fails.
    fn agrees(
        &self,
        model: &'static ModelDescriptor,
        documents: &[(&DocumentId, ContentHash)],
    ) -> impl Future<Output = Result<Vec<bool>, RepositoryError>> + Send {
        let _ = model;
        let count = documents.len();
        async move { Ok(vec![false; count]) }
    }

    /// What an [`apply`](Self::apply) of these documents of `model` would do to rows that exist, and how many synced rows there are. Writes nothing; what waits for
    /// another row, or is in quarantine, counts as harmless: it was let through once.
    ///
    /// A repository that cannot tell answers with no effects: then nothing is ever held.
    ///
    /// # Errors
    /// When the database fails.
    fn weigh(
        &self,
        model: &'static ModelDescriptor,
        items: &[&InboundItem],
    ) -> impl Future<Output = Result<Weighed, RepositoryError>> + Send {
        let _ = (model, items);
        async { Ok(Weighed::default()) }
    }

    /// Lets rows win over documents that would delete or overwrite them: a row whose document is absent becomes a local insert, one whose document differs a local
    /// update of that document. Unsent changes of these rows are part of it. Everything else stays to be applied. The marks are set in the same transaction.
    ///
    /// Must not be called while an intent is in flight, nor with documents fetched before the last [`acknowledge`](Self::acknowledge).
    ///
    /// # Errors
    /// When the database fails, or the repository cannot do it.
    fn reject(
        &self,
        items: &[InboundItem],
        marks: &[Mark],
    ) -> impl Future<Output = Result<Vec<RowRef>, RepositoryError>> + Send {
        let _ = (items, marks);
        async { Err(cannot("take changes back")) }
    }

    /// Puts documents into the tables for rows that are missing: parents first, captured by nobody, agreed on from then on. Rows that exist, or were deleted
    /// here, stay as they are; nothing is parked or quarantined. Also of models that do not receive. What became of each item, in their order; of several
    /// items of one id the last counts. A dry run changes nothing.
    ///
    /// Must not be called while an intent is in flight.
    ///
    /// # Errors
    /// When the database fails, or the repository cannot restore.
    fn restore(
        &self,
        items: &[InboundItem],
        dry_run: bool,
    ) -> impl Future<Output = Result<Vec<Restored>, RepositoryError>> + Send {
        let _ = (items, dry_run);
        async { Err(cannot("restore rows")) }
    }

    /// Ends the coordinator's use: releases the lock and closes own connections. The app's tables stay usable. May be repeated.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

fn cannot(what: &str) -> RepositoryError {
    RepositoryError::Unsupported(format!("this repository cannot {what}"))
}

/// A row, by model and id.
#[derive(Debug, Clone)]
pub struct RowRef {
    /// The model.
    pub model: &'static ModelDescriptor,
    /// The id.
    pub id: DocumentId,
}

impl PartialEq for RowRef {
    fn eq(&self, other: &Self) -> bool {
        self.model.collection() == other.model.collection() && self.id == other.id
    }
}

/// A record that cannot be sent or applied; kept, with the reason, until it is mended or discarded.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// The model.
    pub model: &'static ModelDescriptor,
    /// The id; `None` when the row's key is not one.
    pub id: Option<DocumentId>,
    /// Which way it was going.
    pub way: Way,
    /// Why, naming the field or constraint.
    pub reason: String,
}

/// Which way a change travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the table to the store.
    Outbound,
    /// From the store to the table.
    Inbound,
}
