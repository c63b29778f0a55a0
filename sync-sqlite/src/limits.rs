//! Every limit of this crate, with the reason for its value.
//!
//! Not here: how much goes into one transaction, which the coordinator decides per call.

use std::time::Duration;

/// How often in a row a trigger of the app may answer nothing but answers to its own stamps, row by row, before the row is set aside: more often than
/// devices that edit by turns, few enough that the exchange ends within a second.
pub(crate) const ANSWERS_IN_A_ROW_MAX: u32 = 5;

/// How long our own connections wait for another connection's write lock before an operation fails as busy. Long enough for an app's usual
/// transaction, short enough that a shutdown does not hang behind a forgotten one; the coordinator tries again.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// How long connections of a pool that we make wait for the write lock: sqlx's own default.
pub(crate) const POOL_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes for which there is room in an intent that is encoded, for each of its operations: most are smaller, and what exceeds them all is made room for.
pub(crate) const OPERATION_BYTES: usize = 512;

/// The page cache of a connection that has SQLite's own, as SQLite tells it: negative, in KiB.
pub(crate) const SQLITE_CACHE_KIB: i64 = -2000;

/// The page cache of connections that are opened with our options: an app's transaction writes about twice as many pages with capture, and one that changes 10,000 rows fits in. SQLite
/// takes what it needs of it.
pub(crate) const APP_CACHE_KIB: i64 = -8_000;

/// The page cache of the connection that writes: the hashes and the key index of 100,000 rows fit in. SQLite takes what it needs of it.
pub(crate) const WRITER_CACHE_KIB: i64 = -16_000;

/// How often `data_version` is asked for while nothing hints at a change. It costs about 0.35 % of a core, and half of it is the mean time to
/// notice a commit of another process.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Looks one behind the other after a hint: about as long as a commit without a sync takes to become visible after its hook, at 20 to 50 us each.
pub(crate) const LOOKS_AT_ONCE: u32 = 12;

/// How long to wait for another look after those, and from then on twice as long each time, up to the regular poll. The commit hook runs
/// before the commit is visible, usually by less than a millisecond.
pub(crate) const SECOND_LOOK: Duration = Duration::from_micros(200);

/// How long the log may get before SQLite brings it back into the database, in pages, if nobody has chosen another length (<https://sqlite.org/pragma.html#pragma_wal_autocheckpoint>).
pub(crate) const SQLITE_CHECKPOINT_PAGES: i64 = 1000;

/// The same for our own connection, which does it behind its commits.
pub(crate) const CHECKPOINT_PAGES: u32 = 1000;
