//! How far each device is, against what is here.

use std::collections::{BTreeMap, HashMap};

use loro::VersionVector;

use super::{Device, Exchange};
use crate::replica::Replica;

/// What each collection lacks there, and here, in operations.
pub(crate) type Progress = HashMap<Device, BTreeMap<String, (u64, u64)>>;

impl Exchange {
    /// How far each device is that was met since the start.
    pub(crate) fn progress(&self, replica: &Replica) -> Progress {
        let connected = self
            .links
            .values()
            .map(|link| (link.device, link.versions().collect::<HashMap<_, _>>()));
        let past = self.past.iter().map(|(device, versions)| {
            let versions = versions.iter().map(|(name, version)| (name.as_str(), version));
            (*device, versions.collect())
        });
        // Whoever is connected is known better, so it comes last.
        past.chain(connected)
            .map(|(device, versions)| (device, of_one(&versions, replica)))
            .collect()
    }
}

fn of_one(versions: &HashMap<&str, &VersionVector>, replica: &Replica) -> BTreeMap<String, (u64, u64)> {
    let nothing = VersionVector::new();
    let mut progress = BTreeMap::new();
    for held in replica.held() {
        let theirs = versions
            .get(held.collection.as_str())
            .copied()
            .unwrap_or(&nothing);
        let counts = (missing(held.version, theirs), missing(theirs, held.version));
        progress.insert(held.collection.to_string(), counts);
    }
    for (collection, theirs) in versions {
        if !progress.contains_key(*collection) && !theirs.is_empty() {
            progress.insert((*collection).to_owned(), (0, missing(theirs, &nothing)));
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
