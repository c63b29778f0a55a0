//! What must hold when nothing is left to do: the invariants of a simulation, checked on a [`World`].
//!
//! *Convergence*: all stores hold the same documents, and every table holds those in its scope, except for documents that wait: because they cannot be read, a
//! CHECK refuses them, or the row they refer to is not there. These are mended at the end, if a row of another table is not what they wait for. *No lost write*: the value of every register is
//! the newest; a write is missing only when it was replaced by one that had met it, beaten by a delete that was concurrent with it or later, reported to a user, or
//! beaten by a concurrent later writer in a merge of two stores (or was met and replaced by a write to which that happened). *Once*: a counter
//! starts from the insert that made the row, and holds every increment of that incarnation exactly once. *Silence*: after a restart and a full
//! comparison nothing is written, neither to a table nor to a store, but for cursors that were left behind what was known, and after another one not these either.
//!
//! Accepted as accounted for beside that: noting the frontier of a store (it may grow without a document changing), a cursor
//! that moves past documents outside the scope or of another collection, the value that a seed wrote, and changes that a user threw away with an old database file before they were in any store; and
//! changes in the outbox of a row whose document waits.

use ditto_sync_core::{column::Image, document::Document, hash::ContentHash, id::DocumentId};

use super::{
    Invariant, Violation,
    ledger::{Event, Ledger},
    schedule::{AppKind, ScopeSides},
    shape::Shape,
    watched::lock,
    world::World,
};
use crate::memory_store::Tags;

impl World {
    /// Lets everything happen that has to, then checks what must hold.
    pub(crate) fn check(&mut self) -> Result<(), Violation> {
        self.ledger().say(|| "quiesce".to_owned());
        self.drain()?;
        self.let_parents_leave()?;
        self.check_settled()?;
        if self.family.is_related() {
            for id in self.family.ids() {
                self.check_rows(id)?;
            }
        }
        while self.mend_all() {
            self.ledger().say(|| "mended".to_owned());
            self.drain()?;
            self.check_settled()?;
        }
        for id in self.family.ids() {
            self.check_rows(id)?;
            self.check_history(id)?;
        }
        self.check_silence()?;
        self.check_planted_difference()
    }

    /// A row out of scope stays while rows that are not sent would go with it; the next comparison lets it go.
    fn let_parents_leave(&mut self) -> Result<(), Violation> {
        for device in &self.devices {
            if self.family.is_related() && device.sides != ScopeSides::Both {
                device.reconcile();
            }
        }
        self.drain()
    }

    fn check_settled(&self) -> Result<(), Violation> {
        let busy = self.devices.iter().position(|device| !device.is_settled());
        match busy {
            None => Ok(()),
            Some(number) => fail(
                Invariant::Livelock,
                format!("device {number} has changes that it does not send"),
            ),
        }
    }

    fn check_history(&self, id: &DocumentId) -> Result<(), Violation> {
        let shape = self.family.of(id);
        let document = self.document(id)?;
        let image = document.and_then(|document| shape.model.image_of(&document).ok());
        let ledger = self.ledger();
        let waiting = self.waiting_changes(id);
        let run = Run {
            shape,
            ledger: &ledger,
            id,
            events: ledger
                .events
                .values()
                .filter(|event| event.id == *id && !event.void)
                .collect(),
            waiting,
        };
        run.check_lost_writes(image.as_ref())?;
        match &image {
            Some(image) => run.check_once(image),
            None => Ok(()),
        }
    }

    /// Changes that are in an outbox because the document of their row waits.
    fn waiting_changes(&self, id: &DocumentId) -> Tags {
        let pending = self.devices.iter().map(|device| {
            let notes = lock(&device.notes);
            notes.pending(&self.family, &device.repository, id)
        });
        pending.fold(Tags::default(), Tags::union)
    }

    /// The document of `id`, the same in all stores.
    fn document(&self, id: &DocumentId) -> Result<Option<Document>, Violation> {
        let documents: Vec<_> = self
            .devices
            .iter()
            .map(|device| self.family.document(&device.store, id))
            .collect();
        let shape = self.family.of(id);
        for document in documents.iter().flatten() {
            if let Err(reason) = shape.model.image_of(document)
                && !shape.is_spoiled(document)
            {
                return fail(
                    Invariant::Convergence,
                    format!("document {id} cannot be read: {reason}"),
                );
            }
        }
        match documents.iter().position(|document| *document != documents[0]) {
            None => Ok(documents.into_iter().next().flatten()),
            Some(number) => fail(
                Invariant::Convergence,
                format!(
                    "document {id} is {:?} in store 0 and {:?} in store {number}",
                    documents[0], documents[number]
                ),
            ),
        }
    }

    /// Every row is what its document says, if that belongs here; or the document waits, for a reason that can be seen.
    fn check_rows(&self, id: &DocumentId) -> Result<(), Violation> {
        let document = self.document(id)?;
        for number in 0..self.devices.len() {
            self.check_row((number, id), document.as_ref())?;
        }
        Ok(())
    }

    fn check_row(
        &self,
        (number, id): (usize, &DocumentId),
        document: Option<&Document>,
    ) -> Result<(), Violation> {
        let (device, shape) = (&self.devices[number], self.family.of(id));
        let model = shape.model;
        let (row, known) = (device.repository.row(model, id), device.repository.known(model));
        let image = document.map(|document| model.image_of(document)).transpose().ok();
        if device.repository.is_waiting(model, id) {
            return match self.may_wait((number, id), image.as_ref().map(Option::as_ref)) {
                true => Ok(()),
                false => fail(
                    Invariant::Convergence,
                    format!("document {id} waits at device {number}, and nobody knows what for"),
                ),
            };
        }
        let Some(image) = image else {
            return match device.sides {
                ScopeSides::Both => fail(
                    Invariant::Convergence,
                    format!("document {id} cannot be read, and device {number} does not say so"),
                ),
                // It is not asked for what it cannot judge.
                _ => Ok(()),
            };
        };
        let scopes = self.family.scopes(device.sides);
        let wanted = image.filter(|image| scopes.admits_row(model, id, image));
        let kept = wanted.is_none() && device.repository.kept(model).contains(id);
        if row != wanted && !kept {
            return fail(
                Invariant::Convergence,
                format!("row {id} at device {number} is {row:?} and should be {wanted:?}"),
            );
        }
        let known = known.get(id).copied();
        if known != wanted.map(|wanted| ContentHash::of(model, &wanted)) {
            return fail(
                Invariant::Convergence,
                format!("what device {number} knows of {id} is not its document"),
            );
        }
        Ok(())
    }

    /// Whether a device has a reason to leave a document out. `image`: what it says; `None` when it cannot be read.
    fn may_wait(&self, (number, id): (usize, &DocumentId), image: Option<Option<&Image>>) -> bool {
        let (device, shape) = (&self.devices[number], self.family.of(id));
        let Some(image) = image else { return true };
        let refused = device.strict && image.is_some_and(|image| self.family.refuses(shape, image));
        let parent = image.and_then(|image| self.family.parent(id, image));
        let orphaned = parent.is_some_and(|parent| {
            let model = self.family.of(parent).model;
            device.repository.row(model, parent).is_none()
        });
        // The row would merge what it holds itself with the document, to something that does not fit.
        let dirty = device
            .repository
            .outbox(shape.model)
            .iter()
            .any(|entry| entry.id == *id);
        // Rows that wait themselves may keep their parent from going.
        let children = self.family.ids().filter(|child| {
            let model = self.family.of(child).model;
            let row = device.repository.row(model, child);
            row.is_some_and(|row| self.family.parent(child, &row) == Some(id))
        });
        let held = children
            .into_iter()
            .any(|child| device.repository.is_waiting(self.family.of(child).model, child));
        refused || orphaned || dirty || held
    }

    /// One full round, restart and comparison, writes nothing: the first one nothing but cursors, which a coordinator may leave behind what it knows, and the second one nothing at all.
    fn check_silence(&mut self) -> Result<(), Violation> {
        self.check_round(true)?;
        self.check_round(false)
    }

    fn check_round(&mut self, moves_cursors: bool) -> Result<(), Violation> {
        let written = |world: &Self| {
            let devices = world.devices.iter();
            let counts = devices.map(|device| {
                let notes = lock(&device.notes);
                // A cursor moves past what is not of its collection, or not in its scope.
                let foreign = device.sides != ScopeSides::Both || world.family.is_related();
                let noted = notes.frontiers
                    + if foreign || moves_cursors {
                        notes.cursors
                    } else {
                        0
                    };
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
    /// Changes that are in an outbox, where they can be seen.
    waiting: Tags,
}

impl Run<'_> {
    fn check_lost_writes(&self, document: Option<&Image>) -> Result<(), Violation> {
        for event in &self.events {
            if self.is_told(event) {
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
            event.of == born && event.slot.is_some() && !found.contains(event.tag) && !self.is_told(event)
        });
        match missing {
            None => Ok(()),
            Some(event) => fail(
                Invariant::Once,
                format!("change #{} of {} is not in the counter", event.tag, self.id),
            ),
        }
    }

    /// Reported, or to be seen in an outbox.
    fn is_told(&self, event: &Event) -> bool {
        self.ledger.reported.contains(event.tag) || self.waiting.contains(event.tag)
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
