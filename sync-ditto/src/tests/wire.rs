//! Values there and back.

use std::collections::BTreeMap;

use ditto_sync_core::{
    document::{Document, FieldName},
    id::DocumentId,
    value::Value,
};
use proptest::prelude::*;

use super::{composite, text_id};
use crate::wire::{Incoming, IncomingDocument, Outgoing, OutgoingDocument, id_of};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>()
            .prop_filter("finite", |float| float.is_finite())
            .prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_comes_back_as_it_went(value in any_value()) {
        let mut cbor = Vec::new();
        ciborium::into_writer(&Outgoing(&value), &mut cbor).unwrap();
        let Incoming(found) = ciborium::from_reader(&cbor[..]).unwrap();
        prop_assert_eq!(found, value);
    }
}

#[test]
fn a_document_comes_back_with_its_id_beside_it() {
    for id in [
        text_id("a\0 😀"),
        DocumentId::integer(i64::MIN),
        composite("o", 1),
    ] {
        let (name, value) = (FieldName::new("price"), Value::Float(-0.0));
        let document = OutgoingDocument {
            id: &id,
            fields: vec![(&name, &value)],
        };
        let mut cbor = Vec::new();
        ciborium::into_writer(&document, &mut cbor).unwrap();
        let found: IncomingDocument = ciborium::from_reader(&cbor[..]).unwrap();
        let wanted = IncomingDocument {
            id: Some(id),
            document: Document::from_iter([(name, value)]),
        };
        assert_eq!(found, wanted);
    }
}

#[test]
fn ids_that_no_row_can_have_are_none() {
    let list = |values: Vec<Value>| Value::List(values);
    for value in [
        Value::Bool(true),
        Value::Map(BTreeMap::new()),
        "".into(),
        list(vec!["a".into()]),
        list(vec![]),
        list(vec![list(vec!["a".into()]), Value::Int(1)]),
        Value::Text("x".repeat(241)),
    ] {
        assert_eq!(id_of(value.clone()), None, "{value:?}");
    }
}

#[test]
fn an_integer_beyond_ours_is_no_integer() {
    let mut cbor = Vec::new();
    ciborium::into_writer(&u64::MAX, &mut cbor).unwrap();
    let Incoming(found) = ciborium::from_reader(&cbor[..]).unwrap();
    assert!(
        matches!(found, Value::Float(float) if float > 1.8e19),
        "{found:?}"
    );
}
