//! What must hold when nothing is left to do: the invariants of a simulation, checked on a [`World`].
//!
//! *Convergence*: all stores hold the same documents, and every table holds those in its scope. *No lost write*: the value of every register is
//! the newest; a write is missing only when it was replaced by one that had met it, beaten by a delete that was concurrent with it or later, reported to a user, or
//! beaten by a concurrent later writer in a merge of two stores (or was met and replaced by a write to which that happened). *Once*: a counter
//! starts from the insert that made the row, and holds every increment of that incarnation exactly once. *Silence*: after a restart and a full
//! comparison nothing is written, neither to a table nor to a store.
//!
//! Accepted as accounted for beside that: noting the frontier of a store (it may grow without a document changing), a cursor
//! that moves past documents outside the scope, the value that a seed wrote, and changes that a user threw away with an old database file before they were in any store.

use ditto_sync_core::{column::Image, hash::ContentHash, id::DocumentId};

use super::{
    Invariant, Violation,
    ledger::{Event, Ledger},
    schedule::{AppKind, ScopeSides},
    shape::Shape,
    watched::lock,
    world::World,
};

impl World {
    /// Lets everything happen that has to, then checks what must hold.
    pub(crate) fn check(&mut self) -> Result<(), Violation> {
        self.ledger().say(|| "quiesce".to_owned());
        self.drain()?;
        for device in 0..self.devices.len() {
            if !self.devices[device].is_settled() {
                return fail(
                    Invariant::Livelock,
                    format!("device {device} has changes that it does not send"),
                );
            }
        }
        for id in self.shape.ids.clone() {
            let document = self.document(&id)?;
            self.check_rows(&id, document.as_ref())?;
            let ledger = self.ledger();
            let run = Run {
                shape: &self.shape,
                ledger: &ledger,
                id: &id,
                events: ledger
                    .events
                    .values()
                    .filter(|event| event.id == id && !event.void)
                    .collect(),
            };
            run.check_lost_writes(document.as_ref())?;
            if let Some(document) = &document {
                run.check_once(document)?;
            }
        }
        self.check_silence()
    }

    /// The document of `id`, the same in all stores.
    fn document(&self, id: &DocumentId) -> Result<Option<Image>, Violation> {
        let model = self.shape.model;
        let mut documents = Vec::new();
        for (number, device) in self.devices.iter().enumerate() {
            let found = device.store.documents(model);
            let document = found
                .into_iter()
                .find(|(found, _)| found == id)
                .map(|(_, document)| document);
            let image = document
                .as_ref()
                .map(|document| model.image_of(document))
                .transpose();
            match image {
                Ok(image) => documents.push(image),
                Err(reason) => {
                    return fail(
                        Invariant::Convergence,
                        format!("document {id} at device {number} cannot be read: {reason}"),
                    );
                }
            }
        }
        match documents.iter().position(|document| *document != documents[0]) {
            None => Ok(documents.swap_remove(0)),
            Some(number) => fail(
                Invariant::Convergence,
                format!(
                    "document {id} is {:?} in store 0 and {:?} in store {number}",
                    documents[0], documents[number]
                ),
            ),
        }
    }

    fn check_rows(&self, id: &DocumentId, document: Option<&Image>) -> Result<(), Violation> {
        let model = self.shape.model;
        for (number, device) in self.devices.iter().enumerate() {
            let scopes = self.shape.scopes(device.sides);
            let wanted = document.filter(|document| scopes.admits_row(model, id, document));
            let row = device.repository.row(model, id);
            if row.as_ref() != wanted {
                return fail(
                    Invariant::Convergence,
                    format!("row {id} at device {number} is {row:?} and should be {wanted:?}"),
                );
            }
            let known = device.repository.known(model).get(id).copied();
            if known != wanted.map(|wanted| ContentHash::of(model, wanted)) {
                return fail(
                    Invariant::Convergence,
                    format!("what device {number} knows of {id} is not its document"),
                );
            }
        }
        Ok(())
    }

    /// One full round, restart and comparison, writes nothing.
    fn check_silence(&mut self) -> Result<(), Violation> {
        let written = |world: &Self| {
            let devices = world.devices.iter();
            let counts = devices.map(|device| {
                let notes = lock(&device.notes);
                let foreign = device.sides != ScopeSides::Both;
                let noted = notes.frontiers + if foreign { notes.cursors } else { 0 };
                (
                    device.repository.writes() - noted,
                    device.store.operations_applied(),
                )
            });
            counts.collect::<Vec<_>>()
        };
        let before = written(self);
        for device in &mut self.devices {
            device.crash();
            device.reconcile();
        }
        self.drain()?;
        let after = written(self);
        match (0..before.len()).find(|number| before[*number] != after[*number]) {
            None => Ok(()),
            Some(number) => fail(
                Invariant::Silence,
                format!(
                    "device {number} wrote {} times to its tables and {} times to its store when there was nothing to do",
                    after[number].0 - before[number].0,
                    after[number].1 - before[number].1
                ),
            ),
        }
    }
}

/// One row of a run, at its end.
struct Run<'a> {
    shape: &'a Shape,
    ledger: &'a Ledger,
    id: &'a DocumentId,
    events: Vec<&'a Event>,
}

impl Run<'_> {
    fn check_lost_writes(&self, document: Option<&Image>) -> Result<(), Violation> {
        for event in &self.events {
            if self.ledger.reported.contains(event.tag) {
                continue;
            }
            let beaten = self
                .deletes()
                .any(|delete| delete.tag != event.tag && !event.past.contains(delete.tag));
            match document {
                None if event.is_insert() && !beaten => {
                    return self.lost(event, "is gone, and nobody deleted it");
                }
                None => {}
                Some(document) if event.kind == Some(AppKind::Delete) => {
                    self.check_delete(event, document)?;
                }
                Some(document) => self.check_values(event, document, beaten)?,
            }
        }
        Ok(())
    }

    fn check_delete(&self, event: &Event, document: &Image) -> Result<(), Violation> {
        let Some(born) = self.shape.tag(document, self.shape.born) else {
            return self.lost(event, "the row says nothing of its insert");
        };
        // One that had lost to another insert may have won after all, when a store lost its newest writes.
        if event.past.contains(born)
            && !self.decided(self.shape.a, born)
            && !self.decided(self.shape.born, born)
        {
            return self.lost(
                event,
                &format!("had met the insert #{born}, the row is still there"),
            );
        }
        Ok(())
    }

    fn check_values(&self, event: &Event, document: &Image, beaten: bool) -> Result<(), Violation> {
        let nameless = self.events.iter().any(|event| event.kind == Some(AppKind::Same));
        for &at in &event.writes {
            if nameless && at == self.shape.a {
                continue;
            }
            let newest = self.shape.tag(document, at);
            let Some(newest) = newest.and_then(|tag| self.ledger.events.get(&tag)) else {
                return self.lost(event, &format!("{} holds what nobody wrote", self.name(at)));
            };
            if newest.tag == event.tag || newest.past.contains(event.tag) {
                continue;
            }
            let deleted_between = self.deletes().any(|delete| delete.past.contains(event.tag));
            if event.past.contains(newest.tag) && !deleted_between {
                let text = format!("{} was overwritten by the older #{}", self.name(at), newest.tag);
                return self.lost(event, &text);
            }
            if !beaten && !self.is_accounted(event, at) {
                let text = format!("{} lost to #{}, and nobody was told", self.name(at), newest.tag);
                return self.lost(event, &text);
            }
        }
        Ok(())
    }

    /// Lost to a concurrent later writer, or met and replaced by a write that was itself lost so or reported.
    fn is_accounted(&self, event: &Event, at: usize) -> bool {
        self.decided(at, event.tag)
            || event.kind.is_none()
            || self.events.iter().any(|other| {
                other.past.contains(event.tag)
                    && other.writes.contains(&at)
                    && (self.ledger.reported.contains(other.tag) || self.decided(at, other.tag))
            })
    }

    fn check_once(&self, document: &Image) -> Result<(), Violation> {
        if self.shape.slots() == 0 {
            return Ok(());
        }
        let found = self
            .ledger
            .decode(self.id, &self.shape.amounts(document))
            .or_else(|reason| fail(Invariant::Once, format!("{}: {reason}", self.id)))?;
        let born = self.shape.tag(document, self.shape.born);
        let starts: Vec<_> = found
            .iter()
            .filter(|tag| self.ledger.events[tag].is_insert())
            .collect();
        if starts != born.into_iter().collect::<Vec<_>>() {
            return fail(
                Invariant::Once,
                format!(
                    "the counter of {} starts from {starts:?}, its row from {born:?}",
                    self.id
                ),
            );
        }
        let missing = self.events.iter().find(|event| {
            event.of == born
                && event.slot.is_some()
                && !found.contains(event.tag)
                && !self.ledger.reported.contains(event.tag)
        });
        match missing {
            None => Ok(()),
            Some(event) => fail(
                Invariant::Once,
                format!("change #{} of {} is not in the counter", event.tag, self.id),
            ),
        }
    }

    fn deletes(&self) -> impl Iterator<Item = &&Event> {
        self.events.iter().filter(|event| event.is_delete())
    }

    fn decided(&self, at: usize, tag: u32) -> bool {
        self.ledger.decided.contains(&(self.id.clone(), at, tag))
    }

    fn name(&self, at: usize) -> &'static str {
        self.shape.model.fields()[at].document_name()
    }

    fn lost(&self, event: &Event, text: &str) -> Result<(), Violation> {
        let what = match event.kind {
            None => "seed".to_owned(),
            Some(kind) => format!("{kind:?}"),
        };
        fail(
            Invariant::NoLostWrite,
            format!("{what} #{} of {}: {text}", event.tag, self.id),
        )
    }
}

fn fail<T>(invariant: Invariant, text: String) -> Result<T, Violation> {
    Err(Violation::new(invariant, text))
}
