//! A total order of values, for the ties that only seeds can have.

use std::cmp::Ordering;

use ditto_sync_core::value::Value;

/// By kind, then by content. Which one is greater means nothing; that all peers agree on it does.
pub(super) fn compare_values(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Int(one), Value::Int(other)) => one.cmp(other),
        (Value::Float(one), Value::Float(other)) => one.total_cmp(other),
        (Value::Text(one), Value::Text(other)) => one.cmp(other),
        (Value::Bytes(one), Value::Bytes(other)) => one.cmp(other),
        (Value::List(one), Value::List(other)) => compare_in_turn(
            one.iter()
                .zip(other)
                .map(|(one, other)| compare_values(one, other)),
        )
        .then(one.len().cmp(&other.len())),
        (Value::Map(one), Value::Map(other)) => {
            let pairs = one.iter().zip(other);
            let entries =
                pairs.map(|(one, other)| one.0.cmp(other.0).then_with(|| compare_values(one.1, other.1)));
            compare_in_turn(entries).then(one.len().cmp(&other.len()))
        }
        _ => kind(one).cmp(&kind(other)),
    }
}

fn compare_in_turn(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) => 2,
        Value::Float(_) => 3,
        Value::Text(_) => 4,
        Value::Bytes(_) => 5,
        Value::List(_) => 6,
        Value::Map(_) => 7,
    }
}
