//! Rows whose scope field is NULL: they stay on their device.

use ditto_sync::{AwaitStoredError, DocumentId, Receipt, SyncRegistry};
use ditto_sync_testkit::Flavor;

use super::fixture::{STOCKS, Stock, World};
use crate::devices::PATIENCE;

#[tokio::test]
async fn a_row_without_a_branch_stays_on_its_device_until_it_has_one() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        let world = World::new(flavor).await;
        world
            .prepare("till", "INSERT INTO stocks VALUES ('old', NULL, 'tin', 1)")
            .await;
        let registry = || SyncRegistry::new().with::<Stock>().context("branch", "kigali");
        let till = world.start("till", registry()).await;
        till.run("INSERT INTO stocks VALUES ('new', NULL, 'jug', 2), ('k', 'kigali', 'tea', 3)")
            .await;
        world.office.holds(STOCKS, &["'k','kigali',3"]).await;
        till.reports("stocks", |status| status.local_only == 2 && status.pending == 0)
            .await;
        till.sync.settled(PATIENCE).await.unwrap();
        till.sync.reconciled(PATIENCE).await.unwrap();
        assert_eq!(
            till.rows(STOCKS).await,
            ["'k','kigali',3", "'new',NULL,2", "'old',NULL,1"]
        );
        let new = DocumentId::text("new").unwrap();
        assert_eq!(till.sync.receipt("stocks", &new).await.unwrap(), Receipt::Local);
        let awaited = till.sync.await_stored("stocks", &new, PATIENCE).await;
        assert!(matches!(awaited, Err(AwaitStoredError::Local)), "{awaited:?}");

        // With a branch they are rows like any other, wherever that is; without one again they go no further.
        till.run("UPDATE stocks SET branch = 'kigali', quantity = 20 WHERE id = 'new'")
            .await;
        till.run("UPDATE stocks SET branch = 'butare' WHERE id = 'old'")
            .await;
        let all = ["'k','kigali',3", "'new','kigali',20", "'old','butare',1"];
        world.office.holds(STOCKS, &all).await;
        till.holds(STOCKS, &["'k','kigali',3", "'new','kigali',20"]).await;
        till.run("UPDATE stocks SET branch = NULL, quantity = 30 WHERE id = 'new'")
            .await;
        till.reports("stocks", |status| status.local_only == 1 && status.pending == 0)
            .await;
        till.sync.set_context("branch", "butare").await.unwrap();
        till.sync.reconciled(PATIENCE).await.unwrap();
        assert_eq!(till.rows(STOCKS).await, ["'new',NULL,30", "'old','butare',1"]);
        till.close().await;
        let till = world.start("till", registry()).await;
        till.reports("stocks", |status| status.local_only == 1 && status.pending == 0)
            .await;
        till.sync.reconciled(PATIENCE).await.unwrap();
        assert_eq!(till.rows(STOCKS).await, ["'k','kigali',3", "'new',NULL,30"]);
        assert_eq!(
            world.office.rows(STOCKS).await,
            all,
            "others have it as it was last sent"
        );
        till.run("DELETE FROM stocks WHERE id = 'new'").await;
        world
            .office
            .holds(STOCKS, &["'k','kigali',3", "'old','butare',1"])
            .await;
        world.close([till]).await;
    }
}
