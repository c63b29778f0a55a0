//! An update on its way into a document: [`Update`].

use std::sync::OnceLock;

use loro::VersionVector;

use super::{Shard, ShardError};

/// The bytes of an update, and of each writer where it begins and up to where it goes: found out once, by whoever asks first, because it takes a quarter of the time
/// of the import.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub(crate) bytes: Vec<u8>,
    range: OnceLock<(VersionVector, VersionVector)>,
}

impl Update {
    /// See [`Shard::range_of`].
    pub(crate) fn range(&self) -> Result<&(VersionVector, VersionVector), ShardError> {
        if let Some(range) = self.range.get() {
            return Ok(range);
        }
        let range = Shard::range_of(&self.bytes)?;
        Ok(self.range.get_or_init(|| range))
    }
}

impl From<Vec<u8>> for Update {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            range: OnceLock::new(),
        }
    }
}

impl PartialEq for Update {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}
