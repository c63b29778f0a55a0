//! Asks the app's hooks about documents that come in, and lets a row go on sending although its document was declined.
//!
//! A declined document changes nothing here: the row stays, and what it agreed on last stays its base. Only what is sent has to be computed against the document that
//! the store holds, so its hash is remembered here. That is no durable state: without it the store refuses the write once, and the document is
//! asked about again. Not here: what a declined document means for its row (`merge::inbound`).

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::engine::Engine;
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

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// What the document means for its row, by scope and hook. A hook that panics puts the document into quarantine, with the reason.
    pub(super) fn judge(
        &mut self,
        model: &'static ModelDescriptor,
        (id, document): (&DocumentId, Option<Document>),
        row: Option<&ReadRow>,
    ) -> InboundItem {
        let Some(hooks) = model.hooks() else {
            return InboundItem::new(model, id.clone(), document, &self.setup.scopes);
        };
        let mut item = InboundItem::new(model, id.clone(), document.clone(), &self.setup.scopes);
        self.declined.note(model, id, None);
        let (Some(document), Incoming::Present(remote)) = (document, &mut item.incoming) else {
            return item;
        };
        let current = row.and_then(|row| row.as_ref().ok());
        let is_news = current.is_none_or(|row| ContentHash::of(model, row) != remote.hash);
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
