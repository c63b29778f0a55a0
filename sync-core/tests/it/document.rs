//! Documents behave as a sorted map of fields, whatever the order of writing.

use std::collections::BTreeMap;

use ditto_sync_core::{document::Document, value::Value};
use proptest::prelude::*;

use crate::value::any_value;

#[derive(Debug, Clone)]
enum Step {
    Set(String, Value),
    Remove(String),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => ("[a-e]{0,2}", any_value()).prop_map(|(name, value)| Step::Set(name, value)),
        1 => "[a-e]{0,2}".prop_map(Step::Remove),
    ]
}

#[test]
fn a_document_behaves_as_a_sorted_map() {
    proptest!(|(steps in prop::collection::vec(step(), 0..40))| {
        let mut document = Document::new();
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(name, value) => {
                    prop_assert_eq!(document.set(name.as_str(), value.clone()), model.insert(name, value));
                }
                Step::Remove(name) => prop_assert_eq!(document.remove(&name), model.remove(&name)),
            }
        }
        prop_assert_eq!(document.len(), model.len());
        prop_assert_eq!(document.is_empty(), model.is_empty());
        for name in ["", "a", "ab", "zz"] {
            prop_assert_eq!(document.get(name), model.get(name));
        }
        let fields: Vec<_> = document.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        prop_assert_eq!(fields, model.into_iter().collect::<Vec<_>>());
    });
}

#[test]
fn the_order_of_writing_makes_no_difference() {
    proptest!(|(fields in prop::collection::btree_map("[a-z]{1,3}", any_value(), 0..12), seed: u64)| {
        let sorted: Document = fields.clone().into_iter().collect();
        let mut shuffled: Vec<_> = fields.into_iter().collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let shuffled: Document = shuffled.into_iter().collect();
        prop_assert_eq!(&sorted, &shuffled);
        prop_assert_eq!(postcard::to_allocvec(&sorted).unwrap(), postcard::to_allocvec(&shuffled).unwrap());
    });
}

#[test]
fn a_document_round_trips_through_postcard() {
    proptest!(|(fields in prop::collection::btree_map(any::<String>(), any_value(), 0..8))| {
        let document: Document = fields.into_iter().collect();
        let bytes = postcard::to_allocvec(&document).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Document>(&bytes).unwrap(), document);
    });
}

#[test]
fn the_last_of_equal_names_wins() {
    let document: Document = [("a", 1), ("b", 2), ("a", 3)].into_iter().collect();
    assert_eq!(document.len(), 2);
    assert_eq!(document.get("a"), Some(&Value::Int(3)));
}

#[test]
fn bytes_out_of_order_or_with_a_name_twice_are_read_as_a_sound_document() {
    let unsound = vec![
        ("b".to_owned(), Value::Int(1)),
        ("a".into(), Value::Int(2)),
        ("b".into(), Value::Int(3)),
    ];
    let document: Document = postcard::from_bytes(&postcard::to_allocvec(&unsound).unwrap()).unwrap();
    assert_eq!(document.len(), 2);
    assert_eq!(document.get("a"), Some(&Value::Int(2)));
    assert_eq!(document.get("b"), Some(&Value::Int(3)));
}
