//! The log from which a known set is read: chunks of entries, the newest ones last.
//!
//! A log that has grown to more than twice what counts is written anew at its end, in the order of the ids, a little with every transaction; then what came in front is
//! dropped, a little with every transaction too. A process that ends meanwhile leaves a log that is longer, and as true. Not here: the copy in memory (`known`).

use super::{Known, KnownWrite};
use crate::{
    codec::CodecError,
    native::{Native, NativeError},
    state::Fault,
};

/// Entries read in one go while loading.
const LOAD_ENTRIES: usize = 8192;
/// Most entries of a chunk: 32 kB.
const CHUNK_ENTRIES: usize = 1024;
/// Bytes of an entry: two hashes.
const ENTRY_BYTES: usize = 32;
/// Entries of a log beside twice those that count before it is written anew.
const LOG_SLACK: usize = 8192;
/// So many entries are written anew for each new one: the log is through with it before it has grown by a quarter.
const REWRITE_RATE: usize = 4;
/// Fewest and most of them in one transaction.
const REWRITE_ENTRIES: (usize, usize) = (256, 16_384);

/// Stands where a hash would in the log, for an id that was forgotten.
const FORGOTTEN: u128 = u128::MAX;

/// What the log on disk is like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Log {
    /// Entries in it, most of which may have been overtaken.
    pub(super) entries: usize,
    rewrite: Option<Rewrite>,
}

/// The log is being written anew at its end, in the order of the ids, a little with every transaction. What came in front is dropped afterwards.
#[derive(Debug, Clone, Copy)]
struct Rewrite {
    /// The first chunk that stays.
    first: i64,
    /// The id to go on from; `None`: all are written.
    next: Option<u128>,
}

/// What a transaction does to the log beside its own entries; counts once that is committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogStep {
    added: usize,
    dropped: usize,
    rewrite: Option<Rewrite>,
}

impl Known {
    /// Takes over a step of the log that is committed.
    pub(crate) fn take_step(&mut self, step: LogStep) {
        self.log = Log {
            entries: (self.log.entries + step.added).saturating_sub(step.dropped),
            rewrite: step.rewrite,
        };
    }

    /// Reads the next chunks of the log behind `after`; the chunk to go on from, or `None` at the end.
    pub(crate) fn load_slice(
        &mut self,
        native: &Native<'_>,
        table: &str,
        after: Option<i64>,
    ) -> Result<Option<i64>, Fault> {
        let mut select = native.prepare(&format!(
            "SELECT no, entries FROM {table} WHERE no > ?1 ORDER BY no"
        ))?;
        select.bind_i64(1, after.unwrap_or(i64::MIN))?;
        let mut read = 0;
        while select.step()? {
            let entries = select.column_blob(1)?;
            let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
            if !rest.is_empty() {
                return Err(CodecError::HashLength(rest.len()).into());
            }
            for entry in entries {
                let (id, hash) = decode(entry);
                let hash = (hash != FORGOTTEN).then_some(hash);
                self.merge(KnownWrite { model: 0, id, hash });
            }
            read += entries.len();
            if read >= LOAD_ENTRIES {
                return Ok(Some(select.column_i64(0)));
            }
        }
        Ok(None)
    }

    /// Keeps the log from growing without end, for a transaction with so many changes. Before their own entries, which overtake what is written here.
    pub(crate) fn rewrite_some(
        &self,
        native: &Native<'_>,
        table: &str,
        changes: usize,
    ) -> Result<LogStep, NativeError> {
        let mut step = LogStep {
            added: 0,
            dropped: 0,
            rewrite: None,
        };
        let mut rewrite = match self.log.rewrite {
            Some(rewrite) => rewrite,
            None if self.log.entries <= 2 * self.len() + LOG_SLACK => return Ok(step),
            None => Rewrite {
                first: newest_chunk(native, table)? + 1,
                next: Some(0),
            },
        };
        let (least, most) = REWRITE_ENTRIES;
        let budget = (changes * REWRITE_RATE).clamp(least, most);
        match rewrite.next {
            Some(from) => {
                let entries: Vec<_> = self.hashes.iter_from(from).take(budget).collect();
                append_entries(native, table, entries.iter().copied())?;
                step.added = entries.len();
                let last = entries.last().filter(|_| entries.len() == budget);
                rewrite.next = last.and_then(|(id, _)| id.checked_add(1));
                step.rewrite = Some(rewrite);
            }
            None => {
                let (dropped, any_left) = drop_chunks(native, table, (rewrite.first, budget))?;
                step.dropped = dropped;
                step.rewrite = any_left.then_some(rewrite);
            }
        }
        Ok(step)
    }
}

/// Drops the oldest chunks before `first`, about `budget` entries of them; how many entries those had, and whether there are more.
fn drop_chunks(
    native: &Native<'_>,
    table: &str,
    (first, budget): (i64, usize),
) -> Result<(usize, bool), NativeError> {
    let mut select = native.prepare(&format!(
        "SELECT no, length(entries) FROM {table} WHERE no < ?1 ORDER BY no"
    ))?;
    select.bind_i64(1, first)?;
    let (mut dropped, mut last) = (0, None);
    while dropped < budget && select.step()? {
        last = Some(select.column_i64(0));
        dropped += usize::try_from(select.column_i64(1)).expect("a length is not negative") / ENTRY_BYTES;
    }
    drop(select);
    if let Some(last) = last {
        let mut delete = native.prepare(&format!("DELETE FROM {table} WHERE no <= ?1"))?;
        delete.bind_i64(1, last)?;
        delete.run()?;
    }
    Ok((dropped, dropped >= budget))
}

fn newest_chunk(native: &Native<'_>, table: &str) -> Result<i64, NativeError> {
    let mut newest = native.prepare(&format!("SELECT coalesce(max(no), 0) FROM {table}"))?;
    newest.step()?;
    Ok(newest.column_i64(0))
}

/// Appends changes of one model's known set to its log; of several changes of one id the last one counts.
pub(crate) fn append(native: &Native<'_>, table: &str, writes: &[KnownWrite]) -> Result<(), NativeError> {
    let entries = writes
        .iter()
        .map(|write| (write.id, write.hash.unwrap_or(FORGOTTEN)));
    append_entries(native, table, entries)
}

fn append_entries(
    native: &Native<'_>,
    table: &str,
    entries: impl ExactSizeIterator<Item = (u128, u128)>,
) -> Result<(), NativeError> {
    let mut left = entries.len();
    if left == 0 {
        return Ok(());
    }
    let mut insert = native.prepare(&format!("INSERT INTO {table} (entries) VALUES (?1)"))?;
    let mut chunk = Vec::with_capacity(left.min(CHUNK_ENTRIES) * ENTRY_BYTES);
    for (id, hash) in entries {
        chunk.extend(id.to_be_bytes());
        chunk.extend(hash.to_be_bytes());
        left -= 1;
        if left == 0 || chunk.len() == CHUNK_ENTRIES * ENTRY_BYTES {
            insert.bind_blob(1, &chunk)?;
            insert.run()?;
            chunk.clear();
        }
    }
    Ok(())
}

fn decode(entry: &[u8; ENTRY_BYTES]) -> (u128, u128) {
    let (id, hash) = entry.split_at(ENTRY_BYTES / 2);
    let number = |half: &[u8]| u128::from_be_bytes(half.try_into().expect("half of an entry is a hash"));
    (number(id), number(hash))
}
