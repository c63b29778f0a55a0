//! What one device holds of the mesh: its shards, their index and the file that keeps them, as one state. See [`Replica`].
//!
//! One thing at a time: whoever calls has it for himself. A change is in memory first, and in the file before anybody hears of it; when the file fails, memory
//! is read from it anew. Not here: who asks (`engine`), what travels (`wire`).

use std::{collections::HashMap, path::Path};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{BatchId, Intent, Operation, ReplicaId},
    query::Query,
    store::{Change as Reported, ChangeKind, StaleId, StoreError, WriteOutcome},
};
use loro::VersionVector;
use smol_str::SmolStr;

use crate::{
    data::{Author, Row, Shard, id_of, root_name},
    disk::{Change, Disk, Owner, StoredShard},
    error::{self, OpenError},
    index::{Entry, Index},
    limits::LOG_BYTES_MAX,
    refusal::refusals,
};

/// All that one device holds.
pub(crate) struct Replica {
    disk: Disk,
    owner: Owner,
    shards: Vec<Open>,
    batches: HashMap<ReplicaId, u64>,
    devices: Vec<([u8; 32], Vec<u8>)>,
    /// Of the newest change.
    position: u64,
    /// The file has failed: what is in memory may not be what is in the file.
    doubtful: bool,
}

/// A shard in memory.
struct Open {
    number: i64,
    collection: SmolStr,
    shard: Shard,
    index: Index,
    /// Of the log since the snapshot.
    log_bytes: usize,
}

/// How an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Something was new.
    News,
    /// All of it was here.
    Known,
    /// Some of it builds on updates that are not here.
    Gap,
}

impl Replica {
    /// Opens what the file holds, or makes a new store of this mesh.
    pub(crate) async fn open(file: &Path, mesh: &str) -> Result<Self, OpenError> {
        let fresh = Owner {
            store: random_name()?,
            peer: random_peer(),
            mesh: mesh.to_owned(),
            key: random_bytes()?,
            secret: random_bytes()?,
            shared: false,
        };
        let mut replica = Self {
            disk: Disk::open(file, fresh.clone()).await?,
            owner: fresh,
            shards: Vec::new(),
            batches: HashMap::new(),
            devices: Vec::new(),
            position: 0,
            doubtful: false,
        };
        replica.load().await?;
        if replica.owner.mesh == mesh {
            Ok(replica)
        } else {
            Err(OpenError::OtherMesh {
                found: replica.owner.mesh,
                wanted: mesh.to_owned(),
            })
        }
    }

    async fn load(&mut self) -> Result<(), OpenError> {
        let contents = self.disk.contents().await?;
        let peer = contents.owner.peer;
        self.shards = contents
            .shards
            .into_iter()
            .map(|stored| Open::of(stored, peer))
            .collect::<Result<_, _>>()?;
        self.owner = contents.owner;
        self.batches = contents.batches;
        self.devices = contents.devices;
        self.position = self
            .shards
            .iter()
            .map(|open| open.index.position())
            .max()
            .unwrap_or(0);
        Ok(())
    }

    /// Reads everything from the file again, after it has failed, and writes under another number from now on.
    async fn sure(&mut self) -> Result<(), StoreError> {
        if !self.doubtful {
            return Ok(());
        }
        let peer = random_peer();
        self.disk
            .change_peer(peer)
            .await
            .map_err(error::unavailable("reopen its file"))?;
        self.load().await.map_err(error::failed("reopen its file"))?;
        self.doubtful = false;
        Ok(())
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Devices that were met before this start: public key and addresses, encoded.
    pub(crate) fn devices(&self) -> &[([u8; 32], Vec<u8>)] {
        &self.devices
    }

    /// Remembers where a device is.
    pub(crate) async fn remember(&mut self, device: &[u8; 32], addresses: &[u8]) -> Result<(), StoreError> {
        let saved = self.disk.remember(device, addresses).await;
        saved.map_err(error::unavailable("remember a peer"))
    }

    /// Knows this secret from now on, which others know too.
    pub(crate) async fn change_secret(&mut self, secret: [u8; 32]) -> Result<(), StoreError> {
        let saved = self.disk.change_secret(&secret, true).await;
        saved.map_err(error::unavailable("save the secret of the mesh"))?;
        self.owner.secret = secret;
        self.owner.shared = true;
        Ok(())
    }

    /// The position of the newest change.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn last_applied(&self, replica: ReplicaId) -> Option<u64> {
        self.batches.get(&replica).copied()
    }

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
        let rows = names
            .into_iter()
            .map(|name| {
                self.position += 1;
                let entry = open.index.touch(&name, self.position, true);
                (name, entry)
            })
            .collect();
        Ok(Change {
            shard: open.number,
            update,
            rows,
        })
    }

    /// Brings changes that memory has into the file, after which they count.
    async fn keep(&mut self, changes: Vec<Change>, batch: Option<BatchId>) -> Result<(), StoreError> {
        self.disk
            .save(&changes, batch)
            .await
            .map_err(error::unavailable("save to its file"))?;
        self.doubtful = false;
        for change in changes {
            if let Some(open) = self.shards.iter_mut().find(|open| open.number == change.shard) {
                open.log_bytes += change.update.len();
            }
        }
        self.shorten_logs().await;
        Ok(())
    }

    /// Replaces long logs by snapshots. Best effort: a log that stays is read at the next start.
    async fn shorten_logs(&mut self) {
        for open in &mut self.shards {
            if open.log_bytes <= LOG_BYTES_MAX {
                continue;
            }
            // Not again before as much has been added, if it fails.
            open.log_bytes = 0;
            let outcome = match open.shard.snapshot() {
                Ok(snapshot) => self
                    .disk
                    .replace_log(open.number, &snapshot)
                    .await
                    .map_err(OpenError::from),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = outcome {
                tracing::warn!(collection = %open.collection, error = &error as &dyn std::error::Error, "a log could not be shortened");
            }
        }
    }

    /// Merges an update of a peer, and keeps it.
    pub(crate) async fn import(&mut self, collection: &str, update: Vec<u8>) -> Result<Taken, StoreError> {
        self.sure().await?;
        let at = self.shard_for_writing(collection).await?;
        let open = &mut self.shards[at];
        let before = open.shard.version();
        let imported = open
            .shard
            .import(&update)
            .map_err(error::failed("merge the update of a peer"))?;
        if open.shard.version() == before {
            return Ok(if imported.gap { Taken::Gap } else { Taken::Known });
        }
        let mut rows: Vec<(SmolStr, Entry)> = Vec::with_capacity(imported.touched.len());
        for name in imported.touched {
            // Whatever is no name of ours stays in the document and is shown to nobody.
            if id_of(&name).is_some() {
                let name = SmolStr::from(name);
                self.position += 1;
                let entry = open.index.touch(&name, self.position, false);
                rows.push((name, entry));
            }
        }
        self.doubtful = true;
        let change = Change {
            shard: open.number,
            update,
            rows,
        };
        self.keep(vec![change], None).await?;
        Ok(if imported.gap { Taken::Gap } else { Taken::News })
    }

    /// What somebody who holds `version` of a collection lacks; `None` when there is nothing.
    pub(crate) fn updates_since(
        &self,
        collection: &str,
        version: &VersionVector,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(open) = self.find(collection).filter(|_| !self.doubtful) else {
            return Ok(None);
        };
        if version.includes_vv(&open.shard.version()) {
            return Ok(None);
        }
        let update = open.shard.updates_since(version);
        update.map(Some).map_err(error::failed("export an update"))
    }

    /// How far each collection is here.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&SmolStr, VersionVector)> {
        let sure = !self.doubtful;
        self.shards
            .iter()
            .filter(move |_| sure)
            .map(|open| (&open.collection, open.shard.version()))
    }

    /// The current documents of `ids`, in that order.
    pub(crate) async fn fetch(
        &mut self,
        model: &ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        self.sure().await?;
        let collection = model.collection();
        Ok(ids
            .iter()
            .map(|id| self.row(collection, id).document(model))
            .collect())
    }

    /// The ids of all documents that match, and the position they are of.
    pub(crate) async fn scan(
        &mut self,
        model: &ModelDescriptor,
        query: &Query,
    ) -> Result<(Vec<DocumentId>, u64), StoreError> {
        self.sure().await?;
        let mut ids = Vec::new();
        if let Some(open) = self.find(model.collection()) {
            for name in open.index.names() {
                let document = open.shard.row(name).document(model);
                if document.is_some_and(|document| query.matches(&document)) {
                    ids.extend(id_of(name));
                }
            }
        }
        Ok((ids, self.position))
    }

    /// What an observation has to be told of the changes after `position`, and up to where that is.
    pub(crate) async fn changes(
        &mut self,
        model: &ModelDescriptor,
        query: &Query,
        position: u64,
    ) -> Result<(Vec<Reported>, u64), StoreError> {
        self.sure().await?;
        let mut changes = Vec::new();
        if let Some(open) = self.find(model.collection()) {
            for (name, entry) in open.index.since(position) {
                let document = open.shard.row(name).document(model);
                // One that came once, from a peer, and does not match, has never been seen by anybody here.
                let unseen = entry.born > position && entry.born == entry.changed && !entry.own;
                let kind = match document {
                    Some(document) if query.matches(&document) => ChangeKind::Upserted,
                    _ if unseen => continue,
                    Some(_) => ChangeKind::Moved,
                    None => ChangeKind::Deleted,
                };
                changes.extend(id_of(name).map(|id| Reported { id, kind }));
            }
        }
        Ok((changes, self.position))
    }

    pub(crate) async fn close(self) {
        self.disk.close().await;
    }

    fn row(&self, collection: &str, id: &DocumentId) -> Row {
        let name = root_name(id);
        self.find(collection)
            .filter(|open| open.index.contains(&name))
            .map_or_else(Row::default, |open| open.shard.row(&name))
    }

    fn find(&self, collection: &str) -> Option<&Open> {
        self.shards.iter().find(|open| open.collection == collection)
    }

    async fn shard_for_writing(&mut self, collection: &str) -> Result<usize, StoreError> {
        if let Some(at) = self.shards.iter().position(|open| open.collection == collection) {
            return Ok(at);
        }
        let number = self
            .disk
            .add_shard(collection)
            .await
            .map_err(error::unavailable("save to its file"))?;
        let shard = Shard::empty(self.owner.peer).map_err(error::failed("make a document"))?;
        self.shards.push(Open {
            number,
            collection: collection.into(),
            shard,
            index: Index::default(),
            log_bytes: 0,
        });
        Ok(self.shards.len() - 1)
    }
}

impl Open {
    fn of(stored: StoredShard, peer: u64) -> Result<Self, OpenError> {
        let shard = match &stored.snapshot {
            Some(snapshot) => Shard::from_snapshot(snapshot, peer)?,
            None => Shard::empty(peer)?,
        };
        for update in &stored.log {
            shard.import(update)?;
        }
        Ok(Self {
            number: stored.number,
            collection: stored.collection,
            shard,
            index: Index::of(stored.rows),
            log_bytes: stored.log.iter().map(Vec::len).sum(),
        })
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

fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES], OpenError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| OpenError::Random(std::io::Error::other(error)))?;
    Ok(bytes)
}

fn random_name() -> Result<SmolStr, OpenError> {
    Ok(format!("{:032x}", u128::from_le_bytes(random_bytes()?)).into())
}

/// Loro keeps the biggest number for itself.
fn random_peer() -> u64 {
    fastrand::u64(1..u64::MAX)
}
