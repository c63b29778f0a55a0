//! Another program that writes documents of the same collections, and not always what their fields take. It knows nothing of the framework, and writes at
//! the store of one device.

use ditto_sync_core::{
    document::Document,
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::DocumentStore,
    value::Value,
};
use futures_util::FutureExt;

use super::{ledger::Event, schedule::AppKind, shape::Shape, world::World};
use crate::memory_store::Tags;

/// A value for one register of a document.
struct ForeignWrite {
    at: usize,
    value: Value,
    tag: u32,
}

impl World {
    /// Writes what a field does not take into a document that can be read.
    pub(super) fn spoil(&mut self, device: usize, row: usize, tag: u32) -> bool {
        let family = std::sync::Arc::clone(&self.family);
        let (shape, id) = family.row(row);
        let Some(document) = family.document(&self.devices[device].store, id) else {
            return false;
        };
        let Some(value) = shape.spoiled(shape.a, tag) else {
            return false;
        };
        let readable = shape.model.image_of(&document).is_ok();
        let write = ForeignWrite {
            at: shape.a,
            value,
            tag,
        };
        readable && self.write_foreign(device, (shape, id), &document, write)
    }

    /// Writes what the field takes into a document that cannot be read.
    pub(super) fn mend(&mut self, device: usize, row: usize, tag: u32) -> bool {
        let family = std::sync::Arc::clone(&self.family);
        let (shape, id) = family.row(row);
        let Some(document) = family.document(&self.devices[device].store, id) else {
            return false;
        };
        let readable = shape.model.image_of(&document).is_ok();
        !readable && self.write_good(device, (shape, id), &document, (shape.a, tag))
    }

    /// Mends every document that some device cannot read or does not take; whether there was one.
    pub(super) fn mend_all(&mut self) -> bool {
        let family = std::sync::Arc::clone(&self.family);
        let mut any = false;
        for id in family.ids() {
            let shape = family.of(id);
            let Some(document) = family.document(&self.devices[0].store, id) else {
                continue;
            };
            let at = match shape.model.image_of(&document) {
                Err(_) => shape.a,
                Ok(image) if family.is_related() && shape.is_refused(&image) => shape.b,
                Ok(_) => continue,
            };
            // Any tag that a strict table takes.
            let tag = std::iter::from_fn(|| self.ledger().new_tag())
                .find(|tag| !shape.is_refused(&shape.fresh(*tag, None)));
            if let Some(tag) = tag {
                any |= self.write_good(0, (shape, id), &document, (at, tag));
            }
        }
        any
    }

    fn write_good(
        &mut self,
        device: usize,
        (shape, id): (&Shape, &DocumentId),
        document: &Document,
        (at, tag): (usize, u32),
    ) -> bool {
        let good = shape.fresh(tag, None);
        let field = &shape.model.fields()[at];
        let Ok(value) = field.to_value(&good[at]) else {
            return false;
        };
        self.write_foreign(device, (shape, id), document, ForeignWrite { at, value, tag })
    }

    fn write_foreign(
        &mut self,
        device: usize,
        (shape, id): (&Shape, &DocumentId),
        document: &Document,
        write: ForeignWrite,
    ) -> bool {
        let model = shape.model;
        let expect = match model.image_of(document) {
            Ok(image) => Expect::Hash(ContentHash::of(model, &image)),
            Err(_) => Expect::Unreadable(ContentHash::of_document(document)),
        };
        let field = model.fields()[write.at].document_name();
        self.foreign += 1;
        let intent = Intent {
            batch: BatchId {
                replica: ReplicaId::from_bytes([0xF0; 16]),
                sequence: self.foreign,
            },
            operations: vec![Operation {
                model,
                id: id.clone(),
                expect,
                action: Action::Patch {
                    set: vec![(field.into(), write.value)],
                    increments: Vec::new(),
                },
                record: Record {
                    covers: None,
                    sent: None,
                    undo: Undo::Seed,
                },
            }],
        };
        let store = &self.devices[device].store;
        let past = store.witnessed(model.collection(), id);
        let before = store.operations_applied();
        // The call may be one that is to fail; what counts is whether it was carried out.
        let _ = store.write(&intent).now_or_never();
        if store.operations_applied() == before {
            return false;
        }
        store.witness(model.collection(), id, Tags::one(write.tag));
        let event = Event {
            tag: write.tag,
            device,
            id: id.clone(),
            kind: Some(AppKind::A),
            writes: vec![write.at],
            past,
            delta: shape.unit(None),
            slot: None,
            of: None,
            void: false,
        };
        self.ledger().events.insert(write.tag, event);
        true
    }
}
