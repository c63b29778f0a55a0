//! Every limit of the coordinator, with its unit and its reason. Limits of ids and values stand beside their types.

use std::time::Duration;

/// Time between a start and the first exchange, as the Dart registry waits: the app's own start comes first.
pub const STARTUP_DELAY: Duration = Duration::from_secs(3);

/// Fewest rows of an adaptive batch: below it the fixed cost of a transaction (its commit, and pages that each of them writes again) is most of its time, so that smaller
/// ones only make everything take longer.
pub const BATCH_ROWS_MIN: usize = 256;
/// Fewest rows of an intent, where so many are dirty: it costs two syncs of the disk however small it is.
pub const INTENT_ROWS_MIN: usize = 1000;
/// Rows of the first adaptive batch: about 3 ms, so that where rows take ten times as long it is no longer than people notice.
pub const BATCH_ROWS_START: usize = 1024;
/// Most rows of an adaptive batch: such a transaction holds the write lock about 12 ms and runs near full speed; larger ones gain nothing.
pub const BATCH_ROWS_MAX: usize = 4000;
/// Ids of a model that wait unpacked to be looked at, 0.7 MB of UUIDs; what exceeds them is packed.
pub const UNPACKED_IDS_MAX: usize = 8 * 1024;
/// Changes that were known to their rows, echoes mostly, after which the cursor behind them is made durable by a transaction of its own. A resume reports as many of them again, and
/// knows them again.
pub const PASSED_CHANGES_MAX: usize = 1000;
/// How long one transaction should hold the write lock.
pub const BATCH_TIME: Duration = Duration::from_millis(10);
/// By how much fetching and applying a batch may take longer together: the engine hears nothing else meanwhile.
pub const BATCH_TIME_WITH_FETCH: u32 = 10;
/// Rows of a batch at the pace of the Dart framework.
pub const PACED_ROWS: usize = 5;
/// Pause after each of them.
pub const PACED_PAUSE: Duration = Duration::from_millis(100);
/// Rows whose agreement with their documents is forgotten in one transaction, where all are applied anew.
pub const FORGET_ROWS: usize = 1000;

/// First pause after a failure.
pub const RETRY_FIRST: Duration = Duration::from_millis(50);
/// Longest pause after failures.
pub const RETRY_LAST: Duration = Duration::from_secs(10);
/// Pause between two looks whether a replaced store has caught up.
pub const PEER_CHECK_PAUSE: Duration = Duration::from_millis(500);
/// Failed attempts after which an intent is halved, whatever the error.
pub const ATTEMPTS_BEFORE_BISECT: u32 = 3;
/// Quick steps of a search for a poisonous record before one long pause: enough to halve the largest intent down to one row and to try a few rows
/// alone, few enough that a store that is away for hours costs next to nothing.
pub const BISECT_STEPS: u32 = 24;
/// Pause after each of these steps.
pub const BISECT_PAUSE: Duration = Duration::from_millis(20);
/// Rows set aside at a time because their writes keep failing. Beyond it the store is taken to be away, and rows wait.
pub const SUSPECTS_MAX: usize = 64;
/// Failed trials after which a row is quarantined though nothing else was accepted: each time the store has answered a read right after.
pub const LONER_TRIALS: u32 = 10;
/// Time these trials have to span: longer than a store is busy with itself, short enough that a single bad record is seen the same day.
pub const LONER_TIME: Duration = Duration::from_secs(600);
/// Rows at a time of which that is believed. When more fail, it is the store.
pub const LONERS_MAX: usize = 3;
/// First pause before a row that is in quarantine for an unknown error of the store is tried again by itself.
pub const QUARANTINE_RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest of these pauses.
pub const QUARANTINE_RETRY_LAST: Duration = Duration::from_secs(600);
/// Documents in quarantine that are looked at from time to time because no observation tells of them; of more, the others wait for the next start.
pub const STRAYS_MAX: usize = 1_000;
/// Refusals in a row after which rows are sent one by one, each right after its fetch, so that a busy peer cannot starve them.
pub const REFUSALS_BEFORE_SINGLE: u32 = 3;

/// Collections that change over to another scope at a time; the others stay in their old scope meanwhile. Engines choke on many new subscriptions at once, and one
/// after the other is as fast, because one coordinator compares and applies for all.
pub const SCOPE_SWITCHES_AT_ONCE: usize = 1;

/// Buckets of an audit's digests: 16 bytes each, and with 100,000 rows one differing row makes about a hundred be compared one by one.
pub const AUDIT_BUCKETS: usize = 1024;
/// Documents an audit fetches in one go: bounds what it holds of the store.
pub const AUDIT_FETCH: usize = 256;
/// Differences one audit lists.
pub const AUDIT_DIFFERENCES_MAX: usize = 10_000;

/// Share of a table's synced rows above which deletes from the store are held. Nothing ordinary deletes half of a table within a minute.
pub const MASS_CHANGE_SHARE: f64 = 0.5;
/// Synced rows below which a table is left alone: of a few rows, half go easily.
pub const MASS_CHANGE_TABLE_ROWS_MIN: u64 = 100;
/// How long deletes count together: a large delete comes in pieces, some seconds long; a table whose rows come and go turns over in longer times.
pub const MASS_CHANGE_WINDOW: Duration = Duration::from_secs(60);
/// From this part of the limit on (an eighth) deletes are gathered, so that a mass change is seen before it is applied.
pub const BURST_GATHERED_FROM: u64 = 8;
/// Time without another delete after which gathered ones are applied: more than the time between two batches of one peer, less than people notice.
pub const BURST_QUIET: Duration = Duration::from_millis(300);
/// Longest time for which deletes are gathered.
pub const BURST_GATHERED_MAX: Duration = Duration::from_secs(3);
/// Ids shown of the changes that are held.
pub const HELD_SAMPLE: usize = 10;
/// Rows that one transaction takes back when a mass change is rejected.
pub const REJECT_ROWS: usize = 1000;

/// Events kept for a slow listener; older ones are lost to it, and it learns how many.
pub const EVENTS_KEPT: usize = 1024;
/// Documents of one model that a pull of a backup fetches and restores in one go, with those that they link to.
pub const BACKUP_CHUNK: usize = 256;
/// How long a pull of a backup subscribes to models that are not observed anyway, before it reads the store.
pub const BACKUP_PATIENCE: Duration = Duration::from_secs(3);
/// Declined documents remembered, so that changes of their rows are computed against them. Beyond it the store refuses such a change once.
pub const DECLINED_REMEMBERED: usize = 65_536;
/// Row changes that one message to the listeners of a model names at most.
pub const CHANGE_BATCH: usize = 64;
/// Messages kept for a slow listener of row changes; older ones are lost to it, and it learns how many changes that were. They hold ids, not rows.
pub const CHANGE_BATCHES_KEPT: usize = 1024;
/// Rows that a listener reads in one go.
pub const LISTEN_ROWS: usize = 256;
/// Pause before a listener asks a database again that failed or is closed for the time being.
pub const LISTEN_RETRY: Duration = Duration::from_millis(500);
/// What happened to rows, remembered for [`explain`](crate::coordinator::SyncHandle::explain): the newest of all rows together. About 400 kB when full.
pub const HISTORY_EVENTS_KEPT: usize = 4096;
/// Documents of a report that are compared with the known set in one go: what is needed for that stays in the cache.
pub const RECOGNIZED_AT_ONCE: usize = 1024;
/// Commands waiting for the coordinator.
pub const COMMANDS_WAITING: usize = 64;
/// Own writes remembered to tell their echoes from re-deliveries in the status. Beyond it the count is approximate.
pub const ECHOES_REMEMBERED: usize = 65_536;

const _: () = assert!(BATCH_ROWS_MIN <= BATCH_ROWS_START && BATCH_ROWS_START <= BATCH_ROWS_MAX);
