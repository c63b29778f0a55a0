//! Random documents of the app, through structs, and through real SQLite files of two tills: what comes in is what goes out.

use ditto_sync::{DittoAdapter, ModelDescriptor};
use ditto_sync_testkit::Flavor;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Row};

use crate::{
    documents::models,
    flipper_till::{dart_reads, document, json},
    models::{Branch, Category, Counter, Customer, ITransaction, Stock, TransactionItem, Variant},
    random_documents,
    till::{Shop, Till, wait_for},
};

/// Reads and writes; what is written is read as the same struct, written as the same document, and fits Dart.
fn through_the_struct<T: DittoAdapter + PartialEq + std::fmt::Debug>(
    theirs: &Json,
) -> Result<(), TestCaseError> {
    let (id, theirs) = document(theirs).expect("a document");
    let row = T::from_document(&id, &theirs).expect("the app's documents can be read");
    let ours = row.to_document().expect("it can be written");
    prop_assert_eq!(&T::from_document(&id, &ours).expect("ours can be read"), &row);
    let again = T::from_document(&id, &ours)
        .expect("ours can be read")
        .to_document();
    prop_assert_eq!(&again.expect("it can be written"), &ours);
    let model = T::descriptor();
    prop_assert_eq!(
        model.hash_of(Some(&theirs)).expect("a hash"),
        model.hash_of(Some(&ours)).expect("a hash"),
        "another notation is no change"
    );
    let ours = json(&id, ours).expect("JSON");
    prop_assert!(dart_reads(model, &ours).is_ok(), "{:?}", dart_reads(model, &ours));
    Ok(())
}

macro_rules! round_trips {
    ($($test:ident: $model:ty),+ $(,)?) => {
        proptest! {
            #![proptest_config(Config::with_cases(64))]
            $(#[test]
            fn $test(document in random_documents::document(<$model>::descriptor(), "x-1".into())) {
                through_the_struct::<$model>(&document)?;
            })+
        }
    };
}

round_trips! {
    a_branch_comes_back_from_its_document: Branch,
    a_category_comes_back_from_its_document: Category,
    a_customer_comes_back_from_its_document: Customer,
    a_counter_comes_back_from_its_document: Counter,
    a_stock_comes_back_from_its_document: Stock,
    a_variant_comes_back_from_its_document: Variant,
    a_transaction_comes_back_from_its_document: ITransaction,
    a_transaction_item_comes_back_from_its_document: TransactionItem,
}

/// Documents of the app, one of each model at a time, become the same rows on two tills of ours; a row that one of them copies with SQL becomes a document of the
/// app that holds the same, and that is the same row on the other.
#[test]
fn random_documents_of_the_app_travel_through_the_files_of_two_tills() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut shop, left, right) = runtime.block_on(async {
        let shop = Shop::new(Flavor::Ditto);
        let (left, right) = (shop.till("left").await, shop.till("right").await);
        (shop, left, right)
    });
    let mut runner = TestRunner::new(Config::with_cases(12));
    for case in 0..12 {
        let of_each = models().map(|model| random_documents::document(model, format!("{case}-a")));
        let documents = of_each.map(|strategy| {
            let tree = strategy.new_tree(&mut runner).expect("a document");
            proptest::strategy::ValueTree::current(&tree)
        });
        runtime.block_on(travel(&mut shop, (&left, &right), case, &documents));
    }
}

async fn travel(shop: &mut Shop, (left, right): (&Till, &Till), case: u32, documents: &[Json; 8]) {
    for (model, theirs) in models().into_iter().zip(documents) {
        shop.flipper.upsert(model, theirs).await.expect("Flipper writes");
    }
    for (model, theirs) in models().into_iter().zip(documents) {
        let (id, theirs) = document(theirs).expect("a document");
        for till in [left, right] {
            row_of(till, model, &format!("{case}-a")).await;
        }
        let columns = columns(model);
        let copy = format!(
            "INSERT INTO {0} (id, {columns}) SELECT '{case}-b', {columns} FROM {0} WHERE id = '{case}-a'",
            model.table()
        );
        left.run(&copy).await;
        let (original, copied) = (
            row_of(left, model, &format!("{case}-a")).await,
            row_of(right, model, &format!("{case}-b")).await,
        );
        assert_eq!(original, copied, "{}", model.collection());
        let written = wait_for("the copy at Flipper", async || {
            shop.flipper
                .read(model, &format!("{case}-b"))
                .await
                .expect("it reads")
        })
        .await;
        dart_reads(model, &written).unwrap_or_else(|field| panic!("{}: {field}", model.collection()));
        let (_, written) = document(&written).expect("a document");
        assert_eq!(
            model.image_of(&written).expect("an image"),
            model.image_of(&theirs).expect("an image"),
            "{} {id}",
            model.collection()
        );
    }
}

fn columns(model: &ModelDescriptor) -> String {
    let columns: Vec<_> = model.fields().iter().map(|field| field.column()).collect();
    columns.join(", ")
}

/// Waits for the row; its columns as SQL literals.
async fn row_of(till: &Till, model: &'static ModelDescriptor, id: &str) -> Vec<String> {
    let quoted: Vec<_> = model
        .fields()
        .iter()
        .map(|field| format!("quote({})", field.column()))
        .collect();
    let select = format!(
        "SELECT {} FROM {} WHERE id = '{id}'",
        quoted.join(", "),
        model.table()
    );
    let row = wait_for(&select, async || {
        sqlx::query(AssertSqlSafe(select.clone()))
            .fetch_optional(till.repository.pool())
            .await
            .expect("the row is read")
    })
    .await;
    (0..row.len()).map(|at| row.get(at)).collect()
}
