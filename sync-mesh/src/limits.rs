//! Every limit of the mesh, with its unit and its reason.

use std::time::Duration;

/// Most operations of one intent: such a batch stays in Loro's cache of decoded rows (2048) while it is checked and then written.
pub const INTENT_OPERATIONS_MAX: usize = 1000;
/// Largest document, in bytes of its names and values. Far below what Loro takes, so that one document never fills a frame of the protocol.
pub const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest name of a collection, in bytes.
pub const COLLECTION_BYTES_MAX: usize = 255;
/// Longest partition of a collection, in bytes: names and values of its scope fields. Rows with longer ones live in the document of the collection that everybody takes.
pub const PARTITION_BYTES_MAX: usize = 512;
/// Most documents of one collection that own writes make. Rows of further partitions live in the document that everybody takes: an empty Loro document takes about 20 kB of memory.
pub const PARTITIONS_MAX: usize = 1024;
/// Most documents of all collections that a store holds. What a peer has beyond them is not taken.
pub const SHARDS_MAX: usize = 16_384;
/// Longest name of a root container, in bytes. Snapshots of documents with a root name of 65,536 bytes or more cannot be loaded again; an escaped id has at
/// most three times the bytes of the id, so whatever is longer was not written by us.
pub const ROOT_NAME_BYTES_MAX: usize = 1024;
/// Bytes of a shard's log after which it is replaced by a snapshot when there is nothing else to do: about 100,000 rows, which take a second to merge again at a start.
pub const LOG_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The same while there is something else to do: a first exchange waits for a snapshot every 200,000 rows and no more often.
pub const LOG_BYTES_BUSY_MAX: usize = 32 * 1024 * 1024;
/// Rows that wait for more of a document that they have left, and are looked at again with one change of it: about 10 ms.
pub const WAITING_AT_ONCE: usize = 128;
/// Largest frame between peers, in bytes: a piece of an exchange, or one write of the largest document with its names.
pub const FRAME_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A frame of so many bytes is read on a thread of its own: what is shorter takes less than 0.2 ms.
pub const READ_APART_BYTES: usize = 8 * 1024;
/// Rows looked at for one report to an observer, about 10 ms: whatever else the store is asked waits meanwhile. As many as are fetched at once.
pub const CHANGES_MAX: usize = 4000;
/// Memory for rows that were read when they changed and wait for those who were told so, in bytes: about 30,000 of ten fields, if the tables stay behind by so many
/// during a first exchange. It is given back when there is nothing else to do.
pub const READ_AHEAD_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Operations in one piece of an exchange: about 500 rows of ten fields, which take about 10 ms to merge. Whoever observes waits that long for the store, several times for each of its
/// looks; with pieces of 2,000 rows the tables stayed behind by 40,000.
pub const CHUNK_OPERATIONS: usize = 5_000;
/// Bytes after which a piece of an exchange is halved, unless it is one write of one row: several pieces are on their way to each peer.
pub const CHUNK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of a snapshot in one frame.
pub const SNAPSHOT_PART_BYTES: usize = 1024 * 1024;
/// Largest snapshot taken from a peer, in bytes: about 2,000,000 rows.
pub const SNAPSHOT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Pause between two updates of one collection to one peer: the first goes at once, what comes within the pause goes together. As long as a small write takes on a disk that
/// syncs, so that writes one after another wait for it no longer than for their disk.
pub const PUSH_PAUSE: Duration = Duration::from_millis(2);
/// How long after a change was taken its sender is told so: first it is shown here, and then synced.
pub const CONFIRM_DELAY: Duration = Duration::from_millis(5);
/// Pause between two confirmations to one peer.
pub const CONFIRM_PAUSE: Duration = Duration::from_millis(50);
/// Rows changed in memory after which a shard is read anew from a snapshot when there is nothing else to do: until then each of them holds up to 2 kB.
pub const TOUCHED_ROWS_MAX: usize = 25_000;
/// The same while there is something else to do: up to 400 MB then.
pub const TOUCHED_ROWS_BUSY_MAX: usize = 200_000;
/// Silence after which a store has nothing else to do.
pub const SETTLE_PAUSE: Duration = Duration::from_millis(500);
/// A device that was not met for so long does not hold up the trimming of history: it gets a snapshot when it returns.
pub const TRIM_HORIZON: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Most documents (collections, or partitions of them) that one message names.
pub const SHARDS_NAMED_MAX: usize = SHARDS_MAX;
/// Largest version vector between peers, in bytes: 10.5 bytes for each number under which somebody ever wrote, so about 100,000 of them.
pub const VERSION_BYTES_MAX: usize = 1024 * 1024;
/// Messages to one peer that wait for its connection. Few: what is sent later covers more.
pub const MESSAGES_WAITING: usize = 4;
/// Commands that wait for the thread of the store.
pub const COMMANDS_WAITING: usize = 256;
/// Pause between two reminders to peers how far we are, which heal every message that got lost.
pub const ANTI_ENTROPY_PAUSE: Duration = Duration::from_secs(20);
/// How long an attempt to connect may take: to nobody it would never end.
pub const CONNECT_TIME: Duration = Duration::from_secs(3);
/// A connection on which nothing comes for so long is taken for broken.
pub const IDLE_TIME: Duration = Duration::from_secs(5);
/// Most devices that are looked for because the local network was told of them.
#[cfg(feature = "mdns")]
pub const MULTICAST_DEVICES_MAX: usize = 256;
/// Most addresses of a device that are tried because the local network was told of them.
#[cfg(feature = "mdns")]
pub const MULTICAST_ADDRESSES_MAX: usize = 16;
/// How often something is sent, so that the other side does not take the connection for broken.
pub const KEEP_ALIVE: Duration = Duration::from_millis(1500);
/// First pause before a device that was not reached is tried again.
pub const DIAL_PAUSE_FIRST: Duration = Duration::from_millis(300);
/// Longest of these pauses: a device that returns is met within 5 s.
pub const DIAL_PAUSE_LAST: Duration = Duration::from_secs(2);
/// Newest own operations of a collection of which is told when others replace them without knowing them.
pub const OWN_WRITES_MAX: i32 = 10_000;
/// Reports of that kind that are kept for observers.
pub const OVERWRITTEN_MAX: usize = 1000;
/// Newest batches of which is known one by one whether a peer holds them; older ones are taken together.
pub const RECEIPTS_MAX: usize = 10_000;
