//! Crashes, restarts, old files and copies of the repository in memory.

use ditto_sync_core::{
    column::ColumnValue,
    error::ErrorKind,
    repository::{Draft, DraftRequest, Repository, RepositoryError, SyncState},
    scope::Scopes,
};
use ditto_sync_testkit::{
    contract::repository::models::{MODELS, STOCK, stock, text_id},
    memory_repository::{Fault, MemoryRepository},
};

async fn draft(repository: &MemoryRepository) -> Result<Draft, RepositoryError> {
    let request = DraftRequest {
        operations_max: 10,
        seed: &[],
        scopes: &Scopes::everything(),
        rows: ditto_sync_core::repository::DraftRows::All,
    };
    repository.draft(request).await
}

async fn with_a_change() -> (MemoryRepository, SyncState) {
    let repository = MemoryRepository::new(1);
    let state = repository.prepare(&MODELS).await.expect("it is prepared");
    repository
        .app()
        .insert(&STOCK, &text_id("s1"), &stock("b1", "tea", 5))
        .expect("the row is new");
    (repository, state)
}

#[tokio::test]
async fn a_failed_transaction_did_not_happen_and_may_be_repeated() {
    let (repository, _) = with_a_change().await;
    repository.inject(1, Fault::Fail);
    let error = draft(&repository).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert_eq!(repository.in_flight(), None);
    assert!(draft(&repository).await.unwrap().intent.is_some());
}

#[tokio::test]
async fn a_crash_before_the_commit_leaves_nothing() {
    let (repository, _) = with_a_change().await;
    repository.inject(1, Fault::CrashBeforeCommit);
    assert!(matches!(draft(&repository).await, Err(RepositoryError::Closed)));
    assert!(matches!(
        repository.prepare(&MODELS).await,
        Err(RepositoryError::Closed)
    ));
    let state = repository.restart().prepare(&MODELS).await.unwrap();
    assert_eq!(state.in_flight, None);
}

#[tokio::test]
async fn a_crash_after_the_commit_leaves_what_was_committed() {
    let (repository, _) = with_a_change().await;
    repository.inject(1, Fault::CrashAfterCommit);
    assert!(matches!(draft(&repository).await, Err(RepositoryError::Closed)));
    let state = repository.restart().prepare(&MODELS).await.unwrap();
    assert_eq!(state.in_flight.map(|intent| intent.operations.len()), Some(1));
}

#[tokio::test]
async fn the_nth_transaction_is_hit_and_no_other() {
    let (repository, _) = with_a_change().await;
    repository.inject(3, Fault::Fail);
    let before = repository.transactions();
    assert!(repository.pending().await.is_ok());
    assert!(repository.pending().await.is_ok());
    assert!(repository.pending().await.is_err());
    assert!(repository.pending().await.is_ok());
    assert_eq!(repository.transactions(), before + 4);
}

#[tokio::test]
async fn handles_of_a_dead_process_are_closed() {
    let (repository, _) = with_a_change().await;
    let restarted = repository.restart();
    assert!(matches!(repository.pending().await, Err(RepositoryError::Closed)));
    restarted.prepare(&MODELS).await.unwrap();
    assert!(matches!(repository.pending().await, Err(RepositoryError::Closed)));
    assert!(restarted.pending().await.is_ok());
}

#[tokio::test]
async fn a_restored_file_is_the_old_one() {
    let (repository, state) = with_a_change().await;
    let old = repository.snapshot();
    repository
        .app()
        .update(&STOCK, &text_id("s1"), &[("quantity", ColumnValue::Integer(1))])
        .unwrap();
    let restored = repository.restore(&old);
    assert_eq!(restored.row(&STOCK, &text_id("s1")), Some(stock("b1", "tea", 5)));
    assert_eq!(restored.outbox(&STOCK).len(), 1);
    assert_eq!(restored.prepare(&MODELS).await.unwrap().replica, state.replica);
}

#[tokio::test]
async fn a_copy_goes_its_own_way() {
    let (repository, state) = with_a_change().await;
    let copy = repository.clone_database(2);
    copy.app().delete(&STOCK, &text_id("s1")).unwrap();
    assert_eq!(repository.rows(&STOCK).len(), 1);
    assert_eq!(copy.rows(&STOCK).len(), 0);
    let same_file = copy.prepare(&MODELS).await.unwrap();
    assert_eq!(same_file.replica, state.replica, "it is the start that finds out");
    let recovery = ditto_sync_core::repository::Recovery::RestoredFile;
    let mine = copy.recover(&recovery).await.unwrap().state.replica;
    let theirs = repository.recover(&recovery).await.unwrap().state.replica;
    assert!(mine != theirs && mine != state.replica && theirs != state.replica);
}

#[tokio::test]
async fn the_same_calls_have_the_same_outcome() {
    let (first, one) = with_a_change().await;
    let (second, other) = with_a_change().await;
    assert_eq!(one.replica, other.replica);
    assert_eq!(
        draft(&first).await.unwrap().intent,
        draft(&second).await.unwrap().intent
    );
    assert_eq!(first.outbox(&STOCK), second.outbox(&STOCK));
}
