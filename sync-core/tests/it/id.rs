//! Ids: always within bounds, however they are made.

use ditto_sync_core::{
    id::{DocumentId, IdError, IdPart, MAX_ID_BYTES, MAX_ID_PARTS},
    value::Value,
};
use proptest::prelude::*;

fn any_part() -> impl Strategy<Value = IdPart> {
    prop_oneof![
        any::<i64>().prop_map(IdPart::Integer),
        "\\PC{0,40}".prop_map(|text| IdPart::Text(text.into())),
    ]
}

/// Parts within and outside of every bound.
fn any_parts() -> impl Strategy<Value = Vec<IdPart>> {
    prop_oneof![
        4 => prop::collection::vec(any_part(), 0..=MAX_ID_PARTS + 2),
        1 => (MAX_ID_BYTES - 4..MAX_ID_BYTES + 4).prop_map(|length| vec![IdPart::Text("x".repeat(length).into())]),
    ]
}

fn is_within_bounds(parts: &[IdPart]) -> bool {
    let size = |part: &IdPart| match part {
        IdPart::Integer(_) => 8,
        IdPart::Text(text) => text.len(),
    };
    (1..=MAX_ID_PARTS).contains(&parts.len())
        && parts.iter().all(|part| size(part) > 0)
        && parts.iter().map(size).sum::<usize>() <= MAX_ID_BYTES
}

#[test]
fn an_id_is_made_exactly_from_parts_within_bounds() {
    proptest!(|(parts in any_parts())| {
        let id = DocumentId::from_parts(parts.clone());
        prop_assert_eq!(id.is_ok(), is_within_bounds(&parts));
        if let Ok(id) = id {
            prop_assert_eq!(id.parts(), parts.as_slice());
        }
    });
}

#[test]
fn an_id_round_trips_and_bytes_out_of_bounds_are_refused() {
    proptest!(|(parts in any_parts())| {
        let bytes = postcard::to_allocvec(&parts).unwrap();
        match postcard::from_bytes::<DocumentId>(&bytes) {
            Ok(id) => {
                prop_assert_eq!(id.parts(), parts.as_slice());
                prop_assert_eq!(postcard::to_allocvec(&id).unwrap(), bytes);
            }
            Err(_) => prop_assert!(!is_within_bounds(&parts)),
        }
    });
}

#[test]
fn an_id_comes_back_from_its_document_value() {
    proptest!(|(parts in any_parts().prop_filter("within bounds", |parts| is_within_bounds(parts)))| {
        let id = DocumentId::from_parts(parts).unwrap();
        let values = match id.to_value() {
            Value::List(values) => values,
            single => vec![single],
        };
        prop_assert_eq!(DocumentId::from_values(values).unwrap(), id);
    });
}

#[test]
fn what_is_out_of_bounds_is_named() {
    assert_eq!(DocumentId::text(""), Err(IdError::Empty));
    assert_eq!(DocumentId::text("x".repeat(241)), Err(IdError::TooLong(241)));
    assert_eq!(DocumentId::from_parts(vec![]), Err(IdError::Parts(0)));
    assert_eq!(
        DocumentId::from_values(vec![Value::Float(1.0)]),
        Err(IdError::Kind("a float"))
    );
    assert_eq!(
        DocumentId::from_values(vec![Value::Null]),
        Err(IdError::Kind("null"))
    );
}

#[test]
fn text_is_counted_in_bytes() {
    assert!(DocumentId::text("é".repeat(120)).is_ok());
    assert_eq!(DocumentId::text("é".repeat(121)), Err(IdError::TooLong(242)));
}
