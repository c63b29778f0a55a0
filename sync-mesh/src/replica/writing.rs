//! How the app's own writes come in: conditional, as one, and durable before anybody hears of them.

use ditto_sync_core::{
    document::Document,
    intent::{Intent, Operation},
    store::{StaleId, StoreError, WriteOutcome},
};
use smol_str::SmolStr;

use super::{Open, Replica};
use crate::{
    data::{Author, Copies, Entries, Partition, Plan, Shard, ShardKey, Slot, Touched, root_name},
    disk::Change,
    error,
    index::Index,
    limits::PARTITIONS_MAX,
    refusal::refusals,
};

/// What is written into one row of one document.
pub(super) struct RowWrite<'a> {
    pub(super) name: SmolStr,
    /// Written as they are.
    pub(super) entries: Entries,
    /// And then this, on what was planned.
    pub(super) action: Option<(&'a Operation, Plan)>,
}

impl Replica {
    /// The contract of [`DocumentStore::write`](ditto_sync_core::store::DocumentStore::write).
    pub(crate) async fn write(&mut self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        self.sure().await?;
        let batch = intent.batch;
        // Numbers only grow, and one that was refused is never used again: what is not newer was applied.
        if self
            .last_applied(batch.replica)
            .is_some_and(|last| batch.sequence <= last)
        {
            return Ok(WriteOutcome::Applied);
        }
        let rows: Vec<Copies> = intent
            .operations
            .iter()
            .map(|operation| self.copies(operation.model.collection(), &root_name(&operation.id)))
            .collect();
        let found: Vec<Option<Document>> = rows.iter().map(Copies::view).collect();
        let refused = refusals(intent, &found);
        if !refused.is_empty() {
            return Err(StoreError::Rejected(refused));
        }
        let stale = stale_ids(intent, &found);
        if !stale.is_empty() {
            return Ok(WriteOutcome::Stale(stale));
        }
        drop(found);
        self.carry_out(intent, rows).await?;
        Ok(WriteOutcome::Applied)
    }

    async fn carry_out(&mut self, intent: &Intent, rows: Vec<Copies>) -> Result<(), StoreError> {
        let mut groups: Vec<(usize, Vec<RowWrite<'_>>)> = Vec::new();
        for (operation, row) in intent.operations.iter().zip(rows) {
            for (key, write) in self.row_writes(operation, row) {
                let shard = self.shard_for_writing(&key).await?;
                match groups.iter_mut().find(|(other, _)| *other == shard) {
                    Some((_, group)) => group.push(write),
                    None => groups.push((shard, vec![write])),
                }
            }
        }
        // From here on memory is ahead of the file, until the file has it.
        self.doubtful = true;
        let mut changes = Vec::with_capacity(groups.len());
        let mut written = Vec::with_capacity(groups.len());
        for (shard, group) in groups {
            changes.push(self.write_shard(shard, &group)?);
            written.push(shard);
        }
        self.keep(changes, Some(intent.batch)).await?;
        self.batches.insert(intent.batch.replica, intent.batch.sequence);
        let marks = written.into_iter().map(|at| self.mark(&self.shards[at]));
        let marks = marks.collect();
        self.receipts.note(intent.batch, marks);
        Ok(())
    }

    /// What an operation writes into which documents: more than one when it moves the row.
    fn row_writes<'a>(&self, operation: &'a Operation, row: Copies) -> Vec<(ShardKey, RowWrite<'a>)> {
        let collection = operation.model.collection();
        let name: SmolStr = root_name(&operation.id).into();
        let room = |wanted| self.room(collection, wanted);
        let plan = row.plan((operation.model, &operation.action), self.owner.peer, room);
        let links = plan.left.iter().map(|left| {
            let write = RowWrite {
                name: name.clone(),
                entries: vec![plan.link()],
                action: None,
            };
            (ShardKey::new(collection, left.clone()), write)
        });
        let mut writes: Vec<_> = links.collect();
        let key = ShardKey::new(collection, plan.partition.clone());
        let entries = plan.arriving();
        let action = Some((operation, plan));
        writes.push((
            key,
            RowWrite {
                name,
                entries,
                action,
            },
        ));
        writes
    }

    /// Where rows of a partition find room: beyond the bound, in the document that everybody takes.
    fn room(&self, collection: &str, wanted: Partition) -> Partition {
        let of_it = || self.shards_of(collection);
        let is_there = wanted.is_none() || of_it().any(|open| open.key.partition == wanted);
        if is_there || of_it().count() < PARTITIONS_MAX {
            wanted
        } else {
            Partition::none()
        }
    }

    /// Writes into rows of one document, in one commit.
    pub(super) fn write_shard(&mut self, at: usize, group: &[RowWrite<'_>]) -> Result<Change, StoreError> {
        let writer = self.owner.peer;
        let open = &mut self.shards[at];
        let update = open
            .shard
            .write(|map| {
                for write in group {
                    let map = map(&write.name);
                    for (key, value) in &write.entries {
                        map.insert(&key.encode(), value.clone())?;
                    }
                    if let Some((operation, plan)) = &write.action {
                        let author = Author {
                            writer,
                            incarnation: fastrand::u64(1..),
                        };
                        let slot = Slot {
                            map: &map,
                            moves: plan.moves,
                        };
                        plan.instance
                            .write(slot, operation.model, &operation.action, author)?;
                    }
                }
                Ok(())
            })
            .map_err(error::failed("write to its documents"))?;
        let rows = group.iter().map(|write| Touched::unread(write.name.clone()));
        let rows = open.touch(rows, (&mut self.position, &mut self.read_ahead), true);
        Ok(Change {
            shard: open.number,
            update,
            rows,
            own: true,
        })
    }

    pub(super) async fn shard_for_writing(&mut self, key: &ShardKey) -> Result<usize, StoreError> {
        if let Some(at) = self.place_of(key) {
            return Ok(at);
        }
        let number = self
            .disk
            .add_shard(key)
            .await
            .map_err(error::unavailable("save to its file"))?;
        let shard = Shard::empty(self.owner.peer).map_err(error::failed("make a document"))?;
        self.shards
            .push(Open::new((number, key.clone()), shard, Index::default()));
        Ok(self.shards.len() - 1)
    }
}

fn stale_ids(intent: &Intent, found: &[Option<Document>]) -> Vec<StaleId> {
    let checked = intent.operations.iter().zip(found);
    checked
        .filter(|(operation, document)| !operation.expect.is_met_by(operation.model, document.as_ref()))
        .map(|(operation, _)| StaleId {
            collection: operation.model.collection(),
            id: operation.id.clone(),
        })
        .collect()
}
