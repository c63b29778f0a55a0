//! When what was written survives a power loss, and how a loss is noticed afterwards.
//!
//! Own operations are synced before anybody hears of them. What came from peers is only written: it survives the process, and is fetched again after a power loss. It is shown
//! to the app before it is synced, and synced before a peer is told that it is here. So positions that observers were told may be lost; they are never used again, and a
//! cursor among them is known for what it is (`life`).

use sqlx::{AssertSqlSafe, Connection, Sqlite, SqliteConnection, Transaction, sqlite::SqliteArguments};

use super::{Disk, DiskError};

/// Positions that are taken at a time, so that most changes need not write how many are.
pub(super) const RESERVED: u64 = 1 << 20;

/// Takes all positions up to this one.
pub(super) const RESERVE: &str = "UPDATE store SET position = ?;";

/// What a commit is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It survives a power loss.
    Synced,
    /// It survives the end of the process.
    Written,
}

impl Durability {
    /// What a connection is told before a transaction.
    fn level(self) -> &'static str {
        match self {
            Self::Synced => "PRAGMA synchronous = FULL;",
            Self::Written => "PRAGMA synchronous = NORMAL;",
        }
    }
}

/// Statements, each of which ends with a semicolon, and the values of their parameters in their order.
pub(super) type Script = (String, SqliteArguments);

impl Disk {
    /// A transaction whose commit is good for this.
    pub(super) async fn begin(
        &mut self,
        durability: Durability,
    ) -> Result<Transaction<'_, Sqlite>, DiskError> {
        if self.durability != Some(durability) {
            let level = durability.level();
            sqlx::raw_sql(level).execute(&mut self.connection).await?;
            self.durability = Some(durability);
        }
        #[cfg(test)]
        {
            self.syncs += u64::from(durability == Durability::Synced);
        }
        Ok(self.connection.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Carries out statements as one transaction whose commit is good for this. All of them with one trip to the thread of the connection and back: a trip takes
    /// longer than a small statement, and somebody waits for a row.
    pub(super) async fn at_once(
        &mut self,
        durability: Durability,
        (statements, arguments): Script,
    ) -> Result<(), DiskError> {
        let is_set = self.durability == Some(durability);
        let level = if is_set { "" } else { durability.level() };
        // Until all of it was carried out nobody knows.
        self.durability = None;
        let script = format!("{level} BEGIN IMMEDIATE; {statements} COMMIT;");
        let script = sqlx::query_with(AssertSqlSafe(script), arguments);
        if let Err(error) = script.execute(&mut self.connection).await {
            // Fails where SQLite has done so itself.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
            return Err(error.into());
        }
        self.durability = Some(durability);
        #[cfg(test)]
        {
            self.syncs += u64::from(durability == Durability::Synced);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs
    }

    /// What has to stand in the transaction that uses this position: `None` when enough are taken.
    pub(super) fn to_reserve(&self, position: u64) -> Option<u64> {
        (position > self.reserved).then(|| position.saturating_add(RESERVED))
    }

    /// Whether something would not survive a power loss.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced
    }

    /// Makes everything survive a power loss that was written.
    pub(crate) async fn sync(&mut self) -> Result<(), DiskError> {
        if self.synced {
            return Ok(());
        }
        // SQLite does not sync when nothing changes.
        let script = "UPDATE store SET syncs = syncs + 1;".to_owned();
        self.at_once(Durability::Synced, (script, SqliteArguments::default()))
            .await?;
        self.synced = true;
        Ok(())
    }
}

/// Takes all positions up to this one.
pub(super) async fn reserve(
    connection: &mut SqliteConnection,
    position: Option<u64>,
) -> Result<(), DiskError> {
    if let Some(position) = position {
        sqlx::query(RESERVE)
            .bind(position.cast_signed())
            .execute(connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Owner;

    async fn open(directory: &std::path::Path) -> Disk {
        let owner = Owner {
            store: "store".into(),
            peer: 1,
            mesh: "tests".to_owned(),
            key: [1; 32],
            secret: [2; 32],
            shared: false,
        };
        let disk = Disk::open(&directory.join("mesh.sqlite"), owner).await;
        disk.expect("a file opens")
    }

    async fn number(disk: &mut Disk, query: &'static str) -> i64 {
        let number = sqlx::query_scalar(query).fetch_one(&mut disk.connection).await;
        number.expect("it is one number")
    }

    fn script(text: &str) -> Script {
        (text.to_owned(), SqliteArguments::default())
    }

    #[tokio::test]
    async fn what_fails_halfway_leaves_nothing_and_what_follows_is_as_durable_as_it_says() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut disk = open(directory.path()).await;
        let broken = script("UPDATE store SET syncs = 7; INSERT INTO nowhere VALUES (1);");
        let outcome = disk.at_once(Durability::Written, broken).await;
        assert!(outcome.is_err(), "there is no such table");
        assert_eq!(number(&mut disk, "SELECT syncs FROM store").await, 0);
        for (durability, level) in [(Durability::Synced, 2), (Durability::Written, 1)] {
            let right = script("UPDATE store SET syncs = syncs + 1;");
            disk.at_once(durability, right)
                .await
                .expect("no transaction is left open");
            assert_eq!(number(&mut disk, "PRAGMA synchronous").await, level);
        }
        assert_eq!(number(&mut disk, "SELECT syncs FROM store").await, 2);
        let transaction = disk.begin(Durability::Synced).await;
        let rolled_back = transaction.expect("nothing is open").rollback().await;
        rolled_back.expect("it can be taken back");
        assert_eq!(number(&mut disk, "PRAGMA synchronous").await, 2);
    }
}
