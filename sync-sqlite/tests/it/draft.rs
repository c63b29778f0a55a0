//! What real tables do to the way out: values nobody can send, ids nobody can name, seeding, long outboxes; and what a cancellation leaves.

use std::collections::BTreeSet;

use ditto_sync_core::{
    intent::Action,
    repository::{DraftRequest, Repository, Way},
    value::Value,
};

use crate::till::{EMPLOYEE, PLENTY, Till, cancelled_after, named, row};

#[tokio::test]
async fn text_that_is_not_utf_8_is_set_aside_until_it_is_mended() {
    let mut till = Till::new().await;
    till.sql("INSERT INTO samples (id, text) VALUES ('bad', CAST(x'ff41' AS TEXT)), ('good', 'x')")
        .await;
    let draft = till.draft(PLENTY).await;
    assert_eq!(draft.quarantined.len(), 1);
    let record = &draft.quarantined[0];
    assert_eq!(
        (record.id.clone(), record.way),
        (Some(named("bad")), Way::Outbound)
    );
    assert!(
        record.reason.contains("`text`") && record.reason.contains("UTF-8"),
        "{}",
        record.reason
    );
    let intent = draft.intent.unwrap();
    assert_eq!(intent.operations.len(), 1, "its neighbour goes");
    till.store.write(&intent);
    till.repository.acknowledge(&intent, &till.scopes).await.unwrap();
    let mut till = till.restart().await;
    till.push().await;
    let before = till.writes().await;
    let draft = till.draft(PLENTY).await;
    assert!(draft.intent.is_none() && draft.quarantined.is_empty() && !draft.more);
    assert_eq!(till.writes().await, before, "it is not tried again and again");
    till.sql("UPDATE samples SET text = 'mended' WHERE id = 'bad'")
        .await;
    assert_eq!(till.push().await, 1);
    assert_eq!(till.count("ditto_sync_quarantine").await, 0);
    assert_eq!(till.repository.pending().await.unwrap()[3].entries, 0);
}

#[tokio::test]
async fn a_row_whose_key_makes_no_id_is_reported_once() {
    let mut till = Till::new().await;
    till.sql("INSERT INTO samples (id) VALUES (hex(zeroblob(200))), (''), ('fine')")
        .await;
    let draft = till.draft(PLENTY).await;
    assert_eq!(draft.quarantined.len(), 2);
    assert!(
        draft
            .quarantined
            .iter()
            .all(|record| record.id.is_none() && record.reason.contains("id"))
    );
    assert_eq!(draft.intent.unwrap().operations.len(), 1);
    let mut till = till.restart().await;
    till.repository.close().await;
    let intent = till
        .repository
        .prepare(&crate::till::MODELS)
        .await
        .unwrap()
        .in_flight;
    till.repository.discard(&intent.unwrap(), &[]).await.unwrap();
    assert_eq!(till.push().await, 1);
    let before = till.writes().await;
    let draft = till.draft(PLENTY).await;
    assert!(draft.quarantined.is_empty() && !draft.more, "{draft:?}");
    assert_eq!(till.writes().await, before);
}

#[tokio::test]
async fn rows_from_before_are_seeded_once_in_as_many_intents_as_it_takes() {
    const ROWS: usize = 1000;
    let mut till = Till::with_rows(
        "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1000)
         INSERT INTO samples (id, whole) SELECT 's' || value, value FROM n",
    )
    .await;
    let mut seeded = BTreeSet::new();
    let mut drafts = 0;
    loop {
        let draft = till.draft(130).await;
        drafts += 1;
        assert!(drafts < 100, "seeding comes to an end");
        let Some(intent) = draft.intent else {
            if draft.more {
                continue;
            }
            break;
        };
        for operation in &intent.operations {
            assert!(matches!(operation.action, Action::Seed(_)));
            assert!(seeded.insert(operation.id.clone()), "each row once");
        }
        till.store.write(&intent);
        till.repository.acknowledge(&intent, &till.scopes).await.unwrap();
        if drafts == 3 {
            till = till.restart().await;
        }
    }
    assert_eq!(seeded.len(), ROWS);
    let mut till = till.restart().await;
    let before = till.writes().await;
    assert!(till.draft(PLENTY).await.intent.is_none());
    assert_eq!(till.writes().await, before, "seeding is over for good");
}

#[tokio::test]
async fn a_row_changed_a_thousand_times_is_one_patch_and_leaves_an_empty_outbox() {
    let mut till = Till::new().await;
    till.sql("INSERT INTO meters VALUES ('m1', 0), ('m2', 0)").await;
    till.push().await;
    till.sql("BEGIN").await;
    for _ in 0..1000 {
        till.sql("UPDATE meters SET reading = reading + 1 WHERE id = 'm1'")
            .await;
    }
    till.sql("COMMIT").await;
    let intent = till.draft(PLENTY).await.intent.unwrap();
    assert_eq!(intent.operations.len(), 1);
    let expected = Action::Patch {
        set: Vec::new(),
        increments: vec![("reading".into(), 1000)],
    };
    assert_eq!(intent.operations[0].action, expected);
    till.sql("UPDATE meters SET reading = reading + 1; UPDATE meters SET reading = reading + 1")
        .await;
    till.store.write(&intent);
    till.repository.acknowledge(&intent, &till.scopes).await.unwrap();
    assert_eq!(
        till.repository.pending().await.unwrap()[5].entries,
        4,
        "what came later stays"
    );
    assert_eq!(till.push().await, 2);
    assert_eq!(till.repository.pending().await.unwrap()[5].entries, 0);
    let document = till.store.get(&crate::till::METER, &named("m1")).unwrap();
    assert_eq!(document.get("reading"), Some(&Value::Int(1002)));
}

#[tokio::test]
async fn entries_that_reuse_the_numbers_of_dropped_ones_are_seen() {
    let mut till = Till::new().await;
    for round in 0..5 {
        till.sql(&format!("INSERT INTO meters VALUES ('m{round}', {round})"))
            .await;
        assert_eq!(till.push().await, 1, "round {round}: the outbox was empty before");
        till.sql("UPDATE meters SET reading = reading + 1 WHERE id = 'm0'; UPDATE meters SET reading = reading - 1 WHERE id = 'm0'")
            .await;
        let draft = till.draft(PLENTY).await;
        assert_eq!((draft.dropped, draft.intent), (1, None), "round {round}");
    }
}

#[tokio::test]
async fn parents_go_before_their_children() {
    let mut till = Till::new().await;
    till.sql("INSERT INTO employees VALUES (1, 'a', NULL); INSERT INTO badges VALUES (1, 1)")
        .await;
    let intent = till.draft(1).await.intent.unwrap();
    assert_eq!(intent.operations[0].model.collection(), "employees");
    assert_eq!(till.repository.pending().await.unwrap()[0].entries, 1);
}

#[tokio::test]
async fn a_cancelled_draft_or_acknowledgement_can_be_repeated() {
    for polls in 0..60 {
        let mut till = Till::new().await;
        till.sql("INSERT INTO employees VALUES (1, 'a', NULL), (2, 'b', 1)")
            .await;
        let scopes = till.scopes.clone();
        let collections = crate::till::collections();
        let request = DraftRequest {
            operations_max: PLENTY,
            seed: &collections,
            scopes: &scopes,
            rows: ditto_sync_core::repository::DraftRows::All,
        };
        let drafted = cancelled_after(polls, till.repository.draft(request)).await;
        // What a coordinator does that cannot know: it asks what is in flight.
        till.repository.close().await;
        let state = till.repository.prepare(&crate::till::MODELS).await.unwrap();
        let intent = match state.in_flight {
            Some(intent) => intent,
            None => till.draft(PLENTY).await.intent.unwrap(),
        };
        assert_eq!(till.store.write(&intent), Vec::new());
        let acknowledged = cancelled_after(polls, till.repository.acknowledge(&intent, &scopes)).await;
        till.sql("UPDATE employees SET name = 'c' WHERE id = 2").await;
        till.repository.acknowledge(&intent, &scopes).await.unwrap();
        let again = till
            .draft(PLENTY)
            .await
            .intent
            .expect("the later change is not lost");
        assert!(
            matches!(again.operations[..], [ref one] if matches!(one.action, Action::Patch { .. })),
            "{again:?}"
        );
        assert_eq!(till.store.write(&again), Vec::new(), "{polls} polls");
        till.repository.acknowledge(&again, &scopes).await.unwrap();
        let applied = till
            .pull(&[row(&EMPLOYEE, &crate::till::numbered(2))], PLENTY)
            .await;
        assert_eq!(applied.unchanged, 1);
        if drafted.is_some() && acknowledged.is_some() {
            return;
        }
    }
    panic!("both are done some time");
}
