//! How records leave the quarantine, and what is told of one row.

use ditto_sync_core::{
    column::ColumnValue,
    document::Document,
    hash::IdHash,
    id::DocumentId,
    intent::{Action, Expect},
    merge::ConflictKind,
    quarantine::{Content, QuarantineRecord, Release, Released},
    repository::{DraftRequest, DraftRows, Quarantined, Repository, RowRef, RowSet, Way},
    value::Value,
};

use super::models::{STOCK, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};

const REASON: &str = "the store does not like tea";

/// Reason, content and attempts of both ways, and when it began.
pub async fn what_is_in_quarantine_is_listed_with_its_content<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    refused_insert(&mut bench).await;
    unreadable(&mut bench, "in").await;
    let bench = bench.crash().await;
    let records = records(&bench).await;
    assert_eq!(records.len(), 2);
    // Both may be of one millisecond: their order says nothing.
    let of = |way| {
        records
            .iter()
            .find(|record| record.way == way)
            .expect("one of each way")
    };
    let out = of(Way::Outbound);
    assert_eq!(
        (out.id.as_ref(), out.way, out.reason.as_str(), out.attempts),
        (Some(&text_id("out")), Way::Outbound, REASON, 1)
    );
    let row = Content::Row {
        key: vec![text("out")],
        columns: Some(stock("b1", "tea", 5).into_columns()),
    };
    assert_eq!(out.content, row);
    let inbound = of(Way::Inbound);
    assert_eq!(
        (inbound.id.as_ref(), inbound.way, inbound.attempts),
        (Some(&text_id("in")), Way::Inbound, 1)
    );
    assert!(inbound.reason.contains("quantity"), "{}", inbound.reason);
    let document = bench.store.get(&STOCK, &text_id("in")).cloned();
    assert_eq!(inbound.content, Content::Document(document));
    assert!(out.since <= inbound.since);
    assert!(inbound.to_string().contains("stocks/in"), "{inbound}");
}

/// A retry makes the row go out again; refused again, it has one more attempt; accepted, it is out of quarantine.
pub async fn a_retried_row_is_sent_again_and_its_attempts_are_counted<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    refused_insert(&mut bench).await;
    bench.assert_nothing_to_send().await;
    assert_done(&release(&bench, "out", Release::Retry).await);
    assert_eq!(records(&bench).await.len(), 1, "it stays listed until it worked");
    let intent = bench.intent().await;
    bench.discard(&intent, &[refusal("out")]).await;
    bench.assert_nothing_to_send().await;
    assert_eq!(records(&bench).await[0].attempts, 2);
    assert_done(&release(&bench, "out", Release::Retry).await);
    bench.push().await;
    assert!(records(&bench).await.is_empty());
    bench
        .assert_agreed(&STOCK, &text_id("out"), &stock("b1", "tea", 5))
        .await;
}

/// A discarded local change is taken back, reported with both values, and nothing is sent.
pub async fn a_discarded_update_goes_back_to_its_base<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let (id, base) = (text_id("out"), stock("b1", "rice", 5));
    bench.agree(&STOCK, &id, &base).await;
    bench.update(&STOCK, &id, &[("product", text("tea"))]).await;
    let intent = bench.intent().await;
    bench.discard(&intent, &[refusal("out")]).await;
    let released = release(&bench, "out", Release::Discard(Way::Outbound)).await;
    let Released::Done {
        conflict: Some(conflict),
        intent: None,
    } = released
    else {
        panic!("it is given up and reported: {released:?}");
    };
    assert_eq!(conflict.kind, ConflictKind::LocalDiscarded);
    let fields: Vec<_> = conflict
        .fields
        .iter()
        .map(|field| (field.field, field.local.clone(), field.remote.clone()))
        .collect();
    assert_eq!(fields, [("product", Some(text("tea")), Some(text("rice")))]);
    assert!(records(&bench).await.is_empty());
    bench.assert_agreed(&STOCK, &id, &base).await;
    assert_eq!(bench.row(&STOCK, &id).await, Some(base));
    let bench = bench.crash().await;
    let reports = bench.repository.conflicts().await.expect("they are listed");
    assert_eq!(reports.last().map(|report| &report.conflict), Some(&conflict));
}

/// A row that the store never had has nothing to go back to.
pub async fn a_discarded_insert_is_removed<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    refused_insert(&mut bench).await;
    assert_done(&release(&bench, "out", Release::Discard(Way::Outbound)).await);
    assert_eq!(bench.row(&STOCK, &text_id("out")).await, None);
    assert!(records(&bench).await.is_empty());
    bench.assert_nothing_to_send().await;
}

/// An edit is a change of the row like any other.
pub async fn a_row_in_quarantine_is_mended_by_an_edit<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    refused_insert(&mut bench).await;
    let edit = Release::EditRow(vec![
        ("product".to_owned(), text("mint")),
        ("quantity".to_owned(), ColumnValue::Integer(6)),
    ]);
    assert_done(&release(&bench, "out", edit).await);
    bench.push().await;
    let mended = stock("b1", "mint", 6);
    assert_eq!(bench.store.image(&STOCK, &text_id("out")), Some(mended.clone()));
    assert!(records(&bench).await.is_empty());
    bench.assert_agreed(&STOCK, &text_id("out"), &mended).await;
}

/// What is wrong with the edit is told, and nothing of it happens.
pub async fn an_edit_that_does_not_fit_changes_nothing<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    refused_insert(&mut bench).await;
    unreadable(&mut bench, "in").await;
    let before = bench.fixture.writes().await;
    let unknown = Release::EditRow(vec![("colour".to_owned(), text("green"))]);
    assert!(refused(release(&bench, "out", unknown).await).contains("colour"));
    let half = Release::EditDocument(Document::from_iter([("product", "tea")]));
    assert!(refused(release(&bench, "in", half).await).contains("branchId"));
    assert_eq!(bench.fixture.writes().await, before);
    assert_eq!(records(&bench).await.len(), 2);
    assert_eq!(bench.row(&STOCK, &text_id("in")).await, None);
}

/// Ignored is one version of the document, also after a crash. Another one counts again.
pub async fn a_discarded_document_is_ignored_until_it_changes<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = unreadable(&mut bench, "in").await;
    assert_done(&release(&bench, "in", Release::Discard(Way::Inbound)).await);
    assert!(records(&bench).await.is_empty());
    assert_eq!(bench.pending(&STOCK).await.quarantined, 0);
    let mut bench = bench.crash().await;
    let before = bench.fixture.writes().await;
    let applied = bench.pull(&STOCK, &id).await;
    assert!(applied.quarantined.is_empty(), "it is ignored: {applied:?}");
    assert_eq!(bench.fixture.writes().await, before);
    assert!(trace(&bench, "in").await.ignored.is_some());
    bench.store.set(&STOCK, &id, "quantity", "even more");
    assert_eq!(bench.pull(&STOCK, &id).await.quarantined.len(), 1);
    assert_eq!(records(&bench).await.len(), 1);
    assert_done(&release(&bench, "in", Release::Discard(Way::Inbound)).await);
    bench.store.set(&STOCK, &id, "quantity", 7);
    bench.pull(&STOCK, &id).await;
    assert_eq!(bench.row(&STOCK, &id).await, Some(stock("b1", "tea", 7)));
    assert_eq!(trace(&bench, "in").await.ignored, None);
}

/// The document that was mended here is the row at once, and goes out over the broken one, its unknown fields included.
pub async fn an_edited_document_becomes_the_row_and_is_sent<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = unreadable(&mut bench, "in").await;
    bench.store.set(&STOCK, &id, "unknownToUs", "kept");
    bench.pull(&STOCK, &id).await;
    let intent = mend(&bench, "in").await;
    let mended = stock("b1", "tea", 9);
    assert_eq!(bench.row(&STOCK, &id).await, Some(mended.clone()));
    let operation = &intent.operations[0];
    assert!(matches!(operation.expect, Expect::Unreadable(_)));
    assert!(matches!(operation.action, Action::Insert(_)));
    bench.settle(&intent).await;
    assert_eq!(bench.store.image(&STOCK, &id), Some(mended.clone()));
    let document = bench.store.get(&STOCK, &id).expect("it is there");
    assert_eq!(document.get("unknownToUs"), Some(&Value::Text("kept".into())));
    assert!(records(&bench).await.is_empty());
    bench.assert_agreed(&STOCK, &id, &mended).await;
}

/// An edit is in flight: a crash does not lose it. Refused because the document has changed, it meets the new one as any local change.
pub async fn an_edited_document_survives_a_crash<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let id = unreadable(&mut bench, "in").await;
    let intent = mend(&bench, "in").await;
    let mut bench = bench.crash().await;
    assert_eq!(bench.state.in_flight.as_ref(), Some(&intent));
    bench.store.set(&STOCK, &id, "quantity", 1);
    assert_eq!(bench.store.write(&intent).len(), 1, "the document has changed");
    bench.discard(&intent, &[]).await;
    bench.pull(&STOCK, &id).await;
    bench.push().await;
    assert_eq!(
        bench.store.image(&STOCK, &id),
        Some(stock("b1", "tea", 9)),
        "the edit is the later write"
    );
    assert_eq!(bench.row(&STOCK, &id).await, Some(stock("b1", "tea", 9)));
    bench.assert_nothing_to_send().await;
}

/// That there is no such record is an answer, and nothing is written.
pub async fn what_is_not_in_quarantine_cannot_be_released<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    bench.agree(&STOCK, &text_id("s1"), &stock("b1", "tea", 5)).await;
    let before = bench.fixture.writes().await;
    for release_of in [
        Release::Retry,
        Release::Discard(Way::Inbound),
        Release::Discard(Way::Outbound),
        Release::EditRow(vec![("product".to_owned(), text("mint"))]),
        Release::EditDocument(Document::new()),
    ] {
        let released = release(&bench, "s1", release_of).await;
        assert!(matches!(released, Released::NotThere), "{released:?}");
    }
    assert_eq!(bench.fixture.writes().await, before);
}

/// What is told of a row follows it from the change to the store.
pub async fn a_row_is_traced<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    let nothing = trace(&bench, "out").await;
    assert!(!nothing.exists && nothing.entries.is_empty() && nothing.known.is_none());
    refused_insert(&mut bench).await;
    let held = trace(&bench, "out").await;
    assert!(held.exists && held.known.is_none());
    assert_eq!(
        held.entries.iter().map(|entry| entry.change).collect::<Vec<_>>(),
        ["insert"]
    );
    assert_eq!(held.quarantined.len(), 1);
    assert_done(&release(&bench, "out", Release::Retry).await);
    bench.push().await;
    let stored = trace(&bench, "out").await;
    assert!(stored.entries.is_empty() && stored.known.is_some() && stored.quarantined.is_empty());
}

/// Rows that are tried alone stay out of every other draft, and neither count as more to send.
pub async fn a_draft_leaves_out_what_it_is_told_to<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    for id in ["s1", "s2"] {
        bench.insert(&STOCK, &text_id(id), &stock("b1", "tea", 5)).await;
    }
    let apart = RowSet::from([(STOCK.collection(), IdHash::of(&text_id("s1")))]);
    let only = row("s1");
    let mut bench = drafted(bench, DraftRows::Except(&apart, &[]), &["s2"]).await;
    let request = DraftRequest {
        operations_max: 10,
        seed: &[],
        scopes: &bench.scopes,
        rows: DraftRows::Except(&apart, &[]),
    };
    let rest = bench.repository.draft(request).await.expect("a draft is made");
    assert_eq!((rest.intent, rest.more), (None, false));
    let request = DraftRequest {
        rows: DraftRows::Except(&RowSet::new(), &[STOCK.collection()]),
        ..request
    };
    let rest = bench.repository.draft(request).await.expect("a draft is made");
    assert_eq!((rest.intent, rest.more), (None, false), "nor of this collection");
    bench = drafted(bench, DraftRows::Only(&only), &["s1"]).await;
    bench.assert_nothing_to_send().await;
}

async fn drafted<F: RepositoryFixture>(
    mut bench: Bench<F>,
    rows: DraftRows<'_>,
    expected: &[&str],
) -> Bench<F> {
    let request = DraftRequest {
        operations_max: 10,
        seed: &[],
        scopes: &bench.scopes,
        rows,
    };
    let draft = bench.repository.draft(request).await.expect("a draft is made");
    let intent = draft.intent.expect("there is something to send");
    let ids: Vec<_> = intent
        .operations
        .iter()
        .map(|operation| operation.id.clone())
        .collect();
    assert_eq!(ids, expected.iter().map(|id| text_id(id)).collect::<Vec<_>>());
    bench.settle(&intent).await;
    bench
}

fn row(id: &str) -> RowRef {
    RowRef {
        model: &STOCK,
        id: text_id(id),
    }
}

fn refusal(id: &str) -> Quarantined {
    Quarantined {
        model: &STOCK,
        id: Some(text_id(id)),
        way: Way::Outbound,
        reason: REASON.to_owned(),
    }
}

/// The row `out` is inserted, and refused by the store.
async fn refused_insert<F: RepositoryFixture>(bench: &mut Bench<F>) {
    bench
        .insert(&STOCK, &text_id("out"), &stock("b1", "tea", 5))
        .await;
    let intent = bench.intent().await;
    bench.discard(&intent, &[refusal("out")]).await;
}

/// A document comes that cannot be read.
async fn unreadable<F: RepositoryFixture>(bench: &mut Bench<F>, id: &str) -> DocumentId {
    let id = text_id(id);
    bench.store.put(&STOCK, &id, &stock("b1", "tea", 5));
    bench.store.set(&STOCK, &id, "quantity", "many");
    assert_eq!(bench.pull(&STOCK, &id).await.quarantined.len(), 1);
    id
}

/// The document in quarantine gets a quantity of 9.
async fn mend<F: RepositoryFixture>(bench: &Bench<F>, id: &str) -> ditto_sync_core::intent::Intent {
    let records = records(bench).await;
    let record = records.iter().find(|record| record.id == Some(text_id(id)));
    let Some(QuarantineRecord {
        content: Content::Document(Some(document)),
        ..
    }) = record
    else {
        panic!("the document is listed: {records:?}");
    };
    let mut mended = document.clone();
    mended.set("quantity", 9);
    match release(bench, id, Release::EditDocument(mended)).await {
        Released::Done {
            intent: Some(intent), ..
        } => intent,
        other => panic!("it is sent: {other:?}"),
    }
}

async fn records<F: RepositoryFixture>(bench: &Bench<F>) -> Vec<QuarantineRecord> {
    bench.repository.quarantine().await.expect("it is listed")
}

async fn trace<F: RepositoryFixture>(bench: &Bench<F>, id: &str) -> ditto_sync_core::explain::RowTrace {
    bench.repository.trace(&row(id)).await.expect("it is traced")
}

async fn release<F: RepositoryFixture>(bench: &Bench<F>, id: &str, release: Release) -> Released {
    let released = bench.repository.release(&row(id), &release).await;
    released.expect("the database works")
}

fn assert_done(released: &Released) {
    assert!(matches!(released, Released::Done { .. }), "{released:?}");
}

fn refused(released: Released) -> String {
    match released {
        Released::Refused(reason) => reason,
        other => panic!("it does not fit: {other:?}"),
    }
}
