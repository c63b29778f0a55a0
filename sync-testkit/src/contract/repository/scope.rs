//! Rows and documents that do not belong on this device.

use ditto_sync_core::{
    column::ColumnValue,
    descriptor::ModelDescriptor,
    document::FieldName,
    id::DocumentId,
    intent::Action,
    query::{Comparison, Filter, Operand, Query},
    repository::{Repository, RowRef},
    scope::ModelScope,
    value::Value,
};

use super::models::{ORDER, STOCK, TRANSFER, VISIT, order, placed, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};
use crate::app_change::AppChange;

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

/// Its scope field is NULL: it is neither sent nor removed nor set aside, and counted. With a value it is a new row.
pub async fn a_row_without_a_value_in_its_scope_stays_here_until_it_has_one<F: RepositoryFixture>(
    fixture: F,
) {
    let mut bench = Bench::new(fixture).await;
    bench.scopes.set(&VISIT, visits("kigali"));
    let id = text_id("v1");
    bench.insert(&VISIT, &id, &placed(None, Some("acme"))).await;
    bench.assert_stays_local(&VISIT, &id).await;
    bench.update(&VISIT, &id, &[("note", text("hello"))]).await;
    bench.assert_stays_local(&VISIT, &id).await;
    // The process is another one: it is still so, and finding that out costs no write.
    let before = bench.fixture.writes().await;
    let mut bench = bench.crash().await;
    bench.scopes.set(&VISIT, visits("kigali"));
    bench.assert_stays_local(&VISIT, &id).await;
    assert_eq!(bench.fixture.writes().await, before);
    bench.update(&VISIT, &id, &[("branch", text("kigali"))]).await;
    let sent = bench.push().await;
    assert!(
        matches!(&sent[..], [operation] if matches!(operation.action, Action::Insert(_))),
        "{sent:?}"
    );
    let pending = bench.pending(&VISIT).await;
    assert_eq!((pending.entries, pending.local), (0, 0));
    let mut whole = placed(Some("kigali"), Some("acme"));
    whole.columns_mut()[2] = text("hello");
    bench.assert_agreed(&VISIT, &id, &whole).await;
    // One that never was anywhere leaves nothing to send behind.
    let other = text_id("v2");
    bench.insert(&VISIT, &other, &placed(None, None)).await;
    bench.assert_nothing_to_send().await;
    bench.delete(&VISIT, &other).await;
    assert_eq!(bench.draft().await.intent, None);
    let pending = bench.pending(&VISIT).await;
    assert_eq!((pending.entries, pending.local), (0, 0));
}

/// A row that others have: from here on its changes stay here, and theirs still come. A value brings it back as the changes it has had, a delete is sent.
pub async fn a_row_that_loses_its_place_is_sent_no_longer<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    bench.scopes.set(&VISIT, visits("kigali"));
    let id = text_id("v1");
    bench
        .agree(&VISIT, &id, &placed(Some("kigali"), Some("acme")))
        .await;
    bench.update(&VISIT, &id, &[("branch", ColumnValue::Null)]).await;
    bench.assert_stays_local(&VISIT, &id).await;
    assert!(bench.store.get(&VISIT, &id).is_some(), "others have it as it was");
    bench.store.set(&VISIT, &id, "note", "theirs");
    bench.pull(&VISIT, &id).await;
    let mut row = placed(None, Some("acme"));
    row.columns_mut()[2] = text("theirs");
    assert_eq!(bench.row(&VISIT, &id).await, Some(row.clone()));
    bench.assert_stays_local(&VISIT, &id).await;
    bench.update(&VISIT, &id, &[("tenant", text("umbrella"))]).await;
    bench.update(&VISIT, &id, &[("branch", text("kigali"))]).await;
    let sent = bench.push().await;
    assert!(
        matches!(&sent[..], [operation] if matches!(operation.action, Action::Patch { .. })),
        "{sent:?}"
    );
    assert_eq!(bench.row(&VISIT, &id).await, None, "another tenant's now");
    let again = text_id("v2");
    bench
        .agree(&VISIT, &again, &placed(Some("kigali"), Some("acme")))
        .await;
    bench
        .update(&VISIT, &again, &[("branch", ColumnValue::Null)])
        .await;
    bench.assert_stays_local(&VISIT, &again).await;
    bench.delete(&VISIT, &again).await;
    bench.push().await;
    assert_eq!(bench.store.get(&VISIT, &again), None);
}

/// Where all fields have to match one NULL is enough, where any may it takes all of them.
pub async fn all_or_any_fields_of_a_scope_have_to_be_null<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let rows = [
        (&VISIT, placed(Some("kigali"), None), false),
        (&VISIT, placed(Some("kigali"), Some("acme")), true),
        (&TRANSFER, placed(Some("kigali"), None), true),
        (&TRANSFER, placed(None, None), false),
    ];
    for (number, (model, image, _)) in rows.iter().enumerate() {
        bench.insert(model, &text_id(&format!("r{number}")), image).await;
    }
    bench.push().await;
    for (number, (model, _, sent)) in rows.iter().enumerate() {
        let id = text_id(&format!("r{number}"));
        assert_eq!(bench.store.get(model, &id).is_some(), *sent, "row {number}");
    }
    for model in [&VISIT, &TRANSFER] {
        let pending = bench.pending(model).await;
        assert_eq!((pending.entries, pending.local), (0, 1), "{}", model.collection());
    }
}

/// It is not seeded, and counted; once it has a value it is an insert, not a seed of what never was anywhere.
pub async fn a_row_older_than_the_triggers_may_stay_here_too<F: RepositoryFixture>(mut fixture: F) {
    let id = text_id("t1");
    let change = AppChange::insert(&TRANSFER, &id, &placed(None, None));
    fixture.change(change).await.expect("the app can write");
    let mut bench = Bench::new(fixture).await;
    bench.assert_nothing_to_send().await;
    assert_eq!(bench.pending(&TRANSFER).await.local, 1);
    bench
        .update(&TRANSFER, &id, &[("to_branch", text("kigali"))])
        .await;
    let (intent, operation) = bench.only_operation().await;
    assert!(matches!(operation.action, Action::Insert(_)), "{operation:?}");
    bench.settle(&intent).await;
    bench
        .assert_agreed(&TRANSFER, &id, &placed(None, Some("kigali")))
        .await;
    assert_eq!(bench.pending(&TRANSFER).await.local, 0);
}

/// What the app writes is sent all the same, and a document that meets such a change is merged.
pub async fn while_the_scope_is_not_known_nothing_is_seeded_taken_or_removed<F: RepositoryFixture>(
    mut fixture: F,
) {
    let old = text_id("old");
    let change = AppChange::insert(&STOCK, &old, &stock("mine", "tin", 1));
    fixture.change(change).await.expect("the app can write");
    let mut bench = Bench::new(fixture).await;
    bench
        .scopes
        .put(&STOCK, ModelScope::Awaiting(vec!["branchId".to_owned()]));
    bench.assert_nothing_to_send().await;
    let (ours, theirs) = (text_id("ours"), text_id("theirs"));
    bench.insert(&STOCK, &ours, &stock("other", "tea", 5)).await;
    assert_eq!(bench.push().await.len(), 1);
    bench
        .assert_agreed(&STOCK, &ours, &stock("other", "tea", 5))
        .await;
    bench.store.put(&STOCK, &theirs, &stock("mine", "cup", 1));
    bench.store.set(&STOCK, &ours, "note", "theirs");
    bench.pull(&STOCK, &theirs).await;
    bench.pull(&STOCK, &ours).await;
    assert_eq!(bench.row(&STOCK, &theirs).await, None);
    assert_eq!(bench.row(&STOCK, &ours).await, Some(stock("other", "tea", 5)));
    bench.update(&STOCK, &ours, &[("product", text("coffee"))]).await;
    bench.pull(&STOCK, &ours).await;
    bench.push().await;
    let mut merged = stock("other", "coffee", 5);
    merged.columns_mut()[4] = text("theirs");
    bench.assert_agreed(&STOCK, &ours, &merged).await;
    // Known at last.
    bench.scopes.set(&STOCK, branch("mine"));
    for id in [&theirs, &ours] {
        bench.pull(&STOCK, id).await;
    }
    assert_eq!(bench.row(&STOCK, &theirs).await, Some(stock("mine", "cup", 1)));
    assert_eq!(bench.row(&STOCK, &ours).await, None);
    bench.push().await;
    bench.assert_agreed(&STOCK, &old, &stock("mine", "tin", 1)).await;
}

impl<F: RepositoryFixture> Bench<F> {
    /// Nothing of this row goes out, it is no trouble, and it is counted.
    async fn assert_stays_local(&mut self, model: &'static ModelDescriptor, id: &DocumentId) {
        self.assert_nothing_to_send().await;
        assert!(self.row(model, id).await.is_some(), "it is still here");
        let pending = self.pending(model).await;
        assert_eq!((pending.entries, pending.local, pending.quarantined), (0, 1, 0));
        let trace = self
            .repository
            .trace(&RowRef {
                model,
                id: id.clone(),
            })
            .await;
        assert!(trace.expect("the row can be looked at").local);
    }
}

fn visits(branch: &str) -> Query {
    let scope = Query::scope(&VISIT).expect("visits have a scope");
    scope.with("branch", branch).with("tenant", "acme")
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

/// A document that cannot be read, and belongs elsewhere as far as it can be, is nothing to this device, unless something of it is here.
pub async fn an_unreadable_document_of_elsewhere_is_set_aside_only_where_it_is_known<F: RepositoryFixture>(
    fixture: F,
) {
    let mut bench = Bench::new(fixture).await;
    let (stranger, known) = (text_id("s1"), text_id("s2"));
    bench.agree(&STOCK, &known, &stock("b1", "tea", 5)).await;
    bench.scopes.set(&STOCK, branch("b1"));
    for id in [&stranger, &known] {
        bench.store.put(&STOCK, id, &stock("b2", "tea", 5));
        bench.store.set(&STOCK, id, "quantity", "many");
    }
    assert_eq!(bench.pull(&STOCK, &stranger).await.quarantined.len(), 0);
    assert_eq!(bench.pending(&STOCK).await.quarantined, 0);
    assert_eq!(bench.pull(&STOCK, &known).await.quarantined.len(), 1);
}
