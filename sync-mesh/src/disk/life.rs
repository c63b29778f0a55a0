//! One life of the file, from its opening to its end, and what the next one knows of it: [`Disk::begin_life`].
//!
//! Positions that were told and lost are never used again. And a file that is not the one that was written last (a backup that came back, a copy) writes under another number: peers
//! know operations under the old one that it does not have, and would take new ones for those.

use std::{path::Path, sync::Arc};

use sqlx::{Connection, Sqlite, Transaction};

use super::{
    Disk, DiskError,
    durability::{Durability, RESERVED, reserve},
};

/// Most gaps that are remembered, the newest ones: one for each time that the store was not closed.
const GAPS_MAX: i64 = 1000;

/// Positions that were told to observers, and whose changes may have been lost: first and last of each stretch.
pub(crate) type Gaps = Arc<[(u64, u64)]>;

/// What a store goes on from.
pub(crate) struct Life {
    /// Its own changes come after this position.
    pub(crate) position: u64,
    pub(crate) gaps: Gaps,
    /// It is not the file that was written last: the number under which to write from now on.
    pub(crate) peer: Option<u64>,
}

impl Disk {
    /// Begins a life of the store, after one in which `newest` is the last change that is left; `fresh` is a number that nobody has written under.
    pub(crate) async fn begin_life(&mut self, newest: u64, fresh: u64) -> Result<Life, DiskError> {
        let mark = format!("{:032x}", fastrand::u128(..));
        let (place, beside) = (place_of(&self.file), beside(&self.file));
        let found = tokio::fs::read_to_string(&beside).await.ok();
        let mut transaction = self.begin(Durability::Synced).await?;
        let (taken, clean, left): (i64, bool, Option<String>) =
            sqlx::query_as("SELECT position, clean, mark FROM store")
                .fetch_one(&mut *transaction)
                .await?;
        let taken = taken.cast_unsigned();
        if !clean && taken > newest {
            note_gap(&mut transaction, (newest.saturating_add(1), taken)).await?;
        }
        let is_other = left.is_some_and(|left| found != Some(format!("{left} {place}")));
        let peer = is_other.then_some(fresh);
        if let Some(peer) = peer {
            sqlx::query("UPDATE store SET peer = ?")
                .bind(peer.to_le_bytes().as_slice())
                .execute(&mut *transaction)
                .await?;
        }
        let position = taken.max(newest);
        let reserved = position.saturating_add(RESERVED);
        reserve(&mut transaction, Some(reserved)).await?;
        sqlx::query("UPDATE store SET clean = 0, mark = ?")
            .bind(&mark)
            .execute(&mut *transaction)
            .await?;
        let gaps: Vec<(i64, i64)> = sqlx::query_as("SELECT first, last FROM gap ORDER BY first")
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.reserved = reserved;
        // Best effort: without it the next life writes under another number.
        if let Err(error) = tokio::fs::write(&beside, format!("{mark} {place}")).await {
            tracing::warn!(%error, "the mark of the store's file could not be written");
        }
        let gaps = gaps.into_iter();
        let gaps = gaps.map(|(first, last)| (first.cast_unsigned(), last.cast_unsigned()));
        Ok(Life {
            position,
            gaps: gaps.collect(),
            peer,
        })
    }

    /// Notes that nothing after `position` was ever told, and releases the file.
    pub(crate) async fn close(mut self, position: u64) {
        if let Err(error) = self.end_life(position).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the end of the store could not be noted: it is taken for a crash"
            );
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the file of the mesh did not close cleanly"
            );
        }
    }

    async fn end_life(&mut self, position: u64) -> Result<(), DiskError> {
        let mut transaction = self.begin(Durability::Synced).await?;
        sqlx::query("UPDATE store SET clean = 1, position = ?")
            .bind(position.cast_signed())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn note_gap(
    transaction: &mut Transaction<'_, Sqlite>,
    (first, last): (u64, u64),
) -> Result<(), DiskError> {
    sqlx::query("INSERT OR REPLACE INTO gap (first, last) VALUES (?, ?)")
        .bind(first.cast_signed())
        .bind(last.cast_signed())
        .execute(&mut **transaction)
        .await?;
    sqlx::query("DELETE FROM gap WHERE first NOT IN (SELECT first FROM gap ORDER BY first DESC LIMIT ?)")
        .bind(GAPS_MAX)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Whether the change at this position, and all that an observer was told up to it, may be gone.
pub(crate) fn is_lost(gaps: &Gaps, position: u64) -> bool {
    gaps.iter()
        .any(|(first, last)| (*first..=*last).contains(&position))
}

/// The mark of the last life stands here too: whoever brings back the one file brings back an old mark.
fn beside(file: &Path) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".life");
    name.into()
}

/// Which file it is, for the system: a copy of the whole directory is another one.
fn place_of(file: &Path) -> u64 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(file).map_or(0, |metadata| metadata.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        0
    }
}
