//! An app that is told what changes, and keeps it: [`Mirror`]. At the end it has to hold what the store holds, whatever became of the store meanwhile.

use std::collections::BTreeMap;

use ditto_sync_core::{descriptor::ModelDescriptor, document::Document, id::DocumentId, query::Query};

use crate::{disk::is_lost, replica::Replica};

/// Documents as an app has seen them, and up to where.
#[derive(Debug)]
pub(super) struct Mirror {
    model: &'static ModelDescriptor,
    documents: BTreeMap<DocumentId, Document>,
    cursor: Option<u64>,
}

impl Mirror {
    /// Of an app that has seen nothing yet.
    pub(super) fn new(model: &'static ModelDescriptor) -> Self {
        Self {
            model,
            documents: BTreeMap::new(),
            cursor: None,
        }
    }

    /// The store has started again: whether its changes go on at the cursor is known now or never.
    pub(super) fn resume(&mut self, replica: &Replica) {
        self.cursor = self
            .cursor
            .filter(|cursor| *cursor <= replica.position() && !is_lost(replica.gaps(), *cursor));
    }

    /// Takes what has changed, or compares everything.
    pub(super) async fn catch_up(&mut self, replica: &mut Replica) {
        let Some(mut cursor) = self.cursor else {
            let scan = replica.scan(self.model, &Query::all()).await;
            let (ids, position) = scan.expect("it answers");
            self.documents.clear();
            self.look(replica, ids).await;
            self.cursor = Some(position);
            return;
        };
        while cursor < replica.position() {
            let news = replica.changes(self.model, &Query::all(), cursor).await;
            let news = news.expect("it answers");
            let ids = news.changes.into_iter().map(|change| change.id);
            self.look(replica, ids.collect()).await;
            assert!(cursor < news.reached, "it gets on");
            cursor = news.reached;
        }
        self.cursor = Some(cursor);
    }

    async fn look(&mut self, replica: &mut Replica, ids: Vec<DocumentId>) {
        let found = replica.fetch(self.model, &ids).await.expect("it answers");
        for (id, found) in ids.into_iter().zip(found) {
            match found {
                Some(document) => self.documents.insert(id, document),
                None => self.documents.remove(&id),
            };
        }
    }

    pub(super) fn document(&self, id: &DocumentId) -> Option<&Document> {
        self.documents.get(id)
    }
}
