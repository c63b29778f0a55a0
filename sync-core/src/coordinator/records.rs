//! What the app can ask and do about single records, on [`SyncHandle`]: the quarantine, receipts, explanations.
//!
//! Not here: how the coordinator serves it (`requests`).

use std::time::Duration;

use futures_util::{
    FutureExt,
    future::{Either, FusedFuture, pending, select},
};
use tokio::sync::oneshot;

use super::{
    EventStream, SyncHandle,
    handle::Command,
    requests::{Reply, Request},
};
use crate::{
    column::ColumnValue,
    document::Document,
    explain::{ConflictReport, Explanation, Receipt},
    id::DocumentId,
    quarantine::{QuarantineRecord, Release},
    repository::{RepositoryError, Way},
    status::SyncEvent,
};

/// What takes the place of a record in quarantine.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Edit {
    /// New values for columns of the row, by column name, as an UPDATE of the app would give them: for a record on its way out.
    Row(Vec<(String, ColumnValue)>),
    /// A document for the one that came in. Take the one in quarantine and mend it: fields that no column maps are written too.
    Document(Document),
}

/// Why a record could not be asked about or released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// No model has this collection.
    #[error("no registered model has the collection `{collection}`")]
    UnknownCollection {
        /// What was asked for.
        collection: String,
    },
    /// There is no such record in quarantine.
    #[error("the record is not in quarantine")]
    NotInQuarantine,
    /// It cannot be, and nothing has changed.
    #[error("the record cannot be released so: {reason}")]
    Refused {
        /// Why, naming the field or constraint.
        reason: String,
    },
    /// The database failed.
    #[error("the database failed")]
    Repository(#[from] RepositoryError),
    /// The coordinator is paused and has released the database.
    #[error("the coordinator is paused; resume it first")]
    Paused,
    /// The coordinator has stopped.
    #[error("the coordinator has stopped")]
    Stopped,
}

/// Why waiting for a row to be stored ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwaitStoredError {
    /// The store has not accepted it in time.
    #[error("the store has not accepted the row within {timeout:?}; last error: {last_error}")]
    Timeout {
        /// How long was waited.
        timeout: Duration,
        /// The last error of the coordinator, or `none`.
        last_error: String,
    },
    /// It cannot be sent as it is.
    #[error("the row is in quarantine: {reason}")]
    Quarantined {
        /// Why, naming the field.
        reason: String,
    },
    /// It could not be asked about.
    #[error("the row could not be looked at")]
    Record(#[from] RecordError),
}

impl SyncHandle {
    /// Everything in quarantine, both ways, oldest first.
    ///
    /// # Errors
    /// When the database fails, or the coordinator has stopped.
    pub async fn quarantine(&self) -> Result<Vec<QuarantineRecord>, RecordError> {
        self.ask_about(Request::Quarantine).await
    }

    /// Tries a record in quarantine again, both ways. It stays listed until that worked; its attempts are counted. This happens by itself when the row or the
    /// document changes, and at each start.
    ///
    /// Waits for the write that is under way. Cancelled, it may still happen.
    ///
    /// # Errors
    /// [`RecordError::NotInQuarantine`], and those of [`quarantine`](Self::quarantine).
    pub async fn retry(&self, collection: &str, id: &DocumentId) -> Result<(), RecordError> {
        self.release(collection, id, Release::Retry).await
    }

    /// Mends a record in quarantine.
    ///
    /// A row gets new column values, as by an UPDATE of the app, and is sent. A document takes the place of the one that came in: it becomes the row, and is
    /// written over the one in the store, provided that this is still the same one. Both are durable on return.
    ///
    /// Waits for the write that is under way. Cancelled, it may still happen.
    ///
    /// # Errors
    /// [`RecordError::Refused`] when a constraint or a field does not take the values; those of [`retry`](Self::retry).
    pub async fn edit(&self, collection: &str, id: &DocumentId, edit: Edit) -> Result<(), RecordError> {
        let release = match edit {
            Edit::Row(columns) => Release::EditRow(columns),
            Edit::Document(document) => Release::EditDocument(document),
        };
        self.release(collection, id, release).await
    }

    /// Gives a record in quarantine up.
    ///
    /// [`Way::Outbound`]: the local change is given up. The row goes back to what was last agreed on with the store (and on to the document as it is now); a row
    /// that the store never had is deleted. What was given up is reported as a conflict event, and kept. [`Way::Inbound`]: this version of the document is ignored
    /// until it changes; local changes of the row wait as long.
    ///
    /// Waits for the write that is under way. Cancelled, it may still happen.
    ///
    /// # Errors
    /// Those of [`retry`](Self::retry); [`RecordError::Refused`] when a constraint keeps the row from going back, or the row is older than the
    /// mirror, so that there is nothing to go back to.
    pub async fn discard(&self, collection: &str, id: &DocumentId, way: Way) -> Result<(), RecordError> {
        self.release(collection, id, Release::Discard(way)).await
    }

    /// The conflicts that are kept (the newest, at least a thousand), oldest first, with both values.
    ///
    /// # Errors
    /// When the database fails, or the coordinator has stopped.
    pub async fn conflicts(&self) -> Result<Vec<ConflictReport>, RecordError> {
        self.ask_about(Request::Conflicts).await
    }

    /// All that is known of one row: what is durable, and what this coordinator remembers of it. Print it.
    ///
    /// # Errors
    /// When no model has the collection, the database fails, or the coordinator has stopped.
    pub async fn explain(&self, collection: &str, id: &DocumentId) -> Result<Explanation, RecordError> {
        let row = (collection.to_owned(), id.clone());
        self.ask_about(|reply| Request::Explain(row, reply)).await
    }

    /// How far the last change of a row has got.
    ///
    /// # Errors
    /// Those of [`explain`](Self::explain).
    pub async fn receipt(&self, collection: &str, id: &DocumentId) -> Result<Receipt, RecordError> {
        Ok(self.explain(collection, id).await?.receipt())
    }

    /// Waits until the store has accepted all that was committed of this row before the call. Says nothing of other peers.
    ///
    /// Cancellation safe.
    ///
    /// # Errors
    /// After `timeout`; when the row goes into quarantine; those of [`explain`](Self::explain).
    pub async fn await_stored(
        &self,
        collection: &str,
        id: &DocumentId,
        timeout: Duration,
    ) -> Result<Receipt, AwaitStoredError> {
        let stored = std::pin::pin!(self.stored(collection, id));
        match select(stored, self.clock().sleep(timeout)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => {
                let last_error = self.status().borrow().what_is_wrong();
                Err(AwaitStoredError::Timeout { timeout, last_error })
            }
        }
    }

    async fn stored(&self, collection: &str, id: &DocumentId) -> Result<Receipt, AwaitStoredError> {
        // Listened to before the first look, so that nothing falls between the two.
        let mut events = self.events();
        let mut settled = self.settle().await.fuse();
        loop {
            match self.receipt(collection, id).await? {
                Receipt::Captured => {}
                Receipt::Quarantined { reason } => return Err(AwaitStoredError::Quarantined { reason }),
                receipt => return Ok(receipt),
            }
            // A change that means nothing is dropped without an event; then everything is settled.
            let settles = async {
                if settled.is_terminated() {
                    pending::<()>().await;
                }
                let _ = (&mut settled).await;
            };
            let news = std::pin::pin!(next_news(&mut events, collection));
            if let Either::Left((Err(stopped), _)) = select(news, std::pin::pin!(settles)).await {
                return Err(stopped.into());
            }
        }
    }

    async fn release(&self, collection: &str, id: &DocumentId, release: Release) -> Result<(), RecordError> {
        let row = (collection.to_owned(), id.clone());
        self.ask_about(|reply| Request::Release(row, release, reply))
            .await
    }

    async fn ask_about<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, RecordError> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Ask(request(reply)))
            .await
            .map_err(|()| RecordError::Stopped)?;
        answer.await.map_err(|_| RecordError::Stopped)?
    }
}

/// The next event after which a row of the collection may be stored, or in quarantine.
async fn next_news(events: &mut EventStream, collection: &str) -> Result<(), RecordError> {
    loop {
        match events.next().await {
            None => return Err(RecordError::Stopped),
            Some(
                SyncEvent::Sent { collection: of, .. }
                | SyncEvent::Quarantined { collection: of, .. }
                | SyncEvent::Applied { collection: of, .. },
            ) if of == collection => return Ok(()),
            Some(SyncEvent::Missed { .. }) => return Ok(()),
            Some(_) => {}
        }
    }
}
