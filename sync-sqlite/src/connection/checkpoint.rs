//! Bringing the write-ahead log back into the database behind a commit, and not in it: [`Checkpoints`].
//!
//! SQLite does so in the commit that makes the log 1000 pages long, and holds the write lock meanwhile, for longer than a large batch takes. Apart from the commit it disturbs nobody who
//! writes (<https://sqlite.org/c3ref/wal_checkpoint_v2.html>, `PASSIVE`). Not here: connections of the app, which do what the app has told them to.

use sqlx::SqliteConnection;

use crate::{
    limits::{CHECKPOINT_PAGES, SQLITE_CHECKPOINT_PAGES},
    native::{Native, NativeError},
};

/// How much a connection has written to the log, as far as is known, and how much of it was there when the log was last brought back.
///
/// The files of the log must not be opened to learn more: to close them again would cancel SQLite's locks (<https://sqlite.org/howtocorrupt.html>, section 2.2).
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// The connection leaves the log to us.
    ours: bool,
    written: u32,
    returned: u32,
}

impl Checkpoints {
    /// Of a connection that does what it was told to.
    pub(super) const NONE: Self = Self {
        ours: false,
        written: 0,
        returned: 0,
    };

    /// Takes the log over from a connection, unless the app has chosen for itself.
    pub(super) fn of(native: &Native<'_>) -> Result<Self, NativeError> {
        let mut ask = native.prepare("PRAGMA wal_autocheckpoint")?;
        ask.step()?;
        let ours = ask.column_i64(0) == SQLITE_CHECKPOINT_PAGES;
        drop(ask);
        if ours {
            native.execute("PRAGMA wal_autocheckpoint = 0")?;
        }
        Ok(Self { ours, ..Self::NONE })
    }

    /// Looks how much the connection has written. What a commit writes is seen at the next look.
    pub(super) fn look(&mut self, native: &Native<'_>) {
        if self.ours {
            self.written = native.pages_written();
        }
    }

    /// Whether the log should be brought back now; then it counts anew.
    pub(super) fn are_due(&mut self) -> bool {
        let due = self.ours && self.written.wrapping_sub(self.returned) >= CHECKPOINT_PAGES;
        if due {
            self.returned = self.written;
        }
        due
    }
}

/// Brings back what nobody reads any more. What is in the way, a reader or somebody else who does the same, ends it early, and the next one goes on.
pub(super) async fn run(connection: &mut SqliteConnection) {
    let outcome = sqlx::raw_sql("PRAGMA main.wal_checkpoint(PASSIVE)")
        .execute(connection)
        .await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "the write-ahead log was not brought back; a later commit tries again");
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;

    use super::*;
    use crate::options;

    #[tokio::test]
    async fn pages_are_counted_until_they_are_due() {
        let directory = tempfile::tempdir().unwrap();
        let options = options::connect_options(&directory.path().join("app.db"));
        let mut connection = options.connect().await.unwrap();
        let native = Native::lock(&mut connection).await.unwrap();
        let mut checkpoints = Checkpoints::of(&native).unwrap();
        native.execute("CREATE TABLE t(a)").unwrap();
        checkpoints.look(&native);
        assert!(!checkpoints.are_due());
        let filled = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
                      INSERT INTO t SELECT zeroblob(4000) FROM n";
        for _ in 0..2 {
            native.execute(filled).unwrap();
            checkpoints.look(&native);
            assert!(checkpoints.are_due());
            assert!(!checkpoints.are_due(), "it counts anew");
        }
        let mut log = native.prepare("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
        assert!(log.step().unwrap());
        let in_log = log.column_i64(1);
        assert!(
            in_log > 2000,
            "nothing was brought back by itself: {in_log} pages"
        );
    }

    #[tokio::test]
    async fn what_the_app_has_chosen_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.db");
        let options = options::connect_options(&path).pragma("wal_autocheckpoint", "300");
        let mut connection = options.connect().await.unwrap();
        let native = Native::lock(&mut connection).await.unwrap();
        let mut checkpoints = Checkpoints::of(&native).unwrap();
        native.execute("CREATE TABLE t(a)").unwrap();
        checkpoints.written = CHECKPOINT_PAGES;
        checkpoints.look(&native);
        assert!(!checkpoints.are_due());
        let mut ask = native.prepare("PRAGMA wal_autocheckpoint").unwrap();
        ask.step().unwrap();
        assert_eq!(ask.column_i64(0), 300);
    }
}
