//! Each kind of bad record on real SQLite files, both ways: its neighbours are unharmed, its reason is readable, and it can be mended.

use ditto_sync::{
    ColumnValue, Content, DittoAdapter, Document, DocumentId, Edit, QuarantineRecord, Receipt, RecordError,
    SyncRegistry, Value, Way,
};
use ditto_sync_core::{
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::{DocumentStore as _, WriteOutcome},
};
use ditto_sync_testkit::{Fault, Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore, StoreCall};
use tempfile::TempDir;

use crate::devices::{Device, PATIENCE, prepare, run};

const FLAVORS: [Flavor; 2] = [Flavor::Ditto, Flavor::Mesh];

#[derive(DittoAdapter)]
#[ditto(collection = "goods")]
struct Good {
    #[ditto(id)]
    id: String,
    name: String,
    weight: Option<f64>,
    details: Option<serde_json::Value>,
    #[ditto(column = "shelf_id")]
    shelf_id: Option<String>,
}

#[derive(DittoAdapter)]
#[ditto(collection = "shelves")]
struct Shelf {
    #[ditto(id)]
    id: String,
    label: Option<String>,
}

const SCHEMA: &str = "CREATE TABLE shelves (id TEXT PRIMARY KEY NOT NULL, label TEXT NOT NULL); \
     CREATE TABLE goods (id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL UNIQUE, weight REAL CHECK (weight > 0), details TEXT, \
     shelf_id TEXT REFERENCES shelves(id))";
const NAMES: &str = "SELECT quote(id), quote(name) FROM goods ORDER BY id";

/// One device, and a peer on the same hub that writes documents by hand.
struct Shop {
    till: Device,
    peer: MemoryStore,
    hub: MemoryHub,
    directory: TempDir,
    sequence: u64,
}

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Good>().with::<Shelf>()
}

impl Shop {
    async fn open(flavor: Flavor) -> Self {
        Self::with(MemoryConfig::new(flavor)).await
    }

    async fn with(config: MemoryConfig) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let hub = MemoryHub::new(config);
        let network = hub.network();
        network.connect_all(LinkConfig::perfect());
        let wire = network.clone();
        tokio::spawn(async move { wire.run().await });
        prepare(&directory.path().join("till.db"), &[SCHEMA]).await;
        let peer = hub.store("peer");
        let till = Device::start("till", &directory, &hub, registry()).await;
        till.sync.settled(PATIENCE).await.expect("it starts");
        Self {
            till,
            peer,
            hub,
            directory,
            sequence: 0,
        }
    }

    async fn restart(self) -> Self {
        let Self {
            till,
            peer,
            hub,
            directory,
            sequence,
        } = self;
        till.close().await;
        let till = Device::start("till", &directory, &hub, registry()).await;
        Self {
            till,
            peer,
            hub,
            directory,
            sequence,
        }
    }

    /// The peer writes a document that need not be one of ours.
    async fn deliver(&mut self, id: &str, expect: Expect, action: Action) {
        let operation = Operation {
            model: Good::descriptor(),
            id: key(id),
            expect,
            action,
            record: Record {
                covers: None,
                sent: None,
                undo: Undo::Seed,
            },
        };
        self.sequence += 1;
        let intent = Intent {
            batch: BatchId {
                replica: ReplicaId::from_bytes([9; 16]),
                sequence: self.sequence,
            },
            operations: vec![operation],
        };
        let outcome = self.peer.write(&intent).await.expect("the peer writes");
        assert_eq!(outcome, WriteOutcome::Applied);
    }

    /// The peer inserts a document with these fields, and a sound neighbour.
    async fn deliver_with_neighbour(&mut self, id: &str, fields: &[(&str, Value)]) {
        let mut document = good(id);
        for (name, value) in fields {
            document.set(*name, value.clone());
        }
        self.deliver(id, Expect::Absent, Action::Insert(document)).await;
        let neighbour = format!("{id}-neighbour");
        self.deliver(&neighbour, Expect::Absent, Action::Insert(good(&neighbour)))
            .await;
    }

    /// Waits until exactly this record is in quarantine.
    async fn quarantined(&self, id: &str, way: Way) -> QuarantineRecord {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut records = self.quarantine().await;
            if records.len() == 1 && records[0].id == Some(key(id)) && records[0].way == way {
                return records.remove(0);
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "`{id}` is not alone in quarantine: {records:#?}; {:#?}",
                self.till.sync.status().borrow()
            );
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
    }

    async fn quarantine(&self) -> Vec<QuarantineRecord> {
        self.till.sync.quarantine().await.expect("it is listed")
    }

    /// Waits until nothing is in quarantine, and everything has reached the store.
    async fn mended(&self) {
        for collection in ["goods", "shelves"] {
            self.till
                .reports(collection, |status| {
                    status.quarantined == 0 && status.pending == 0
                })
                .await;
        }
        self.till.sync.settled(PATIENCE).await.expect("it settles");
        assert!(self.quarantine().await.is_empty());
    }

    async fn names(&self, expected: &[&str]) {
        self.till.holds(NAMES, expected).await;
    }

    /// The document as the till's own store holds it.
    fn document(&self, id: &str) -> Option<Document> {
        let documents = self.till.store.documents(Good::descriptor());
        documents
            .into_iter()
            .find_map(|(of, document)| (of == key(id)).then_some(document))
    }

    async fn edit_document(&self, record: &QuarantineRecord, field: &str, value: impl Into<Value>) {
        let Content::Document(Some(document)) = &record.content else {
            panic!("the document is kept: {record:?}");
        };
        let mut mended = document.clone();
        mended.set(field, value);
        let id = record.id.clone().expect("it has an id");
        self.till
            .sync
            .edit("goods", &id, Edit::Document(mended))
            .await
            .expect("the edit fits");
    }

    /// Asks for another attempt, unless the record has got out of quarantine by itself.
    async fn retry(&self, id: &str) {
        let retried = self.till.sync.retry("goods", &key(id)).await;
        assert!(
            matches!(retried, Ok(()) | Err(RecordError::NotInQuarantine)),
            "{retried:?}"
        );
    }

    async fn close(self) {
        self.till.close().await;
    }
}

fn key(id: &str) -> DocumentId {
    DocumentId::text(id).expect("a valid id")
}

fn good(id: &str) -> Document {
    Document::from_iter([("_id", id), ("id", id), ("name", id)])
}

fn descriptor_field(reason: &str, field: &str) {
    assert!(
        reason.contains(&format!("`{field}`")),
        "it names `{field}`: {reason}"
    );
}

#[tokio::test]
async fn a_document_with_a_wrong_type_is_mended_by_an_edit_that_keeps_unknown_fields() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        let fields = [
            ("weight", Value::Text("heavy".into())),
            ("color", Value::Text("red".into())),
        ];
        shop.deliver_with_neighbour("a", &fields).await;
        shop.names(&["'a-neighbour','a-neighbour'"]).await;
        let record = shop.quarantined("a", Way::Inbound).await;
        descriptor_field(&record.reason, "weight");
        shop.edit_document(&record, "weight", 1.5).await;
        shop.names(&["'a','a'", "'a-neighbour','a-neighbour'"]).await;
        shop.mended().await;
        let document = shop.document("a").expect("it is in the store");
        assert_eq!(document.get("weight"), Some(&Value::Float(1.5)));
        assert_eq!(
            document.get("color"),
            Some(&Value::Text("red".into())),
            "unknown, and kept"
        );
        shop.close().await;
    }
}

#[tokio::test]
async fn values_that_no_store_should_take_are_quarantined_where_they_come_in() {
    let deep = (0..80).fold(Value::Int(1), |inner, _| Value::List(vec![inner]));
    let cases = [
        ("weight", Value::Float(f64::NAN), "finite", Value::Float(1.5)),
        ("weight", Value::Float(f64::INFINITY), "finite", Value::Float(1.5)),
        ("details", deep, "levels", Value::Null),
        (
            "details",
            Value::List(vec![Value::Float(f64::NAN)]),
            "finite",
            Value::Null,
        ),
    ];
    for (field, value, reason, mended) in cases {
        for flavor in FLAVORS {
            let mut shop = Shop::with(MemoryConfig::new(flavor).with_any_value()).await;
            shop.deliver_with_neighbour("a", &[(field, value.clone())]).await;
            let record = shop.quarantined("a", Way::Inbound).await;
            descriptor_field(&record.reason, field);
            assert!(record.reason.contains(reason), "{record}");
            shop.names(&["'a-neighbour','a-neighbour'"]).await;
            shop.edit_document(&record, field, mended.clone()).await;
            shop.names(&["'a','a'", "'a-neighbour','a-neighbour'"]).await;
            shop.mended().await;
            shop.close().await;
        }
    }
}

#[tokio::test]
async fn a_document_without_a_required_field_is_applied_once_its_author_mends_it() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        let half = Document::from_iter([("_id", "a"), ("id", "a")]);
        shop.deliver("a", Expect::Absent, Action::Insert(half.clone()))
            .await;
        shop.deliver("b", Expect::Absent, Action::Insert(good("b"))).await;
        shop.names(&["'b','b'"]).await;
        descriptor_field(&shop.quarantined("a", Way::Inbound).await.reason, "name");
        let expect = QuarantineRecord::expect(Good::descriptor(), Some(&half));
        let set = vec![("name".into(), Value::Text("late".into()))];
        let increments = Vec::new();
        shop.deliver("a", expect, Action::Patch { set, increments }).await;
        shop.names(&["'a','late'", "'b','b'"]).await;
        shop.mended().await;
        shop.close().await;
    }
}

#[tokio::test]
async fn a_discarded_document_stays_away_until_it_changes_even_after_a_restart() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        shop.deliver_with_neighbour("a", &[("weight", Value::Bool(true))])
            .await;
        shop.quarantined("a", Way::Inbound).await;
        shop.till
            .sync
            .discard("goods", &key("a"), Way::Inbound)
            .await
            .expect("it is ignored");
        let shop = shop.restart().await;
        shop.till.sync.reconcile().await;
        shop.till.sync.settled(PATIENCE).await.expect("it settles");
        assert!(shop.quarantine().await.is_empty());
        let explained = shop
            .till
            .sync
            .explain("goods", &key("a"))
            .await
            .expect("it is explained");
        assert!(
            explained.to_string().contains("is ignored until it changes"),
            "{explained}"
        );
        shop.names(&["'a-neighbour','a-neighbour'"]).await;
        shop.close().await;
    }
}

#[tokio::test]
async fn a_husk_is_no_record_and_no_trouble() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        let husk = Document::from_iter([("name", "left over")]);
        shop.deliver("a", Expect::Absent, Action::Insert(husk)).await;
        shop.deliver("b", Expect::Absent, Action::Insert(good("b"))).await;
        shop.names(&["'b','b'"]).await;
        assert!(shop.quarantine().await.is_empty(), "a husk counts as absent");
        shop.till
            .run("INSERT INTO goods (id, name) VALUES ('a', 'ours')")
            .await;
        shop.mended().await;
        assert_eq!(
            shop.document("a").expect("it is stored").get("name"),
            Some(&Value::Text("ours".into()))
        );
        shop.close().await;
    }
}

#[tokio::test]
async fn a_document_that_a_constraint_refuses_is_mended_by_the_app_or_by_an_edit() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        shop.till
            .run("INSERT INTO goods (id, name) VALUES ('mine', 'taken')")
            .await;
        shop.deliver_with_neighbour("a", &[("name", Value::Text("taken".into()))])
            .await;
        shop.names(&["'a-neighbour','a-neighbour'", "'mine','taken'"])
            .await;
        let record = shop.quarantined("a", Way::Inbound).await;
        assert!(
            record.reason.contains("UNIQUE") && record.reason.contains("goods.name"),
            "{record}"
        );
        shop.till
            .run("UPDATE goods SET name = 'free' WHERE id = 'mine'")
            .await;
        shop.retry("a").await;
        shop.names(&["'a','taken'", "'a-neighbour','a-neighbour'", "'mine','free'"])
            .await;
        shop.mended().await;

        shop.deliver_with_neighbour("b", &[("weight", Value::Float(-1.0))])
            .await;
        let record = shop.quarantined("b", Way::Inbound).await;
        assert!(
            record.reason.contains("CHECK") && record.reason.contains("weight"),
            "{record}"
        );
        let still_bad = Edit::Document(Document::from_iter([
            ("name", Value::Text("b".into())),
            ("weight", Value::Float(0.0)),
        ]));
        let refused = shop.till.sync.edit("goods", &key("b"), still_bad).await;
        assert!(
            matches!(&refused, Err(RecordError::Refused { reason }) if reason.contains("CHECK")),
            "{refused:?}"
        );
        shop.edit_document(&record, "weight", 2.0).await;
        shop.mended().await;
        assert_eq!(
            shop.document("b").expect("it is stored").get("weight"),
            Some(&Value::Float(2.0))
        );
        shop.close().await;
    }
}

#[tokio::test]
async fn a_null_that_the_table_does_not_take_is_quarantined_with_the_column() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        let mut shelf = |id: &'static str, label: Value, sequence| {
            let operation = Operation {
                model: Shelf::descriptor(),
                id: key(id),
                expect: Expect::Absent,
                action: Action::Insert(Document::from_iter([
                    ("_id", Value::Text(id.into())),
                    ("id", Value::Text(id.into())),
                    ("label", label),
                ])),
                record: Record {
                    covers: None,
                    sent: None,
                    undo: Undo::Seed,
                },
            };
            shop.sequence = sequence;
            Intent {
                batch: BatchId {
                    replica: ReplicaId::from_bytes([9; 16]),
                    sequence,
                },
                operations: vec![operation],
            }
        };
        let intents = [
            shelf("s1", Value::Null, 1),
            shelf("s2", Value::Text("top".into()), 2),
        ];
        for intent in &intents {
            shop.peer.write(intent).await.expect("the peer writes");
        }
        shop.till
            .holds("SELECT quote(id) FROM shelves ORDER BY id", &["'s2'"])
            .await;
        let record = shop.quarantined("s1", Way::Inbound).await;
        assert!(
            record.reason.contains("NOT NULL") && record.reason.contains("shelves.label"),
            "{record}"
        );
        shop.close().await;
    }
}

#[tokio::test]
async fn a_child_without_its_parent_waits_visibly_and_harms_nobody() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        shop.deliver_with_neighbour("a", &[("shelf_id", Value::Text("s1".into()))])
            .await;
        shop.names(&["'a-neighbour','a-neighbour'"]).await;
        shop.till.reports("goods", |status| status.parked == 1).await;
        let explained = shop
            .till
            .sync
            .explain("goods", &key("a"))
            .await
            .expect("it is explained");
        let (_, reason) = explained.trace.parked.as_ref().expect("it is parked");
        assert!(reason.contains("shelves"), "{reason}");
        shop.till.run("INSERT INTO shelves VALUES ('s1', 'top')").await;
        shop.till.sync.reconcile().await;
        shop.names(&["'a','a'", "'a-neighbour','a-neighbour'"]).await;
        shop.close().await;
    }
}

#[tokio::test]
async fn rows_that_no_store_takes_are_quarantined_with_the_field_and_mended_by_an_edit() {
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    for (column, value, field, mended) in [
        ("weight", "9e999".to_owned(), "weight", ColumnValue::Real(1.0)),
        (
            "details",
            format!("'{deep}'"),
            "details",
            ColumnValue::Text("[1]".into()),
        ),
        (
            "details",
            "'no json'".to_owned(),
            "details",
            ColumnValue::Text("{}".into()),
        ),
        (
            "name",
            "x'00ff'".to_owned(),
            "name",
            ColumnValue::Text("text".into()),
        ),
    ] {
        for flavor in FLAVORS {
            let shop = Shop::open(flavor).await;
            shop.till
                .run(&format!(
                    "INSERT INTO goods (id, name) VALUES ('a', 'a'), ('b', 'b'); UPDATE goods SET {column} = {value} WHERE id = 'a'; \
                     UPDATE goods SET name = 'bee' WHERE id = 'b'"
                ))
                .await;
            let record = shop.quarantined("a", Way::Outbound).await;
            descriptor_field(&record.reason, field);
            assert!(
                matches!(record.content, Content::Row { columns: Some(_), .. }),
                "{record:?}"
            );
            shop.till
                .sync
                .await_stored("goods", &key("b"), PATIENCE)
                .await
                .expect("the neighbour is stored");
            let edit = Edit::Row(vec![(column.to_owned(), mended.clone())]);
            shop.till
                .sync
                .edit("goods", &key("a"), edit)
                .await
                .expect("it fits");
            let receipt = shop.till.sync.await_stored("goods", &key("a"), PATIENCE).await;
            assert!(matches!(receipt, Ok(Receipt::Stored { .. })), "{receipt:?}");
            shop.mended().await;
            assert!(shop.document("a").is_some());
            shop.close().await;
        }
    }
}

#[tokio::test]
async fn ids_that_are_none_are_listed_with_their_key_and_mended_by_sql() {
    let long = "x".repeat(300);
    for flavor in FLAVORS {
        let shop = Shop::open(flavor).await;
        shop.till
            .run(&format!(
                "INSERT INTO goods (id, name) VALUES ('', 'empty'), ('{long}', 'long'), ('good', 'good')"
            ))
            .await;
        shop.till.reports("goods", |status| status.quarantined == 2).await;
        let records = shop.quarantine().await;
        for record in &records {
            assert_eq!(record.id, None);
            assert!(record.reason.contains("id"), "{record}");
            assert!(matches!(&record.content, Content::Row { key, columns: Some(_) } if key.len() == 1));
        }
        shop.till
            .sync
            .await_stored("goods", &key("good"), PATIENCE)
            .await
            .expect("the neighbour is stored");
        shop.till
            .run("UPDATE goods SET id = 'short' WHERE name = 'long'; DELETE FROM goods WHERE name = 'empty'")
            .await;
        shop.mended().await;
        assert!(shop.document("short").is_some());
        shop.close().await;
    }
}

#[tokio::test]
async fn a_row_too_big_for_the_store_goes_back_when_it_is_discarded() {
    for flavor in FLAVORS {
        let shop = Shop::with(MemoryConfig::new(flavor).with_document_bytes_max(2000)).await;
        shop.till
            .run("INSERT INTO goods (id, name) VALUES ('a', 'small'), ('b', 'bee')")
            .await;
        shop.mended().await;
        let big = "x".repeat(5000);
        shop.till
            .run(&format!(
                "UPDATE goods SET name = '{big}' WHERE id = 'a'; UPDATE goods SET name = 'wasp' WHERE id = 'b'"
            ))
            .await;
        let record = shop.quarantined("a", Way::Outbound).await;
        assert!(record.reason.contains("2000 bytes"), "{record}");
        shop.till
            .sync
            .await_stored("goods", &key("b"), PATIENCE)
            .await
            .expect("the neighbour is stored");
        shop.till
            .sync
            .discard("goods", &key("a"), Way::Outbound)
            .await
            .expect("it goes back");
        shop.names(&["'a','small'", "'b','wasp'"]).await;
        shop.mended().await;
        let conflicts = shop.till.sync.conflicts().await.expect("they are listed");
        let lost = &conflicts.last().expect("it is reported").conflict.fields[0];
        assert_eq!(lost.local, Some(ColumnValue::Text(big)));
        assert_eq!(lost.remote, Some(ColumnValue::Text("small".into())));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_record_the_store_chokes_on_for_ever_holds_nobody_up() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        shop.till.store.set_fault_hook(|call| {
            let poisoned = |intent: &Intent| {
                intent
                    .operations
                    .iter()
                    .any(|operation| operation.id == key("poison"))
            };
            matches!(call, StoreCall::Write(intent) if poisoned(intent)).then_some(Fault::Unavailable)
        });
        shop.till
            .run("BEGIN; WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40) \
                  INSERT INTO goods (id, name) SELECT 'g' || i, 'g' || i FROM n; INSERT INTO goods (id, name) VALUES ('poison', 'poison'); COMMIT")
            .await;
        let record = shop.quarantined("poison", Way::Outbound).await;
        assert!(record.reason.contains("the store could not write"), "{record}");
        shop.till.sync.settled(PATIENCE).await.expect("the others settle");
        assert_eq!(shop.till.store.documents(Good::descriptor()).len(), 40);
        shop.deliver("theirs", Expect::Absent, Action::Insert(good("theirs")))
            .await;
        shop.till
            .holds("SELECT quote(name) FROM goods WHERE id = 'theirs'", &["'theirs'"])
            .await;
        let shop = shop.restart().await;
        shop.quarantined("poison", Way::Outbound).await;
        shop.till.store.clear_faults();
        shop.retry("poison").await;
        shop.mended().await;
        assert!(shop.document("poison").is_some());
        shop.close().await;
    }
}

#[tokio::test]
async fn a_table_dropped_while_running_stops_no_other_table() {
    for flavor in FLAVORS {
        let mut shop = Shop::open(flavor).await;
        shop.till
            .run("INSERT INTO shelves VALUES ('s1', 'top'); INSERT INTO goods (id, name) VALUES ('a', 'a')")
            .await;
        shop.mended().await;
        shop.till.run("DROP TABLE goods").await;
        shop.deliver("b", Expect::Absent, Action::Insert(good("b"))).await;
        let record = shop.quarantined("b", Way::Inbound).await;
        assert!(
            record.reason.contains("no such table") && record.reason.contains("goods"),
            "{record}"
        );
        shop.till.run("UPDATE shelves SET label = 'bottom'").await;
        shop.till
            .sync
            .await_stored("shelves", &key("s1"), PATIENCE)
            .await
            .expect("the other table is synced");
        // The app puts its table back, with what was in it.
        let goods = SCHEMA.split_once(';').expect("two statements").1;
        run(
            shop.till.pool(),
            &format!("{goods}; INSERT INTO goods (id, name) VALUES ('a', 'a')"),
        )
        .await;
        let shop = shop.restart().await;
        shop.till.sync.reconcile().await;
        shop.names(&["'a','a'", "'b','b'"]).await;
        shop.mended().await;
        shop.close().await;
    }
}
