//! What a model's descriptor makes of rows, documents and ids.

use chrono::{DateTime, Utc};
use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::{FieldDescriptor, ModelDescriptor, RowError},
    document::Document,
    field::{FieldError, Storage},
    hash::ContentHash,
    id::{DocumentId, IdError, IdPart},
    repository::{InboundItem, Incoming},
    scope::Scopes,
    value::Value,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::query_samples::{MODEL as SAMPLES, any_document, any_row};

const UUID: &str = "0189d9c2-7e5a-7c3b-9d5e-2f4a6b8c0d1e";

static MODEL: ModelDescriptor = ModelDescriptor::new(
    "Line",
    "lines",
    "lines",
    &[
        FieldDescriptor::of::<Uuid>("order", "order", "order_id"),
        FieldDescriptor::of::<i32>("position", "position", "position"),
    ],
    &[
        FieldDescriptor::of::<i64>("quantity", "quantity", "quantity").default_value(|| Value::Int(1)),
        FieldDescriptor::of::<Option<DateTime<Utc>>>("sold", "soldAt", "sold_at").storage(Storage::Integer),
        FieldDescriptor::of::<String>("name", "name", "name"),
    ],
);

fn id() -> DocumentId {
    DocumentId::from_parts(vec![IdPart::Text(UUID.into()), IdPart::Integer(3)]).unwrap()
}

fn columns_of_id() -> Vec<ColumnValue> {
    vec![
        ColumnValue::Blob(Uuid::parse_str(UUID).unwrap().into_bytes().to_vec()),
        ColumnValue::Integer(3),
    ]
}

#[test]
fn a_canonical_row_comes_back_from_its_document() {
    proptest!(|(row in any_row())| {
        let image = Image::new(row[1..].to_vec());
        let Ok(canonical) = SAMPLES.canonical(image) else { return Ok(()) };
        prop_assert_eq!(SAMPLES.canonical(canonical.clone()), Ok(canonical.clone()), "canonical twice is canonical");
        let id = SAMPLES.id_from_columns(&row[..1]).unwrap();
        prop_assert_eq!(SAMPLES.id_to_columns(&id).unwrap(), &row[..1]);
        let document = SAMPLES.document_of(&id, &canonical).unwrap();
        prop_assert!(!SAMPLES.is_husk(&document));
        prop_assert_eq!(SAMPLES.image_of(&document), Ok(canonical));
    });
}

#[test]
fn what_is_read_from_any_document_is_canonical() {
    proptest!(|(document in any_document())| {
        if let Ok(image) = SAMPLES.image_of(&document) {
            prop_assert_eq!(SAMPLES.canonical(image.clone()), Ok(image));
        }
    });
}

#[test]
fn a_document_that_is_taken_in_is_the_row_that_it_stands_for_and_one_that_is_none_stays_whole() {
    proptest!(|(document in any_document())| {
        let id = DocumentId::integer(1);
        let item = InboundItem::new(&SAMPLES, id, Some(document.clone()), &Scopes::default());
        match (item.incoming, SAMPLES.image_of(&document)) {
            (Incoming::Absent, _) => prop_assert!(SAMPLES.is_husk(&document)),
            (Incoming::Present(remote), Ok(image)) => {
                prop_assert_eq!(remote.hash, ContentHash::of(&SAMPLES, &image));
                prop_assert_eq!(remote.image, image);
            }
            (Incoming::Unreadable { document: kept, reason, .. }, Err(expected)) => {
                prop_assert_eq!(kept, document);
                prop_assert_eq!(reason, expected);
            }
            (incoming, image) => prop_assert!(false, "{incoming:?} but {image:?}"),
        }
    });
}

#[test]
fn a_document_has_the_id_fields_the_anchor_and_all_fields() {
    let image = Image::new(vec![
        ColumnValue::Integer(2),
        ColumnValue::Integer(1_700_000_000),
        ColumnValue::Text("tea".into()),
    ]);
    let expected: Document = [
        ("id", Value::List(vec![UUID.into(), 3.into()])),
        ("order", UUID.into()),
        ("position", 3.into()),
        ("quantity", 2.into()),
        ("soldAt", "2023-11-14T22:13:20Z".into()),
        ("name", "tea".into()),
    ]
    .into_iter()
    .collect();
    assert_eq!(MODEL.document_of(&id(), &image), Ok(expected));
}

#[test]
fn the_anchor_is_there_whether_it_is_the_id_field_or_not() {
    static OF_ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("key", "key", "key")];
    let document = |anchor: Option<&'static str>| {
        let model = ModelDescriptor::new("Note", "notes", "notes", &OF_ID, &[]).with_anchor(anchor);
        model
            .document_of(&DocumentId::text("n1").unwrap(), &Image::default())
            .unwrap()
    };
    let of = |names: &[&'static str]| -> Document { names.iter().map(|name| (*name, "n1")).collect() };
    assert_eq!(document(None), of(&["key"]));
    assert_eq!(document(Some("key")), of(&["key"]));
    assert_eq!(document(Some("id")), of(&["key", "id"]));
}

#[test]
fn an_id_made_from_a_text_is_the_one_made_from_its_column() {
    static TEXT: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
    static UUIDS: [FieldDescriptor; 1] =
        [FieldDescriptor::of::<Uuid>("id", "id", "id").storage(Storage::Text)];
    let [text, uuid] =
        [&TEXT, &UUIDS].map(|of_id| ModelDescriptor::new("Note", "notes", "notes", of_id, &[]));
    proptest!(|(id in prop_oneof!["\\PC{0,40}", "x{238,243}", Just(UUID.to_owned())])| {
        let column = [ColumnValue::Text(id.clone())];
        prop_assert_eq!(text.id_from_text(&id), text.id_from_columns(&column).ok());
        // These take a conversion, as do several columns.
        prop_assert_eq!(uuid.id_from_text(&id), None);
        prop_assert_eq!(MODEL.id_from_text(&id), None);
    });
}

#[test]
fn a_missing_field_is_its_default_or_null_or_an_error_that_names_it() {
    let named: Document = [("name", "tea")].into_iter().collect();
    let image = Image::new(vec![
        ColumnValue::Integer(1),
        ColumnValue::Null,
        ColumnValue::Text("tea".into()),
    ]);
    assert_eq!(MODEL.image_of(&named), Ok(image.clone()));
    let mut with_null = named;
    with_null.set("quantity", Value::Null);
    assert_eq!(MODEL.image_of(&with_null), Ok(image), "null cannot be a quantity");
    let error = MODEL.image_of(&Document::new()).unwrap_err();
    assert_eq!(
        error,
        RowError::Field {
            field: "name",
            reason: FieldError::Missing
        }
    );
}

#[test]
fn a_composite_id_goes_through_its_columns() {
    assert_eq!(MODEL.id_to_columns(&id()), Ok(columns_of_id()));
    assert_eq!(MODEL.id_from_columns(&columns_of_id()), Ok(id()));
}

#[test]
fn room_for_id_columns_is_used_again() {
    let text = |text: &str| ColumnValue::Text(text.to_owned());
    let mut columns = columns_of_id();
    for name in ["first", "the second and longer one", "x"] {
        let id = DocumentId::text(name).unwrap();
        SAMPLES.put_id_columns(&id, &mut columns).unwrap();
        assert_eq!(columns, [text(name)]);
    }
    MODEL.put_id_columns(&id(), &mut columns).unwrap();
    assert_eq!(columns, columns_of_id());
    assert!(
        SAMPLES
            .put_id_columns(&DocumentId::integer(3), &mut columns)
            .is_err()
    );
    SAMPLES
        .put_id_columns(&DocumentId::text("after an error").unwrap(), &mut columns)
        .unwrap();
    assert_eq!(columns, [text("after an error")]);
}

#[test]
fn the_anchor_is_found_wherever_it_stands() {
    let names = prop::sample::subsequence(vec!["_rev", "a", "id", "ia", "name", "z"], 0..=6);
    proptest!(|(names in names, null in any::<bool>())| {
        let id = if null { Value::Null } else { Value::Int(1) };
        let fields = names.iter().map(|name| (*name, if *name == "id" { id.clone() } else { Value::Int(2) }));
        let document: Document = fields.collect();
        let absent = null || !names.contains(&"id");
        prop_assert_eq!(SAMPLES.is_husk(&document), absent);
    });
}

#[test]
fn an_id_in_another_spelling_is_refused() {
    let capitals =
        DocumentId::from_parts(vec![IdPart::Text(UUID.to_uppercase().into()), IdPart::Integer(3)]).unwrap();
    let error = MODEL.id_to_columns(&capitals).unwrap_err();
    assert!(matches!(error, RowError::Field { field: "order", .. }), "{error}");
}

#[test]
fn an_id_of_another_shape_is_refused() {
    let error = MODEL.id_to_columns(&DocumentId::integer(3)).unwrap_err();
    assert_eq!(
        error,
        RowError::IdParts {
            expected: 2,
            found: 1
        }
    );
    let swapped = DocumentId::from_parts(vec![IdPart::Integer(3), IdPart::Text(UUID.into())]).unwrap();
    assert!(matches!(
        MODEL.id_to_columns(&swapped),
        Err(RowError::Field { field: "order", .. })
    ));
    let error = SAMPLES
        .id_from_columns(&[ColumnValue::Text(String::new())])
        .unwrap_err();
    assert_eq!(error, RowError::Id(IdError::Empty));
}

#[test]
fn a_value_that_no_store_takes_is_refused_by_name() {
    static FLOAT: ModelDescriptor = ModelDescriptor::new(
        "Float",
        "floats",
        "floats",
        &[FieldDescriptor::of::<i64>("id", "id", "id")],
        &[FieldDescriptor::of::<f64>("ratio", "ratio", "ratio")],
    );
    let image = Image::new(vec![ColumnValue::Real(f64::INFINITY)]);
    let error = FLOAT.document_of(&DocumentId::integer(1), &image).unwrap_err();
    assert_eq!(
        error.to_string(),
        "field `ratio`: a float must be finite, found inf"
    );
}
