//! Values: equality, validity, and the round trip through postcard, which intents and inboxes rely on.

use std::collections::BTreeMap;

use ditto_sync_core::value::{MAX_DEPTH, Value, ValueError};
use proptest::prelude::*;

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    scalar.prop_recursive(4, 32, 6, |item| {
        prop_oneof![
            prop::collection::vec(item.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), item, 0..6).prop_map(Value::Map),
        ]
    })
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Int(1), |inner, level| {
        if level % 2 == 0 {
            Value::List(vec![inner])
        } else {
            Value::Map(BTreeMap::from([("k".into(), inner)]))
        }
    })
}

#[test]
fn a_value_round_trips_through_postcard() {
    proptest!(|(value in any_value())| {
        let bytes = postcard::to_allocvec(&value).unwrap();
        let back: Value = postcard::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &value);
        // Equality takes two zeros for one; the bytes show that the very value came back.
        prop_assert_eq!(postcard::to_allocvec(&back).unwrap(), bytes);
    });
}

#[test]
fn equality_is_an_equivalence() {
    proptest!(|(a in any_value(), b in any_value())| {
        prop_assert_eq!(&a, &a);
        prop_assert_eq!(a == b, b == a);
    });
    assert_eq!(Value::Float(f64::NAN), Value::Float(-f64::NAN));
    assert_eq!(Value::Float(-0.0), Value::Float(0.0));
}

#[test]
fn values_of_different_kinds_are_different() {
    let kinds = [
        Value::Null,
        Value::Bool(true),
        Value::Int(1),
        Value::Float(1.0),
        Value::Text("1".into()),
        Value::Bytes(b"1".to_vec()),
        Value::List(vec![]),
        Value::Map(BTreeMap::new()),
    ];
    for (at, a) in kinds.iter().enumerate() {
        for (other, b) in kinds.iter().enumerate() {
            assert_eq!(a == b, at == other, "{a:?} and {b:?}");
        }
    }
}

#[test]
fn only_finite_floats_are_valid_wherever_they_are() {
    proptest!(|(float: f64)| {
        let value = Value::Map([("list".into(), Value::List(vec![Value::Float(float)]))].into());
        prop_assert_eq!(value.validate().is_ok(), float.is_finite());
    });
    assert_eq!(
        Value::Float(f64::INFINITY).validate(),
        Err(ValueError::NotFinite(f64::INFINITY))
    );
}

#[test]
fn nesting_is_valid_up_to_the_bound() {
    assert_eq!(nested(MAX_DEPTH).validate(), Ok(()));
    assert_eq!(nested(MAX_DEPTH + 1).validate(), Err(ValueError::TooDeep));
}
