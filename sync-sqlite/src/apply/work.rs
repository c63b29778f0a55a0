//! The items of a batch in the order in which tables take them: rows parents first, then deletes children first ([`Work`]).

use std::{cmp::Reverse, collections::HashSet, hash::BuildHasherDefault};

use ditto_sync_core::{
    hash::IdHash,
    repository::{InboundItem, Incoming, RepositoryError, RowRef},
    scope::Belongs,
};

use crate::{
    codec::RawRecord,
    known::{Identity, id_key},
    state::{Memory, Session},
};

/// One item, and where its row is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) item: &'a InboundItem,
    pub(super) model: usize,
    pub(super) id: u128,
    /// Its row is missing and comes back, also where the model only sends.
    pub(super) restores: bool,
}

impl Work<'_> {
    /// Whether the row is to be there afterwards.
    pub(super) fn is_upsert(&self) -> bool {
        match &self.item.incoming {
            Incoming::Present(remote) => remote.belongs != Belongs::Elsewhere,
            Incoming::Unreadable { .. } => true,
            Incoming::Absent => false,
        }
    }

    /// Whether memory alone tells that there is nothing to do. Whatever the row is, dirty or clean, `merge::inbound` says the same.
    pub(super) fn is_settled(&self, memory: &Memory) -> bool {
        let troubles = &memory.models[self.model].troubles;
        if troubles.concern_inbound(self.id) {
            return troubles.ignore(self.id, || self.raw());
        }
        let of_model = &memory.models[self.model];
        if of_model.outbox.is_missed(self.id) || of_model.vanished.contains(&self.id) {
            return false;
        }
        let known = memory.known(self.model).get(self.id);
        match &self.item.incoming {
            Incoming::Absent => known.is_none(),
            Incoming::Present(remote) => remote.belongs != Belongs::Elsewhere && known == Some(remote.hash),
            Incoming::Unreadable { .. } => false,
        }
    }

    /// What the quarantine keeps of it.
    pub(super) fn raw(&self) -> RawRecord {
        match &self.item.incoming {
            Incoming::Absent => RawRecord::Inbound(None),
            Incoming::Present(remote) => RawRecord::InboundColumns(remote.image.columns().to_vec()),
            Incoming::Unreadable { document, .. } => RawRecord::Inbound(Some(document.clone())),
        }
    }

    pub(super) fn row(&self) -> RowRef {
        RowRef {
            model: self.item.model,
            id: self.item.id.clone(),
        }
    }
}

/// The items in order; of several on one id the last.
pub(super) fn in_order<'a>(
    session: &Session,
    items: &'a [InboundItem],
) -> Result<Vec<Work<'a>>, RepositoryError> {
    let mut work: Vec<Work<'a>> = Vec::with_capacity(items.len());
    let mut position = None;
    for item in items {
        let model = match position {
            Some((of, model)) if std::ptr::eq(of, item.model) => model,
            _ => session.position(item.model)?,
        };
        position = Some((item.model, model));
        work.push(Work {
            item,
            model,
            id: id_key(IdHash::of(&item.id)),
            restores: false,
        });
    }
    let mut seen: HashSet<_, BuildHasherDefault<Identity>> =
        HashSet::with_capacity_and_hasher(work.len(), BuildHasherDefault::default());
    work.reverse();
    work.retain(|work| seen.insert((work.model, work.id)));
    work.reverse();
    sort(session, &mut work);
    Ok(work)
}

/// Rows parents first, then deletes children first; else as they came.
pub(super) fn sort(session: &Session, work: &mut [Work<'_>]) {
    work.sort_by_key(|work| {
        let rank = session.rank(work.model);
        if work.is_upsert() {
            (0, rank, Reverse(0))
        } else {
            (1, 0, Reverse(rank))
        }
    });
}
