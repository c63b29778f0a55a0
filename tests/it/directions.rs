//! One-way models: the other direction moves nothing, whatever happens.

use ditto_sync::{
    ConflictKind, Direction, DittoAdapter, DocumentId, ModelError, SyncConfig, SyncEvent, SyncRegistry,
};
use ditto_sync_testkit::{Flavor, MemoryHub};
use tempfile::TempDir;

use crate::devices::{Device, PATIENCE, prepare, running};

#[derive(DittoAdapter)]
#[ditto(collection = "prices", direction = "receive_only")]
struct PriceIn {
    #[ditto(id)]
    id: String,
    amount: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "tickets", direction = "send_only")]
struct TicketOut {
    #[ditto(id)]
    id: String,
    text: String,
    place: String,
    #[ditto(counter)]
    uses: i64,
}

/// The same collections, both ways: what another device does with them.
#[derive(DittoAdapter)]
#[ditto(collection = "prices")]
struct Price {
    #[ditto(id)]
    id: String,
    amount: i64,
}

#[derive(DittoAdapter)]
#[ditto(collection = "tickets")]
struct Ticket {
    #[ditto(id)]
    id: String,
    text: String,
    place: String,
    #[ditto(counter)]
    uses: i64,
}

const SCHEMA: &str = "CREATE TABLE prices (id TEXT PRIMARY KEY NOT NULL, amount INTEGER NOT NULL);
    CREATE TABLE tickets (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, place TEXT NOT NULL, uses INTEGER NOT NULL)";
const PRICES: &str = "SELECT quote(id), quote(amount) FROM prices ORDER BY id";
const TICKETS: &str = "SELECT quote(id), quote(text), quote(place), quote(uses) FROM tickets ORDER BY id";
const FLAVORS: [Flavor; 2] = [Flavor::Ditto, Flavor::Mesh];

struct Shop {
    /// One way.
    till: Device,
    /// Both ways.
    office: Device,
    directory: TempDir,
    hub: MemoryHub,
}

fn one_way() -> SyncRegistry {
    SyncRegistry::new().with::<PriceIn>().with::<TicketOut>()
}

impl Shop {
    /// The till has run `rows` before the framework saw its database.
    async fn open(flavor: Flavor, rows: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let hub = running(flavor);
        prepare(&directory.path().join("till.db"), &[SCHEMA, rows]).await;
        prepare(&directory.path().join("office.db"), &[SCHEMA]).await;
        let both_ways = SyncRegistry::new().with::<Price>().with::<Ticket>();
        let office = Device::start("office", &directory, &hub, both_ways).await;
        let till = Device::start("till", &directory, &hub, one_way()).await;
        Self {
            till,
            office,
            directory,
            hub,
        }
    }

    async fn restart_till(self) -> Self {
        let Self {
            till,
            office,
            directory,
            hub,
        } = self;
        till.close().await;
        let till = Device::start("till", &directory, &hub, one_way()).await;
        Self {
            till,
            office,
            directory,
            hub,
        }
    }

    async fn close(self) {
        self.till.close().await;
        self.office.close().await;
    }
}

fn id(text: &str) -> DocumentId {
    DocumentId::text(text).expect("a valid id")
}

#[test]
fn a_model_goes_both_ways_unless_told_otherwise() {
    assert_eq!(Price::descriptor().direction(), Direction::Bidirectional);
    assert_eq!(TicketOut::descriptor().direction(), Direction::SendOnly);
    assert_eq!(PriceIn::descriptor().direction(), Direction::ReceiveOnly);
}

#[tokio::test]
async fn a_row_of_a_receive_only_model_is_never_uploaded_nor_deleted() {
    for flavor in FLAVORS {
        let shop = Shop::open(flavor, "INSERT INTO prices VALUES ('older', 1)").await;
        shop.office
            .run("INSERT INTO prices VALUES ('a', 10), ('b', 20)")
            .await;
        shop.till.holds(PRICES, &["'a',10", "'b',20", "'older',1"]).await;

        // Everything that might take a local change along.
        shop.till
            .run("INSERT INTO prices VALUES ('own', 5); UPDATE prices SET amount = 11 WHERE id = 'a'; UPDATE prices SET amount = 2 WHERE id = 'older'")
            .await;
        let local = ["'a',11", "'b',20", "'older',2", "'own',5"];
        let seeded = shop.till.sync.seed_all().await.expect("it is looked at");
        assert!(
            seeded
                .collections
                .iter()
                .all(|seeded| seeded.collection != "prices")
        );
        let refused = shop.till.sync.seed_model::<PriceIn>().await;
        assert!(matches!(
            refused,
            Err(ModelError::ReceiveOnly { collection: "prices" })
        ));
        let noted = shop.till.sync.notify_local_upsert::<PriceIn>(&id("own")).await;
        assert!(!noted.expect("it is looked at"), "there is nothing to send");
        let report = shop.till.sync.hydrate::<PriceIn>().await.expect("it is compared");
        assert_eq!(report.applied, 0, "{report:?}");
        shop.till.sync.reconcile().await;
        shop.till.settled().await;
        shop.till.holds(PRICES, &local).await;
        let shop = shop.restart_till().await;
        shop.till.settled().await;
        shop.till.holds(PRICES, &local).await;
        assert_eq!(shop.till.store.operations_applied(), 0, "nothing was written");
        shop.till.reports("prices", |prices| prices.pending == 0).await;
        shop.office.holds(PRICES, &["'a',10", "'b',20"]).await;

        // An audit finds what is not as its document says, and nothing else; a repair takes the documents, and uploads nothing.
        let audit = shop.till.sync.audit().await.expect("it is compared");
        let different: Vec<_> = audit.differences.iter().map(|found| found.id.clone()).collect();
        assert_eq!(different, [id("a")]);
        assert_eq!(shop.till.sync.repair(&audit).await.expect("it is mended"), 1);
        shop.till
            .holds(PRICES, &["'a',10", "'b',20", "'older',2", "'own',5"])
            .await;

        // What comes in still does.
        shop.office
            .run("UPDATE prices SET amount = 12 WHERE id = 'a'; DELETE FROM prices WHERE id = 'b'")
            .await;
        shop.till.holds(PRICES, &["'a',12", "'older',2", "'own',5"]).await;
        assert_eq!(shop.till.store.operations_applied(), 0, "nothing was written");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_receive_only_model_survives_a_replaced_store() {
    let shop = Shop::open(Flavor::Mesh, "INSERT INTO prices VALUES ('own', 1)").await;
    shop.office.run("INSERT INTO prices VALUES ('a', 10)").await;
    shop.till.holds(PRICES, &["'a',10", "'own',1"]).await;
    let Shop {
        till,
        office,
        directory,
        hub,
    } = shop;
    till.close().await;
    hub.lose_store("till");
    let till = Device::start("till", &directory, &hub, one_way()).await;
    till.settled().await;
    till.holds(PRICES, &["'a',10", "'own',1"]).await;
    assert_eq!(till.store.operations_applied(), 0, "nothing was written");
    till.close().await;
    office.close().await;
}

#[tokio::test]
async fn a_send_only_model_takes_nothing_in() {
    for flavor in FLAVORS {
        let shop = Shop::open(flavor, "INSERT INTO tickets VALUES ('older', 'o', 'till', 1)").await;
        shop.till
            .run("INSERT INTO tickets VALUES ('a', 'x', 'till', 1), ('b', 'y', 'till', 1)")
            .await;
        let sent = ["'a','x','till',1", "'b','y','till',1", "'older','o','till',1"];
        shop.office.holds(TICKETS, &sent).await;
        shop.office
            .run("UPDATE tickets SET text = 'changed', uses = uses + 5 WHERE id = 'a'; DELETE FROM tickets WHERE id = 'b';
                  INSERT INTO tickets VALUES ('c', 'z', 'office', 0)")
            .await;
        shop.office.settled().await;

        let refused = shop.till.sync.hydrate::<TicketOut>().await;
        assert!(matches!(
            refused,
            Err(ModelError::SendOnly {
                collection: "tickets"
            })
        ));
        shop.till.sync.reconcile().await;
        shop.till.settled().await;
        let audit = shop.till.sync.audit().await.expect("it is compared");
        assert!(audit.differences.is_empty(), "{audit:?}");
        shop.till
            .sync
            .repair(&audit)
            .await
            .expect("there is nothing to mend");
        let seeded = shop
            .till
            .sync
            .seed_model::<TicketOut>()
            .await
            .expect("it is looked at");
        assert!(seeded.collections[0].already_seeded);
        let shop = shop.restart_till().await;
        shop.till.settled().await;
        shop.till.holds(TICKETS, &sent).await;

        // A local edit meets what others did, and sends its own fields alone.
        shop.till
            .run("UPDATE tickets SET place = 'door', uses = uses + 2 WHERE id = 'a'")
            .await;
        shop.office
            .holds(
                TICKETS,
                &[
                    "'a','changed','door',8",
                    "'c','z','office',0",
                    "'older','o','till',1",
                ],
            )
            .await;
        shop.till.settled().await;
        shop.till
            .holds(
                TICKETS,
                &["'a','x','door',3", "'b','y','till',1", "'older','o','till',1"],
            )
            .await;
        let applied = shop.till.sync.status().borrow().collections["tickets"].applied;
        assert_eq!(applied, 0, "no row was written");
        shop.close().await;
    }
}

#[tokio::test]
async fn in_a_send_only_model_the_row_is_the_truth() {
    for flavor in FLAVORS {
        let shop = Shop::open(flavor, "").await;
        let mut events = shop.till.sync.events();
        shop.till
            .run("INSERT INTO tickets VALUES ('a', 'x', 'till', 1), ('b', 'y', 'till', 1)")
            .await;
        shop.office
            .holds("SELECT quote(count(*)) FROM tickets", &["2"])
            .await;
        shop.office
            .run("UPDATE tickets SET text = 'theirs' WHERE id = 'a'; DELETE FROM tickets WHERE id = 'b'")
            .await;
        shop.office.settled().await;
        // Until the store of the till has both.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while shop.till.store.documents(Ticket::descriptor())
            != shop.office.store.documents(Ticket::descriptor())
        {
            assert!(tokio::time::Instant::now() < deadline, "the stores never agreed");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        shop.till
            .run("UPDATE tickets SET text = 'ours' WHERE id = 'a'; UPDATE tickets SET text = 'back' WHERE id = 'b'")
            .await;
        // Both have changed the text: the later write wins, and what it replaces is reported. The other was deleted: it is inserted anew.
        shop.office
            .holds(TICKETS, &["'a','ours','till',1", "'b','back','till',1"])
            .await;
        let conflict = loop {
            if let SyncEvent::Conflict(conflict) = events.next().await.expect("it runs") {
                break conflict;
            }
        };
        assert_eq!((conflict.kind, conflict.id), (ConflictKind::LocalKept, id("a")));
        // And a delete of ours meets an edit of theirs.
        shop.office
            .run("UPDATE tickets SET place = 'office' WHERE id = 'a'")
            .await;
        shop.office.settled().await;
        shop.till.run("DELETE FROM tickets WHERE id = 'a'").await;
        shop.office.holds(TICKETS, &["'b','back','till',1"]).await;
        shop.till.settled().await;
        shop.close().await;
    }
}

#[tokio::test]
async fn a_seed_of_a_send_only_model_neither_overwrites_nor_takes_in() {
    for flavor in FLAVORS {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let hub = running(flavor);
        prepare(&directory.path().join("office.db"), &[SCHEMA]).await;
        let both_ways = SyncRegistry::new().with::<Price>().with::<Ticket>();
        let office = Device::start("office", &directory, &hub, both_ways).await;
        office
            .run("INSERT INTO tickets VALUES ('a', 'theirs', 'office', 7)")
            .await;
        office.settled().await;
        prepare(
            &directory.path().join("till.db"),
            &[
                SCHEMA,
                "INSERT INTO tickets VALUES ('a', 'ours', 'till', 1), ('b', 'y', 'till', 1)",
            ],
        )
        .await;
        let config = SyncConfig::adaptive().seeding(false);
        let till = Device::configured("till", &directory, &hub, one_way(), config).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while till.store.documents(Ticket::descriptor()).is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "the document never came");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let report = till.sync.seed_all().await.expect("it is seeded");
        let tickets = &report.collections[0];
        assert_eq!(
            (tickets.rows, tickets.sent, tickets.adopted),
            (2, 1, 1),
            "{report:?}"
        );
        office
            .holds(TICKETS, &["'a','theirs','office',7", "'b','y','till',1"])
            .await;
        till.holds(TICKETS, &["'a','ours','till',1", "'b','y','till',1"])
            .await;
        till.close().await;
        office.close().await;
    }
}

#[tokio::test]
async fn a_notified_row_of_a_send_only_model_is_sent() {
    for flavor in FLAVORS {
        let shop = Shop::open(flavor, "").await;
        shop.till
            .run("INSERT INTO tickets VALUES ('a', 'x', 'till', 1), ('b', 'y', 'till', 1)")
            .await;
        shop.office
            .holds("SELECT quote(count(*)) FROM tickets", &["2"])
            .await;
        shop.till
            .run_unseen(
                "UPDATE tickets SET place = 'door' WHERE id = 'a'; DELETE FROM tickets WHERE id = 'b'",
            )
            .await;
        for text in ["a", "b"] {
            let noted = shop.till.sync.notify_local_upsert::<TicketOut>(&id(text)).await;
            assert!(noted.expect("it is looked at"), "{text}");
        }
        shop.office.holds(TICKETS, &["'a','x','door',1"]).await;
        shop.till.settled().await;
        shop.till.holds(TICKETS, &["'a','x','door',1"]).await;
        shop.close().await;
    }
}
