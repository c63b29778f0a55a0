//! What a device takes of its peers: [`Interest`].

use std::collections::{BTreeMap, BTreeSet};

use ditto_sync_core::value::Value;

use crate::{
    data::{Partition, ShardKey},
    limits::SHARDS_NAMED_MAX,
};

/// What a device takes of its peers, by collection and by partition of a collection. Own writes to everything else are sent, too.
///
/// A **partition** of a collection are the rows whose scope fields (those of `#[ditto(scope(a, b))]`, which all have to match) have certain values. Rows of models without such a scope, rows with NULL in
/// one of its fields, rows whose scope fields are floats, lists or maps, or longer than [`PARTITION_BYTES_MAX`](crate::limits::PARTITION_BYTES_MAX), and rows that were written before their model had
/// a scope and have not changed it since, belong to no partition: they are taken by everybody who takes anything of the collection.
///
/// This saves room and traffic. It is **no access control**: whoever belongs to the mesh can ask for everything.
///
/// ```
/// use ditto_sync_mesh::Interest;
///
/// let all_but_other_branches = Interest::everything()
///     .partition("orders", [("branchId", "kigali-1")])?
///     .partition("orders", [("branchId", "kigali-2")])?;
/// let stocks_only = Interest::nothing().collection("stocks");
/// # Ok::<(), ditto_sync_mesh::PartitionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Collections that are not named are taken.
    pub(crate) others: bool,
    pub(crate) named: BTreeMap<String, Wanted>,
}

/// What is taken of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    /// These, and the rows that belong to none.
    Partitions(BTreeSet<Partition>),
}

/// An interest in bytes: whether others are taken, and of each collection that is named, its partitions.
type Told<'a> = (bool, Vec<(&'a str, Option<Vec<&'a [u8]>>)>);

/// Why an interest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InterestError {
    #[error("an interest cannot be decoded")]
    Malformed,
    #[error("an interest names {0} collections and partitions, at most {SHARDS_NAMED_MAX} are allowed")]
    TooMany(usize),
}

/// Why fields make no partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{collection}` has no partition of these fields: name each scope field once, with a bool, an integer, text or bytes, of at most {} bytes in all",
    crate::limits::PARTITION_BYTES_MAX
)]
pub struct PartitionError {
    collection: String,
}

impl Default for Interest {
    fn default() -> Self {
        Self::everything()
    }
}

impl Interest {
    /// Every collection, so that the device can hand on everything. What is named later is narrowed to that.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            others: true,
            named: BTreeMap::new(),
        }
    }

    /// Only what is named later.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            others: false,
            named: BTreeMap::new(),
        }
    }

    /// All of this collection.
    #[must_use]
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.named.insert(name.into(), Wanted::All);
        self
    }

    /// Of this collection, the rows whose scope fields have these values, given by their names in documents. Call it again for more of them.
    ///
    /// # Errors
    /// When rows cannot be parted by these values.
    pub fn partition<N: AsRef<str>, V: Into<Value>>(
        mut self,
        collection: impl Into<String>,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, PartitionError> {
        let collection = collection.into();
        let fields: Vec<(N, Value)> = fields
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let named = fields.iter().map(|(name, value)| (name.as_ref(), value));
        let Some(partition) = Partition::encode(named.collect()) else {
            return Err(PartitionError { collection });
        };
        match self.named.entry(collection).or_insert(Wanted::All) {
            Wanted::Partitions(partitions) => {
                partitions.insert(partition);
            }
            all => *all = Wanted::Partitions(BTreeSet::from([partition])),
        }
        Ok(self)
    }

    /// As it is told to others, and kept.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let named = self.named.iter().map(|(name, wanted)| {
            let partitions = match wanted {
                Wanted::All => None,
                Wanted::Partitions(partitions) => Some(partitions.iter().map(Partition::as_bytes).collect()),
            };
            (name.as_str(), partitions)
        });
        let told: Told<'_> = (self.others, named.collect());
        postcard::to_extend(&told, Vec::new()).expect("a growing buffer takes every interest")
    }

    /// What somebody else has told.
    ///
    /// # Errors
    /// When no device of ours tells it so.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, InterestError> {
        let Ok(((others, told), [])) = postcard::take_from_bytes::<Told<'_>>(bytes) else {
            return Err(InterestError::Malformed);
        };
        let count = |partitions: &Option<Vec<&[u8]>>| 1 + partitions.as_ref().map_or(0, Vec::len);
        let count: usize = told.iter().map(|(_, partitions)| count(partitions)).sum();
        if count > SHARDS_NAMED_MAX {
            return Err(InterestError::TooMany(count));
        }
        let mut named = BTreeMap::new();
        for (name, partitions) in told {
            let key = |partition: &[u8]| ShardKey::checked(name, partition).ok_or(InterestError::Malformed);
            key(&[])?;
            let wanted = match partitions {
                None => Wanted::All,
                Some(partitions) => {
                    let partitions = partitions.into_iter().map(|bytes| Ok(key(bytes)?.partition));
                    Wanted::Partitions(partitions.collect::<Result<_, _>>()?)
                }
            };
            named.insert(name.to_owned(), wanted);
        }
        Ok(Self { others, named })
    }

    /// Whether a document is taken.
    pub(crate) fn includes(&self, key: &ShardKey) -> bool {
        match self.named.get(key.collection.as_str()) {
            None => self.others,
            Some(Wanted::All) => true,
            Some(Wanted::Partitions(partitions)) => {
                key.partition.is_none() || partitions.contains(&key.partition)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(collection: &str, branch: Option<&str>) -> ShardKey {
        let value = branch.map(Value::from);
        let partition = value.map(|value| Partition::encode(vec![("branch", &value)]).expect("it is short"));
        ShardKey::new(collection, partition.unwrap_or_else(Partition::none))
    }

    #[test]
    fn what_is_named_narrows_a_collection_and_leaves_the_others() {
        let interest = Interest::everything().partition("orders", [("branch", "b1")]);
        let interest = interest.and_then(|interest| interest.partition("orders", [("branch", "b2")]));
        let interest = interest.expect("text parts rows");
        let included = [Some("b1"), Some("b2"), Some("b3"), None]
            .map(|branch| interest.includes(&key("orders", branch)));
        assert_eq!(included, [true, true, false, true]);
        assert!(interest.includes(&key("stocks", Some("b3"))));
        assert!(
            !Interest::nothing()
                .collection("orders")
                .includes(&key("stocks", None))
        );
    }

    #[test]
    fn every_interest_comes_back_and_others_are_refused() {
        let parted = Interest::nothing()
            .collection("stocks")
            .partition("orders", [("branch", "b1")]);
        for interest in [
            Interest::everything(),
            Interest::nothing(),
            parted.expect("text parts rows"),
        ] {
            assert_eq!(Interest::decode(&interest.encode()), Ok(interest));
        }
        assert_eq!(Interest::decode(&[2]), Err(InterestError::Malformed));
        let unnamed = Interest::nothing().collection("");
        assert_eq!(Interest::decode(&unnamed.encode()), Err(InterestError::Malformed));
        let many = (0..=SHARDS_NAMED_MAX).fold(Interest::nothing(), |many, number| {
            many.collection(number.to_string())
        });
        assert_eq!(
            Interest::decode(&many.encode()),
            Err(InterestError::TooMany(SHARDS_NAMED_MAX + 1))
        );
    }

    #[test]
    fn values_that_part_nothing_are_refused() {
        let error = Interest::everything().partition("orders", [("total", 1.5)]);
        let error = error.expect_err("a float parts nothing").to_string();
        assert!(
            error.starts_with("`orders` has no partition of these fields"),
            "{error}"
        );
    }
}
