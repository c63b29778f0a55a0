//! What several tests need: a table of stocks, and waiting with a deadline.

use std::time::Duration;

use ditto_sync_core::repository::Repository;
use ditto_sync_sqlite::SqliteRepository;
use ditto_sync_testkit::models::STOCK;
use sqlx::SqliteConnection;

/// Generous: reached only when something is broken.
const DEADLINE: Duration = Duration::from_secs(30);

/// Makes the table of [`STOCK`].
pub(crate) async fn create_stocks(repository: &SqliteRepository) {
    repository.create_missing_tables_of(&[&STOCK]).await.unwrap();
}

pub(crate) async fn insert_stock(connection: &mut SqliteConnection, id: &str) {
    sqlx::query("INSERT INTO stocks(id, branch_id, quantity) VALUES (?, 'b1', 1)")
        .bind(id)
        .execute(connection)
        .await
        .unwrap();
}

/// Waits for the next change.
pub(crate) async fn changed(repository: &SqliteRepository) {
    tokio::time::timeout(DEADLINE, repository.changed())
        .await
        .expect("a change is noticed");
}
