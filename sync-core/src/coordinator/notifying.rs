//! The app says that it has changed a row: needed only where no trigger sees that.

use super::{
    SyncHandle,
    engine::Engine,
    models::{ModelError, ModelRequest, Reply},
};
use crate::{
    adapter::DittoAdapter,
    id::DocumentId,
    repository::{Repository, RowRef},
    store::DocumentStore,
};

/// A row that the app says it has changed.
pub(super) struct Notice {
    collection: String,
    id: DocumentId,
    pub(super) reply: Reply<bool>,
}

impl SyncHandle {
    /// The app has inserted or updated a row of this model: see [`notify_local_upsert_in`](Self::notify_local_upsert_in).
    ///
    /// # Errors
    /// Those of [`notify_local_upsert_in`](Self::notify_local_upsert_in).
    pub async fn notify_local_upsert<T: DittoAdapter>(&self, id: &DocumentId) -> Result<bool, ModelError> {
        self.notify_local_upsert_in(T::descriptor().collection(), id)
            .await
    }

    /// The app has deleted a row of this model: see [`notify_local_upsert_in`](Self::notify_local_upsert_in).
    ///
    /// # Errors
    /// Those of [`notify_local_upsert_in`](Self::notify_local_upsert_in).
    pub async fn notify_local_delete<T: DittoAdapter>(&self, id: &DocumentId) -> Result<bool, ModelError> {
        self.notify_local_delete_in(T::descriptor().collection(), id)
            .await
    }

    /// The app has inserted or updated this row. Never needed where the capture triggers see the change, which is the rule; there it only wakes the coordinator.
    /// Where they do not (a connection that has triggers switched off, a table rebuilt by another tool), the row is compared with what was last agreed on,
    /// and a difference is captured as a change, durably on return; whether there was one. What it changed from is found out from the document: where
    /// that has changed too, the row's values stay, except for counters, and are reported.
    ///
    /// Waits for a write of this row that is under way. Cancelled, it may still happen.
    ///
    /// # Errors
    /// When no model has the collection, the database fails, or the coordinator is paused or has stopped.
    pub async fn notify_local_upsert_in(
        &self,
        collection: &str,
        id: &DocumentId,
    ) -> Result<bool, ModelError> {
        let (collection, id) = (collection.to_owned(), id.clone());
        self.ask_about_models(|reply| {
            ModelRequest::Notify(Notice {
                collection,
                id,
                reply,
            })
        })
        .await
    }

    /// The app has deleted this row; as [`notify_local_upsert_in`](Self::notify_local_upsert_in). The row is looked at in either case: what it is now counts.
    ///
    /// # Errors
    /// Those of [`notify_local_upsert_in`](Self::notify_local_upsert_in).
    pub async fn notify_local_delete_in(
        &self,
        collection: &str,
        id: &DocumentId,
    ) -> Result<bool, ModelError> {
        self.notify_local_upsert_in(collection, id).await
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Has every row looked at that the app named, but those with a write under way: only when that is acknowledged it is known what was agreed on.
    pub(super) async fn serve_notices(&mut self) {
        for _ in 0..self.model_requests.notices.len() {
            let Some(notice) = self.model_requests.notices.pop_front() else {
                return;
            };
            if self.is_in_flight(&notice) {
                self.model_requests.notices.push_back(notice);
                continue;
            }
            let noted = self.note(&notice).await;
            // Whoever gave up waiting needs no answer.
            let _ = notice.reply.send(noted);
        }
    }

    async fn note(&mut self, notice: &Notice) -> Result<bool, ModelError> {
        let position = self.position_of(&notice.collection)?;
        let row = RowRef {
            model: self.model(position),
            id: notice.id.clone(),
        };
        let noted = self.repository.note_changed(&row).await?;
        self.local = true;
        if noted {
            // Its document is the base of the change, so it is met before anything is sent.
            self.queues.push_front(position, row.id);
            self.noted = true;
        }
        Ok(noted)
    }

    fn is_in_flight(&self, notice: &Notice) -> bool {
        let intent = self.state.in_flight.as_ref();
        intent.is_some_and(|intent| {
            let mut operations = intent.operations.iter();
            operations.any(|operation| {
                operation.model.collection() == notice.collection && operation.id == notice.id
            })
        })
    }
}
