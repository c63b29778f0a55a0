//! A filter decides what a device holds, as a scope does.

use std::sync::atomic::{AtomicI64, Ordering};

use ditto_sync::{SyncRegistry, prelude::*};

use crate::devices::Pair;

#[derive(DittoAdapter)]
#[ditto(collection = "filters_sales", filter = "total >= :least")]
struct Sale {
    #[ditto(id)]
    id: String,
    total: i64,
}

const SCHEMA: &str = "CREATE TABLE filters_sales (id TEXT PRIMARY KEY NOT NULL, total INTEGER NOT NULL)";
const SALES: &str = "SELECT quote(id), quote(total) FROM filters_sales ORDER BY id";

#[tokio::test]
async fn only_what_passes_the_filter_is_held_and_a_row_that_ceases_to_is_removed_here_alone() {
    // The left holds sales from 0 on, the right those from 10.
    let least = AtomicI64::new(0);
    let pair = Pair::new(SCHEMA, || {
        SyncRegistry::new()
            .with::<Sale>()
            .context("least", least.fetch_add(10, Ordering::Relaxed))
    })
    .await;
    pair.on_left("INSERT INTO filters_sales VALUES ('1', 5), ('2', 15)")
        .await;
    pair.right.holds(SALES, &["'2',15"]).await;
    pair.on_left("UPDATE filters_sales SET total = 20 WHERE id = '1'")
        .await;
    pair.right.holds(SALES, &["'1',20", "'2',15"]).await;
    pair.on_left("UPDATE filters_sales SET total = 3 WHERE id = '2'")
        .await;
    pair.right.holds(SALES, &["'1',20"]).await;
    pair.on_right("UPDATE filters_sales SET total = 1 WHERE id = '1'")
        .await;
    pair.right.holds(SALES, &[]).await;
    pair.left.holds(SALES, &["'1',1", "'2',3"]).await;
    pair.close().await;
}
