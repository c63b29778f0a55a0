//! Which document of a collection a row lives in: [`Partition`], the values of its equality scope fields, and [`ShardKey`], a collection with one of them.
//!
//! To everything that keeps, sends or counts documents a partition is a name and nothing else. Not here: where a row lives when several documents have it (`copies`).

use std::{fmt, sync::Arc};

use ditto_sync_core::{
    descriptor::{ModelDescriptor, Scope},
    document::Document,
    value::Value,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::limits::{COLLECTION_BYTES_MAX, PARTITION_BYTES_MAX};

/// The names and values of the equality scope fields of a row, in the order of their names; empty for what has none.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Partition(Arc<[u8]>);

/// One document with rows: a collection, or a partition of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ShardKey {
    pub(crate) collection: SmolStr,
    pub(crate) partition: Partition,
}

/// A value that can be compared for being equal, as all devices do it.
#[derive(Serialize, Deserialize)]
enum Part<'a> {
    Bool(bool),
    Int(i64),
    Text(&'a str),
    #[serde(borrow)]
    Bytes(&'a [u8]),
}

impl Partition {
    /// Of rows without scope, or with an open one.
    pub(crate) fn none() -> Self {
        Self(Arc::from([]))
    }

    /// Where a document belongs: what the scope of its model asks for, if all of it is there. A scope that is met by any of its fields is no tuple, so its rows are not parted.
    pub(crate) fn of(model: &ModelDescriptor, document: &Document) -> Self {
        let Scope::All(names) = model.scope() else {
            return Self::none();
        };
        let fields = names.iter().map(|name| Some((*name, document.get(name)?)));
        let fields: Option<Vec<_>> = fields.collect();
        fields.and_then(Self::encode).unwrap_or_else(Self::none)
    }

    /// The partition of these fields; `None` when a value is none that rows are parted by, a name comes twice, or all of it is too long.
    pub(crate) fn encode(mut fields: Vec<(&str, &Value)>) -> Option<Self> {
        fields.sort_unstable_by_key(|(name, _)| *name);
        if fields.is_empty() || fields.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        let parts = fields.into_iter().map(|(name, value)| Some((name, part(value)?)));
        let parts: Vec<(&str, Part<'_>)> = parts.collect::<Option<_>>()?;
        let bytes = postcard::to_extend(&parts, Vec::new()).expect("a growing buffer takes every partition");
        (bytes.len() <= PARTITION_BYTES_MAX).then(|| Self(bytes.into()))
    }

    /// What somebody else has written; `None` when no device of ours writes it so.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::none());
        }
        let fields = fields(bytes)?;
        let named = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        // Another spelling of the same fields would be a second document of them.
        Self::encode(named).filter(|partition| &*partition.0 == bytes)
    }

    /// The scope fields of the rows in it.
    pub(crate) fn fields(&self) -> Vec<(SmolStr, Value)> {
        fields(&self.0).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// A number for the `n`-th place of a row when that is here: two that differ have different ones, but for accidents that do not happen.
    pub(crate) fn tag(&self, n: u32) -> u64 {
        xxh3_64_with_seed(&self.0, n.into())
    }
}

impl ShardKey {
    pub(crate) fn new(collection: impl Into<SmolStr>, partition: Partition) -> Self {
        Self {
            collection: collection.into(),
            partition,
        }
    }

    /// The document of rows that are not parted.
    pub(crate) fn whole(collection: impl Into<SmolStr>) -> Self {
        Self::new(collection, Partition::none())
    }

    /// What somebody else has written; `None` when it is no name of a collection, or no partition.
    pub(crate) fn checked(collection: &str, partition: &[u8]) -> Option<Self> {
        let is_name =
            !collection.is_empty() && collection.len() <= COLLECTION_BYTES_MAX && !collection.contains('\0');
        is_name.then_some(())?;
        Some(Self::new(collection, Partition::decode(partition)?))
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.fields()).finish()
    }
}

impl fmt::Display for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.collection)?;
        if self.partition.is_none() {
            return Ok(());
        }
        write!(f, " {:?}", self.partition)
    }
}

impl fmt::Debug for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn part(value: &Value) -> Option<Part<'_>> {
    Some(match value {
        Value::Bool(bool) => Part::Bool(*bool),
        Value::Int(integer) => Part::Int(*integer),
        Value::Text(text) => Part::Text(text),
        Value::Bytes(bytes) => Part::Bytes(bytes),
        Value::Null | Value::Float(_) | Value::List(_) | Value::Map(_) => return None,
    })
}

fn fields(bytes: &[u8]) -> Option<Vec<(SmolStr, Value)>> {
    if bytes.len() > PARTITION_BYTES_MAX {
        return None;
    }
    let (parts, []) = postcard::take_from_bytes::<Vec<(&str, Part<'_>)>>(bytes).ok()? else {
        return None;
    };
    let fields = parts.into_iter().map(|(name, part)| {
        let value = match part {
            Part::Bool(bool) => Value::Bool(bool),
            Part::Int(integer) => Value::Int(integer),
            Part::Text(text) => Value::Text(text.to_owned()),
            Part::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        };
        (SmolStr::from(name), value)
    });
    Some(fields.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            ".{0,8}".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn every_partition_comes_back_whatever_the_order_of_its_fields(
            fields in prop::collection::btree_map(".{0,6}", value(), 1..4),
        ) {
            let named: Vec<(&str, &Value)> = fields.iter().map(|(name, value)| (&**name, value)).collect();
            let partition = Partition::encode(named.clone()).expect("it is short");
            let backwards = Partition::encode(named.into_iter().rev().collect());
            prop_assert_eq!(backwards.as_ref(), Some(&partition));
            prop_assert_eq!(Partition::decode(partition.as_bytes()), Some(partition.clone()));
            let again: Vec<(SmolStr, Value)> =
                fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
            prop_assert_eq!(partition.fields(), again);
        }

        #[test]
        fn bytes_of_strangers_are_refused_or_ours(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Some(partition) = Partition::decode(&bytes) {
                prop_assert_eq!(partition.as_bytes(), &bytes[..]);
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_or_is_missing_parts_nothing() {
        for value in [Value::Null, Value::Float(1.0), Value::List(vec![])] {
            assert_eq!(Partition::encode(vec![("branch", &value)]), None);
        }
        let long = Value::Text("x".repeat(PARTITION_BYTES_MAX));
        assert_eq!(Partition::encode(vec![("branch", &long)]), None);
        assert_eq!(Partition::encode(vec![("a", &1.into()), ("a", &2.into())]), None);
    }
}
