//! `seed = false`: rows that were there before stay here until they change.

use ditto_sync::{SyncRegistry, prelude::*};

use crate::devices::{PATIENCE, Pair};

#[derive(DittoAdapter)]
#[ditto(collection = "seeding_off", seed = false)]
struct Off {
    #[ditto(id)]
    id: String,
    text: Option<String>,
    number: i64,
}

/// The same, with seeding: when its rows have arrived, those of the other would have, too.
#[derive(DittoAdapter)]
#[ditto(collection = "seeding_on")]
struct On {
    #[ditto(id)]
    id: String,
    text: Option<String>,
    number: i64,
}

const SCHEMA: &str =
    "CREATE TABLE seeding_off (id TEXT PRIMARY KEY NOT NULL, text TEXT, number INTEGER NOT NULL);
    CREATE TABLE seeding_on (id TEXT PRIMARY KEY NOT NULL, text TEXT, number INTEGER NOT NULL)";
const ROWS: &str = "INSERT INTO seeding_off VALUES ('1', 'a', 1), ('2', 'b', 2);
    INSERT INTO seeding_on VALUES ('1', 'a', 1), ('2', 'b', 2)";
const OFF: &str = "SELECT quote(id), quote(text), quote(number) FROM seeding_off ORDER BY id";
const ON: &str = "SELECT quote(id), quote(text), quote(number) FROM seeding_on ORDER BY id";

#[tokio::test]
async fn rows_of_a_model_without_seeding_are_sent_when_they_change() {
    let registry = || SyncRegistry::new().with::<Off>().with::<On>();
    let pair = Pair::with_rows(SCHEMA, ROWS, registry).await;
    pair.right.holds(ON, &["'1','a',1", "'2','b',2"]).await;
    pair.left.sync.settled(PATIENCE).await.expect("the left settles");
    pair.on_left(
        "UPDATE seeding_off SET text = 'c' WHERE id = '2'; INSERT INTO seeding_off VALUES ('3', NULL, 3)",
    )
    .await;
    pair.right.holds(OFF, &["'2','c',2", "'3',NULL,3"]).await;
    // The row that never changed is nobody else's, and still there.
    pair.left
        .holds(OFF, &["'1','a',1", "'2','c',2", "'3',NULL,3"])
        .await;
    pair.close().await;
}
