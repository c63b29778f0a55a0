//! One Loro document with many rows: [`Shard`]. The only place that touches a Loro document.
//!
//! Rules that keep the process and the data safe (measured, see ARCHITECTURE.md): root names are escaped; a row is only looked up when the index knows it, because Loro
//! makes an empty root of every name asked for; nothing is called on the document inside of its callback; updates that wait for others are refused.

mod chunk;
mod guard;
mod overwriting;
mod rebase;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use loro::{
    ContainerID, EventTriggerKind, ExportMode, ImportBlobMetadata, LoroDoc, LoroEncodeError, LoroError,
    Subscription, VersionVector,
    event::{ContainerDiff, Diff},
};
use smol_str::SmolStr;

use self::guard::guarded;
pub(crate) use self::{chunk::Chunk, overwriting::Searched};
use super::{name::id_of, row::Row};

/// One Loro document.
pub(crate) struct Shard {
    document: LoroDoc,
    /// What imports have changed, filled by the callback.
    touched: Arc<Mutex<Vec<Touched>>>,
    /// Loro has panicked in it.
    broken: AtomicBool,
    _subscription: Subscription,
}

/// What an import did.
#[derive(Debug)]
pub(crate) struct Imported {
    /// The rows that changed; may repeat, and may have names that no device of ours has written.
    pub(crate) touched: Vec<Touched>,
    /// Some of it waits for updates that are not here. Loro keeps it, but what waits does not count as held.
    pub(crate) gap: bool,
}

/// A row that has changed.
#[derive(Debug)]
pub(crate) struct Touched {
    /// The root name.
    pub(crate) name: SmolStr,
    /// What was written into it, if that is known, and what it is as a number: all of a row that was not there.
    pub(crate) written: Option<(Row, u64)>,
}

/// Why a shard failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShardError {
    /// The bytes are no update or snapshot, or do not fit.
    #[error("loro refuses to import the update")]
    Import(#[source] LoroError),
    /// It builds on history that was trimmed here.
    #[error("the update builds on history that was trimmed here")]
    Trimmed,
    /// An update came as a snapshot.
    #[error("it is no snapshot")]
    NoSnapshot,
    /// Loro panicked. A document that it was imported into must not be used any more.
    #[error("loro fails at the update: whoever has sent it breaks the rules")]
    Panicked,
    #[error("loro could not write")]
    Write(#[source] LoroError),
    #[error("loro could not export")]
    Export(#[source] LoroEncodeError),
    /// A snapshot that was just made does not come back as it was.
    #[error("a snapshot does not hold what it was made of")]
    Snapshot,
}

impl Touched {
    /// Of a row that has to be read to know what it holds.
    pub(crate) fn unread(name: SmolStr) -> Self {
        Self { name, written: None }
    }

    /// What Loro says of one container; `None` when it is no row.
    fn of(diff: ContainerDiff<'_>) -> Option<Self> {
        let ContainerID::Root { name, .. } = diff.target else {
            return None;
        };
        let written = match diff.diff {
            Diff::Map(map) => Some(Row::of_entries(name, map.updated)),
            _ => None,
        };
        let name = SmolStr::from(name.as_str());
        Some(Self { name, written })
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Loro may be what has panicked; then it would panic again, which aborts the process.
            std::mem::forget(self.document.clone());
        }
    }
}

impl Shard {
    /// A shard without rows, written by `peer` from now on.
    pub(crate) fn empty(peer: u64) -> Result<Self, ShardError> {
        Self::around(LoroDoc::new(), peer)
    }

    /// A shard as a snapshot holds it.
    pub(crate) fn from_snapshot(snapshot: &[u8], peer: u64) -> Result<Self, ShardError> {
        let document = LoroDoc::from_snapshot(snapshot).map_err(ShardError::Import)?;
        Self::around(document, peer)
    }

    /// The same for a snapshot that a peer has sent: every row of it has been read once.
    pub(crate) fn from_foreign_snapshot(snapshot: &[u8], peer: u64) -> Result<Self, ShardError> {
        if !Self::meta(snapshot)?.mode.is_snapshot() {
            return Err(ShardError::NoSnapshot);
        }
        let document = LoroDoc::new();
        guarded(&document, || {
            document.import(snapshot).map_err(ShardError::Import)?;
            // What is decoded late panics late.
            let shard = Self::around(document.clone(), peer)?;
            for name in shard.names() {
                shard.digest(&name);
            }
            shard.updates_since(&VersionVector::new())?;
            Ok(shard)
        })
    }

    fn around(document: LoroDoc, peer: u64) -> Result<Self, ShardError> {
        document.set_peer_id(peer).map_err(ShardError::Write)?;
        let touched = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&touched);
        let subscription = document.subscribe_root(Arc::new(move |event| {
            if event.triggered_by != EventTriggerKind::Import {
                return;
            }
            // Only pushes: a call on the document from here would wait for itself.
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.extend(event.events.into_iter().filter_map(Touched::of));
        }));
        Ok(Self {
            document,
            touched,
            broken: AtomicBool::new(false),
            _subscription: subscription,
        })
    }

    /// The row of this root name, which the index has to know.
    pub(crate) fn row(&self, name: &str) -> Row {
        Row::of(&self.document.get_map(name))
    }

    /// What the row holds, as a number; zero for a row of which nothing is left. The index has to know it.
    pub(crate) fn digest(&self, name: &str) -> u64 {
        self.read(name).1
    }

    /// The row and what it holds as a number, read at once.
    pub(crate) fn read(&self, name: &str) -> (Row, u64) {
        Row::with_digest(name, &self.document.get_map(name))
    }

    /// Changes rows in one commit, and returns it as an update for peers and for the disk.
    ///
    /// `change` gets a function from root names to maps.
    pub(crate) fn write(
        &self,
        change: impl FnOnce(&dyn Fn(&str) -> loro::LoroMap) -> loro::LoroResult<()>,
    ) -> Result<Vec<u8>, ShardError> {
        let before = self.version();
        change(&|name| self.document.get_map(name)).map_err(ShardError::Write)?;
        self.document.commit();
        self.updates_since(&before)
    }

    /// Merges an update of a peer, or of the disk.
    pub(crate) fn import(&self, update: &[u8]) -> Result<Imported, ShardError> {
        let status = self.guarded(|| {
            let before = self.version();
            let status = self.document.import(update).map_err(|error| match error {
                LoroError::ImportUpdatesThatDependsOnOutdatedVersion => ShardError::Trimmed,
                other => ShardError::Import(other),
            })?;
            // Some that are taken make the document unusable: better now than after they were kept.
            self.updates_since(&before)?;
            Ok(status)
        });
        let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Imported {
            gap: status?.pending.is_some(),
            touched,
        })
    }

    /// Whether it must not be used any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    fn guarded<T>(&self, action: impl FnOnce() -> Result<T, ShardError>) -> Result<T, ShardError> {
        let outcome = guarded(&self.document, action);
        if matches!(outcome, Err(ShardError::Panicked)) {
            self.broken.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// Of each writer, how many of its operations are here.
    pub(crate) fn version(&self) -> VersionVector {
        self.document.oplog_vv()
    }

    /// What somebody who holds `version` lacks.
    pub(crate) fn updates_since(&self, version: &VersionVector) -> Result<Vec<u8>, ShardError> {
        self.document
            .export(ExportMode::updates(version))
            .map_err(ShardError::Export)
    }

    /// The root names of everything in it that a device of ours may have written. Slow: it reads the whole document.
    pub(crate) fn names(&self) -> Vec<SmolStr> {
        let roots = self.document.get_value();
        let names = roots.as_map().into_iter().flat_map(|roots| roots.keys());
        names
            .filter(|name| id_of(name).is_some())
            .map(|name| SmolStr::from(name.as_str()))
            .collect()
    }

    /// The version before which the history was trimmed; empty when all of it is here.
    pub(crate) fn trimmed_to(&self) -> VersionVector {
        VersionVector::from_im_vv(&self.document.shallow_since_vv())
    }

    /// Of each writer, where an update begins and up to where it goes; those that it does not hold are left out. Slow: the whole update is decoded.
    pub(crate) fn range_of(update: &[u8]) -> Result<(VersionVector, VersionVector), ShardError> {
        let meta = Self::meta(update)?;
        Ok((meta.partial_start_vv, meta.partial_end_vv))
    }

    /// What bytes say of themselves, if their checksum is right.
    fn meta(bytes: &[u8]) -> Result<ImportBlobMetadata, ShardError> {
        guarded(&LoroDoc::new(), || {
            LoroDoc::decode_import_blob_meta(bytes, true).map_err(ShardError::Import)
        })
    }

    /// Writes under this number from now on.
    pub(crate) fn change_peer(&self, peer: u64) -> Result<(), ShardError> {
        self.document.set_peer_id(peer).map_err(ShardError::Write)
    }

    /// The whole document, checked by reading it back: a snapshot that cannot be loaded must never replace the log it was made of. The shard that comes with it
    /// was read from it, and needs a fraction of the memory of one that was built from updates.
    pub(crate) fn snapshot(&self) -> Result<(Vec<u8>, Self), ShardError> {
        self.guarded(|| self.make_snapshot())
    }

    fn make_snapshot(&self) -> Result<(Vec<u8>, Self), ShardError> {
        let bytes = self
            .document
            .export(ExportMode::Snapshot)
            .map_err(ShardError::Export)?;
        let again = Self::from_snapshot(&bytes, self.document.peer_id())?;
        if again.version() == self.version() && again.document.state_vv() == self.document.state_vv() {
            Ok((bytes, again))
        } else {
            Err(ShardError::Snapshot)
        }
    }

    /// The same without the history before `version`, which every peer that matters must hold. `None` when there is nothing to trim.
    pub(crate) fn trimmed(&self, version: &VersionVector) -> Result<Option<(Vec<u8>, Self)>, ShardError> {
        self.guarded(|| self.make_trimmed(version))
    }

    fn make_trimmed(&self, version: &VersionVector) -> Result<Option<(Vec<u8>, Self)>, ShardError> {
        let version = version.intersection(&self.version());
        if version.is_empty() || !version.includes_vv(&self.trimmed_to()) || version == self.trimmed_to() {
            return Ok(None);
        }
        let frontiers = self.document.vv_to_frontiers(&version);
        let bytes = self
            .document
            .export(ExportMode::shallow_snapshot(&frontiers))
            .map_err(ShardError::Export)?;
        let again = Self::from_snapshot(&bytes, self.document.peer_id())?;
        if again.version() != self.version() {
            return Err(ShardError::Snapshot);
        }
        let gained = again.trimmed_to() != self.trimmed_to();
        Ok(gained.then_some((bytes, again)))
    }
}

#[cfg(test)]
mod tests;
