//! The repository on SQLite: [`SqliteRepository`].
//!
//! Not here: what its operations do, each of which has a module of its own.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ditto_sync_core::{
    adapter::DittoAdapter,
    audit::{AuditedRow, RowDigest},
    descriptor::ModelDescriptor,
    explain::{ConflictReport, RowTrace},
    hash::ContentHash,
    id::{DocumentId, IdList},
    intent::Intent,
    live::{ReadRow, Touched},
    quarantine::{QuarantineRecord, Release, Released},
    query::Query,
    repository::{
        Acknowledged, Applied, Draft, DraftRequest, Finding, InboundBatch, InboundItem, Mark, PendingCount,
        Quarantined, Recovered, Recovery, Repository, RepositoryError, Restored, RowRef, SeedState,
        SyncState, Weighed,
    },
    scope::Scopes,
};
use sqlx::{
    SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use crate::{
    acknowledge, apply, audit,
    connection::{Durability, Reader, Writer},
    create,
    database::Database,
    draft,
    error::Context,
    feed, inspect, limits,
    lock::CoordinatorLock,
    mass_changes, note, options, prepare, recover, release, seeding,
    state::{self, Session},
    trace, view,
    wake::Watch,
    write::WriteTransaction,
};

/// The first version without the race that can lose a commit while the write-ahead log is reset.
const SQLITE_WITHOUT_WAL_RACE: (u32, u32, u32) = (3, 51, 3);

/// An app's SQLite database as a [`Repository`](ditto_sync_core::repository::Repository).
///
/// A cheap handle: clones are the same repository. The app keeps using its tables through [`pool`](Self::pool), or any other connection of any
/// process; the repository works on connections of its own, never on a slot of the pool.
#[derive(Debug, Clone)]
pub struct SqliteRepository {
    inner: Arc<Inner>,
}

/// What clones of a repository share.
#[derive(Debug)]
struct Inner {
    pool: SqlitePool,
    database: Arc<Database>,
    writer: Writer,
    reader: Reader,
    watch: Watch,
    /// What listeners see the database through; opened when there are some.
    viewer: Reader,
    lookout: Watch,
    listened: Mutex<Vec<&'static ModelDescriptor>>,
    tenure: Mutex<Tenure>,
}

/// What a coordinator has between prepare and close.
#[derive(Debug, Default)]
struct Tenure {
    session: Option<Arc<Session>>,
    lock: Option<CoordinatorLock>,
}

impl SqliteRepository {
    /// Opens the database file at `path` with a pool made from [`connect_options`](Self::connect_options) and
    /// [`pool_options`](Self::pool_options). The file is created when it is missing.
    ///
    /// # Errors
    /// [`RepositoryError::Unsupported`] for a path that names no file (`:memory:`), [`RepositoryError::NotADatabase`] for a file that is something
    /// else, and others when the file cannot be opened.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, RepositoryError> {
        let path = path.as_ref();
        let text = path.to_str().ok_or_else(|| {
            RepositoryError::Unsupported(format!(
                "the path {} is not valid Unicode, which SQLite needs; rename the file or its directory",
                path.display()
            ))
        })?;
        refuse_names_that_are_no_files(text)?;
        let context = Context::new(text.into(), "open the database");
        let pool = Self::pool_options()
            .connect_with(Self::connect_options(path))
            .await
            .map_err(|error| context.error(error))?;
        Self::from_pool(pool).await
    }

    /// Uses the database of a pool that the app has made.
    ///
    /// Make it from [`pool_options`](Self::pool_options), so that commits are noticed at once; commits of other pools are noticed by polling, 25 ms
    /// later on average. Its connection options (collations, pragmas, a key) hold for the repository's own connections too; what an
    /// `after_connect` of the app sets up does not.
    ///
    /// # Errors
    /// [`RepositoryError::Unsupported`] for a database in memory, and others when the database cannot be read.
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, RepositoryError> {
        let named: Arc<str> = pool
            .connect_options()
            .get_filename()
            .to_string_lossy()
            .as_ref()
            .into();
        let context = Context::new(named, "find the file of the database");
        let mut connection = pool.acquire().await.map_err(|error| context.error(error))?;
        let path = options::file_of(&mut connection)
            .await
            .map_err(|error| context.error(error))?
            .ok_or_else(in_memory)?;
        warn_about_old_sqlite(&mut connection)
            .await
            .map_err(|error| context.error(error))?;
        drop(connection);
        let database = Database::at(&path);
        let own = options::own_options(&pool, database.path());
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                writer: Writer::new(Arc::clone(&database), own.clone()),
                reader: Reader::new(Arc::clone(&database), &own),
                watch: Watch::new(Arc::clone(&database), &own, limits::POLL_INTERVAL),
                viewer: Reader::new(Arc::clone(&database), &own),
                lookout: Watch::new(Arc::clone(&database), &own, limits::POLL_INTERVAL).for_listeners(),
                listened: Mutex::default(),
                database,
                tenure: Mutex::default(),
            }),
        })
    }

    /// Options for the app's pool: its connections wake the coordinator when they commit. They stay open: set no idle timeout and no longest life, because with either
    /// sqlx 0.9.0 runs a task for the pool that may come to keep a core busy (<https://github.com/transact-rs/sqlx/issues/3645>).
    ///
    /// An `after_connect` of the app replaces the one set here; let it call [`prepare_connection`](Self::prepare_connection) then.
    #[must_use]
    pub fn pool_options() -> SqlitePoolOptions {
        options::pool_options()
    }

    /// Options for connections to the file at `path`: created when missing, write-ahead log, foreign keys on, `synchronous = NORMAL`, 5 s of waiting for the write lock, and up to 8 MB of
    /// page cache for each connection, because transactions write more pages with capture. Set `cache_size` to have it otherwise.
    #[must_use]
    pub fn connect_options(path: impl AsRef<Path>) -> SqliteConnectOptions {
        options::connect_options(path.as_ref())
    }

    /// Makes commits on `connection` wake the coordinator. It sets the connection's commit hook, of which SQLite has one. Nothing depends on it but
    /// speed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn prepare_connection(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        options::prepare_connection(connection).await
    }

    /// Creates the table of `M` with the columns its fields need, unless a table of this name exists, which is left as it is.
    /// Its column types are what sqlx writes for the fields; foreign keys, indexes and the like are for the app's own migrations.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_missing_tables<M: DittoAdapter>(&self) -> Result<(), RepositoryError> {
        self.create_missing_tables_of(&[M::descriptor()]).await
    }

    /// Creates the tables of `models` where tables of these names are missing.
    ///
    /// # Errors
    /// When the database fails; no table was created then.
    pub async fn create_missing_tables_of(
        &self,
        models: &[&'static ModelDescriptor],
    ) -> Result<(), RepositoryError> {
        let action = "create missing tables";
        let mut transaction = self.inner.writer.begin(action, Durability::Normal).await?;
        let context = transaction.context().clone();
        {
            let native = transaction.native().await?;
            for model in models {
                native
                    .execute(&create::table_sql(model))
                    .map_err(|error| context.error(error))?;
            }
        }
        transaction.commit().await
    }

    /// The app's pool.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.inner.pool
    }

    /// The database file, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        Path::new(self.inner.database.path().as_ref())
    }

    /// Begins a write transaction on a connection of the pool, taking turns with the coordinator and everyone else who calls this for the same file
    /// in this process. With it, the app's writes do not fail as busy because of them.
    ///
    /// Do not await another `begin` while holding one.
    ///
    /// # Errors
    /// When the pool has no connection to give, or another process holds the write lock for too long.
    ///
    /// Cancellation safe: what was begun is rolled back.
    pub async fn begin(&self) -> Result<WriteTransaction, sqlx::Error> {
        WriteTransaction::begin(&self.inner.pool, &self.inner.database).await
    }

    /// Lets the coordinator look for changes now. Never needed: changes are noticed anyway.
    pub fn notify(&self) {
        self.inner.database.hints().ask();
    }
}

impl Repository for SqliteRepository {
    async fn prepare(&self, models: &[&'static ModelDescriptor]) -> Result<SyncState, RepositoryError> {
        self.inner.prepare(models).await
    }

    async fn state(&self) -> Result<SyncState, RepositoryError> {
        let session = self.inner.session()?;
        state::read(&session, &self.inner.reader).await
    }

    fn warnings(&self) -> Vec<Finding> {
        self.inner
            .session()
            .map(|session| session.warnings().to_vec())
            .unwrap_or_default()
    }

    async fn changed(&self) {
        self.inner.watch.changed().await;
    }

    async fn draft(&self, request: DraftRequest<'_>) -> Result<Draft, RepositoryError> {
        let session = self.inner.session()?;
        draft::draft(&session, self.inner.connections(), request).await
    }

    async fn acknowledge(&self, intent: &Intent, scopes: &Scopes) -> Result<Acknowledged, RepositoryError> {
        let session = self.inner.session()?;
        acknowledge::acknowledge(&session, self.inner.connections(), intent, scopes).await
    }

    async fn discard(&self, intent: &Intent, rejected: &[Quarantined]) -> Result<(), RepositoryError> {
        let session = self.inner.session()?;
        acknowledge::discard(&session, &self.inner.writer, intent, rejected).await
    }

    async fn apply(&self, batch: InboundBatch<'_>) -> Result<Applied, RepositoryError> {
        let session = self.inner.session()?;
        let applied = apply::apply(&session, self.inner.connections(), batch).await;
        // Our own connections have no commit hook, and a listener shall not wait for the next poll. After a failure too: some of it may be in.
        self.inner.database.hints().rows_changed();
        applied
    }

    async fn agrees(
        &self,
        model: &'static ModelDescriptor,
        documents: &[(&DocumentId, ContentHash)],
    ) -> Result<Vec<bool>, RepositoryError> {
        let session = self.inner.session()?;
        let model = session.position(model)?;
        apply::agrees(&session, self.inner.connections(), (model, documents)).await
    }

    async fn unseen(
        &self,
        model: &'static ModelDescriptor,
        seen: &IdList,
    ) -> Result<IdList, RepositoryError> {
        let session = self.inner.session()?;
        inspect::unseen(&session, &self.inner.reader, model, seen).await
    }

    async fn parked(&self) -> Result<Vec<RowRef>, RepositoryError> {
        let session = self.inner.session()?;
        inspect::parked(&session, &self.inner.reader).await
    }

    async fn note_changed(&self, row: &RowRef) -> Result<bool, RepositoryError> {
        let session = self.inner.session()?;
        note::note_changed(&session, self.inner.connections(), row).await
    }

    async fn seeding(&self) -> Result<Vec<SeedState>, RepositoryError> {
        let session = self.inner.session()?;
        seeding::seeding(&session, &self.inner.reader).await
    }

    async fn reset_seeding(&self, models: &[&'static ModelDescriptor]) -> Result<(), RepositoryError> {
        let session = self.inner.session()?;
        seeding::reset(&session, &self.inner.writer, models).await
    }

    async fn pending(&self) -> Result<Vec<PendingCount>, RepositoryError> {
        let session = self.inner.session()?;
        inspect::pending(&session, &self.inner.reader).await
    }

    async fn quarantine(&self) -> Result<Vec<QuarantineRecord>, RepositoryError> {
        let session = self.inner.session()?;
        trace::quarantine(&session, &self.inner.reader).await
    }

    async fn release(&self, row: &RowRef, release: &Release) -> Result<Released, RepositoryError> {
        let session = self.inner.session()?;
        release::release(&session, self.inner.connections(), row, release).await
    }

    async fn trace(&self, row: &RowRef) -> Result<RowTrace, RepositoryError> {
        let session = self.inner.session()?;
        trace::trace(&session, &self.inner.reader, row).await
    }

    async fn conflicts(&self) -> Result<Vec<ConflictReport>, RepositoryError> {
        let session = self.inner.session()?;
        trace::conflicts(&session, &self.inner.reader).await
    }

    async fn mark(&self, marks: &[Mark]) -> Result<(), RepositoryError> {
        let session = self.inner.session()?;
        state::mark(&session, &self.inner.writer, marks).await
    }

    async fn recover(&self, recovery: &Recovery) -> Result<Recovered, RepositoryError> {
        let session = self.inner.session()?;
        recover::recover(&session, self.inner.connections(), recovery).await
    }

    async fn digest(
        &self,
        model: &'static ModelDescriptor,
        buckets: usize,
    ) -> Result<RowDigest, RepositoryError> {
        let session = self.inner.session()?;
        audit::digest(&session, &self.inner.reader, model, buckets).await
    }

    async fn audited(
        &self,
        model: &'static ModelDescriptor,
        wanted: (&HashSet<usize>, usize),
    ) -> Result<Vec<AuditedRow>, RepositoryError> {
        let session = self.inner.session()?;
        audit::audited(&session, &self.inner.reader, model, wanted).await
    }

    async fn forget(&self, rows: &[RowRef]) -> Result<(), RepositoryError> {
        let session = self.inner.session()?;
        audit::forget(&session, self.inner.connections(), rows).await
    }

    async fn listen(&self, models: &[&'static ModelDescriptor]) -> Result<(), RepositoryError> {
        self.inner.listen(models).await
    }

    async fn heard(&self) -> Result<Vec<Touched>, RepositoryError> {
        loop {
            let session = self.inner.session()?;
            let touched = feed::heard(&session, self.inner.connections()).await?;
            if !touched.is_empty() {
                return Ok(touched);
            }
            self.inner.lookout.changed().await;
        }
    }

    async fn read_rows(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<ReadRow>>, RepositoryError> {
        let session = self.inner.session()?;
        view::rows(&session, &self.inner.viewer, (model, ids)).await
    }

    async fn select_rows(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
    ) -> Result<Vec<(DocumentId, ReadRow)>, RepositoryError> {
        let session = self.inner.session()?;
        view::select(&session, &self.inner.viewer, (model, query)).await
    }

    async fn weigh(
        &self,
        model: &'static ModelDescriptor,
        items: &[&InboundItem],
    ) -> Result<Weighed, RepositoryError> {
        let session = self.inner.session()?;
        mass_changes::weigh(&session, self.inner.connections(), model, items).await
    }

    async fn reject(&self, items: &[InboundItem], marks: &[Mark]) -> Result<Vec<RowRef>, RepositoryError> {
        let session = self.inner.session()?;
        mass_changes::reject(&session, self.inner.connections(), items, marks).await
    }

    async fn restore(&self, items: &[InboundItem], dry_run: bool) -> Result<Vec<Restored>, RepositoryError> {
        let session = self.inner.session()?;
        apply::restore::restore(&session, self.inner.connections(), (items, dry_run)).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl Inner {
    /// Takes the lock and makes the database ready. What fails or is cancelled leaves everything as it was.
    async fn prepare(&self, models: &[&'static ModelDescriptor]) -> Result<SyncState, RepositoryError> {
        let path = self.database.path();
        if self.tenure().lock.is_some() {
            return Err(RepositoryError::InUse {
                path: path.to_string(),
            });
        }
        let lock = CoordinatorLock::take(path)?;
        let mut transaction = self.writer.begin("prepare the tables", Durability::Full).await?;
        let layouts = prepare::prepare(transaction.sqlx().await?, models, path).await?;
        let (session, state) = Session::open(&mut transaction, &layouts).await?;
        transaction.commit().await?;
        let listened = self.listened().clone();
        feed::listen_on(&session, &listened).await;
        let mut tenure = self.tenure();
        tenure.lock = Some(lock);
        tenure.session = Some(Arc::new(session));
        Ok(state)
    }

    /// Closes own connections, then lets another coordinator in.
    async fn close(&self) {
        self.tenure().session = None;
        self.writer.close().await;
        self.reader.close().await;
        self.watch.close().await;
        self.viewer.close().await;
        self.lookout.close().await;
        self.tenure().lock = None;
    }

    async fn listen(&self, models: &[&'static ModelDescriptor]) -> Result<(), RepositoryError> {
        *self.listened() = models.to_vec();
        match self.session() {
            Ok(session) => feed::listen(&session, self.connections(), models).await,
            // The next prepare will.
            Err(_) => Ok(()),
        }
    }

    fn listened(&self) -> MutexGuard<'_, Vec<&'static ModelDescriptor>> {
        self.listened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> Result<Arc<Session>, RepositoryError> {
        self.tenure().session.clone().ok_or(RepositoryError::Closed)
    }

    fn connections(&self) -> (&Writer, &Reader) {
        (&self.writer, &self.reader)
    }

    fn tenure(&self) -> MutexGuard<'_, Tenure> {
        self.tenure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse_names_that_are_no_files(path: &str) -> Result<(), RepositoryError> {
    if path.is_empty() || path == ":memory:" {
        return Err(in_memory());
    }
    // SQLite would take these as addresses, or, worse, as names of files.
    if ["sqlite:", "file:"].iter().any(|scheme| path.starts_with(scheme)) {
        return Err(RepositoryError::Unsupported(format!(
            "{path} is an address; give the path of the file, or make a pool from the address and use `SqliteRepository::from_pool`"
        )));
    }
    Ok(())
}

fn in_memory() -> RepositoryError {
    RepositoryError::Unsupported(
        "a database in memory cannot be synced: every connection has one of its own and nothing survives a restart; \
         give the path of a file (tests: in a temporary directory)"
            .to_owned(),
    )
}

async fn warn_about_old_sqlite(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(connection)
        .await?;
    if parse_version(&version).is_some_and(|version| version < SQLITE_WITHOUT_WAL_RACE) {
        tracing::warn!(
            version,
            "this SQLite can lose a commit while it resets the write-ahead log; upgrade it to 3.51.3 or newer"
        );
    }
    Ok(())
}

fn parse_version(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(parse_version("3.9.0") < parse_version("3.51.3"));
        assert!(parse_version("3.51.3") >= Some(SQLITE_WITHOUT_WAL_RACE));
        assert_eq!(parse_version("unknown"), None);
    }
}
