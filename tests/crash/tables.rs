//! The app's tables: those that are mapped, and beside them the oracle's, which the framework does not know.
//!
//! Every transaction of the app changes both, so after a crash the oracle's tables tell exactly what was committed.

use ditto_sync::{DittoAdapter, SyncConfig, SyncRegistry};

/// Both devices count here; each text field is written by one of them.
#[derive(DittoAdapter)]
#[ditto(collection = "stocks")]
struct Stock {
    #[ditto(id)]
    id: String,
    product: String,
    price: f64,
    #[ditto(counter)]
    quantity: i64,
    #[ditto(counter)]
    sold: i64,
}

/// Written by the device that owns it.
#[derive(DittoAdapter)]
#[ditto(collection = "notes")]
struct Note {
    #[ditto(id)]
    id: String,
    owner: String,
    title: Option<String>,
    body: Option<String>,
    stars: i64,
}

/// A parent of lines.
#[derive(DittoAdapter)]
#[ditto(collection = "orders")]
struct Order {
    #[ditto(id)]
    id: String,
    owner: String,
    total: f64,
}

/// Goes with its order. Those of the product `guest` are added by the device that does not own the order.
#[derive(DittoAdapter)]
#[ditto(collection = "lines")]
struct Line {
    #[ditto(id)]
    order_id: String,
    #[ditto(id)]
    line: i64,
    product: String,
    amount: i64,
}

/// Both devices do anything to it, so it only has to end alike.
#[derive(DittoAdapter)]
#[ditto(collection = "contested")]
struct Contested {
    #[ditto(id)]
    id: i64,
    label: Option<String>,
    #[ditto(counter)]
    points: i64,
    place: Option<String>,
}

const STOCKS: &str =
    "CREATE TABLE stocks (id TEXT PRIMARY KEY NOT NULL, product TEXT NOT NULL, price REAL NOT NULL, \
     quantity INTEGER NOT NULL, sold INTEGER NOT NULL);
     CREATE TABLE contested (id INTEGER PRIMARY KEY, label TEXT, points INTEGER NOT NULL, place TEXT);
     CREATE TABLE journal (number INTEGER PRIMARY KEY);
     CREATE TABLE increments (stock TEXT NOT NULL, quantity INTEGER NOT NULL, sold INTEGER NOT NULL);
     CREATE TABLE oracle_stocks (id TEXT PRIMARY KEY NOT NULL, product TEXT, price REAL);";

/// `{}` is nothing, or `oracle_`.
const TWINS: &str = "CREATE TABLE {}notes (id TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL, title TEXT, body TEXT, stars INTEGER NOT NULL);
     CREATE TABLE {}orders (id TEXT PRIMARY KEY NOT NULL, owner TEXT NOT NULL, total REAL NOT NULL);
     CREATE TABLE {}lines (order_id TEXT NOT NULL REFERENCES {}orders(id) ON DELETE CASCADE, line INTEGER NOT NULL, \
     product TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (order_id, line));";

/// What each mapped table holds, one text per row, in a fixed order.
pub(crate) const MAPPED: [(&str, &str); 5] = [
    ("stocks", "id, product, price, quantity, sold"),
    ("notes", "id, owner, title, body, stars"),
    ("orders", "id, owner, total"),
    ("lines", "order_id, line, product, amount"),
    ("contested", "id, label, points, place"),
];

/// The DDL of all tables.
pub(crate) fn schema() -> String {
    let [plain, oracle] = twins(TWINS);
    format!("{STOCKS}{plain}{oracle}")
}

/// The same SQL for the mapped table and for the oracle's: `{}` stands before each table's name.
pub(crate) fn twins(sql: &str) -> [String; 2] {
    [sql.replace("{}", ""), sql.replace("{}", "oracle_")]
}

/// The models, and a coordinator that starts at once.
pub(crate) fn registry() -> SyncRegistry {
    SyncRegistry::new()
        .with::<Stock>()
        .with::<Note>()
        .with::<Order>()
        .with::<Line>()
        .with::<Contested>()
        .config(SyncConfig::adaptive().startup_delay(std::time::Duration::ZERO))
}
