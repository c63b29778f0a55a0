//! Rows and documents that do not belong on this device.

use ditto_sync_core::{
    document::FieldName,
    intent::Action,
    query::{Comparison, Filter, Operand, Query},
    value::Value,
};

use super::models::{ORDER, STOCK, order, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};

/// What does not belong here does not come here.
pub async fn a_document_out_of_scope_is_no_row<F: RepositoryFixture>(fixture: F) {
    let mut bench = scoped(fixture).await;
    let id = text_id("s1");
    bench.store.put(&STOCK, &id, &stock("other", "tea", 5));
    let before = bench.fixture.writes().await;
    bench.pull(&STOCK, &id).await;
    assert_eq!(bench.row(&STOCK, &id).await, None);
    assert_eq!(bench.fixture.writes().await, before);
}

/// A document moved away by someone else: the row goes, nothing is sent, and it comes back when the document does.
pub async fn a_clean_row_leaves_with_its_document<F: RepositoryFixture>(fixture: F) {
    let mut bench = scoped(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("mine", "tea", 5)).await;
    bench.store.set(&STOCK, &id, "branchId", "other");
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(applied.left_scope, 1);
    assert_eq!(bench.row(&STOCK, &id).await, None);
    bench.assert_nothing_to_send().await;
    assert!(
        bench.store.get(&STOCK, &id).is_some(),
        "leaving a scope deletes nothing"
    );
    bench.store.set(&STOCK, &id, "branchId", "mine");
    bench.pull(&STOCK, &id).await;
    let back = stock("mine", "tea", 5);
    assert_eq!(bench.row(&STOCK, &id).await, Some(back.clone()));
    bench.assert_agreed(&STOCK, &id, &back).await;
}

/// Scope is judged before the known hash: after a change of context a row leaves though its document has not changed.
pub async fn a_known_row_out_of_scope_leaves<F: RepositoryFixture>(fixture: F) {
    let mut bench = scoped(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("mine", "tea", 5)).await;
    bench.scopes.set(&STOCK, branch("other"));
    let applied = bench.pull(&STOCK, &id).await;
    assert_eq!(applied.left_scope, 1);
    assert_eq!(bench.row(&STOCK, &id).await, None);
    bench.assert_nothing_to_send().await;
}

/// A row that the app moves away is sent first, and goes when that is acknowledged; changes not yet sent keep it.
pub async fn a_dirty_row_is_sent_before_it_leaves<F: RepositoryFixture>(fixture: F) {
    let mut bench = scoped(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("mine", "tea", 5)).await;
    bench.update(&STOCK, &id, &[("branch_id", text("other"))]).await;
    let (intent, operation) = bench.only_operation().await;
    let set = vec![("branchId".into(), Value::Text("other".into()))];
    assert_eq!(
        operation.action,
        Action::Patch {
            set,
            increments: Vec::new()
        }
    );
    bench.update(&STOCK, &id, &[("note", text("late"))]).await;
    bench.store.write(&intent);
    assert_eq!(bench.acknowledge(&intent).await, 0, "there is more to send");
    let intent = bench.intent().await;
    bench.store.write(&intent);
    assert_eq!(bench.acknowledge(&intent).await, 1);
    assert_eq!(bench.row(&STOCK, &id).await, None);
    let mut expected = stock("other", "tea", 5);
    expected.columns_mut()[4] = text("late");
    assert_eq!(bench.store.image(&STOCK, &id), Some(expected.clone()));
    bench.assert_nothing_to_send().await;
    bench.scopes.set(&STOCK, branch("other"));
    bench.pull(&STOCK, &id).await;
    assert_eq!(
        bench.row(&STOCK, &id).await,
        Some(expected),
        "it was forgotten, so it can come back"
    );
}

/// A row that left is not known any more: its document's delete says nothing, and the app may use the id again.
pub async fn a_row_that_left_is_forgotten<F: RepositoryFixture>(fixture: F) {
    let mut bench = scoped(fixture).await;
    let id = text_id("s1");
    bench.agree(&STOCK, &id, &stock("mine", "tea", 5)).await;
    bench.store.set(&STOCK, &id, "branchId", "other");
    bench.pull(&STOCK, &id).await;
    let ours = stock("mine", "new", 1);
    bench.insert(&STOCK, &id, &ours).await;
    let sent = bench.push().await;
    assert!(
        sent.iter()
            .any(|operation| matches!(operation.action, Action::Insert(_))),
        "it is a new row, which takes the document over: {sent:?}"
    );
    assert_eq!(bench.store.image(&STOCK, &id), Some(ours.clone()));
    bench.assert_agreed(&STOCK, &id, &ours).await;
}

/// A model may keep what leaves the scope: the row stays in the table, and is nobody's. It is not seeded, and looking again costs no write.
pub async fn a_row_that_is_kept_is_left_alone<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    bench.scopes.set(&ORDER, customer("ann"));
    let id = text_id("o1");
    bench.agree(&ORDER, &id, &order("ann", 1.0)).await;
    bench.store.put(&ORDER, &id, &order("bob", 1.0));
    bench.pull(&ORDER, &id).await;
    assert_eq!(bench.row(&ORDER, &id).await, Some(order("ann", 1.0)));
    bench.assert_nothing_to_send().await;
    let before = bench.fixture.writes().await;
    bench.pull(&ORDER, &id).await;
    assert_eq!(bench.fixture.writes().await, before, "it has left already");
    bench.store.put(&ORDER, &id, &order("ann", 2.0));
    bench.pull(&ORDER, &id).await;
    bench.assert_agreed(&ORDER, &id, &order("ann", 2.0)).await;
}

async fn scoped<F: RepositoryFixture>(fixture: F) -> Bench<F> {
    let mut bench = Bench::new(fixture).await;
    bench.scopes.set(&STOCK, branch("mine"));
    bench
}

fn branch(name: &str) -> Query {
    equals("branchId", name)
}

/// The orders of one customer.
pub(super) fn customer(name: &str) -> Query {
    equals("customer", name)
}

fn equals(field: &str, text: &str) -> Query {
    let value = Operand::Literal(Value::Text(text.to_owned()));
    Query::new(Filter::Compare(FieldName::new(field), Comparison::Eq, value))
}
