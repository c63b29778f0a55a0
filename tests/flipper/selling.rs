//! Selling beside a till that runs the app: quantities add up, and a document that cannot be read holds nobody up.

use ditto_sync::DittoAdapter as _;
use ditto_sync_testkit::Flavor;
use serde_json::json;

use crate::{
    documents::document_of,
    models::{Customer, Stock},
    till::{Shop, wait_for},
};

const FLAVORS: [Flavor; 2] = [Flavor::Ditto, Flavor::Mesh];

#[tokio::test]
async fn stock_adds_up_where_flipper_and_this_till_sell_at_the_same_time() {
    for flavor in FLAVORS {
        let mut shop = Shop::new(flavor);
        let till = shop.till("till").await;
        let stock = Stock::descriptor();
        shop.flipper
            .upsert(stock, &document_of(stock))
            .await
            .expect("Flipper writes");
        till.holds("SELECT current_stock_milli FROM stocks", "24000")
            .await;

        shop.network.partition("flipper", "till");
        shop.flipper
            .increment(stock, "stk-1", "currentStockMilli", -3_000)
            .await
            .expect("Flipper sells");
        till.run("UPDATE stocks SET current_stock_milli = current_stock_milli - 1500")
            .await;
        till.settle().await;
        shop.network.heal("flipper", "till");

        till.holds("SELECT current_stock_milli FROM stocks", "19500")
            .await;
        wait_for("the sum at Flipper", async || {
            let found = shop.flipper.read(stock, "stk-1").await.expect("it reads");
            found.filter(|found| found["currentStockMilli"] == 19_500)
        })
        .await;
    }
}

/// A document of before the counter: the first quantity is written once, by one device, from the plain value.
#[tokio::test]
async fn a_stock_without_a_counter_gets_one_from_its_plain_value() {
    let mut shop = Shop::new(Flavor::Ditto);
    let till = shop.till("till").await;
    let stock = Stock::descriptor();
    let mut old = document_of(stock);
    old.as_object_mut()
        .expect("an object")
        .remove("currentStockMilli");
    shop.flipper.upsert(stock, &old).await.expect("Flipper writes");
    till.holds("SELECT quote(current_stock_milli) FROM stocks", "NULL")
        .await;
    till.run("UPDATE stocks SET current_stock_milli = CAST(round(current_stock * 1000) AS INTEGER) WHERE current_stock_milli IS NULL")
        .await;
    till.run("UPDATE stocks SET current_stock_milli = current_stock_milli - 500")
        .await;
    wait_for("the counter at Flipper", async || {
        let found = shop.flipper.read(stock, "stk-1").await.expect("it reads");
        found.filter(|found| found["currentStockMilli"] == 23_500)
    })
    .await;
    shop.flipper
        .increment(stock, "stk-1", "currentStockMilli", -500)
        .await
        .expect("Flipper sells");
    till.holds("SELECT current_stock_milli FROM stocks", "23000")
        .await;
}

#[tokio::test]
async fn a_document_with_a_broken_date_is_in_quarantine_by_name_and_holds_nobody_up() {
    let mut shop = Shop::new(Flavor::Ditto);
    let till = shop.till("till").await;
    let customer = Customer::descriptor();
    for (id, date) in [("cus-1", "yesterday"), ("cus-2", "2025-11-02T16:40:05.250")] {
        let mut document = document_of(customer);
        (document["_id"], document["id"], document["updatedAt"]) = (json!(id), json!(id), json!(date));
        shop.flipper
            .upsert(customer, &document)
            .await
            .expect("Flipper writes");
    }
    till.holds("SELECT group_concat(id) FROM customers", "cus-2")
        .await;
    let records = wait_for("the quarantine", async || {
        let records = till.sync.quarantine().await.expect("it answers");
        (!records.is_empty()).then_some(records)
    })
    .await;
    assert_eq!(records.len(), 1);
    assert!(records[0].reason.contains("updatedAt"), "{}", records[0].reason);
    // Mended at Flipper, it comes in.
    let mended = document_of(customer);
    shop.flipper
        .upsert(customer, &mended)
        .await
        .expect("Flipper writes");
    till.holds(
        "SELECT group_concat(id) FROM (SELECT id FROM customers ORDER BY id)",
        "cus-1,cus-2",
    )
    .await;
}
