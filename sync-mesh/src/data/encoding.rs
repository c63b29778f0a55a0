//! Document values as Loro values, and back. Injective, so that what one device writes is what another reads.
//!
//! Byte strings carry a leading zero byte: the empty one is [`REMOVED`], which hides the seed of a field that a whole document left out.

use ditto_sync_core::value::{MAX_DEPTH, Value};
use loro::LoroValue;

const BYTES: u8 = 0;

/// A field that was removed. Deleting the key would let a seed shine through.
pub(crate) fn removed() -> LoroValue {
    LoroValue::Binary(Vec::new().into())
}

/// The value as Loro holds it.
pub(crate) fn encode(value: &Value) -> LoroValue {
    match value {
        Value::Null => LoroValue::Null,
        Value::Bool(bool) => LoroValue::Bool(*bool),
        Value::Int(integer) => LoroValue::I64(*integer),
        Value::Float(float) => LoroValue::Double(*float),
        Value::Text(text) => LoroValue::String(text.as_str().into()),
        Value::Bytes(bytes) => {
            let mut tagged = Vec::with_capacity(bytes.len() + 1);
            tagged.push(BYTES);
            tagged.extend_from_slice(bytes);
            LoroValue::Binary(tagged.into())
        }
        Value::List(items) => LoroValue::List(items.iter().map(encode).collect::<Vec<_>>().into()),
        Value::Map(entries) => LoroValue::Map(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), encode(value)))
                .collect::<std::collections::HashMap<_, _>>()
                .into(),
        ),
    }
}

/// What a Loro value stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decoded {
    Value(Value),
    /// The field was removed.
    Removed,
    /// No device of ours writes this.
    Foreign,
}

/// The value behind a register.
pub(crate) fn decode(value: &LoroValue) -> Decoded {
    match value {
        LoroValue::Binary(bytes) if bytes.is_empty() => Decoded::Removed,
        value => plain(value, 0).map_or(Decoded::Foreign, Decoded::Value),
    }
}

fn plain(value: &LoroValue, depth: usize) -> Option<Value> {
    // One level more than we write, so that the document shows as one that cannot be read instead of losing a field.
    if depth > MAX_DEPTH + 1 {
        return None;
    }
    Some(match value {
        LoroValue::Null => Value::Null,
        LoroValue::Bool(bool) => Value::Bool(*bool),
        LoroValue::I64(integer) => Value::Int(*integer),
        LoroValue::Double(float) => Value::Float(*float),
        LoroValue::String(text) => Value::Text(text.to_string()),
        LoroValue::Binary(bytes) => match bytes.split_first() {
            Some((&BYTES, rest)) => Value::Bytes(rest.to_vec()),
            _ => return None,
        },
        LoroValue::List(items) => Value::List(
            items
                .iter()
                .map(|item| plain(item, depth + 1))
                .collect::<Option<_>>()?,
        ),
        LoroValue::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| Some((key.clone(), plain(value, depth + 1)?)))
                .collect::<Option<_>>()?,
        ),
        LoroValue::Container(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_map(Value::Float),
            ".*".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::btree_map(".{0,6}", inner, 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_comes_back(value in value()) {
            prop_assert_eq!(decode(&encode(&value)), Decoded::Value(value));
        }
    }

    #[test]
    fn a_removed_field_is_no_value() {
        assert_eq!(decode(&removed()), Decoded::Removed);
        assert_eq!(
            decode(&encode(&Value::Bytes(Vec::new()))),
            Decoded::Value(Value::Bytes(Vec::new()))
        );
        let strange = LoroValue::Binary(vec![7].into());
        assert_eq!(decode(&strange), Decoded::Foreign);
    }
}
