//! What real tables do to documents: constraints, references, triggers of the app, storage classes; and what a cancellation leaves.

use ditto_sync_core::{
    hash::ContentHash,
    id::DocumentId,
    intent::Action,
    repository::{Applied, Incoming, Repository, RowRef, Way},
    value::Value,
};

use crate::till::{
    BADGE, EMPLOYEE, METER, NOTICE, PLENTY, PRODUCT, SAMPLE, Till, cancelled_after, named, numbered, row,
};

fn employee(till: &mut Till, id: i64, reports_to: Option<i64>) -> RowRef {
    let reports_to = reports_to.map_or(Value::Null, Value::Int);
    let name = Value::Text(format!("employee {id}"));
    till.put(
        &EMPLOYEE,
        &numbered(id),
        &[("name", name), ("reportsTo", reports_to)],
    );
    row(&EMPLOYEE, &numbered(id))
}

fn product(till: &mut Till, id: &str, code: &str, price: f64) -> RowRef {
    till.put(
        &PRODUCT,
        &named(id),
        &[
            ("code", Value::Text(code.to_owned())),
            ("price", Value::Float(price)),
        ],
    );
    row(&PRODUCT, &named(id))
}

fn ids(rows: &[RowRef]) -> Vec<DocumentId> {
    let mut ids: Vec<_> = rows.iter().map(|row| row.id.clone()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_row_may_come_before_the_row_of_its_own_table_it_refers_to() {
    for rows_max in [1, 2, PLENTY] {
        let mut till = Till::new().await;
        let rows = [
            employee(&mut till, 3, Some(2)),
            employee(&mut till, 2, Some(1)),
            employee(&mut till, 1, None),
        ];
        let applied = till.pull(&rows, rows_max).await;
        let quiet = applied.parked.is_empty() && applied.quarantined.is_empty();
        assert!(quiet, "{rows_max} rows at once: {applied:?}");
        assert_eq!(till.count("employees").await, 3, "{rows_max} rows at once");
        assert_eq!(till.push().await, 0, "nothing of it is a local change");
    }
}

#[tokio::test]
async fn rows_that_refer_to_each_other_come_together() {
    let mut till = Till::new().await;
    let rows = [employee(&mut till, 1, Some(2)), employee(&mut till, 2, Some(1))];
    let applied = till.pull(&rows, PLENTY).await;
    assert_eq!(applied.parked, Vec::new());
    assert_eq!(till.count("employees").await, 2);
}

#[tokio::test]
async fn everything_below_a_missing_row_waits_and_nothing_else_does() {
    let mut till = Till::new().await;
    let rows = [
        employee(&mut till, 12, Some(11)),
        employee(&mut till, 11, Some(10)),
        employee(&mut till, 1, None),
        employee(&mut till, 2, Some(1)),
    ];
    let applied = till.pull(&rows, PLENTY).await;
    assert_eq!(ids(&applied.parked), [numbered(11), numbered(12)]);
    assert_eq!(ids(&applied.changed), [numbered(1), numbered(2)]);
    let parked = till.repository.parked().await.unwrap();
    assert_eq!(ids(&parked), [numbered(11), numbered(12)]);
    let missing = employee(&mut till, 10, None);
    till.pull(&[missing], PLENTY).await;
    let applied = till.pull(&parked, PLENTY).await;
    assert_eq!(applied.parked, Vec::new());
    assert_eq!(till.count("employees").await, 5);
    assert_eq!(till.repository.parked().await.unwrap(), Vec::new());
    assert_eq!(till.push().await, 0);
}

#[tokio::test]
async fn a_delete_waits_while_rows_without_cascade_refer_to_the_row() {
    let mut till = Till::new().await;
    let boss = employee(&mut till, 1, None);
    till.put(&BADGE, &numbered(7), &[("owner", Value::Int(1))]);
    let badge = row(&BADGE, &numbered(7));
    till.pull(&[boss.clone(), badge.clone()], PLENTY).await;
    till.store.delete(&EMPLOYEE, &numbered(1));
    let applied = till.pull(std::slice::from_ref(&boss), PLENTY).await;
    assert_eq!(applied.parked, vec![boss.clone()]);
    assert_eq!(till.count("employees").await, 1);
    till.store.delete(&BADGE, &numbered(7));
    let applied = till.pull(&[boss, badge], PLENTY).await;
    assert_eq!(applied.parked, Vec::new());
    assert_eq!(
        (till.count("employees").await, till.count("badges").await),
        (0, 0)
    );
    assert_eq!(till.push().await, 0);
}

#[tokio::test]
async fn what_a_remote_delete_sets_to_null_is_a_local_change() {
    let mut till = Till::new().await;
    let rows = [employee(&mut till, 1, None), employee(&mut till, 2, Some(1))];
    till.pull(&rows, PLENTY).await;
    till.store.delete(&EMPLOYEE, &numbered(1));
    till.pull(&rows[..1], PLENTY).await;
    let intent = till.draft(PLENTY).await.intent.unwrap();
    assert_eq!(intent.operations.len(), 1);
    assert_eq!(intent.operations[0].id, numbered(2));
    let expected = Action::Patch {
        set: vec![("reportsTo".into(), Value::Null)],
        increments: Vec::new(),
    };
    assert_eq!(intent.operations[0].action, expected);
    till.assert_guard_is_down().await;
}

#[tokio::test]
async fn rows_of_one_table_deleted_together_leave_nothing_to_send() {
    let mut till = Till::new().await;
    let rows: Vec<_> = (1..=5)
        .map(|id| employee(&mut till, id, (id > 1).then_some(1)))
        .collect();
    till.pull(&rows, PLENTY).await;
    for row in &rows {
        till.store.delete(row.model, &row.id);
    }
    till.pull(&rows, PLENTY).await;
    assert_eq!(till.count("employees").await, 0);
    assert_eq!(till.push().await, 0, "a row set to NULL and deleted is deleted");
}

#[tokio::test]
async fn a_value_that_one_row_of_a_batch_frees_is_there_for_another() {
    let mut till = Till::new().await;
    let rows = [
        product(&mut till, "p1", "A", 1.0),
        product(&mut till, "p2", "B", 2.0),
    ];
    till.pull(&rows, PLENTY).await;
    product(&mut till, "p1", "B", 1.0);
    product(&mut till, "p2", "C", 2.0);
    let applied = till.pull(&rows, PLENTY).await;
    assert_eq!(applied.quarantined.len(), 0, "{applied:?}");
    assert_eq!(
        till.text("SELECT code FROM \"order products.v2\" WHERE id = 'p1'")
            .await,
        Some("B".to_owned())
    );
}

#[tokio::test]
async fn values_that_two_rows_exchange_are_set_aside_and_named() {
    let mut till = Till::new().await;
    let rows = [
        product(&mut till, "p1", "A", 1.0),
        product(&mut till, "p2", "B", 2.0),
        product(&mut till, "p3", "D", 3.0),
    ];
    till.pull(&rows[..2], PLENTY).await;
    product(&mut till, "p1", "B", 1.0);
    product(&mut till, "p2", "A", 2.0);
    let applied = till.pull(&rows, PLENTY).await;
    assert_eq!(applied.changed, vec![rows[2].clone()]);
    assert_eq!(applied.quarantined.len(), 2);
    for record in &applied.quarantined {
        assert_eq!(record.way, Way::Inbound);
        assert!(
            record.reason.contains("UNIQUE") && record.reason.contains("code"),
            "{}",
            record.reason
        );
    }
    assert_eq!(
        till.repository.parked().await.unwrap().len(),
        2,
        "another try may do"
    );
}

#[tokio::test]
async fn a_check_refuses_its_document_only_and_is_named() {
    let mut till = Till::new().await;
    let rows = [
        product(&mut till, "p1", "A", -1.0),
        product(&mut till, "p2", "B", 2.0),
    ];
    let applied = till.pull(&rows, PLENTY).await;
    assert_eq!(applied.changed, vec![rows[1].clone()]);
    assert!(
        applied.quarantined[0].reason.contains("price_is_positive"),
        "{applied:?}"
    );
    assert_eq!(till.repository.parked().await.unwrap(), Vec::new());
    let before = till.writes().await;
    till.pull(&rows, PLENTY).await;
    assert_eq!(till.writes().await, before, "the same again is no news");
    product(&mut till, "p1", "A", 1.0);
    till.pull(&rows, PLENTY).await;
    assert_eq!(till.count("\"order products.v2\"").await, 2);
    assert_eq!(till.count("ditto_sync_quarantine").await, 0);
}

#[tokio::test]
async fn what_a_trigger_of_the_app_makes_of_a_document_is_a_local_change() {
    let mut till = Till::new().await;
    let rows = [product(&mut till, "p1", "A", 1.0)];
    till.pull(&rows, PLENTY).await;
    product(&mut till, "p1", "NEW", 1.0);
    till.pull(&rows, PLENTY).await;
    assert_eq!(
        till.text("SELECT slug FROM \"order products.v2\"").await,
        Some("new".to_owned())
    );
    let intent = till.draft(PLENTY).await.intent.unwrap();
    let expected = Action::Patch {
        set: vec![("slug".into(), Value::Text("new".to_owned()))],
        increments: Vec::new(),
    };
    assert_eq!(intent.operations[0].action, expected);
    till.assert_guard_is_down().await;
}

#[tokio::test]
async fn a_column_that_is_not_mapped_keeps_its_value() {
    let mut till = Till::with_rows("INSERT INTO notices VALUES ('n1', 'old', 'ann')").await;
    let rows = [row(&NOTICE, &named("n1")), row(&NOTICE, &named("n2"))];
    for row in &rows {
        till.put(&NOTICE, &row.id, &[("words", Value::Text("new".to_owned()))]);
    }
    let applied = till.pull(&rows, PLENTY).await;
    assert_eq!(applied.changed, rows);
    assert_eq!(
        till.text("SELECT group_concat(words || ' ' || seen_by ORDER BY id) FROM notices")
            .await,
        Some("new ann,new nobody".to_owned())
    );
}

#[tokio::test]
async fn one_way_models_move_one_way() {
    let mut till = Till::new().await;
    till.sql("INSERT INTO meters VALUES ('m1', 5); INSERT INTO notices VALUES ('n1', 'local', 'x')")
        .await;
    let draft = till.draft(PLENTY).await;
    assert_eq!(draft.dropped, 1, "the notice stays here");
    let intent = draft.intent.unwrap();
    assert_eq!(intent.operations.len(), 1);
    assert_eq!(intent.operations[0].model.collection(), "meters");
    till.store.write(&intent);
    till.repository.acknowledge(&intent, &till.scopes).await.unwrap();
    till.put(&METER, &named("m1"), &[("reading", Value::Int(99))]);
    let applied = till.pull(&[row(&METER, &named("m1"))], PLENTY).await;
    assert_eq!(applied.changed, Vec::new());
    assert_eq!(
        till.text("SELECT reading FROM meters").await,
        Some("5".to_owned())
    );
}

#[tokio::test]
async fn values_survive_the_way_from_one_database_to_another_bit_by_bit() {
    let values = [
        "'', 9223372036854775807, 1.7976931348623157e308, x'', 1",
        "'žluťoučký \u{1f600}', -9223372036854775808, 0.1, x'00ff00', 0",
        "char(97, 0, 98), 0, 5e-324, zeroblob(100), NULL",
        "NULL, NULL, NULL, NULL, NULL",
        "'12', 12, 12.0, x'3132', 1",
    ];
    let (mut one, mut other) = (Till::new().await, Till::new().await);
    for (at, values) in values.iter().enumerate() {
        one.sql(&format!("INSERT INTO samples VALUES ('s{at}', {values})"))
            .await;
    }
    assert_eq!(one.push().await, values.len());
    other.store = one.store.clone();
    let rows: Vec<_> = (0..values.len())
        .map(|at| row(&SAMPLE, &named(&format!("s{at}"))))
        .collect();
    other.pull(&rows, PLENTY).await;
    let all = "SELECT group_concat(concat_ws('|', id, typeof(text), quote(text), typeof(whole), quote(whole), typeof(real), quote(real), \
               typeof(bytes), quote(bytes), quote(flag)), ';') FROM (SELECT * FROM samples ORDER BY id)";
    let (here, there) = (one.text(all).await, other.text(all).await);
    assert!(
        here.as_ref()
            .is_some_and(|all| all.contains("9223372036854775807"))
    );
    assert_eq!(here, there);
    assert_eq!(other.push().await, 0, "what came in does not go out");
}

#[tokio::test]
async fn a_cancelled_apply_has_happened_as_a_whole_or_not_at_all() {
    const ROWS: i64 = 40;
    for polls in 0..60 {
        let mut till = Till::new().await;
        till.sql("INSERT INTO employees VALUES (1, 'mine', NULL)").await;
        let rows: Vec<_> = (2..ROWS).map(|id| employee(&mut till, id, Some(2))).collect();
        let items = till.items(&rows);
        let outcome: Option<Applied> = cancelled_after(polls, till.apply(&items, PLENTY)).await;
        let there = till.count("employees").await;
        assert!(
            there == 1 || there == ROWS - 1,
            "after {polls} polls {there} rows are there"
        );
        till.apply(&items, PLENTY).await;
        assert_eq!(till.count("employees").await, ROWS - 1);
        assert_eq!(till.push().await, 1, "the app's own row is all there is to send");
        till.assert_guard_is_down().await;
        if outcome.is_some() {
            return;
        }
    }
    panic!("the apply is done some time");
}

/// The hash of the document that the store holds.
fn hash(till: &Till, row: &RowRef) -> ContentHash {
    match &till.items(std::slice::from_ref(row))[0].incoming {
        Incoming::Present(remote) => remote.hash,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_what_row_and_document_agreed_on_is_recognized() {
    let mut till = Till::new().await;
    let rows = [
        employee(&mut till, 1, None),
        employee(&mut till, 2, None),
        // Has no parent, and waits.
        employee(&mut till, 12, Some(11)),
    ];
    let agrees = async |till: &Till, rows: &[RowRef]| {
        let documents: Vec<_> = rows.iter().map(|row| (&row.id, hash(till, row))).collect();
        till.repository.agrees(&EMPLOYEE, &documents).await.unwrap()
    };
    assert_eq!(agrees(&till, &rows).await, [false; 3], "nothing was met yet");
    till.pull(&rows, PLENTY).await;
    assert_eq!(agrees(&till, &rows).await, [true, true, false]);
    till.sql("UPDATE employees SET name = 'dirty' WHERE id = 2").await;
    till.put(
        &EMPLOYEE,
        &rows[0].id,
        &[("name", Value::Text("another".to_owned()))],
    );
    assert_eq!(agrees(&till, &rows).await, [false, true, false]);
    till.pull(&rows, PLENTY).await;
    till.push().await;
    assert_eq!(
        agrees(&till, &rows).await,
        [true, true, false],
        "own writes that come back are recognized"
    );
    let till = till.restart().await;
    assert_eq!(
        agrees(&till, &rows).await,
        [true, true, false],
        "what is known is read when it is asked for"
    );
    till.pull(&rows, PLENTY).await;
    assert_eq!(agrees(&till, &rows).await, [true, true, false]);
}
