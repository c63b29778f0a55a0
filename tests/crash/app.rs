//! The app of a device: transactions of plain SQL, made at random from a seed.
//!
//! Not here: which of them were committed (`oracle` asks the database).

use std::path::Path;

use ditto_sync::SqliteRepository;
use sqlx::SqliteConnection;

use crate::tables::twins;

/// Which of the two devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Stocks that each device makes.
const STOCKS: u64 = 2;
/// Ids that are used again and again, of each kind.
const IDS: u64 = 4;

/// The app of one device.
pub(crate) struct App {
    side: Side,
    random: fastrand::Rng,
    repository: SqliteRepository,
    number: i64,
}

/// How a transaction is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Left, Self::Right];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

impl App {
    /// Goes on where the app of this file stopped. Its pool is its own: the coordinator has another one.
    pub(crate) async fn open(side: Side, path: &Path, seed: u64) -> Self {
        let repository = SqliteRepository::open(path)
            .await
            .expect("the app opens its database");
        let number: Option<i64> = sqlx::query_scalar("SELECT max(number) FROM journal")
            .fetch_one(repository.pool())
            .await
            .expect("the journal is read");
        Self {
            side,
            random: fastrand::Rng::with_seed(seed),
            repository,
            number: number.unwrap_or(0),
        }
    }

    /// The number of the transaction composed last.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    /// The SQL of one transaction, and how it ends.
    pub(crate) fn compose(&mut self) -> (Vec<String>, End) {
        self.number += 1;
        let mut sql = vec![format!("INSERT INTO journal VALUES ({})", self.number)];
        if self.number == 1 {
            sql.extend((0..STOCKS).map(|at| {
                let name = self.side.name();
                format!("INSERT INTO stocks VALUES ('{name}-{at}', 'new', 0.5, 10, 0)")
            }));
        }
        for _ in 0..self.random.u32(1..4) {
            self.add_change(&mut sql);
        }
        let undone = self.number > 1 && self.random.u32(..12) == 0;
        (sql, if undone { End::Rollback } else { End::Commit })
    }

    /// Carries a transaction out: in turn with the coordinator, or on any connection, as code that knows nothing of the framework.
    pub(crate) async fn carry_out(&mut self, (sql, end): (&[String], End)) {
        if self.random.bool() {
            let mut write = self.repository.begin().await.expect("the app's turn comes");
            run_all(&mut write, sql).await;
            match end {
                End::Commit => write.commit().await.expect("the app commits"),
                End::Rollback => write.rollback().await.expect("the app rolls back"),
            }
        } else {
            let mut connection = self.repository.pool().acquire().await.expect("a connection");
            run(&mut connection, "BEGIN IMMEDIATE").await;
            run_all(&mut connection, sql).await;
            run(
                &mut connection,
                match end {
                    End::Commit => "COMMIT",
                    End::Rollback => "ROLLBACK",
                },
            )
            .await;
        }
    }

    /// One transaction, made up and carried out.
    pub(crate) async fn transact(&mut self) {
        let (sql, end) = self.compose();
        self.carry_out((&sql, end)).await;
    }

    pub(crate) async fn close(self) {
        self.repository.pool().close().await;
    }

    fn add_change(&mut self, sql: &mut Vec<String>) {
        match self.random.u32(..20) {
            0..6 => self.count(sql),
            6..8 => self.describe(sql),
            8..12 => sql.extend(twins(&self.change_note())),
            12..15 => sql.extend(twins(&self.change_order())),
            15 => sql.push(self.add_guest_line()),
            _ => sql.push(self.contest()),
        }
    }

    /// Counters go up and down, of any stock that has arrived here.
    fn count(&mut self, sql: &mut Vec<String>) {
        let stock = self.any_stock();
        let (quantity, sold) = (self.random.i64(-9..10), self.random.i64(0..4));
        sql.push(format!(
            "INSERT INTO increments SELECT id, {quantity}, {sold} FROM stocks WHERE id = '{stock}'"
        ));
        sql.push(format!(
            "UPDATE stocks SET quantity = quantity + {quantity}, sold = sold + {sold} WHERE id = '{stock}'"
        ));
    }

    /// The field that is this device's to write.
    fn describe(&mut self, sql: &mut Vec<String>) {
        let stock = self.any_stock();
        let (column, value) = match self.side {
            Side::Left => ("product", format!("'product {}'", self.number)),
            Side::Right => ("price", format!("{}.5", self.number)),
        };
        sql.push(format!(
            "INSERT INTO oracle_stocks (id, {column}) SELECT id, {value} FROM stocks WHERE id = '{stock}' \
             ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}"
        ));
        sql.push(format!(
            "UPDATE stocks SET {column} = {value} WHERE id = '{stock}'"
        ));
    }

    fn change_note(&mut self) -> String {
        let (owner, number) = (self.side.name(), self.number);
        let id = format!("{owner}-{}", self.random.u64(..IDS));
        let insert = format!("INTO {{}}notes VALUES ('{id}', '{owner}', 'title {number}', NULL, {number})");
        match self.random.u32(..9) {
            0 | 1 => format!("INSERT {insert} ON CONFLICT (id) DO UPDATE SET body = 'met {number}'"),
            2 => format!("UPDATE {{}}notes SET title = 'changed {number}' WHERE id = '{id}'"),
            3 => format!("UPDATE {{}}notes SET body = 'body {number}' WHERE id = '{id}'"),
            4 => format!("UPDATE {{}}notes SET stars = stars + 1 WHERE owner = '{owner}'"),
            5 => format!("DELETE FROM {{}}notes WHERE id = '{id}'"),
            6 => format!("DELETE FROM {{}}notes WHERE id = '{id}'; INSERT {insert}"),
            7 => format!("REPLACE {insert}"),
            _ => {
                let to = self.random.u64(..IDS);
                format!("UPDATE OR REPLACE {{}}notes SET id = '{owner}-{to}' WHERE id = '{id}'")
            }
        }
    }

    /// Ids of orders are not used again: what cascades elsewhere from the deletion of an order is a change of that device, and wins over lines that were
    /// made again meanwhile.
    fn change_order(&mut self) -> String {
        let (owner, number) = (self.side.name(), self.number);
        let id = format!("'{owner}-{number:06}-{}'", self.random.u32(..1000));
        let recent = self.recent_order(self.side, "{}");
        match self.random.u32(..7) {
            0..3 => format!(
                "INSERT INTO {{}}orders VALUES ({id}, '{owner}', 1.5);
                 INSERT INTO {{}}lines VALUES ({id}, 1, 'tea', {number}), ({id}, 2, 'salt', 1)"
            ),
            3 => format!("UPDATE {{}}lines SET amount = {number} WHERE order_id = {recent} AND line < 3"),
            4 => format!("DELETE FROM {{}}lines WHERE order_id = {recent} AND line = 1"),
            5 => format!("DELETE FROM {{}}orders WHERE id = {recent}"),
            _ => format!(
                "REPLACE INTO {{}}orders SELECT id, owner, {number}.25 FROM {{}}orders WHERE id = {recent}"
            ),
        }
    }

    /// A child for a parent of the other device, which may be deleting it just now.
    fn add_guest_line(&mut self) -> String {
        let recent = self.recent_order(self.side.other(), "");
        format!(
            "INSERT OR REPLACE INTO lines SELECT id, 100, 'guest', {} FROM orders WHERE id = {recent}",
            self.number
        )
    }

    fn recent_order(&mut self, owner: Side, prefix: &str) -> String {
        format!(
            "(SELECT id FROM {prefix}orders WHERE owner = '{}' ORDER BY id DESC LIMIT 1 OFFSET {})",
            owner.name(),
            self.random.u32(..3)
        )
    }

    fn contest(&mut self) -> String {
        let (name, number, id) = (self.side.name(), self.number, self.random.u64(..IDS));
        let values = format!("({id}, '{name} {number}', 1, NULL)");
        match self.random.u32(..6) {
            0 => format!("INSERT OR IGNORE INTO contested VALUES {values}"),
            1 => format!("REPLACE INTO contested VALUES {values}"),
            2 => format!("UPDATE contested SET label = '{name} {number}' WHERE id = {id}"),
            3 => format!("UPDATE contested SET points = points + 1, place = '{name}' WHERE id = {id}"),
            4 => format!("DELETE FROM contested WHERE id = {id}"),
            _ => "UPDATE contested SET points = points - 1".to_owned(),
        }
    }

    fn any_stock(&mut self) -> String {
        let side = Side::BOTH[self.random.usize(..2)];
        format!("{}-{}", side.name(), self.random.u64(..STOCKS))
    }
}

async fn run_all(connection: &mut SqliteConnection, sql: &[String]) {
    for statement in sql {
        run(connection, statement).await;
    }
}

pub(crate) async fn run(connection: &mut SqliteConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}
