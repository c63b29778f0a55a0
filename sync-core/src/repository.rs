//! The contract of the SQL side: [`Repository`].
//!
//! A repository reads row, outbox and known set inside its own transactions, lets the pure functions of [`merge`](crate::merge) decide, and carries
//! the decision out. It is correct when it passes the repository contract suite of `ditto-sync-testkit`.

use std::{collections::HashSet, fmt, future::Future};

use crate::{
    audit::{AuditedRow, RowDigest},
    breaker::{Burst, Effect},
    column::Image,
    descriptor::{ModelDescriptor, RowError},
    document::Document,
    error::{ErrorKind, Source},
    explain::{ConflictReport, RowTrace},
    hash::{ContentHash, IdHash},
    id::{DocumentId, IdList},
    intent::{Intent, ReplicaId},
    live::{ReadRow, Touched},
    merge::Conflict,
    quarantine::{QuarantineRecord, Release, Released},
    query::Query,
    scope::{Belongs, Scopes},
    store::{Cursor, Frontier, StoreId},
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

/// Where the last coordinator stopped.
#[derive(Debug, Clone)]
pub struct SyncState {
    /// Half of the batch ids made now.
    pub replica: ReplicaId,
    /// The intent that was handed, or about to be handed, to the store.
    pub in_flight: Option<Intent>,
    /// The sequence of the batch acknowledged last.
    pub acknowledged: Option<u64>,
    /// The acknowledged intents that can still be taken back, oldest first: sequence of the batch before, and their own.
    pub retained: Vec<(Option<u64>, u64)>,
    /// The store this database belongs to.
    pub store: Option<StoreId>,
    /// What that store held when it was last asked.
    pub frontier: Option<Frontier>,
    /// The store was replaced: nothing may be sent, and absence means nothing, before it has caught up.
    pub await_peer: bool,
    /// Per model, in the order given to [`Repository::prepare`].
    pub models: Vec<ModelState>,
    /// Positions of the models, parents before their children: the order in which tables are best filled.
    pub order: Vec<usize>,
}

/// Where the last coordinator stopped with one model.
#[derive(Debug, Clone, Default)]
pub struct ModelState {
    /// Up to where its store's changes have been applied.
    pub cursor: Option<Cursor>,
    /// The scope of its last complete reconcile.
    pub reconciled: Option<Query>,
    /// The changes that count together for the mass-change limit.
    pub burst: Option<Burst>,
}

/// What documents would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Rows that have agreed with their documents.
    pub rows: u64,
    /// Of each document asked about, in that order; empty when the repository cannot tell.
    pub effects: Vec<Effect>,
}

/// What to put into the next intent.
#[derive(Debug, Clone, Copy)]
pub struct DraftRequest<'a> {
    /// At most this many operations.
    pub operations_max: usize,
    /// Of these collections, also rows that were never agreed on with the store and have no outbox entry: they go out as seeds.
    pub seed: &'a [&'static str],
    /// For rows that turn out clean and outside of it.
    pub scopes: &'a Scopes,
    /// Which rows come into question.
    pub rows: DraftRows<'a>,
}

/// Which rows come into question for an intent.
#[derive(Debug, Clone, Copy, Default)]
pub enum DraftRows<'a> {
    /// All.
    #[default]
    All,
    /// All but these, and but those of these collections. They do not count as [`more`](Draft::more) to send.
    Except(&'a RowSet, &'a [&'static str]),
    /// This one, if it is dirty (or was never agreed on, and seeds are asked for).
    Only(&'a RowRef),
}

/// Rows, by collection and id.
pub type RowSet = HashSet<(&'static str, IdHash)>;

impl DraftRequest<'_> {
    /// Whether rows of `model` that were never agreed on are asked for. Not before its scope is known: what is here may be elsewhere's.
    #[must_use]
    pub fn seeds(&self, model: &ModelDescriptor) -> bool {
        self.seed.contains(&model.collection()) && model.direction().sends() && !self.scopes.awaits(model)
    }
}

impl DraftRows<'_> {
    /// Whether this row comes into question.
    #[must_use]
    pub fn admit(&self, model: &ModelDescriptor, id: IdHash) -> bool {
        match self {
            Self::All => true,
            Self::Except(rows, collections) => {
                (rows.is_empty() || !rows.contains(&(model.collection(), id)))
                    && !collections.contains(&model.collection())
            }
            Self::Only(row) => row.model.collection() == model.collection() && IdHash::of(&row.id) == id,
        }
    }
}

/// What a draft found.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The intent, durable; `None` when there is nothing to send.
    pub intent: Option<Intent>,
    /// Rows whose entries meant nothing (changed and changed back).
    pub dropped: usize,
    /// Rows removed because they were clean at last and outside the scope.
    pub left_scope: usize,
    /// Rows that cannot be sent.
    pub quarantined: Vec<Quarantined>,
    /// There is more to send than fitted.
    pub more: bool,
}

/// What an acknowledgement changed.
#[derive(Debug, Clone, Default)]
pub struct Acknowledged {
    /// Rows removed because they were outside the scope.
    pub left_scope: usize,
}

/// Documents to bring into the tables.
#[derive(Debug, Clone, Copy)]
pub struct InboundBatch<'a> {
    /// The documents. Of several on one id the last counts.
    pub items: &'a [InboundItem],
    /// For rows that turn out clean and outside of it.
    pub scopes: &'a Scopes,
    /// Set in the same transaction.
    pub marks: &'a [Mark],
    /// At most this many rows in one transaction; the marks are set in the last one. Bounds how long the write lock is held.
    pub transaction_rows_max: usize,
}

/// The current document of one id.
#[derive(Debug, Clone)]
pub struct InboundItem {
    /// The model.
    pub model: &'static ModelDescriptor,
    /// The id.
    pub id: DocumentId,
    /// What the store holds.
    pub incoming: Incoming,
}

/// What the store holds of one id, as a row.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// Nothing, or a husk.
    Absent,
    /// A document.
    Present(Remote),
    /// A document that cannot be read as a row of the model.
    Unreadable {
        /// As it came.
        document: Document,
        /// What is wrong with it.
        reason: RowError,
        /// Where it belongs, as far as it can be read. One that belongs elsewhere, and of which nothing is known here, is nothing to set aside.
        belongs: Belongs,
    },
}

/// A document as a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Remote {
    /// Its mapped columns, canonical.
    pub image: Image,
    /// Their hash.
    pub hash: ContentHash,
    /// Whether it belongs on this device.
    pub belongs: Belongs,
    /// Whether the app does not want it in its table.
    pub declined: bool,
}

impl InboundItem {
    /// What `document`, as fetched, means for the table of `model`.
    #[must_use]
    pub fn new(
        model: &'static ModelDescriptor,
        id: DocumentId,
        document: Option<Document>,
        scopes: &Scopes,
    ) -> Self {
        let incoming = match document {
            Some(mut document) if !model.is_husk(&document) => {
                // Before the image takes values out of it.
                let belongs = scopes.judge(model, &document);
                // What has no hash is no row: it stays as it is.
                let hash = ContentHash::of_row(model, &document);
                let row = match hash {
                    Ok(hash) => model.take_image(&mut document).map(|image| (hash, image)),
                    // Of several fields the first one that was declared is named.
                    Err(reason) => Err(model.image_of(&document).err().unwrap_or(reason)),
                };
                match row {
                    Ok((hash, image)) => Incoming::Present(Remote {
                        hash,
                        image,
                        belongs,
                        declined: false,
                    }),
                    Err(reason) => Incoming::Unreadable {
                        document,
                        reason,
                        belongs,
                    },
                }
            }
            _ => Incoming::Absent,
        };
        Self { model, id, incoming }
    }
}

/// What became of a document that was to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored {
    /// Its row was missing and is back.
    Done,
    /// Its row is there and holds the same.
    Present,
    /// Its row is there and holds something else, or cannot be read.
    Differs,
    /// Its row was deleted here, sent or not.
    Deleted,
    /// It does not belong on this device.
    OutOfScope,
    /// It cannot be a row: why, naming the field or constraint.
    Refused(String),
}

/// What an apply did.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Rows written or deleted.
    pub changed: Vec<RowRef>,
    /// Documents whose hash was known: echoes and re-deliveries.
    pub unchanged: usize,
    /// Rows removed because they left the scope.
    pub left_scope: usize,
    /// Concurrent changes that met.
    pub conflicts: Vec<Conflict>,
    /// Documents that wait for another row.
    pub parked: Vec<RowRef>,
    /// Documents that do not fit.
    pub quarantined: Vec<Quarantined>,
    /// Transactions committed.
    pub transactions: usize,
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

/// How many rows of a collection are dirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingCount {
    /// The collection.
    pub collection: &'static str,
    /// Outbox entries not yet acknowledged, but those of local rows. A row changed twice counts twice.
    pub entries: u64,
    /// Rows that are not sent because they [belong nowhere](crate::scope::is_local). Those that were there before the framework are counted once a
    /// draft has looked for rows to seed.
    pub local: u64,
    /// Parked documents.
    pub parked: u64,
    /// Quarantined records, both ways.
    pub quarantined: u64,
}

/// How far the seeding of a collection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedState {
    /// The collection.
    pub collection: &'static str,
    /// Every row was offered to the store.
    pub done: bool,
    /// Unless that is so, or the model is never seeded: rows that were never agreed on with the store, have no outbox entry and no record in quarantine.
    pub unmet: u64,
}

/// Something durable that belongs to no row.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// Up to where a model's changes have been applied.
    Cursor(&'static str, Option<Cursor>),
    /// The scope of a model's last complete reconcile; `None` before another one starts.
    Reconciled(&'static str, Option<Query>),
    /// The store this database belongs to, and what it holds.
    Store(StoreId, Option<Frontier>),
    /// Whether the store has to catch up before anything is sent.
    AwaitPeer(bool),
    /// The changes of a model that count together for the mass-change limit.
    Burst(&'static str, Option<Burst>),
}

/// What the start-up comparison of database and store found (`DESIGN` 5.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Another store: nothing is agreed with it. The known set and the intent go, the outbox stays.
    OtherStore,
    /// An old database file, or a copy: what is pending may have been sent already. It is reported and dropped; the known set goes.
    RestoredFile,
    /// The store lost its newest commits: everything acknowledged after this batch is pending again.
    StoreBehind {
        /// The last batch the store still has.
        last_applied: Option<u64>,
    },
}

/// What a recovery changed.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The state after it.
    pub state: SyncState,
    /// Local changes that were dropped, or that others changed meanwhile.
    pub conflicts: Vec<Conflict>,
}

/// Why a repository operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// The database does not fit the models. Lists everything at once.
    #[error("the database does not fit the models:{}", .0.iter().map(|finding| format!("\n  - {finding}")).collect::<String>())]
    Unusable(Vec<Finding>),
    /// Another coordinator works on this database.
    #[error("another coordinator uses {path}; stop it, or give this one a database of its own")]
    InUse {
        /// The database file.
        path: String,
    },
    /// The file cannot be written.
    #[error("{path} cannot be written; check its permissions and those of its directory")]
    ReadOnly {
        /// The database file.
        path: String,
    },
    /// No space is left.
    #[error("no space is left while trying to {action}")]
    Full {
        /// What was attempted.
        action: &'static str,
        /// The database's own words.
        source: Source,
    },
    /// The file is something else than a database.
    #[error("{path} is not a SQLite database")]
    NotADatabase {
        /// The file.
        path: String,
    },
    /// The bookkeeping was written by a newer version of this library.
    #[error(
        "the bookkeeping in {path} has format {found}, this version knows up to {supported}; upgrade ditto-sync"
    )]
    FutureFormat {
        /// The database file.
        path: String,
        /// The format found.
        found: i64,
        /// The newest format known.
        supported: i64,
    },
    /// Another connection held the write lock too long.
    #[error("the database was locked by another connection while trying to {action}")]
    Busy {
        /// What was attempted.
        action: &'static str,
        /// The database's own words.
        source: Source,
    },
    /// An address that cannot be synced.
    #[error("{0}")]
    Unsupported(String),
    /// The database failed.
    #[error("could not {action}")]
    Failed {
        /// What was attempted.
        action: &'static str,
        /// Why.
        source: Source,
    },
    /// The repository was closed.
    #[error("the repository is closed")]
    Closed,
}

impl RepositoryError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } | Self::Full { .. } | Self::Failed { .. } => ErrorKind::Transient,
            _ => ErrorKind::Permanent,
        }
    }
}

/// One thing wrong with a table, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The table.
    pub table: String,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do or run.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table `{}`", self.table)?;
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}; {}", self.problem, self.remedy)
    }
}
