//! Cases: what each operation does to a document.

use std::collections::BTreeMap;

use ditto_sync_core::{
    document::Document,
    id::{DocumentId, IdPart},
    intent::{Action, Expect},
    store::{DocumentStore, StoreError, WriteOutcome},
    value::Value,
};

use super::{
    StoreFixture,
    session::{Session, fetch, field, increment, insert, open, operation, set, stock, text_id},
};
use crate::models::{ANYTHING, ORDER_LINE, READING};

/// Every kind of value, at its edges, comes back as it was written: to the bit, to the byte.
pub async fn an_insert_is_read_back_exactly<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "exact").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("everything");
    let mut document = Document::new();
    document.set("id", id.to_value());
    for (name, value) in edge_values() {
        document.set(name, value);
    }
    session
        .apply(&ANYTHING, &id, Action::Insert(document.clone()))
        .await;

    let found = fetch(&store, &ANYTHING, &id)
        .await
        .expect("an inserted document is there");
    assert_eq!(found, document, "a document comes back as it was written");
    let Some(Value::Float(zero)) = found.get("negativeZero") else {
        panic!("a float comes back as a float");
    };
    assert!(zero.is_sign_negative(), "-0.0 keeps its sign");
}

/// A patch writes its fields; fields it does not name, also those no model knows, stay.
pub async fn a_patch_touches_only_its_fields<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "patch").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    let mut document = stock(&id, "kigali-1", 10);
    document.set("fieldOfAnotherVersion", vec![Value::Int(1)]);
    session
        .apply(fixture.stock(), &id, Action::Insert(document.clone()))
        .await;
    session.apply(fixture.stock(), &id, set("note", "fragile")).await;
    session
        .apply(fixture.stock(), &id, set("product", Value::Null))
        .await;

    document.set("note", "fragile");
    document.set("product", Value::Null);
    assert_eq!(
        fetch(&store, fixture.stock(), &id).await,
        Some(document),
        "only the named fields changed"
    );
}

/// Increments add to a counter, up and down, beside registers in the same patch.
pub async fn increments_add_up<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "increments").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    for amount in [5, -20, 0, 1] {
        session.apply(fixture.stock(), &id, increment(amount)).await;
    }
    let both = Action::Patch {
        set: vec![("note".into(), "counted".into())],
        increments: vec![("quantity".into(), 100)],
    };
    session.apply(fixture.stock(), &id, both).await;

    let document = fetch(&store, fixture.stock(), &id)
        .await
        .expect("the stock is there");
    assert_eq!(
        document.get("quantity"),
        Some(&Value::Int(96)),
        "10 + 5 - 20 + 0 + 1 + 100"
    );
    assert_eq!(document.get("note"), Some(&"counted".into()));
}

/// A counter wraps like the difference that made the increment, so a row can go from one end of the integers to the other.
pub async fn increments_wrap_at_the_ends_of_an_integer<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "wrapping").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, i64::MAX)).await;
    session
        .apply(fixture.stock(), &id, increment(i64::MIN.wrapping_sub(i64::MAX)))
        .await;
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(i64::MIN)),
        "wrapped around"
    );
    session.apply(fixture.stock(), &id, increment(-1)).await;
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(i64::MAX)),
        "wrapped back"
    );
}

/// An insert over a document leaves nothing of it.
pub async fn an_insert_replaces_the_whole_document<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "replace").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    let mut before = stock(&id, "kigali-1", 10);
    before.set("onlyInTheOldOne", 1_i64);
    session.apply(fixture.stock(), &id, Action::Insert(before)).await;
    let after = stock(&id, "kigali-2", 3);
    session
        .apply(fixture.stock(), &id, Action::Insert(after.clone()))
        .await;
    assert_eq!(
        fetch(&store, fixture.stock(), &id).await,
        Some(after),
        "the new document and nothing else"
    );
}

/// An insert starts its counters anew: increments of before do not count.
pub async fn an_insert_restarts_counters<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "restart-counter").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    session.apply(fixture.stock(), &id, increment(7)).await;
    session.apply(fixture.stock(), &id, insert(&id, 100)).await;
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(100)),
        "started at 100"
    );
    session.apply(fixture.stock(), &id, increment(-1)).await;
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(99)),
        "counts from there"
    );
}

/// A deleted document is absent.
pub async fn a_deleted_document_is_absent<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "delete").await;
    let mut session = Session::of(&store, 1).await;
    let (gone, kept) = (text_id("gone"), text_id("kept"));
    session.apply(fixture.stock(), &gone, insert(&gone, 1)).await;
    session.apply(fixture.stock(), &kept, insert(&kept, 2)).await;
    session.apply(fixture.stock(), &gone, Action::Delete).await;
    assert_eq!(fetch(&store, fixture.stock(), &gone).await, None, "deleted");
    assert!(
        fetch(&store, fixture.stock(), &kept).await.is_some(),
        "not deleted"
    );
}

/// A document inserted after a delete is a new one; nothing of the old shows.
pub async fn a_deleted_document_can_be_inserted_again<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "insert-again").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    session.apply(fixture.stock(), &id, increment(5)).await;
    session.apply(fixture.stock(), &id, Action::Delete).await;
    // Without some of the fields: those of before must not show through.
    let mut again = stock(&id, "kigali-2", 1);
    again.remove("price");
    session
        .apply(fixture.stock(), &id, Action::Insert(again.clone()))
        .await;
    assert_eq!(
        fetch(&store, fixture.stock(), &id).await,
        Some(again),
        "the new document and nothing else"
    );
}

/// A seed makes the document that was not there; a patch and an increment work on it.
pub async fn a_seed_fills_what_is_absent<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "seed").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    let document = stock(&id, "kigali-1", 5);
    session
        .apply(fixture.stock(), &id, Action::Seed(document.clone()))
        .await;
    assert_eq!(
        fetch(&store, fixture.stock(), &id).await,
        Some(document),
        "a seed is a document"
    );
    session.apply(fixture.stock(), &id, increment(-2)).await;
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(3)),
        "counts from the seed"
    );
}

/// What is written over a seed shows, and fields that were not written keep the seed's value.
pub async fn a_write_beats_the_seed_below_it<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "seed-below").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session
        .apply(fixture.stock(), &id, Action::Seed(stock(&id, "kigali-1", 5)))
        .await;
    session
        .apply(fixture.stock(), &id, set("branchId", "kigali-2"))
        .await;
    let document = fetch(&store, fixture.stock(), &id)
        .await
        .expect("the stock is there");
    assert_eq!(document.get("branchId"), Some(&"kigali-2".into()), "written");
    assert_eq!(document.get("product"), Some(&"soap".into()), "seeded");
}

/// A seed where a document was deleted stays invisible: the delete is newer.
pub async fn a_seed_over_a_deleted_document_leaves_nothing<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "seed-deleted").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("s1");
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    session.apply(fixture.stock(), &id, Action::Delete).await;
    session
        .apply(fixture.stock(), &id, Action::Seed(stock(&id, "kigali-1", 7)))
        .await;
    assert_eq!(fetch(&store, fixture.stock(), &id).await, None, "still deleted");
    session.apply(fixture.stock(), &id, insert(&id, 3)).await;
    assert_eq!(
        field(&store, &id, "quantity").await,
        Some(Value::Int(3)),
        "a real insert shows"
    );
}

/// A batch of a thousand operations applies whole.
pub async fn a_thousand_operations_apply_as_one_batch<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "thousand").await;
    let mut session = Session::of(&store, 1).await;
    let count = store.capabilities().intent_operations_max.min(1000);
    let ids: Vec<_> = (0..count).map(|at| text_id(&format!("stock-{at:04}"))).collect();
    let inserts = ids.iter().zip(0_i64..);
    let operations = inserts.map(|(id, at)| operation(fixture.stock(), id, Expect::Absent, insert(id, at)));
    assert_eq!(session.write(operations.collect()).await, WriteOutcome::Applied);

    let documents = store
        .fetch(fixture.stock(), &ids)
        .await
        .expect("documents can be fetched");
    for (document, at) in documents.iter().zip(0_i64..) {
        let quantity = document.as_ref().and_then(|document| document.get("quantity"));
        assert_eq!(quantity, Some(&Value::Int(at)), "operation {at} was applied");
    }
}

/// Ids with odd characters, integers and composites are all different documents.
pub async fn every_kind_of_id_names_its_own_document<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "ids").await;
    let mut session = Session::of(&store, 1).await;
    let texts = [
        "1",
        "a/b",
        "a",
        "it's \"quoted\" `x`",
        "nul\0inside",
        "😀 é",
        "%_*?",
        " ",
        "null",
        "{}",
        "[1]",
    ];
    for text in texts {
        let id = text_id(text);
        let mut document = stock(&id, "kigali-1", 1);
        document.set("note", text);
        session
            .apply(fixture.stock(), &id, Action::Insert(document))
            .await;
    }
    for text in texts {
        assert_eq!(
            field(&store, &text_id(text), "note").await,
            Some(text.into()),
            "its own document"
        );
    }
    for integer in [0, 1, -1, i64::MIN, i64::MAX] {
        let id = DocumentId::integer(integer);
        let document = Document::from_iter([("id", id.to_value()), ("value", Value::Float(0.5))]);
        session
            .apply(&READING, &id, Action::Insert(document.clone()))
            .await;
        assert_eq!(
            fetch(&store, &READING, &id).await,
            Some(document),
            "integer ids are exact"
        );
    }
    for (order, line) in [("o1", 1), ("o1", 2), ("o1/1", 1), ("o", 11)] {
        let parts = vec![IdPart::Text(order.into()), IdPart::Integer(line)];
        let id = DocumentId::from_parts(parts).expect("ids of the suite are valid");
        let mut document = Document::from_iter([("id", id.to_value()), ("packed", true.into())]);
        document.set("orderId", order);
        document.set("line", line);
        document.set("product", format!("{order}-{line}"));
        document.set("amount", line);
        session
            .apply(&ORDER_LINE, &id, Action::Insert(document.clone()))
            .await;
        assert_eq!(
            fetch(&store, &ORDER_LINE, &id).await,
            Some(document),
            "composite ids are exact"
        );
    }
}

/// The same id in two collections is two documents.
pub async fn collections_do_not_share_ids<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "collections").await;
    let mut session = Session::of(&store, 1).await;
    let id = text_id("same");
    let anything = Document::from_iter([("id", id.to_value()), ("value", Value::Int(1))]);
    session.apply(fixture.stock(), &id, insert(&id, 10)).await;
    session
        .apply(&ANYTHING, &id, Action::Insert(anything.clone()))
        .await;
    session.apply(fixture.stock(), &id, Action::Delete).await;
    assert_eq!(
        fetch(&store, &ANYTHING, &id).await,
        Some(anything),
        "the other collection is untouched"
    );
}

/// A value that no store takes is rejected by id, and nothing of the batch is applied.
pub async fn an_invalid_value_is_rejected_and_nothing_applied<F: StoreFixture>(fixture: &F) {
    let store = open(fixture, "invalid").await;
    let mut session = Session::of(&store, 1).await;
    let (good, bad) = (text_id("good"), text_id("bad"));
    let document = Document::from_iter([("id", bad.to_value()), ("value", Value::Float(f64::NAN))]);
    let intent = session.intent(vec![
        operation(fixture.stock(), &good, Expect::Absent, insert(&good, 1)),
        operation(&ANYTHING, &bad, Expect::Absent, Action::Insert(document)),
    ]);
    match store.write(&intent).await {
        Err(StoreError::Rejected(rejections)) => {
            assert_eq!(rejections.len(), 1, "one operation is bad");
            assert_eq!(
                (rejections[0].collection, &rejections[0].id),
                (ANYTHING.collection(), &bad)
            );
            assert!(
                rejections[0].reason.contains("value"),
                "the reason names the field"
            );
        }
        other => panic!("NaN must be rejected, found {other:?}"),
    }
    assert_eq!(
        fetch(&store, fixture.stock(), &good).await,
        None,
        "nothing was applied"
    );
    session.apply(fixture.stock(), &good, insert(&good, 1)).await;
}

fn edge_values() -> Vec<(&'static str, Value)> {
    let map = BTreeMap::from([
        ("".to_owned(), Value::Int(1)),
        (
            "nested".to_owned(),
            Value::List(vec![Value::Null, Value::Map(BTreeMap::new())]),
        ),
        ("quote\"d 😀".to_owned(), Value::Bytes(vec![0])),
    ]);
    vec![
        ("null", Value::Null),
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("zero", Value::Int(0)),
        ("smallest", Value::Int(i64::MIN)),
        ("biggest", Value::Int(i64::MAX)),
        ("beyondDoubles", Value::Int((1 << 53) + 1)),
        ("negativeZero", Value::Float(-0.0)),
        ("wholeFloat", Value::Float(1.0)),
        ("tenth", Value::Float(0.1)),
        ("biggestFloat", Value::Float(f64::MAX)),
        ("tiniestFloat", Value::Float(f64::from_bits(1))),
        ("emptyText", "".into()),
        ("nulInText", "a\0b".into()),
        ("emoji", "👩‍👩‍👧 é e\u{301}".into()),
        ("emptyBytes", Value::Bytes(Vec::new())),
        ("bytes", Value::Bytes((0..=255).collect())),
        ("emptyList", Value::List(Vec::new())),
        (
            "list",
            Value::List(vec![
                Value::Int(1),
                Value::Float(1.0),
                "1".into(),
                Value::Bool(true),
            ]),
        ),
        ("emptyMap", Value::Map(BTreeMap::new())),
        ("map", Value::Map(map)),
    ]
}
