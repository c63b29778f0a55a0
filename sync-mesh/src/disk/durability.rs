//! When what was written survives a power loss, and how a loss is noticed afterwards.
//!
//! Own operations are synced before anybody hears of them. What came from peers is only written: it survives the process, and is fetched again after a power loss. It is shown
//! to the app before it is synced, and synced before a peer is told that it is here. So positions that observers were told may be lost; they are never used again, and a
//! cursor among them is known for what it is (`life`).

use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};

use super::{Disk, DiskError};

/// Positions that are taken at a time, so that most changes need not write how many are.
pub(super) const RESERVED: u64 = 1 << 20;

/// What a commit is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It survives a power loss.
    Synced,
    /// It survives the end of the process.
    Written,
}

impl Disk {
    /// A transaction whose commit is good for this.
    pub(super) async fn begin(
        &mut self,
        durability: Durability,
    ) -> Result<Transaction<'_, Sqlite>, DiskError> {
        if self.durability != durability {
            let level = match durability {
                Durability::Synced => "PRAGMA synchronous = FULL",
                Durability::Written => "PRAGMA synchronous = NORMAL",
            };
            sqlx::raw_sql(level).execute(&mut self.connection).await?;
            self.durability = durability;
        }
        #[cfg(test)]
        {
            self.syncs += u64::from(durability == Durability::Synced);
        }
        Ok(self.connection.begin_with("BEGIN IMMEDIATE").await?)
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
        let mut transaction = self.begin(Durability::Synced).await?;
        // SQLite does not sync when nothing changes.
        sqlx::query("UPDATE store SET syncs = syncs + 1")
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
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
        sqlx::query("UPDATE store SET position = ?")
            .bind(position.cast_signed())
            .execute(connection)
            .await?;
    }
    Ok(())
}
