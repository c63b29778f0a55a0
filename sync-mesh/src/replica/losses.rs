//! What own writes have lost to others who did not know them: noted here for those who observe. How it is found out stands in `own_writes`.

use ditto_sync_core::store::{Overwritten, OverwrittenField};
use loro::VersionVector;
use smol_str::SmolStr;

use super::Replica;
use crate::{
    data::{Searched, id_of},
    disk::Change,
    index::Touch,
    limits::OVERWRITTEN_MAX,
};

impl Replica {
    /// Own values that these changes have replaced without knowing them are reported.
    pub(super) fn note_overwritten(&mut self, at: usize, rows: &[Touch], before: &VersionVector) {
        let open = &mut self.shards[at];
        let mut searched = Searched::default();
        for touch in rows {
            let since = (before, &mut searched);
            if let Some(lost) = open.own_writes.overwritten(&open.shard, &touch.name, since) {
                self.overwritten
                    .push_back((touch.position, open.key.collection.clone(), lost));
            }
        }
        self.forget_oldest_reports();
    }

    /// Own values that were replaced by what was carried over here are reported, too.
    pub(super) fn note_replaced(&mut self, carried: &[Change]) {
        let own = self.owner.peer;
        for change in carried {
            let Some(at) = self.shards.iter().position(|open| open.number == change.shard) else {
                continue;
            };
            let open = &mut self.shards[at];
            open.own_writes.catch_up(&open.shard, own, &open.version);
            let now = open.version.clone();
            self.note_overwritten(at, &change.rows, &now);
        }
    }

    /// Own moves that gave way to others are reported: a row can be at one place only.
    pub(super) fn note_lost_moves(&mut self, collection: &str, names: &[SmolStr]) {
        let own = self.owner.peer;
        for name in names {
            let copies = self.copies(collection, name);
            let view = copies.view();
            for at in 0..self.shards.len() {
                let open = &mut self.shards[at];
                if open.key.collection != collection || !open.index.contains(name) {
                    continue;
                }
                open.own_writes.catch_up(&open.shard, own, &open.version);
                let partition = &open.key.partition;
                let is_lost = |moves| copies.is_lost(partition, moves);
                let lost = open.own_writes.lost_moves(name, &partition.fields(), is_lost);
                let theirs = |field: &str| view.as_ref().and_then(|view| view.get(field).cloned());
                let fields: Vec<OverwrittenField> = lost
                    .into_iter()
                    .map(|(field, ours)| OverwrittenField {
                        theirs: theirs(&field),
                        field,
                        ours,
                    })
                    .filter(|lost| lost.theirs.as_ref() != Some(&lost.ours))
                    .collect();
                if let Some(id) = id_of(name).filter(|_| !fields.is_empty()) {
                    let report = Overwritten { id, fields };
                    self.overwritten
                        .push_back((self.position, collection.into(), report));
                }
            }
        }
        self.forget_oldest_reports();
    }

    fn forget_oldest_reports(&mut self) {
        while self.overwritten.len() > OVERWRITTEN_MAX {
            self.overwritten.pop_front();
        }
    }
}
