//! Rows whose base is unknown: a change that no trigger saw (outbox kind `X`) meets its document.

use proptest::prelude::*;

use super::*;
use crate::{
    descriptor::FieldDescriptor,
    intent::{Action, Expect, OutboxSeq},
    merge::{Outbound, outbound},
};

static MODEL: ModelDescriptor = ModelDescriptor::new(
    "Till",
    "tills",
    "tills",
    &[FieldDescriptor::of::<String>("id", "id", "id")],
    &[
        FieldDescriptor::of::<Option<i64>>("drawer", "drawer", "drawer"),
        FieldDescriptor::of::<i64>("sales", "sales", "sales").counter(),
        FieldDescriptor::of::<Option<i64>>("seen", "seen", "seen").volatile(),
        FieldDescriptor::of::<i64>("floor", "floor", "floor"),
        FieldDescriptor::of::<i64>("returns", "returns", "returns").counter(),
    ],
);
const COUNTERS: [usize; 2] = [1, 4];
const VOLATILE: usize = 2;

/// Few values, so that fields agree as often as not.
fn any_image() -> impl Strategy<Value = Image> {
    (
        prop::option::of(0..2_i64),
        0..3_i64,
        prop::option::of(0..2_i64),
        0..3_i64,
        0..3_i64,
    )
        .prop_map(|(drawer, sales, seen, floor, returns)| {
            let nullable = |value: Option<i64>| value.map_or(ColumnValue::Null, ColumnValue::Integer);
            Image::new(vec![
                nullable(drawer),
                ColumnValue::Integer(sales),
                nullable(seen),
                ColumnValue::Integer(floor),
                ColumnValue::Integer(returns),
            ])
        })
}

fn id() -> DocumentId {
    DocumentId::text("t").expect("a valid id")
}

fn hash(image: &Image) -> ContentHash {
    ContentHash::of(&MODEL, image)
}

fn remote(image: &Image) -> Remote {
    Remote {
        image: image.clone(),
        hash: hash(image),
        belongs: Belongs::Here,
        declined: false,
    }
}

/// A row that changed unseen after it had agreed on `agreed`; `None`: it is gone.
fn missed(row: Option<&Image>, agreed: &Image) -> RowState {
    RowState {
        row: row.cloned(),
        pending: Some(Pending {
            base: None,
            inserted: false,
            last: OutboxSeq(7),
        }),
        known: Some(hash(agreed)),
    }
}

/// The state after a decision.
fn after(state: &RowState, decision: &Inbound) -> RowState {
    let row = match &decision.row {
        RowChange::Keep => state.row.clone(),
        RowChange::Put(image) => Some(image.clone()),
        RowChange::Delete | RowChange::Leave => None,
    };
    let pending = match &decision.entries {
        EntriesChange::Keep => state.pending.clone(),
        EntriesChange::Drop => None,
        EntriesChange::Rebase(base) => state.pending.clone().map(|pending| Pending {
            base: base.clone(),
            ..pending
        }),
    };
    let known = match decision.known {
        KnownChange::Keep => state.known,
        KnownChange::Set(hash) => Some(hash),
        KnownChange::Forget => None,
    };
    RowState { row, pending, known }
}

fn reported(decision: &Inbound) -> Vec<&'static str> {
    let fields = decision.conflict.iter().flat_map(|conflict| &conflict.fields);
    fields.map(|field| field.field).collect()
}

/// The fields in which the two differ, volatile ones left out.
fn differing(one: &Image, other: &Image) -> Vec<&'static str> {
    let fields = MODEL.fields().iter().enumerate();
    fields
        .filter(|(at, field)| !field.is_volatile() && one[*at] != other[*at])
        .map(|(_, field)| field.document_name())
        .collect()
}

proptest! {
    #[test]
    fn a_document_of_the_known_hash_is_the_base_of_a_missed_change(row in any_image(), agreed in any_image()) {
        let state = missed(Some(&row), &agreed);
        let decision = inbound(&MODEL, &id(), &state, Some(&remote(&agreed)));
        let expected = Inbound { entries: EntriesChange::Rebase(Some(agreed.clone())), ..Inbound::default() };
        prop_assert_eq!(&decision, &expected, "neither the row nor what is known changes, and nothing is reported");
        // The change goes out as the patch it was, increments included.
        match outbound(&MODEL, &id(), after(&state, &decision)).expect("it can be sent") {
            Outbound::Drop(_) => prop_assert!(differing(&row, &agreed).is_empty()),
            Outbound::Send(operation) => {
                prop_assert_eq!(&operation.expect, &Expect::Hash(hash(&agreed)));
                let Action::Patch { set, increments } = &operation.action else { panic!("an update is a patch") };
                let named = set.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "seen");
                let mut sent: Vec<_> = named.chain(increments.iter().map(|(name, _)| name.as_str())).collect();
                let mut expected = differing(&row, &agreed);
                sent.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(sent, expected);
            }
            Outbound::Nothing | Outbound::Local => prop_assert!(false, "it is dirty, and no scope keeps it here"),
        }
    }

    #[test]
    fn two_changes_from_an_unknown_base_keep_the_row_and_the_counters_of_the_store(
        row in any_image(), agreed in any_image(), document in any_image()
    ) {
        prop_assume!(hash(&document) != hash(&agreed));
        let state = missed(Some(&row), &agreed);
        let decision = inbound(&MODEL, &id(), &state, Some(&remote(&document)));
        let merged = after(&state, &decision);
        let now = merged.row.clone().expect("the row stays");
        for at in 0..MODEL.fields().len() {
            let expected = if COUNTERS.contains(&at) { &document[at] } else { &row[at] };
            prop_assert_eq!(&now[at], expected, "field {}", at);
        }
        // Whatever differs is told, with both values: a user decides what nobody else can.
        prop_assert_eq!(reported(&decision), differing(&row, &document));
        if let Some(conflict) = &decision.conflict {
            prop_assert_eq!(conflict.kind, ConflictKind::LocalKept);
            for field in &conflict.fields {
                prop_assert!(field.local.is_some() && field.remote.is_some() && field.local != field.remote);
            }
        }
        prop_assert_eq!(merged.known, Some(hash(&document)), "from now on the document is the base");
        let dirty = now.columns().iter().zip(document.columns()).enumerate().any(|(at, (one, other))| at != VOLATILE && one != other);
        prop_assert_eq!(merged.pending.is_some(), dirty);
        prop_assert!(merged.pending.is_none_or(|pending| pending.base == Some(document.clone())));
    }

    #[test]
    fn after_two_ways_only_registers_are_sent_and_the_same_document_is_no_news(
        row in any_image(), agreed in any_image(), document in any_image()
    ) {
        prop_assume!(hash(&document) != hash(&agreed));
        let state = missed(Some(&row), &agreed);
        let merged = after(&state, &inbound(&MODEL, &id(), &state, Some(&remote(&document))));
        prop_assert!(inbound(&MODEL, &id(), &merged, Some(&remote(&document))).is_nothing());
        if let Outbound::Send(operation) = outbound(&MODEL, &id(), merged).expect("it can be sent") {
            let Action::Patch { increments, .. } = &operation.action else { panic!("an update is a patch") };
            prop_assert!(increments.is_empty(), "an increment that nobody saw may be in the store already");
        }
    }

    #[test]
    fn a_delete_wins_over_a_missed_change_and_tells_all_it_held(row in any_image(), agreed in any_image()) {
        let state = missed(Some(&row), &agreed);
        let decision = inbound(&MODEL, &id(), &state, None);
        prop_assert_eq!(&decision.row, &RowChange::Delete);
        prop_assert_eq!(&decision.entries, &EntriesChange::Drop);
        prop_assert_eq!(decision.known, KnownChange::Forget);
        // Which of them had changed nobody knows.
        prop_assert_eq!(reported(&decision), ["drawer", "sales", "floor", "returns"]);
        prop_assert_eq!(decision.conflict.map(|conflict| conflict.kind), Some(ConflictKind::LocalDroppedByDelete));
    }

    #[test]
    fn a_row_that_went_unseen_deletes_its_document_and_tells_what_it_erases(agreed in any_image(), document in any_image()) {
        let state = missed(None, &agreed);
        let decision = inbound(&MODEL, &id(), &state, Some(&remote(&document)));
        prop_assert_eq!(&decision.entries, &EntriesChange::Rebase(Some(document.clone())));
        prop_assert_eq!(decision.conflict.is_some(), hash(&document) != hash(&agreed));
        if let Some(conflict) = &decision.conflict {
            prop_assert_eq!(conflict.kind, ConflictKind::RemoteErasedByDelete);
        }
        let Outbound::Send(operation) = outbound(&MODEL, &id(), after(&state, &decision)).expect("it can be sent") else {
            panic!("the delete is sent");
        };
        prop_assert_eq!(&operation.action, &Action::Delete);
        prop_assert_eq!(&operation.expect, &Expect::Hash(hash(&document)));
    }

    #[test]
    fn a_missed_change_that_the_scope_shuts_out_leaves_when_it_is_what_the_document_says(
        row in any_image(), agreed in any_image()
    ) {
        prop_assume!(hash(&row) != hash(&agreed));
        let outside = Remote { belongs: Belongs::Elsewhere, ..remote(&row) };
        let decision = inbound(&MODEL, &id(), &missed(Some(&row), &agreed), Some(&outside));
        prop_assert_eq!(&decision.row, &RowChange::Leave);
        prop_assert_eq!(decision.known, KnownChange::Forget);
        prop_assert_eq!(&decision.entries, &EntriesChange::Drop);
    }
}
