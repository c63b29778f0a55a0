//! Asks the app's hooks about documents that come in, and lets a row go on sending although its document was declined.
//!
//! A declined document changes nothing here: the row stays, and what it agreed on last stays its base. Only what is sent has to be computed against the document that
//! the store holds, so its hash is remembered here. That is no durable state: without it the store refuses the write once, and the document is
//! asked about again. Not here: what a declined document means for its row (`merge::inbound`).

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{SyncError, engine::Engine, inbound::Read};
use crate::{
    descriptor::{ModelDescriptor, RowError},
    document::Document,
    hash::{ContentHash, IdHash},
    hooks::panic_text,
    id::DocumentId,
    intent::{Action, Expect, Intent},
    limits::DECLINED_REMEMBERED,
    live::ReadRow,
    repository::{InboundItem, Incoming, Repository},
    scope::Belongs,
    store::DocumentStore,
};

/// The documents that the app declined, as they were.
#[derive(Debug, Default)]
pub(super) struct Declined {
    hashes: HashMap<(&'static str, IdHash), ContentHash>,
}

impl Declined {
    /// Computes the operations of `intent` against the documents that the store holds.
    pub(super) fn expect(&self, intent: &mut Intent) {
        if self.hashes.is_empty() {
            return;
        }
        for operation in &mut intent.operations {
            let name = (operation.model.collection(), IdHash::of(&operation.id));
            if let (Action::Patch { .. }, Some(hash)) = (&operation.action, self.hashes.get(&name)) {
                operation.expect = Expect::Hash(*hash);
            }
        }
    }

    fn note(&mut self, model: &ModelDescriptor, id: &DocumentId, declined: Option<ContentHash>) {
        let name = (model.collection(), IdHash::of(id));
        match declined {
            None => drop(self.hashes.remove(&name)),
            Some(hash) => {
                if self.hashes.len() >= DECLINED_REMEMBERED {
                    self.hashes.clear();
                }
                self.hashes.insert(name, hash);
            }
        }
    }
}

/// What is known here of the rows that documents stand for, before their hook is asked.
pub(super) struct Facts {
    rows: Vec<Option<ReadRow>>,
    /// Which documents are what their rows agreed on last.
    agreed: Vec<bool>,
}

/// What is known of one of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact<'a> {
    row: Option<&'a ReadRow>,
    agreed: bool,
}

impl Facts {
    pub(super) fn at(&self, at: usize) -> Fact<'_> {
        Fact {
            row: self.rows.get(at).and_then(Option::as_ref),
            agreed: self.agreed.get(at).copied().unwrap_or(false),
        }
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// What has to be known before the hooks of a model are asked about these documents; `None` where there are no hooks.
    pub(super) async fn facts_for_hooks(
        &mut self,
        model: &'static ModelDescriptor,
        read: &[Read<'_>],
    ) -> Result<Option<Facts>, SyncError> {
        if model.hooks().is_none() {
            return Ok(None);
        }
        let ids: Vec<_> = read.iter().map(|read| read.id.clone()).collect();
        let rows = self.repository.read_rows(model, &ids).await?;
        let hash = |document: &Document| ContentHash::of_row(model, document).ok();
        let hashes = read.iter().map(|read| read.document.as_ref().and_then(hash));
        let hashes: Vec<_> = hashes.collect();
        let agreed = self.agreed(model, &ids, &hashes).await?;
        Ok(Some(Facts { rows, agreed }))
    }

    /// What the document means for its row, by scope and hook. A hook that panics puts the document into quarantine, with the reason.
    ///
    /// The hook is asked about news: not about what the row says already, nor about what it agreed on last, as an own write that comes back after the row has changed again.
    pub(super) fn judge(
        &mut self,
        model: &'static ModelDescriptor,
        Read { id, document, hash }: Read<'_>,
        fact: Option<Fact<'_>>,
    ) -> InboundItem {
        let (Some(hooks), Some(fact)) = (model.hooks(), fact) else {
            return InboundItem::hashed(model, id.clone(), (document, hash), &self.setup.scopes);
        };
        let read = (document.clone(), hash);
        let mut item = InboundItem::hashed(model, id.clone(), read, &self.setup.scopes);
        self.declined.note(model, id, None);
        let (Some(document), Incoming::Present(remote)) = (document, &mut item.incoming) else {
            return item;
        };
        let current = fact.row.and_then(|row| row.as_ref().ok());
        let is_news = !fact.agreed && current.is_none_or(|row| ContentHash::of(model, row) != remote.hash);
        if remote.belongs != Belongs::Here || !is_news {
            return item;
        }
        let ask = || hooks.should_apply_remote(id, &document, current);
        match catch_unwind(AssertUnwindSafe(ask)) {
            Ok(true) => {}
            Ok(false) => {
                remote.declined = true;
                self.declined.note(model, id, Some(remote.hash));
                self.reporter.declined(model.collection());
            }
            Err(panic) => {
                let reason = RowError::Hook {
                    hook: "should_apply_remote",
                    reason: panic_text(&*panic),
                };
                item.incoming = Incoming::Unreadable {
                    document,
                    reason,
                    belongs: Belongs::Here,
                };
            }
        }
        item
    }
}
