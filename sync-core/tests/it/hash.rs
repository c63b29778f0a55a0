//! Hashes: equal exactly where canonical images are equal, and independent of how the fields are declared.

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::{FieldDescriptor, ModelDescriptor},
    hash::{ContentHash, IdHash},
    id::{DocumentId, IdPart},
    value::Value,
};
use proptest::prelude::*;

const ID: &[FieldDescriptor] = &[FieldDescriptor::of::<String>("id", "id", "id")];
static MODEL: ModelDescriptor = ModelDescriptor::new(
    "Sample",
    "samples",
    "samples",
    ID,
    &[
        FieldDescriptor::of::<Value>("a", "a", "a"),
        FieldDescriptor::of::<Value>("b", "b", "b"),
        FieldDescriptor::of::<Value>("c", "c", "c"),
    ],
);
/// The same fields in another order, under other Rust names and columns, with one more that is volatile.
static REORDERED: ModelDescriptor = ModelDescriptor::new(
    "Reordered",
    "samples",
    "other",
    ID,
    &[
        FieldDescriptor::of::<Value>("third", "c", "column_c"),
        FieldDescriptor::of::<Value>("seen", "seen", "seen").volatile(),
        FieldDescriptor::of::<Value>("first", "a", "column_a"),
        FieldDescriptor::of::<Value>("second", "b", "column_b"),
    ],
);

/// Few values of each class, so that equal ones meet, and the texts that concatenation would confuse.
fn any_column() -> impl Strategy<Value = ColumnValue> {
    prop_oneof![
        Just(ColumnValue::Null),
        (-2..2_i64).prop_map(ColumnValue::Integer),
        any::<i64>().prop_map(ColumnValue::Integer),
        prop_oneof![Just(0.0), Just(-0.0), Just(1.0), Just(f64::NAN), any::<f64>()]
            .prop_map(ColumnValue::Real),
        "[ab]{0,2}".prop_map(ColumnValue::Text),
        "[ab]{0,2}".prop_map(|text| ColumnValue::Blob(text.into_bytes())),
    ]
}

fn any_image() -> impl Strategy<Value = [ColumnValue; 3]> {
    [any_column(), any_column(), any_column()]
}

fn hash(model: &ModelDescriptor, columns: impl Into<Vec<ColumnValue>>) -> ContentHash {
    ContentHash::of(model, &Image::new(columns.into()))
}

#[test]
fn hashes_are_equal_exactly_where_images_are() {
    proptest!(ProptestConfig::with_cases(5_000), |(a in any_image(), b in any_image())| {
        prop_assert_eq!(hash(&MODEL, a.clone()) == hash(&MODEL, b.clone()), a == b);
        prop_assert_eq!(hash(&MODEL, a.clone()), hash(&MODEL, a));
    });
}

#[test]
fn neighbouring_columns_are_not_confused() {
    proptest!(|(image in any_image())| {
        let [a, b, c] = image;
        let turned = [b.clone(), c.clone(), a.clone()];
        let image = [a, b, c];
        prop_assert_eq!(hash(&MODEL, image.clone()) == hash(&MODEL, turned.clone()), image == turned);
    });
    let text = |text: &str| ColumnValue::Text(text.into());
    assert_ne!(
        hash(&MODEL, [text("ab"), text(""), text("c")]),
        hash(&MODEL, [text("a"), text("b"), text("c")])
    );
}

#[test]
fn the_order_of_declaration_does_not_change_a_hash() {
    proptest!(|(image in any_image(), seen in any_column())| {
        let [a, b, c] = image;
        let reordered = [c.clone(), seen, a.clone(), b.clone()];
        prop_assert_eq!(hash(&REORDERED, reordered), hash(&MODEL, [a, b, c]));
    });
}

#[test]
fn an_image_and_its_document_have_one_hash() {
    let id = DocumentId::text("x").unwrap();
    proptest!(|(image in any_image())| {
        let image = Image::new(image.to_vec());
        // A document holds no NaN, and a column of SQLite neither.
        prop_assume!(!image.columns().iter().any(|column| matches!(column, ColumnValue::Real(real) if !real.is_finite())));
        let document = MODEL.document_of(&id, &image).unwrap();
        prop_assert_eq!(MODEL.hash_of(Some(&document)).unwrap(), Some(ContentHash::of(&MODEL, &image)));
    });
}

#[test]
fn an_absent_document_and_a_husk_have_no_hash() {
    let mut document = MODEL
        .document_of(
            &DocumentId::text("x").unwrap(),
            &Image::new(vec![ColumnValue::Null; 3]),
        )
        .unwrap();
    assert!(MODEL.hash_of(Some(&document)).unwrap().is_some());
    document.set("id", Value::Null);
    assert_eq!(MODEL.hash_of(Some(&document)), Ok(None));
    document.remove("id");
    assert_eq!(MODEL.hash_of(Some(&document)), Ok(None));
    assert_eq!(MODEL.hash_of(None), Ok(None));
}

#[test]
fn ids_have_equal_hashes_exactly_where_they_are_equal() {
    let part = || {
        prop_oneof![
            (0..3_i64).prop_map(IdPart::Integer),
            "[ab]{1,2}".prop_map(|text| IdPart::Text(text.into())),
        ]
    };
    let parts =
        || prop::collection::vec(part(), 1..3).prop_map(|parts| DocumentId::from_parts(parts).unwrap());
    proptest!(ProptestConfig::with_cases(2_000), |(a in parts(), b in parts())| {
        prop_assert_eq!(IdHash::of(&a) == IdHash::of(&b), a == b);
    });
}

#[test]
fn a_hash_round_trips_through_its_bytes() {
    proptest!(|(bytes: [u8; 16])| {
        prop_assert_eq!(ContentHash::from_bytes(bytes).to_bytes(), bytes);
        prop_assert_eq!(IdHash::from_bytes(bytes).to_bytes(), bytes);
    });
}

/// The bytes that are hashed are a durable format: a change here needs a new `HASH_FORMAT`.
#[test]
fn the_hash_format_has_not_changed() {
    let image = [
        ColumnValue::Integer(-7),
        ColumnValue::Real(-0.0),
        ColumnValue::Text("é".into()),
    ];
    assert_eq!(
        u128::from_be_bytes(hash(&MODEL, image).to_bytes()),
        172928377680999943116256628975574832645
    );
    let id = DocumentId::from_parts(vec![IdPart::Integer(5), IdPart::Text("x".into())]).unwrap();
    assert_eq!(
        u128::from_be_bytes(IdHash::of(&id).to_bytes()),
        303370643581662062293634792526880342573
    );
}
