//! What a column may hold: blobs in text columns, generated columns, columns that no field maps.

use ditto_sync::{DittoAdapter, SyncRegistry};

use crate::devices::Pair;

#[derive(DittoAdapter)]
#[ditto(collection = "files")]
struct File {
    #[ditto(id)]
    id: String,
    content: Option<Vec<u8>>,
    note: Option<Vec<u8>>,
}

#[tokio::test]
async fn blobs_travel_even_in_text_columns() {
    let schema = "CREATE TABLE files (id TEXT PRIMARY KEY NOT NULL, content BLOB, note TEXT)";
    let pair = Pair::new(schema, || SyncRegistry::new().with::<File>()).await;
    pair.on_left("INSERT INTO files VALUES ('1', x'00ff00', x'c328'), ('2', x'', NULL)")
        .await;
    let select = "SELECT quote(id), quote(content), quote(note) FROM files ORDER BY id";
    pair.both_hold(select, &["'1',X'00FF00',X'C328'", "'2',X'',NULL"])
        .await;
    pair.on_right(
        "UPDATE files SET note = x'ffff' WHERE id = '1'; UPDATE files SET content = NULL WHERE id = '2'",
    )
    .await;
    pair.both_hold(select, &["'1',X'00FF00',X'FFFF'", "'2',NULL,NULL"])
        .await;
    pair.close().await;
}

#[derive(DittoAdapter)]
#[ditto(collection = "notes")]
struct Note {
    #[ditto(id)]
    id: String,
    text: Option<String>,
}

#[tokio::test]
async fn a_blob_in_a_text_field_goes_into_quarantine_and_holds_nobody_up() {
    let pair = Pair::new(
        "CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, text TEXT)",
        || SyncRegistry::new().with::<Note>(),
    )
    .await;
    pair.on_left("INSERT INTO notes VALUES ('1', 'good'), ('2', x'00ff'), ('3', 'too')")
        .await;
    let select = "SELECT quote(id), quote(text) FROM notes ORDER BY id";
    pair.right.holds(select, &["'1','good'", "'3','too'"]).await;
    pair.left
        .reports("notes", |status| {
            status.quarantined == 1 && status.last_error.as_ref().is_some_and(|why| why.contains("text"))
        })
        .await;
    pair.on_left("UPDATE notes SET text = 'mended' WHERE id = '2'")
        .await;
    pair.both_hold(select, &["'1','good'", "'2','mended'", "'3','too'"])
        .await;
    pair.left.reports("notes", |status| status.quarantined == 0).await;
    pair.close().await;
}

#[derive(DittoAdapter)]
#[ditto(collection = "prices")]
struct Price {
    #[ditto(id)]
    id: String,
    net: f64,
    #[ditto(skip)]
    #[expect(dead_code, reason = "only here to be skipped")]
    gross: f64,
}

#[tokio::test]
async fn generated_and_unmapped_columns_stay_each_device_s_own() {
    let schema = "CREATE TABLE prices (id TEXT PRIMARY KEY NOT NULL, net REAL NOT NULL, gross REAL GENERATED ALWAYS AS (net * 2) STORED, \
                  twice REAL AS (net + net) VIRTUAL, shelf TEXT DEFAULT 'unknown')";
    let pair = Pair::new(schema, || SyncRegistry::new().with::<Price>()).await;
    pair.on_left("INSERT INTO prices (id, net, shelf) VALUES ('1', 1.5, 'left'), ('2', 2.5, 'left')")
        .await;
    let select = "SELECT quote(id), quote(net), quote(gross), quote(twice) FROM prices ORDER BY id";
    pair.both_hold(select, &["'1',1.5,3.0,3.0", "'2',2.5,5.0,5.0"])
        .await;
    pair.on_right("UPDATE prices SET shelf = 'right'").await;
    pair.on_left("UPDATE prices SET net = 2.0 WHERE id = '1'").await;
    pair.both_hold(select, &["'1',2.0,4.0,4.0", "'2',2.5,5.0,5.0"])
        .await;
    let shelves = "SELECT quote(shelf) FROM prices ORDER BY id";
    pair.left.holds(shelves, &["'left'", "'left'"]).await;
    pair.right.holds(shelves, &["'right'", "'right'"]).await;
    let sent = pair.right.sync.status().borrow().collections["prices"].sent;
    assert_eq!(sent, 0, "a column that no field maps sends nothing");
    pair.close().await;
}
