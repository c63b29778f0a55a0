//! A change of volatile fields alone is no change, in either direction; they travel with a change of another field.

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::{FieldDescriptor, ModelDescriptor},
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, OutboxSeq},
    merge::{Outbound, Pending, RowState, inbound, outbound},
    repository::Remote,
    scope::Belongs,
    value::Value,
};
use proptest::prelude::*;

static MODEL: ModelDescriptor = ModelDescriptor::new(
    "Till",
    "tills",
    "tills",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[
        FieldDescriptor::of::<Option<i64>>("drawer", "drawer", "drawer"),
        FieldDescriptor::of::<Option<i64>>("seen", "seen", "seen").volatile(),
        FieldDescriptor::of::<i64>("sales", "sales", "sales").counter(),
        FieldDescriptor::of::<Option<i64>>("heard", "heard", "heard").volatile(),
    ],
);
const VOLATILE: [usize; 2] = [1, 3];

/// Few values, so that fields agree as often as not.
fn any_image() -> impl Strategy<Value = Image> {
    prop::array::uniform4(0..3_i64).prop_map(|numbers| Image::new(numbers.map(ColumnValue::Integer).into()))
}

/// `image` with the volatile fields of `other`.
fn seen_as(image: &Image, other: &Image) -> Image {
    let mut seen = image.clone();
    for at in VOLATILE {
        seen.columns_mut()[at] = other[at].clone();
    }
    seen
}

fn dirty(row: &Image, base: &Image) -> RowState {
    RowState {
        row: Some(row.clone()),
        pending: Some(Pending {
            base: Some(base.clone()),
            inserted: false,
            last: OutboxSeq(0),
        }),
        known: Some(ContentHash::of(&MODEL, base)),
    }
}

fn remote(image: &Image) -> Remote {
    Remote {
        image: image.clone(),
        hash: ContentHash::of(&MODEL, image),
        belongs: Belongs::Here,
        declined: false,
    }
}

fn id() -> DocumentId {
    DocumentId::text("t").unwrap()
}

proptest! {
    #[test]
    fn a_change_of_volatile_fields_alone_is_not_sent(base in any_image(), other in any_image()) {
        let row = seen_as(&base, &other);
        prop_assert_eq!(outbound(&MODEL, &id(), dirty(&row, &base)).unwrap(), Outbound::Drop(Some(row)));
    }

    #[test]
    fn with_another_change_every_volatile_field_is_sent_as_it_is(base in any_image(), row in any_image()) {
        prop_assume!(seen_as(&row, &base) != base);
        let Outbound::Send(operation) = outbound(&MODEL, &id(), dirty(&row, &base)).unwrap() else {
            panic!("a change is sent")
        };
        let Action::Patch { set, .. } = &operation.action else { panic!("an update is a patch") };
        for at in VOLATILE {
            let field = &MODEL.fields()[at];
            let sent = set.iter().find(|(name, _)| name == field.document_name()).map(|(_, value)| value);
            let ColumnValue::Integer(number) = row[at] else { panic!("an integer") };
            prop_assert_eq!(sent, Some(&Value::Int(number)));
        }
        prop_assert_eq!(set.iter().any(|(name, _)| name == "drawer"), row[0] != base[0]);
        prop_assert_eq!(operation.record.sent, Some(ContentHash::of(&MODEL, &row)));
    }

    #[test]
    fn a_document_that_differs_in_volatile_fields_alone_changes_nothing(
        base in any_image(), row in any_image(), other in any_image()
    ) {
        let remote = remote(&seen_as(&base, &other));
        let clean = RowState { row: Some(base.clone()), pending: None, known: Some(ContentHash::of(&MODEL, &base)) };
        for state in [clean, dirty(&row, &base)] {
            prop_assert!(inbound(&MODEL, &id(), &state, Some(&remote)).is_nothing());
        }
    }

    #[test]
    fn volatile_fields_are_in_no_conflict(base in any_image(), row in any_image(), document in any_image(), known in any::<bool>()) {
        let mut state = dirty(&row, &base);
        if !known {
            state = RowState { row: state.row, ..RowState::default() };
        }
        for remote in [None, Some(remote(&document))] {
            let conflict = inbound(&MODEL, &id(), &state, remote.as_ref()).conflict;
            let named = conflict.iter().flat_map(|conflict| &conflict.fields).map(|field| field.field);
            prop_assert!(named.into_iter().all(|name| name != "seen" && name != "heard"));
        }
    }
}
