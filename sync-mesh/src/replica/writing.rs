//! How the app's own writes come in: conditional, as one, and durable before anybody hears of them.

use ditto_sync_core::{
    document::Document,
    intent::{Intent, Operation},
    store::{StaleId, StoreError, WriteOutcome},
};
use smol_str::SmolStr;

use super::{Open, Replica};
use crate::{
    data::{Author, Row, Shard, root_name},
    disk::Change,
    error,
    index::Index,
    refusal::refusals,
};

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
        let rows: Vec<Row> = intent
            .operations
            .iter()
            .map(|operation| self.row(operation.model.collection(), &operation.id))
            .collect();
        let found: Vec<Option<Document>> = rows.iter().map(Row::view).collect();
        let refused = refusals(intent, &found);
        if !refused.is_empty() {
            return Err(StoreError::Rejected(refused));
        }
        let stale = stale_ids(intent, &found);
        if !stale.is_empty() {
            return Ok(WriteOutcome::Stale(stale));
        }
        drop(found);
        self.carry_out(intent, &rows).await?;
        Ok(WriteOutcome::Applied)
    }

    async fn carry_out(&mut self, intent: &Intent, rows: &[Row]) -> Result<(), StoreError> {
        let mut groups: Vec<(usize, Vec<(&Operation, &Row)>)> = Vec::new();
        for (operation, row) in intent.operations.iter().zip(rows) {
            let shard = self.shard_for_writing(operation.model.collection()).await?;
            match groups.iter_mut().find(|(other, _)| *other == shard) {
                Some((_, group)) => group.push((operation, row)),
                None => groups.push((shard, vec![(operation, row)])),
            }
        }
        // From here on memory is ahead of the file, until the file has it.
        self.doubtful = true;
        let mut changes = Vec::with_capacity(groups.len());
        for (shard, group) in &groups {
            changes.push(self.write_shard(*shard, group)?);
        }
        self.keep(changes, Some(intent.batch)).await?;
        self.batches.insert(intent.batch.replica, intent.batch.sequence);
        let written: Vec<usize> = groups.iter().map(|(at, _)| *at).collect();
        let marks = written.into_iter().map(|at| self.mark(&self.shards[at]));
        let marks = marks.collect();
        self.receipts.note(intent.batch, marks);
        Ok(())
    }

    fn write_shard(&mut self, at: usize, group: &[(&Operation, &Row)]) -> Result<Change, StoreError> {
        let writer = self.owner.peer;
        let open = &mut self.shards[at];
        let names: Vec<SmolStr> = group
            .iter()
            .map(|(operation, _)| root_name(&operation.id).into())
            .collect();
        let update = open
            .shard
            .write(|map| {
                for ((operation, row), name) in group.iter().zip(&names) {
                    let author = Author {
                        writer,
                        incarnation: fastrand::u64(1..),
                    };
                    row.write(&map(name), operation.model, &operation.action, author)?;
                }
                Ok(())
            })
            .map_err(error::failed("write to its documents"))?;
        let rows = open.touch(names, (&mut self.position, &mut self.read_ahead), true);
        Ok(Change {
            shard: open.number,
            update,
            rows,
        })
    }

    pub(super) async fn shard_for_writing(&mut self, collection: &str) -> Result<usize, StoreError> {
        if let Some(at) = self.shards.iter().position(|open| open.collection == collection) {
            return Ok(at);
        }
        let number = self
            .disk
            .add_shard(collection)
            .await
            .map_err(error::unavailable("save to its file"))?;
        let shard = Shard::empty(self.owner.peer).map_err(error::failed("make a document"))?;
        self.shards
            .push(Open::new((number, collection.into()), shard, Index::default()));
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
