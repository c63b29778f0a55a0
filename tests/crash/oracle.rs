//! What has to be true in the end: both devices hold the same, and exactly what was committed.

use std::{collections::BTreeMap, path::Path, time::Duration};

use ditto_sync::{SqliteRepository, SyncHandle};
use ditto_sync_core::{column::ColumnValue, descriptor::ModelDescriptor};
use ditto_sync_testkit::{MemoryHub, MemoryStore};
use sqlx::{Row, SqlitePool};

use crate::{
    app::Side,
    tables::{MAPPED, registry},
};

/// Long enough for any machine; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A device that crashes no more.
pub(crate) struct Survivor {
    side: Side,
    repository: SqliteRepository,
    sync: SyncHandle,
    store: MemoryStore,
}

/// Everything is compared by these texts.
type Rows = Vec<String>;

impl Survivor {
    pub(crate) async fn start(side: Side, path: &Path, hub: &MemoryHub) -> Self {
        let repository = SqliteRepository::open(path).await.expect("the database opens");
        let store = hub.store(side.name());
        let sync = registry()
            .start(repository.clone(), store.clone())
            .await
            .expect("the coordinator starts after all that");
        Self {
            side,
            repository,
            sync,
            store,
        }
    }

    pub(crate) async fn settle(&self) {
        if let Err(error) = self.sync.settled(PATIENCE).await {
            panic!(
                "{}: {error}; {:#?}",
                self.side.name(),
                self.sync.status().borrow()
            );
        }
    }

    async fn mapped(&self) -> Vec<Rows> {
        let mut tables = Vec::new();
        for (table, columns) in MAPPED {
            tables.push(select(self.repository.pool(), &quoting(table, columns, "")).await);
        }
        tables
    }

    /// Nothing is waiting, nothing is set aside, and no intent was left behind.
    async fn is_clean(&self) {
        let status = self.sync.status().borrow().clone();
        for (collection, status) in &status.collections {
            assert_eq!(
                (status.pending, status.parked, status.quarantined),
                (0, 0, 0),
                "{}: {collection} has something left: {status:#?}",
                self.side.name()
            );
        }
        let pool = self.repository.pool();
        let flying = "SELECT quote(count(*)) FROM ditto_sync_intents WHERE state = 0";
        assert_eq!(select(pool, flying).await, ["0"], "an intent was left behind");
        let integrity = "SELECT integrity_check FROM pragma_integrity_check";
        assert_eq!(select(pool, integrity).await, ["ok"], "{}", self.side.name());
        let orphans = "SELECT quote(count(*)) FROM pragma_foreign_key_check";
        assert_eq!(select(pool, orphans).await, ["0"], "{}", self.side.name());
    }

    /// The store's documents as the rows of `table`.
    fn documents(&self, model: &'static ModelDescriptor) -> Rows {
        let documents = self.store.documents(model);
        let mut rows: Rows = documents
            .into_iter()
            .map(|(id, document)| {
                let key = model.id_to_columns(&id).expect("an id of the model");
                let image = model.image_of(&document).expect("a document of the model");
                let columns = key.iter().chain(image.columns());
                columns.map(quoted).collect::<Vec<_>>().join(",")
            })
            .collect();
        rows.sort_unstable();
        rows
    }

    async fn close(self) {
        self.sync.shutdown().await.expect("a clean shutdown");
        self.repository.pool().close().await;
    }
}

/// Waits until both devices are in step, and compares them with what their apps have committed.
pub(crate) async fn check(hub: &MemoryHub, left: Survivor, right: Survivor) {
    hub.network().heal_all();
    stores_agree(hub, &left, &right).await;
    // Whose store has lost its newest writes waits until it is told that the peers have given back what they have.
    for device in [&left, &right] {
        device.sync.accept_store().await;
    }
    in_step(&left, &right).await;
    for device in [&left, &right] {
        device.is_clean().await;
        let models = registry().setup().expect("the models").models;
        for ((table, columns), model) in MAPPED.iter().zip(models) {
            assert_eq!(
                model.table(),
                *table,
                "the models are listed in the order of the tables"
            );
            let rows = select(device.repository.pool(), &quoting(table, columns, "")).await;
            assert_eq!(
                device.documents(model),
                rows,
                "{}: {table} and its store",
                device.side.name()
            );
        }
    }
    is_exact(&left, &right).await;
    is_silent(&left, &right).await;
    left.close().await;
    right.close().await;
}

/// Waits until the network has nothing left to bring.
async fn stores_agree(hub: &MemoryHub, left: &Survivor, right: &Survivor) {
    let models = registry().setup().expect("the models").models;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let agree = || {
        let mut models = models.iter();
        hub.network().in_flight() == 0
            && models.all(|model| left.store.documents(model) == right.store.documents(model))
    };
    while !agree() {
        assert!(tokio::time::Instant::now() < deadline, "the stores never agree");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn in_step(left: &Survivor, right: &Survivor) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        left.settle().await;
        right.settle().await;
        let (ours, theirs) = (left.mapped().await, right.mapped().await);
        if ours == theirs && waits_for_nothing(left) && waits_for_nothing(right) {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "not in step: {ours:#?} on the left, {theirs:#?} on the right; {:#?} {:#?}",
            left.sync.status().borrow().clone(),
            right.sync.status().borrow().clone()
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Cascades and parked documents may need another round.
fn waits_for_nothing(device: &Survivor) -> bool {
    let status = device.sync.status().borrow().clone();
    status
        .collections
        .values()
        .all(|status| status.pending == 0 && status.parked == 0)
}

/// Nothing committed is lost or doubled.
async fn is_exact(left: &Survivor, right: &Survivor) {
    let mut expected: BTreeMap<String, (String, String, i64, i64)> = BTreeMap::new();
    for id in select(left.repository.pool(), "SELECT id FROM stocks").await {
        expected.insert(id, ("new".to_owned(), "0.5".to_owned(), 10, 0));
    }
    for device in [left, right] {
        let pool = device.repository.pool();
        let made = format!("SELECT id FROM stocks WHERE id LIKE '{}-%'", device.side.name());
        let started = select(pool, "SELECT quote(count(*)) FROM journal").await != ["0"];
        assert_eq!(
            select(pool, &made).await.len(),
            if started { 2 } else { 0 },
            "{}",
            device.side.name()
        );
        for row in sqlx::query("SELECT stock, sum(quantity), sum(sold) FROM increments GROUP BY stock")
            .fetch_all(pool)
            .await
            .expect("the increments")
        {
            let stock = expected
                .get_mut(&row.get::<String, _>(0))
                .expect("a counted stock is there");
            stock.2 += row.get::<i64, _>(1);
            stock.3 += row.get::<i64, _>(2);
        }
        for row in sqlx::query("SELECT id, product, price || '' FROM oracle_stocks")
            .fetch_all(pool)
            .await
            .expect("the described stocks")
        {
            let stock = expected
                .get_mut(&row.get::<String, _>(0))
                .expect("a described stock is there");
            stock.0 = row.get::<Option<String>, _>(1).unwrap_or_else(|| stock.0.clone());
            stock.1 = row.get::<Option<String>, _>(2).unwrap_or_else(|| stock.1.clone());
        }
        for (table, columns) in &MAPPED[1..4] {
            let own = if *table == "lines" {
                format!(
                    "WHERE order_id LIKE '{}-%' AND product <> 'guest'",
                    device.side.name()
                )
            } else {
                format!("WHERE owner = '{}'", device.side.name())
            };
            let found = select(pool, &quoting(table, columns, &own)).await;
            let committed = select(pool, &quoting(&format!("oracle_{table}"), columns, "")).await;
            assert_eq!(found, committed, "{table} of the {}", device.side.name());
        }
    }
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(id, (product, price, quantity, sold))| format!("'{id}','{product}',{price},{quantity},{sold}"))
        .collect();
    let (table, columns) = MAPPED[0];
    assert_eq!(
        select(left.repository.pool(), &quoting(table, columns, "")).await,
        expected,
        "stocks are the sum of what was committed"
    );
}

/// Asked to look at everything again, a quiet pair writes nothing. The last messages may still be on their way at first.
async fn is_silent(left: &Survivor, right: &Survivor) {
    let mut eyes = Vec::new();
    for device in [left, right] {
        eyes.push(device.repository.pool().acquire().await.expect("a connection"));
    }
    let mut seen = Vec::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut now = Vec::new();
        for (device, eye) in [left, right].into_iter().zip(&mut eyes) {
            device.sync.reconcile().await;
            device.settle().await;
            let file: i64 = sqlx::query_scalar("PRAGMA data_version")
                .fetch_one(&mut **eye)
                .await
                .expect("a version");
            now.push((
                file,
                device.store.operations_applied(),
                device.store.changes_seen(),
            ));
        }
        if seen == now {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the pair never falls silent: {seen:?} became {now:?}"
        );
        seen = now;
    }
}

fn quoting(table: &str, columns: &str, condition: &str) -> String {
    let quoted: Vec<_> = columns
        .split(", ")
        .map(|column| format!("quote({column})"))
        .collect();
    format!(
        "SELECT {} AS row FROM {table} {condition} ORDER BY 1",
        quoted.join(" || ',' || ")
    )
}

/// A value as SQLite's `quote` writes it.
fn quoted(column: &ColumnValue) -> String {
    match column {
        ColumnValue::Null => "NULL".to_owned(),
        ColumnValue::Integer(integer) => integer.to_string(),
        ColumnValue::Real(real) => format!("{real:?}"),
        ColumnValue::Text(text) => format!("'{}'", text.replace('\'', "''")),
        ColumnValue::Blob(_) => unreachable!("no table has a blob"),
    }
}

pub(crate) async fn select(pool: &SqlitePool, sql: &str) -> Rows {
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
        .fetch_all(pool)
        .await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().map(|row| row.get(0)).collect()
}
