//! The way in: fetches the current documents of ids that may have changed, and brings them into the tables.

use super::{SyncError, engine::Engine, queue::Chunk, recognizing::Recognized};
use crate::{
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    limits::BATCH_TIME_WITH_FETCH,
    repository::{InboundBatch, InboundItem, Incoming, Mark, Repository},
    rules::{Rule, off},
    store::DocumentStore,
};

/// What was read of one id.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) id: &'a DocumentId,
    pub(super) document: Option<Document>,
    /// Of the document as a row, where it was computed before.
    pub(super) hash: Option<ContentHash>,
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Looks at one chunk of the ids that wait. Whether there was one.
    ///
    /// An event is only a hint: what is applied is the document as it is now. Between the fetch and the apply nothing is written to the store.
    #[tracing::instrument(skip_all, level = "debug")]
    pub(super) async fn look(&mut self) -> Result<bool, SyncError> {
        if self.queues.is_empty() {
            return Ok(false);
        }
        let chunk = self.queues.take(self.inbound_batching.rows());
        match self.fetch_and_apply(&chunk).await {
            Ok(()) => {
                let (done, total) = self.queues.progress();
                if total > 0 {
                    self.reporter.progress(done, total);
                }
                Ok(true)
            }
            Err(error) => {
                let models = &self.setup.models;
                self.queues.restore(chunk, |mark| match mark {
                    Mark::Cursor(collection, _)
                    | Mark::Reconciled(collection, _)
                    | Mark::Burst(collection, _) => {
                        models.iter().position(|model| model.collection() == *collection)
                    }
                    Mark::Store(..) | Mark::AwaitPeer(_) => None,
                });
                Err(error)
            }
        }
    }

    async fn fetch_and_apply(&mut self, chunk: &Chunk) -> Result<(), SyncError> {
        let started = self.setup.clock.now();
        let (items, recognized) = self.fetch_news(chunk).await?;
        let (items, mut passage) = self.screen(items, &chunk.marks).await?;
        if items.is_empty() {
            self.put_off_cursors(chunk, &mut passage.marks);
        }
        if off(Rule::Serial) && self.state.in_flight.is_none() {
            self.send().await?;
        }
        let batch = InboundBatch {
            items: &items,
            scopes: &self.setup.scopes,
            marks: &passage.marks,
            transaction_rows_max: self.inbound_batching.rows(),
        };
        let applying = self.setup.clock.now();
        let applied = self.repository.apply(batch).await?;
        let now = self.setup.clock.now();
        // Only the apply holds the write lock; a slow store is no reason for short transactions.
        let elapsed = now
            .since(applying)
            .max(now.since(started) / BATCH_TIME_WITH_FETCH);
        self.inbound_batching.record(chunk.len(), elapsed);
        self.remember(&passage.marks);
        self.passed(&passage);
        self.report_recognized(chunk, &recognized);
        self.strays.met(&items, &applied, now);
        self.reporter.applied(&items, &applied);
        self.hydrating.count(&items, &applied);
        self.unpark |= !applied.changed.is_empty() || applied.left_scope > 0;
        // What cascaded from a remote delete, and what triggers of the app did, is a local change.
        self.local |= !applied.changed.is_empty();
        // What no trigger saw has met its document now.
        self.local |= self.queues.is_empty() && std::mem::take(&mut self.noted);
        Ok(())
    }

    /// The current documents of a chunk but those that are recognized, and which those are.
    async fn fetch_news(&mut self, chunk: &Chunk) -> Result<(Vec<InboundItem>, Vec<Recognized>), SyncError> {
        let (mut items, mut all) = (Vec::new(), Vec::with_capacity(chunk.ids.len()));
        for (place, (position, ids)) in chunk.ids.iter().enumerate() {
            let documents = self.read_documents(*position, ids).await?;
            let recognized = self.recognize((*position, place), ids, &documents).await?;
            let read = ids.iter().zip(documents).enumerate();
            let news = read.filter(|(at, _)| !recognized.has(*at));
            let news = news.map(|(at, (id, document))| Read {
                id,
                document,
                hash: recognized.hash(at),
            });
            self.judge_all(*position, news.collect(), &mut items).await?;
            all.push(recognized);
        }
        Ok((items, all))
    }

    /// The current documents of a chunk.
    pub(super) async fn fetch(&mut self, chunk: &Chunk) -> Result<Vec<InboundItem>, SyncError> {
        let mut items = Vec::with_capacity(chunk.len());
        for (position, ids) in &chunk.ids {
            let documents = self.read_documents(*position, ids).await?;
            let read = ids.iter().zip(documents).map(|(id, document)| Read {
                id,
                document,
                hash: None,
            });
            self.judge_all(*position, read.collect(), &mut items).await?;
        }
        Ok(items)
    }

    /// The current documents of these ids of a model, in their order.
    async fn read_documents(
        &mut self,
        position: usize,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, SyncError> {
        let documents = self.store.fetch(self.model(position), ids).await?;
        debug_assert_eq!(documents.len(), ids.len(), "a fetch answers every id");
        Ok(documents)
    }

    /// What these documents of a model mean for their rows.
    async fn judge_all(
        &mut self,
        position: usize,
        read: Vec<Read<'_>>,
        items: &mut Vec<InboundItem>,
    ) -> Result<(), SyncError> {
        let model = self.model(position);
        let facts = self.facts_for_hooks(model, &read).await?;
        items.reserve(read.len());
        for (at, read) in read.into_iter().enumerate() {
            let item = self.judge(model, read, facts.as_ref().map(|facts| facts.at(at)));
            // While a replaced store has not caught up, absence says nothing.
            if !(self.state.await_peer && matches!(item.incoming, Incoming::Absent)) {
                items.push(item);
            }
        }
        Ok(())
    }

    /// What is durable now counts for the next observation too.
    pub(super) fn remember(&mut self, marks: &[Mark]) {
        for mark in marks {
            match mark {
                Mark::Cursor(collection, cursor) => {
                    if let Some(position) = self.position(collection) {
                        self.state.models[position].cursor.clone_from(cursor);
                    }
                }
                Mark::Reconciled(collection, scope) => {
                    if let Some(position) = self.position(collection) {
                        self.state.models[position].reconciled.clone_from(scope);
                        self.arrived(position);
                    }
                }
                Mark::Burst(collection, burst) => {
                    if let Some(position) = self.position(collection) {
                        self.state.models[position].burst.clone_from(burst);
                    }
                }
                Mark::Store(..) | Mark::AwaitPeer(_) => {}
            }
        }
    }

    /// Looks again at documents in quarantine that no observation tells of, when that is due.
    pub(super) fn look_for_strays(&mut self) {
        for (collection, id) in self.strays.take_due(self.setup.clock.now()) {
            if let Some(position) = self
                .position(collection)
                .filter(|&position| self.looks_at(position))
            {
                self.queues.push(position, [id]);
            }
        }
    }

    /// Looks again at what waits for a row. What still does not fit changes no row, so this ends.
    pub(super) async fn retry_parked(&mut self) -> Result<bool, SyncError> {
        let parked = self.repository.parked().await?;
        let any = !parked.is_empty();
        for row in parked {
            let position = self.position(row.model.collection());
            // Rows of models that only send wait here too: for the base of a change that no trigger saw.
            if let Some(position) = position.filter(|_| !self.setup.scopes.awaits(row.model)) {
                self.holds.exempt(position, std::iter::once(&row.id));
                self.queues.push(position, [row.id]);
            }
        }
        Ok(any)
    }
}
