//! How far each device is, against what is here.

use std::collections::{BTreeMap, HashMap};

use loro::VersionVector;

use super::{Device, Exchange};
use crate::{data::ShardKey, replica::Replica};

/// What each collection lacks there, and here, in operations.
pub(crate) type Progress = HashMap<Device, BTreeMap<String, (u64, u64)>>;

/// What a device has told, by document.
type Versions<'a> = HashMap<&'a ShardKey, &'a VersionVector>;

impl Exchange {
    /// How far each device is that was met since the start.
    pub(crate) fn progress(&self, replica: &Replica) -> Progress {
        let connected = self
            .links
            .values()
            .map(|link| (link.device, link.versions().collect::<Versions<'_>>()));
        let past = self.past.iter();
        let past = past.map(|(device, versions)| (*device, versions.iter().collect()));
        // Whoever is connected is known better, so it comes last.
        past.chain(connected)
            .map(|(device, versions)| (device, of_one(&device, &versions, replica)))
            .collect()
    }
}

/// Counted is what it takes, and what is taken here.
fn of_one(device: &Device, versions: &Versions<'_>, replica: &Replica) -> BTreeMap<String, (u64, u64)> {
    let nothing = VersionVector::new();
    let mut progress: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut add = |shard: &ShardKey, ours: &VersionVector, theirs: &VersionVector| {
        let (behind, ahead) = progress.entry(shard.collection.to_string()).or_default();
        if replica.is_wanted_by(device, shard) {
            *behind += missing(ours, theirs);
        }
        if replica.wants(shard) {
            *ahead += missing(theirs, ours);
        }
    };
    for held in replica.held() {
        add(
            held.key,
            held.version,
            versions.get(held.key).copied().unwrap_or(&nothing),
        );
    }
    for (shard, theirs) in versions {
        if replica.held_of(shard).is_none() && !theirs.is_empty() {
            add(shard, &nothing, theirs);
        }
    }
    progress
}

/// Operations of one that the other lacks.
fn missing(one: &VersionVector, other: &VersionVector) -> u64 {
    one.iter()
        .map(|(writer, operations)| {
            let held = other.get(writer).copied().unwrap_or(0);
            u64::try_from(operations - held).unwrap_or(0)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_by_writer() {
        let version = |writers: &[(u64, i32)]| {
            let mut version = VersionVector::new();
            version.extend(writers.iter().copied());
            version
        };
        let (one, other) = (version(&[(1, 10), (2, 3)]), version(&[(1, 4), (3, 7)]));
        assert_eq!((missing(&one, &other), missing(&other, &one)), (9, 7));
    }
}
