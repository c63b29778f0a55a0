//! Changes that no trigger saw, agreements that are forgotten, and how far seeding has come.
//!
//! The app of a fixture always writes past triggers that work; so what they miss is made here by what the store says.

use ditto_sync_core::{
    intent::Action,
    repository::{Repository, RowRef, SeedState},
};

use super::models::{CATEGORY, MODELS, STOCK, category, stock, text, text_id};
use super::{RepositoryFixture, bench::Bench};

fn row(id: &str) -> RowRef {
    RowRef {
        model: &STOCK,
        id: text_id(id),
    }
}

async fn noted<F: RepositoryFixture>(bench: &Bench<F>, id: &str) -> bool {
    let noted = bench.repository.note_changed(&row(id)).await;
    noted.expect("it is looked at")
}

/// A row that is what was agreed on, one that is dirty anyway, and one that is not there: nothing to note, nothing written.
pub async fn what_has_not_changed_is_not_noted<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    bench
        .agree(&STOCK, &text_id("clean"), &stock("b1", "tea", 5))
        .await;
    bench
        .insert(&STOCK, &text_id("dirty"), &stock("b1", "tea", 5))
        .await;
    let before = bench.fixture.writes().await;
    for id in ["clean", "dirty", "absent"] {
        assert!(!noted(&bench, id).await, "{id}");
    }
    assert_eq!(bench.fixture.writes().await, before);
    assert_eq!(bench.pending(&STOCK).await.entries, 1);
}

/// Rows that were forgotten are taken from their documents again, and what they held is reported; dirty ones stay as they are.
pub async fn a_forgotten_row_takes_its_document<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    for id in ["same", "other", "dirty"] {
        bench.agree(&STOCK, &text_id(id), &stock("b1", "tea", 5)).await;
    }
    bench
        .update(&STOCK, &text_id("dirty"), &[("product", text("mint"))])
        .await;
    let rows = [row("same"), row("other"), row("dirty")];
    bench.repository.forget(&rows).await.expect("they are forgotten");
    // The document has changed unseen by this repository, back to what nobody remembers.
    bench
        .store
        .put(&STOCK, &text_id("other"), &stock("b1", "coffee", 5));
    let applied = bench.pull_rows(&rows).await;
    assert_eq!(applied.changed, vec![row("other")]);
    assert_eq!(applied.conflicts.len(), 1, "what it held is reported");
    assert_eq!(
        bench.row(&STOCK, &text_id("dirty")).await,
        Some(stock("b1", "mint", 5))
    );
    let sent = bench.push().await;
    assert_eq!(sent.len(), 1, "the local change is sent: {sent:?}");
    assert!(matches!(sent[0].action, Action::Patch { .. }), "{sent:?}");
}

/// A change of an app whose row was forgotten is sent as it is known: with the image before it as the base.
pub async fn a_forgotten_row_that_changes_is_seeded_first<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    bench.agree(&STOCK, &text_id("s1"), &stock("b1", "tea", 5)).await;
    bench
        .repository
        .forget(&[row("s1")])
        .await
        .expect("it is forgotten");
    bench
        .update(&STOCK, &text_id("s1"), &[("product", text("mint"))])
        .await;
    // The store has the document, so the seed is refused, and met.
    bench.push().await;
    assert_eq!(
        bench.store.image(&STOCK, &text_id("s1")),
        Some(stock("b1", "mint", 5))
    );
    bench.assert_nothing_to_send().await;
}

/// Rows older than the triggers are counted until they are sent; then that is durable, and costs no look any more.
pub async fn seeding_is_counted_and_done_once<F: RepositoryFixture>(mut fixture: F) {
    use crate::app_change::AppChange;
    for id in ["s1", "s2", "s3"] {
        let change = AppChange::insert(&STOCK, &text_id(id), &stock("b1", "tea", 5));
        fixture.change(change).await.expect("the app can write");
    }
    let mut bench = Bench::new(fixture).await;
    assert_eq!(stocks(&bench).await, state(false, 3));
    let first = bench.draft_of(1, true).await.intent.expect("one of them");
    bench.settle(&first).await;
    assert_eq!(stocks(&bench).await, state(false, 2));
    let mut bench = bench.crash().await;
    assert_eq!(
        stocks(&bench).await,
        state(false, 2),
        "what was sent is not sent again"
    );
    let sent = bench.push().await;
    assert_eq!(sent.len(), 2);
    assert_eq!(stocks(&bench).await, state(true, 0));
    let bench = bench.crash().await;
    assert_eq!(stocks(&bench).await, state(true, 0), "once a database");
}

/// A row older than the triggers whose document cannot be read is no seed, until that document is gone: then nobody else has the row.
pub async fn a_row_whose_document_did_not_fit_is_seeded_when_that_is_gone<F: RepositoryFixture>(
    mut fixture: F,
) {
    use crate::app_change::AppChange;
    let (id, image) = (text_id("s1"), stock("b1", "tea", 5));
    let change = AppChange::insert(&STOCK, &id, &image);
    fixture.change(change).await.expect("the app can write");
    let mut bench = Bench::new(fixture).await;
    bench.store.put(&STOCK, &id, &image);
    bench.store.set(&STOCK, &id, "quantity", "many");
    assert_eq!(bench.pull(&STOCK, &id).await.quarantined.len(), 1);
    bench.assert_nothing_to_send().await;
    bench.store.delete(&STOCK, &id);
    bench.pull(&STOCK, &id).await;
    assert_eq!(bench.push().await.len(), 1);
    assert_eq!(bench.store.image(&STOCK, &id), Some(image));
    assert_eq!(stocks(&bench).await, state(true, 0));
}

/// After a reset the tables are looked through again; what has agreed is left alone.
pub async fn a_reset_has_tables_be_looked_through_again<F: RepositoryFixture>(fixture: F) {
    let mut bench = Bench::new(fixture).await;
    bench.agree(&STOCK, &text_id("s1"), &stock("b1", "tea", 5)).await;
    bench.assert_nothing_to_send().await;
    assert_eq!(stocks(&bench).await, state(true, 0));
    let reset = bench.repository.reset_seeding(&[&STOCK]).await;
    reset.expect("it is reset");
    assert_eq!(stocks(&bench).await, state(false, 0));
    let mut bench = bench.crash().await;
    assert_eq!(stocks(&bench).await, state(false, 0), "that is durable");
    // A row that no store has met is found again.
    bench
        .repository
        .forget(&[row("s1")])
        .await
        .expect("it is forgotten");
    assert_eq!(stocks(&bench).await, state(false, 1));
    bench.push().await;
    assert_eq!(stocks(&bench).await, state(true, 0));
    bench.assert_nothing_to_send().await;
}

/// Only models that are asked for are seeded.
pub async fn only_what_is_asked_for_is_seeded<F: RepositoryFixture>(mut fixture: F) {
    use crate::app_change::AppChange;
    let changes = [
        AppChange::insert(&STOCK, &text_id("s1"), &stock("b1", "tea", 5)),
        AppChange::insert(
            &CATEGORY,
            &ditto_sync_core::id::DocumentId::integer(1),
            &category("food"),
        ),
    ];
    for change in changes {
        fixture.change(change).await.expect("the app can write");
    }
    let bench = Bench::new(fixture).await;
    let request = ditto_sync_core::repository::DraftRequest {
        operations_max: 10,
        seed: &[CATEGORY.collection()],
        scopes: &bench.scopes,
        rows: ditto_sync_core::repository::DraftRows::All,
    };
    let draft = bench.repository.draft(request).await.expect("a draft is made");
    let intent = draft.intent.expect("the category");
    assert_eq!(intent.operations.len(), 1);
    assert_eq!(intent.operations[0].model.collection(), CATEGORY.collection());
    assert_eq!(stocks(&bench).await, state(false, 1));
}

fn state(done: bool, unmet: u64) -> SeedState {
    SeedState {
        collection: STOCK.collection(),
        done,
        unmet,
    }
}

async fn stocks<F: RepositoryFixture>(bench: &Bench<F>) -> SeedState {
    let states = bench.repository.seeding().await.expect("it is looked at");
    assert_eq!(states.len(), MODELS.len());
    let of_stocks = states
        .into_iter()
        .find(|state| state.collection == STOCK.collection());
    of_stocks.expect("every prepared model is told of")
}
