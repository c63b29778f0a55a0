//! What is sent of a row, and how it becomes unsent again after a store lost it.

use ditto_sync_core::{
    column::Image,
    descriptor::{FieldDescriptor, ModelDescriptor},
    hash::ContentHash,
    id::DocumentId,
    intent::{Action, Expect, Operation, OutboxSeq, Undo},
    merge::{Outbound, Pending, RowState, Unacknowledged, outbound, unacknowledge},
};
use proptest::prelude::*;

use crate::query_samples::{MODEL, any_row};

fn id() -> DocumentId {
    DocumentId::text("x").unwrap()
}

/// A row in its canonical form, of those that can be one.
fn any_image() -> impl Strategy<Value = Image> {
    any_row().prop_filter_map("no row of the model", |row| {
        MODEL.canonical(Image::new(row[1..].to_vec())).ok()
    })
}

fn dirty(row: Image, base: Option<Image>) -> RowState {
    RowState {
        row: Some(row),
        known: base.as_ref().map(|base| ContentHash::of(&MODEL, base)),
        pending: Some(Pending {
            inserted: base.is_none(),
            base,
            last: OutboxSeq(3),
        }),
    }
}

fn sent(state: RowState) -> Option<Operation> {
    match outbound(&MODEL, &id(), state) {
        Ok(Outbound::Send(operation)) => Some(*operation),
        _ => None,
    }
}

/// An image that nobody shares: what is sent is taken out of it.
fn own(image: &Image) -> Image {
    Image::new(image.columns().to_vec())
}

/// The same undo with the row beside the document, as it was held before.
fn with_row(mut operation: Operation, row: &Image) -> Operation {
    let Undo::Insert { sent, .. } = &mut operation.record.undo else {
        panic!("an insert");
    };
    assert_eq!(sent.replace(row.clone()), None, "the document holds it");
    operation
}

proptest! {
    #[test]
    fn an_insert_holds_its_row_once_and_is_taken_back_as_if_it_held_it_twice(
        row in any_image(), now in any_image(), base in any_image(), clean in any::<bool>()
    ) {
        let Some(operation) = sent(dirty(own(&row), None)) else { return Ok(()) };
        prop_assert_eq!(operation.expect, Expect::Absent);
        prop_assert_eq!(operation.record.sent, Some(ContentHash::of(&MODEL, &row)));
        let Action::Insert(document) = &operation.action else { panic!("a new row is inserted") };
        prop_assert_eq!(MODEL.image_of(document), Ok(row.clone()));
        let state = match clean {
            true => RowState { row: Some(now), pending: None, known: Some(ContentHash::of(&MODEL, &base)) },
            false => dirty(now, Some(base)),
        };
        let taken_back = unacknowledge(&operation, &state);
        let Unacknowledged::Pending { inserted, .. } = &taken_back else { panic!("it is unsent again") };
        prop_assert!(*inserted);
        prop_assert_eq!(&taken_back, &unacknowledge(&with_row(operation, &row), &state));
    }

    #[test]
    fn what_is_sent_does_not_depend_on_who_shares_the_row(row in any_image(), base in any_image(), new in any::<bool>()) {
        let base = (!new).then_some(base);
        let shared = outbound(&MODEL, &id(), dirty(row.clone(), base.clone()));
        let owned = outbound(&MODEL, &id(), dirty(own(&row), base.as_ref().map(own)));
        prop_assert_eq!(shared, owned);
    }

    #[test]
    fn a_patch_is_undone_to_the_values_before_it(row in any_image(), base in any_image()) {
        let Some(operation) = sent(dirty(own(&row), Some(own(&base)))) else { return Ok(()) };
        let Action::Patch { .. } = &operation.action else { panic!("an update is a patch") };
        let state = RowState { known: Some(ContentHash::of(&MODEL, &row)), row: Some(row), pending: None };
        let expected = Unacknowledged::Pending { base: Some(base), inserted: false, row: None };
        prop_assert_eq!(unacknowledge(&operation, &state), expected);
    }
}

#[test]
fn an_insert_of_what_the_model_takes_for_a_row_no_more_is_sent_anew() {
    static NOTES: ModelDescriptor = ModelDescriptor::new(
        "Note",
        "notes",
        "notes",
        &[FieldDescriptor::of::<String>("id", "id", "id")],
        &[FieldDescriptor::of::<String>("text", "text", "text")],
    );
    static CHANGED: ModelDescriptor = ModelDescriptor::new(
        "Note",
        "notes",
        "notes",
        &[FieldDescriptor::of::<String>("id", "id", "id")],
        &[FieldDescriptor::of::<i64>("text", "text", "text")],
    );
    let text = |text: &str| Image::new(vec![ditto_sync_core::column::ColumnValue::Text(text.to_owned())]);
    let Ok(Outbound::Send(mut operation)) = outbound(&NOTES, &id(), dirty(text("tea"), None)) else {
        panic!("a new row is sent");
    };
    let state = RowState {
        row: Some(text("coffee")),
        pending: None,
        known: operation.record.sent,
    };
    assert!(matches!(
        unacknowledge(&operation, &state),
        Unacknowledged::Pending { .. }
    ));
    operation.model = &CHANGED;
    assert_eq!(unacknowledge(&operation, &state), Unacknowledged::Forget);
}
