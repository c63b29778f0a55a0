//! What the app reads, and is told of changes.

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    query::Query,
    store::{Change as Reported, ChangeKind, Overwritten, StoreError},
};

use super::Replica;
use crate::{
    data::{Row, id_of, root_name},
    limits::CHANGES_MAX,
};

/// What has changed since some position.
pub(crate) struct News {
    pub(crate) changes: Vec<Reported>,
    pub(crate) overwritten: Vec<Overwritten>,
    /// Up to where.
    pub(crate) reached: u64,
}

impl Replica {
    /// The current documents of `ids`, in that order.
    pub(crate) async fn fetch(
        &mut self,
        model: &ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.sure().await?;
        let collection = model.collection();
        Ok(ids
            .iter()
            .map(|id| self.row_once(collection, id).document(model))
            .collect())
    }

    /// The row of this id, for somebody who will not ask again before it changes.
    fn row_once(&mut self, collection: &str, id: &DocumentId) -> Row {
        let changed = self
            .find(collection)
            .and_then(|open| open.index.changed(&root_name(id)));
        let ahead = changed.and_then(|position| self.read_ahead.take(position));
        ahead.unwrap_or_else(|| self.row(collection, id))
    }

    /// The ids of all documents that match, and the position they are of.
    pub(crate) async fn scan(
        &mut self,
        model: &ModelDescriptor,
        query: &Query,
    ) -> Result<(Vec<DocumentId>, u64), StoreError> {
        self.sure().await?;
        let mut ids = Vec::new();
        if let Some(open) = self.find(model.collection()) {
            for name in open.index.names() {
                let document = open.shard.row(name).document(model);
                if document.is_some_and(|document| query.matches(&document)) {
                    ids.extend(id_of(name));
                }
            }
        }
        Ok((ids, self.position))
    }

    /// What an observation has to be told of the changes after `position`: of the oldest [`CHANGES_MAX`] rows of them.
    pub(crate) async fn changes(
        &mut self,
        model: &ModelDescriptor,
        query: &Query,
        position: u64,
    ) -> Result<News, StoreError> {
        self.sure().await?;
        let mut changes = Vec::new();
        let mut reached = self.position;
        let all_known = !self.dropped.contains(model.collection());
        if let Some(open) = self.find(model.collection()) {
            for (looked_at, (name, entry)) in open.index.since(position).enumerate() {
                if looked_at == CHANGES_MAX {
                    reached = entry.changed - 1;
                    break;
                }
                let ahead = self.read_ahead.get(entry.changed);
                let document = match ahead {
                    Some(row) => row.document(model),
                    None => open.shard.row(name).document(model),
                };
                // One that came once, from a peer, and does not match, has never been seen by anybody here.
                let unseen = all_known && entry.born > position && entry.born == entry.changed && !entry.own;
                let kind = match document {
                    Some(document) if query.matches(&document) => ChangeKind::Upserted,
                    _ if unseen => continue,
                    Some(_) => ChangeKind::Moved,
                    None => ChangeKind::Deleted,
                };
                changes.extend(id_of(name).map(|id| Reported { id, kind }));
            }
        }
        let reports = self.overwritten.iter();
        let overwritten = reports
            .filter(|(at, collection, _)| {
                *at > position && *at <= reached && collection == model.collection()
            })
            .map(|(.., overwritten)| overwritten.clone());
        Ok(News {
            changes,
            overwritten: overwritten.collect(),
            reached,
        })
    }
}
