//! What an app's user interface listens to: [`Changes`] and [`Watch`], on [`SyncHandle`].
//!
//! An event only names a row; the row is read from the table when the listener takes the event, so that there is one place to read from, and a listener
//! that lags costs no memory. Not here: which rows are named, and when (`listening`).

use std::{
    collections::{HashMap, HashSet, VecDeque},
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use futures_util::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{BoxStream, unfold},
};
use tokio::sync::{
    broadcast::error::{RecvError, TryRecvError},
    mpsc, oneshot,
};
use xxhash_rust::xxh3::Xxh3;

use super::{
    SyncHandle,
    listening::{Batch, Subscribe, Subscription, Touch},
};
use crate::{
    adapter::DittoAdapter,
    clock::Clock,
    descriptor::ModelDescriptor,
    id::DocumentId,
    limits::{LISTEN_RETRY, LISTEN_ROWS},
    live::{ListenError, ReadRow, RowChange, RowUnreadable},
    query::Query,
    repository::{Repository, RepositoryError},
};

/// How a handle reaches what listeners need.
#[derive(Clone)]
pub(super) struct Listeners {
    pub(super) subscribe: mpsc::Sender<Subscribe>,
    /// Weak, so that a listener keeps no database open.
    pub(super) rows: Weak<dyn Rows>,
}

/// The rows of a repository, whichever it is.
pub(super) trait Rows: Send + Sync {
    fn read<'a>(
        &'a self,
        model: &'static ModelDescriptor,
        ids: &'a [DocumentId],
    ) -> BoxFuture<'a, Result<Vec<Option<ReadRow>>, RepositoryError>>;

    fn select<'a>(
        &'a self,
        model: &'static ModelDescriptor,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<(DocumentId, ReadRow)>, RepositoryError>>;
}

impl<R: Repository> Rows for R {
    fn read<'a>(
        &'a self,
        model: &'static ModelDescriptor,
        ids: &'a [DocumentId],
    ) -> BoxFuture<'a, Result<Vec<Option<ReadRow>>, RepositoryError>> {
        self.read_rows(model, ids).boxed()
    }

    fn select<'a>(
        &'a self,
        model: &'static ModelDescriptor,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Vec<(DocumentId, ReadRow)>, RepositoryError>> {
        self.select_rows(model, query).boxed()
    }
}

impl SyncHandle {
    /// Changes of rows of `T` from now on, whoever makes them: this app and other processes with any SQL, and other devices. Each comes after its commit
    /// and with the row as the table holds it then, so that a read that follows agrees with it. Changes in quick succession may come as one, and a row
    /// may be told again though nothing changed. Local changes are told while the store is away or the coordinator waits, too.
    ///
    /// Ends when the coordinator stops. A listener that is too slow is told how many changes it missed ([`ListenError::Missed`]); errors do not end the
    /// stream. Local changes of a model that only receives are told as far as triggers see them. Costs nothing while nobody listens.
    ///
    /// # Errors
    /// When `T` was not started, the database fails, or the coordinator has stopped.
    pub async fn changes<T: DittoAdapter>(&self) -> Result<Changes<T>, ListenError> {
        let source = self.source(T::descriptor()).await?;
        let pending = VecDeque::new();
        let stream = unfold((source, pending), |(mut source, mut pending)| async {
            loop {
                if let Some(item) = pending.pop_front() {
                    return Some((item, (source, pending)));
                }
                pending = source.next_changes().await?;
            }
        });
        Ok(Changes {
            stream: stream.boxed(),
        })
    }

    /// The rows of `T` that match `query`, now and whenever that has changed, in the order of their keys. Only the newest state is told: a slow listener
    /// skips the ones between.
    ///
    /// Ends when the coordinator stops. A row that holds what `T` cannot is told as [`ListenError::Unreadable`] before the rows it is missing from;
    /// errors do not end the stream.
    ///
    /// # Errors
    /// When the query does not fit the model or lacks a parameter, `T` was not started, the database fails, or the coordinator has stopped.
    pub async fn watch<T: DittoAdapter>(&self, query: Query) -> Result<Watch<T>, ListenError> {
        match query.to_sql(T::descriptor()) {
            Err(error) if !error.is_about_columns() => return Err(ListenError::Query(error)),
            // What SQL cannot compare is asked of each row's document.
            _ => {}
        }
        let source = self.source(T::descriptor()).await?;
        let watching = Watching {
            source,
            query,
            stale: true,
            failed: false,
            last: None,
            pending: VecDeque::new(),
            model: PhantomData,
        };
        let stream = unfold(watching, |mut watching| async {
            let item = watching.next().await?;
            Some((item, watching))
        });
        Ok(Watch {
            stream: stream.boxed(),
        })
    }

    async fn source(&self, model: &'static ModelDescriptor) -> Result<Source, ListenError> {
        let (reply, answer) = oneshot::channel();
        let listeners = self.listeners();
        listeners
            .subscribe
            .send(Subscribe { model, reply })
            .await
            .map_err(|_| ListenError::Stopped)?;
        let Subscription { batches, next } = answer.await.map_err(|_| ListenError::Stopped)??;
        Ok(Source {
            model,
            batches,
            next,
            rows: Weak::clone(&listeners.rows),
            clock: self.shared_clock(),
            unread: Vec::new(),
        })
    }
}

/// Changes of the rows of one model: a stream, and [`next`](Self::next).
#[must_use = "a stream does nothing unless it is read"]
pub struct Changes<T> {
    stream: BoxStream<'static, Result<RowChange<T>, ListenError>>,
}

impl<T> Changes<T> {
    /// The next change; `None` when the coordinator has stopped. Cancellation safe.
    pub async fn next(&mut self) -> Option<Result<RowChange<T>, ListenError>> {
        self.stream.next().await
    }
}

impl<T> Stream for Changes<T> {
    type Item = Result<RowChange<T>, ListenError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(context)
    }
}

/// The rows that match a query, again whenever they have changed: a stream, and [`next`](Self::next).
#[must_use = "a stream does nothing unless it is read"]
pub struct Watch<T> {
    stream: BoxStream<'static, Result<Vec<T>, ListenError>>,
}

impl<T> Watch<T> {
    /// The rows as they are; the first time at once, later when they have changed. `None` when the coordinator has stopped. Cancellation safe.
    pub async fn next(&mut self) -> Option<Result<Vec<T>, ListenError>> {
        self.stream.next().await
    }
}

impl<T> Stream for Watch<T> {
    type Item = Result<Vec<T>, ListenError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(context)
    }
}

/// Where a listener hears of changes and reads rows.
struct Source {
    model: &'static ModelDescriptor,
    batches: tokio::sync::broadcast::Receiver<Batch>,
    /// The number of the next change.
    next: u64,
    rows: Weak<dyn Rows>,
    clock: Arc<dyn Clock>,
    /// Changes whose rows could not be read.
    unread: Vec<Touch>,
}

impl Source {
    /// The next changes with their rows, or an error; `None` at the end. What is lost by a cancellation is only what `self` loses with it.
    async fn next_changes<T: DittoAdapter>(&mut self) -> Option<VecDeque<Result<RowChange<T>, ListenError>>> {
        let mut found = VecDeque::new();
        if self.unread.is_empty() {
            if let Some(count) = self.wait().await? {
                found.push_back(Err(ListenError::Missed { count }));
            }
        } else {
            self.clock.sleep(LISTEN_RETRY).await;
        }
        let mut ids: Vec<_> = self.unread.iter().map(|touch| touch.id.clone()).collect();
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        // Closed: paused, perhaps; the end is noticed by the rows being gone.
        match self.rows.upgrade()?.read(self.model, &ids).await {
            Ok(rows) => {
                let rows: HashMap<_, _> = ids.iter().zip(rows).collect();
                for Touch { id, origin } in self.unread.drain(..) {
                    let row = rows.get(&id).and_then(Option::as_ref);
                    let row = row.map(|row| typed::<T>(&id, row)).transpose();
                    found.push_back(row.map(|row| RowChange { id, origin, row }));
                }
            }
            Err(RepositoryError::Closed) => {}
            Err(error) => found.push_back(Err(ListenError::Repository(error))),
        }
        Some(found)
    }

    /// Waits for changes, and takes all that are there, up to a number; how many were missed.
    async fn wait(&mut self) -> Option<Option<u64>> {
        let (mut missed, expected) = (0, self.next);
        let first = loop {
            match self.batches.recv().await {
                Ok(batch) => break batch,
                // The next batch tells how many changes that were.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        };
        debug_assert!(first.first >= expected, "changes are numbered in order");
        missed += self.take(&first);
        while self.unread.len() < LISTEN_ROWS {
            match self.batches.try_recv() {
                Ok(batch) => missed += self.take(&batch),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        Some((missed > 0).then_some(missed))
    }

    fn take(&mut self, batch: &Batch) -> u64 {
        let missed = batch.first.saturating_sub(self.next);
        self.next = batch.first + batch.touches.len() as u64;
        for touch in batch.touches.iter() {
            if !self.unread.contains(touch) {
                self.unread.push(touch.clone());
            }
        }
        missed
    }
}

/// A query that is asked again and again.
struct Watching<T> {
    source: Source,
    query: Query,
    /// Something may have changed since the rows were read.
    stale: bool,
    /// The last attempt to read them failed.
    failed: bool,
    /// What was told last.
    last: Option<u128>,
    pending: VecDeque<Result<Vec<T>, ListenError>>,
    model: PhantomData<fn() -> T>,
}

impl<T: DittoAdapter> Watching<T> {
    async fn next(&mut self) -> Option<Result<Vec<T>, ListenError>> {
        loop {
            if let Some(item) = self.pending.pop_front() {
                return Some(item);
            }
            if std::mem::take(&mut self.failed) {
                self.source.clock.sleep(LISTEN_RETRY).await;
            }
            if !self.stale {
                self.source.wait().await?;
                self.source.unread.clear();
                self.stale = true;
            }
            let rows = self.source.rows.upgrade()?;
            match rows.select(self.source.model, &self.query).await {
                Ok(found) => {
                    self.stale = false;
                    self.tell(&found);
                }
                Err(error) => {
                    self.failed = true;
                    // Closed: paused, perhaps; the end is noticed by the rows being gone.
                    if !matches!(error, RepositoryError::Closed) {
                        return Some(Err(ListenError::Repository(error)));
                    }
                }
            }
        }
    }

    /// The rows, unless they are what was told last.
    fn tell(&mut self, found: &[(DocumentId, ReadRow)]) {
        let print = Some(fingerprint(found));
        if self.last == print {
            return;
        }
        self.last = print;
        let mut rows = Vec::with_capacity(found.len());
        for (id, row) in found {
            match typed::<T>(id, row) {
                Ok(row) => rows.push(row),
                Err(error) => self.pending.push_back(Err(error)),
            }
        }
        self.pending.push_back(Ok(rows));
    }
}

/// A row as the value of its struct.
fn typed<T: DittoAdapter>(id: &DocumentId, row: &ReadRow) -> Result<T, ListenError> {
    let decode = || -> Result<T, RowUnreadable> {
        let image = row.as_ref().map_err(Clone::clone)?;
        let document = T::descriptor().document_of(id, image)?;
        Ok(T::from_document(id, &document)?)
    };
    decode().map_err(|reason| ListenError::Unreadable {
        id: id.clone(),
        reason: reason.to_string(),
    })
}

/// A number that is another one when the rows are.
fn fingerprint(rows: &[(DocumentId, ReadRow)]) -> u128 {
    let mut hasher = Xxh3::new();
    for (id, row) in rows {
        let row = row.as_ref().map_err(ToString::to_string);
        let bytes = postcard::to_allocvec(&(id, row)).expect("ids and column values can be written");
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    hasher.digest128()
}

#[cfg(test)]
mod tests;
