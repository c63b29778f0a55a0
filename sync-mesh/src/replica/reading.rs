//! What the app reads, and is told of changes.

use std::borrow::Cow;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    query::Query,
    store::{Change as Reported, ChangeKind, Overwritten, StoreError},
};

use smol_str::SmolStr;

use super::{Open, Replica};
use crate::{
    data::{Copies, id_of, root_name},
    index::Entry,
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
        Ok(ids
            .iter()
            .map(|id| self.document_once(model, &root_name(id)))
            .collect())
    }

    /// The document of this row, for somebody who will not ask again before it changes.
    fn document_once(&mut self, model: &ModelDescriptor, name: &str) -> Option<Document> {
        let mut holding = self
            .shards_of(model.collection())
            .filter_map(|open| Some((open.index.changed(name)?, open)));
        let (position, open) = holding.next()?;
        let is_alone = holding.next().is_none();
        drop(holding);
        let key = open.key.clone();
        match self.read_ahead.take(position).filter(|_| is_alone) {
            Some(ahead) if ahead.row.has_stayed() => {
                let view = ahead.into_view();
                return view.filter(|document| !model.is_husk(document));
            }
            Some(ahead) => self
                .find(&key)
                .map(|open| Copies::one(self.copy_in(open, ahead.row)))
                .unwrap_or_default(),
            None => self.copies(model.collection(), name),
        }
        .document(model)
    }

    /// The document of a row that has changed last at this position, in this document of several.
    fn document(
        &self,
        model: &ModelDescriptor,
        (name, position): (&str, u64),
        open: &Open,
    ) -> Option<Cow<'_, Document>> {
        let copies = if self.is_elsewhere(name, open) {
            self.copies(model.collection(), name)
        } else {
            match self.read_ahead.get(position) {
                Some(ahead) if ahead.row.has_stayed() => {
                    let view = ahead.view().map(Cow::Borrowed);
                    return view.filter(|document| !model.is_husk(document));
                }
                Some(ahead) => Copies::one(self.copy_in(open, ahead.row.clone())),
                None => Copies::one(self.copy_in(open, open.shard.row(name))),
            }
        };
        copies.document(model).map(Cow::Owned)
    }

    /// Whether another document has something of this row.
    fn is_elsewhere(&self, name: &str, open: &Open) -> bool {
        self.shards_of(&open.key.collection)
            .any(|other| other.number != open.number && other.index.contains(name))
    }

    /// The ids of all documents that match, and the position they are of.
    pub(crate) async fn scan(
        &mut self,
        model: &ModelDescriptor,
        query: &Query,
    ) -> Result<(Vec<DocumentId>, u64), StoreError> {
        self.sure().await?;
        let mut ids = Vec::new();
        let of_it: Vec<&Open> = self.shards_of(model.collection()).collect();
        for (at, open) in of_it.iter().enumerate() {
            for name in open.index.names() {
                // A row that is in several is looked at where it comes first.
                if of_it[..at].iter().any(|before| before.index.contains(name)) {
                    continue;
                }
                let elsewhere = of_it[at + 1..].iter().any(|after| after.index.contains(name));
                let copies = if elsewhere {
                    self.copies(model.collection(), name)
                } else {
                    Copies::one(self.copy_in(open, open.shard.row(name)))
                };
                let document = copies.document(model);
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
        let changed = self.changed_since(model.collection(), position);
        for (looked_at, (name, entry, open)) in changed.enumerate() {
            if looked_at == CHANGES_MAX {
                reached = entry.changed - 1;
                break;
            }
            let document = self.document(model, (name, entry.changed), open);
            // One that came once, from a peer, and does not match, has never been seen by anybody here.
            let unseen = all_known
                && entry.born > position
                && entry.born == entry.changed
                && !entry.own
                && !self.is_elsewhere(name, open);
            let mut hash = None;
            let kind = match document {
                Some(document) if query.matches(&document) => {
                    // The echo of an own write need not be fetched.
                    let known = entry.own.then(|| model.hash_of(Some(&document)));
                    hash = known.and_then(Result::ok).flatten();
                    ChangeKind::Upserted
                }
                _ if unseen => continue,
                Some(_) => ChangeKind::Moved,
                None => ChangeKind::Deleted,
            };
            changes.extend(id_of(name).map(|id| Reported::new(id, kind).with_hash(hash)));
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

    /// What has changed in the documents of a collection after `position`, oldest first.
    fn changed_since(
        &self,
        collection: &str,
        position: u64,
    ) -> impl Iterator<Item = (&SmolStr, Entry, &Open)> {
        let mut heads: Vec<_> = self
            .shards_of(collection)
            .map(|open| (open, open.index.since(position).peekable()))
            .collect();
        std::iter::from_fn(move || {
            let oldest = heads
                .iter_mut()
                .enumerate()
                .filter_map(|(at, (_, changes))| Some((changes.peek()?.1.changed, at)))
                .min()?;
            let (open, changes) = &mut heads[oldest.1];
            let (name, entry) = changes.next()?;
            Some((name, entry, *open))
        })
    }
}
