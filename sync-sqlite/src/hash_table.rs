//! A map from hashes to hashes in little more than their own size: [`HashTable`].
//!
//! Keys are spread evenly, because they are hashes: their first bits say which bucket they are in, and buckets are sorted. Not here: what the hashes mean (`known`).

/// Most entries of a bucket on average; then there are twice as many buckets.
const BUCKET_ENTRIES: usize = 128;
/// Entries by which a full bucket grows: an eighth of what it has on average, so that little room is unused.
const BUCKET_GROWTH: usize = 8;

/// Bits of a key that say where in its bucket it should be.
const SHARE_BITS: u32 = 24;
/// How far from there the first look goes: about as far as a key is off on average.
const FIRST_STEP: usize = 4;

type Entry = (u128, u128);

/// A map from hashes to hashes: about 34 bytes an entry, however many there are.
#[derive(Debug)]
pub(crate) struct HashTable {
    /// A power of two.
    buckets: Vec<Vec<Entry>>,
    len: usize,
}

impl Default for HashTable {
    fn default() -> Self {
        Self {
            buckets: vec![Vec::new()],
            len: 0,
        }
    }
}

impl HashTable {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, key: u128) -> Option<u128> {
        let bucket = &self.buckets[self.bucket_of(key)];
        let at = self.place_in(bucket, key).ok()?;
        Some(bucket[at].1)
    }

    pub(crate) fn insert(&mut self, key: u128, value: u128) {
        let at = self.bucket_of(key);
        let place = self.place_in(&self.buckets[at], key);
        let bucket = &mut self.buckets[at];
        match place {
            Ok(at) => bucket[at].1 = value,
            Err(at) => {
                if bucket.len() == bucket.capacity() {
                    bucket.reserve_exact(BUCKET_GROWTH);
                }
                bucket.insert(at, (key, value));
                self.len += 1;
                if self.len > self.buckets.len() * BUCKET_ENTRIES {
                    self.split();
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: u128) {
        let at = self.bucket_of(key);
        if let Ok(place) = self.place_in(&self.buckets[at], key) {
            let bucket = &mut self.buckets[at];
            bucket.remove(place);
            self.len -= 1;
            if bucket.capacity() - bucket.len() > 2 * BUCKET_GROWTH {
                bucket.shrink_to(bucket.len() + BUCKET_GROWTH);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.buckets.iter().flatten().copied()
    }

    /// The entries from this key on, in the order of the keys.
    pub(crate) fn iter_from(&self, key: u128) -> impl Iterator<Item = Entry> {
        let buckets = &self.buckets[self.bucket_of(key)..];
        buckets
            .iter()
            .flatten()
            .copied()
            .skip_while(move |entry| entry.0 < key)
    }

    fn bucket_of(&self, key: u128) -> usize {
        bucket_of(key, self.buckets.len())
    }

    /// The place of a key in its bucket, or where it would be. Keys are spread evenly, so it is looked for where it should be, and around there: that touches a line or two of the cache, where
    /// halving the bucket again and again touches five.
    fn place_in(&self, bucket: &[Entry], key: u128) -> Result<usize, usize> {
        let rest = key.checked_shl(self.buckets.len().trailing_zeros()).unwrap_or(0);
        let share = usize::try_from(rest >> (u128::BITS - SHARE_BITS)).expect("it has few bits");
        search_from(bucket, key, (share * bucket.len()) >> SHARE_BITS)
    }

    /// Twice as many buckets, one after the other, so that never much is held twice.
    fn split(&mut self) {
        let mut halves = Vec::with_capacity(self.buckets.len() * 2);
        for mut lower in std::mem::take(&mut self.buckets) {
            let count = halves.capacity();
            let middle = lower.partition_point(|entry| bucket_of(entry.0, count) <= halves.len());
            let upper = lower.split_off(middle);
            lower.shrink_to_fit();
            halves.push(lower);
            halves.push(upper);
        }
        self.buckets = halves;
    }
}

/// The first bits of a key, as many as tell so many buckets apart.
fn bucket_of(key: u128, buckets: usize) -> usize {
    let bits = buckets.trailing_zeros();
    match key.checked_shr(u128::BITS - bits) {
        Some(first) => usize::try_from(first).expect("there are no more buckets than that"),
        None => 0,
    }
}

/// Searches sorted entries, first near the place that is guessed, then further and further away from it: however wrong the guess, it takes no longer than twice as long as without.
fn search_from(entries: &[Entry], key: u128, guess: usize) -> Result<usize, usize> {
    let (mut low, mut high) = (0, entries.len());
    let mut step = FIRST_STEP;
    if entries.get(guess).is_some_and(|entry| entry.0 < key) {
        low = guess + 1;
        while low + step < high {
            if entries[low + step].0 >= key {
                high = low + step + 1;
                break;
            }
            low += step + 1;
            step *= 2;
        }
    } else {
        high = high.min(guess + 1);
        while high > step {
            if entries[high - 1 - step].0 < key {
                low = high - step;
                break;
            }
            high -= step;
            step *= 2;
        }
    }
    let found = entries[low..high].binary_search_by_key(&key, |entry| entry.0);
    found.map(|at| low + at).map_err(|at| low + at)
}

/// Which keys of a table were met: a bit each, as long as the table does not change.
#[derive(Debug)]
pub(crate) struct Met<'a> {
    table: &'a HashTable,
    /// How many entries are in buckets before each.
    before: Vec<usize>,
    bits: Vec<u64>,
}

impl<'a> Met<'a> {
    pub(crate) fn none_of(table: &'a HashTable) -> Self {
        let mut before = Vec::with_capacity(table.buckets.len());
        let mut count = 0;
        for bucket in &table.buckets {
            before.push(count);
            count += bucket.len();
        }
        Self {
            table,
            before,
            bits: vec![0; count.div_ceil(64)],
        }
    }

    /// Marks a key; false when the table does not have it.
    pub(crate) fn meet(&mut self, key: u128) -> bool {
        match self.place(key) {
            Some(place) => {
                self.bits[place / 64] |= 1 << (place % 64);
                true
            }
            None => false,
        }
    }

    pub(crate) fn contains(&self, key: u128) -> bool {
        self.place(key)
            .is_some_and(|place| self.bits[place / 64] >> (place % 64) & 1 == 1)
    }

    /// The entries that were not met.
    pub(crate) fn others(&self) -> impl Iterator<Item = Entry> {
        let met = |place: usize| self.bits[place / 64] >> (place % 64) & 1 == 1;
        self.table
            .iter()
            .enumerate()
            .filter(move |(place, _)| !met(*place))
            .map(|(_, entry)| entry)
    }

    fn place(&self, key: u128) -> Option<usize> {
        let at = self.table.bucket_of(key);
        let within = self.table.place_in(&self.table.buckets[at], key);
        Some(self.before[at] + within.ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use ditto_sync_core::{hash::IdHash, id::DocumentId};

    use super::*;

    fn key(number: u64) -> u128 {
        let number = i64::try_from(number).expect("a small number");
        u128::from_be_bytes(IdHash::of(&DocumentId::integer(number)).to_bytes())
    }

    #[test]
    fn it_is_a_map() {
        let (mut table, mut model) = (HashTable::default(), BTreeMap::new());
        let mut random = 1_u64;
        for round in 0..30_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = key(random >> 50);
            if random >> 20 & 3 == 0 {
                table.remove(key);
                model.remove(&key);
            } else {
                table.insert(key, u128::from(round));
                model.insert(key, u128::from(round));
            }
            assert_eq!(table.len(), model.len());
        }
        assert_eq!(table.iter().collect::<BTreeMap<_, _>>(), model);
        for number in 0..1 << 14 {
            assert_eq!(table.get(key(number)), model.get(&key(number)).copied());
        }
    }

    #[test]
    fn a_search_ends_at_the_same_place_whatever_the_guess() {
        for count in 0..40_u64 {
            let entries: Vec<Entry> = (0..count).map(|at| (u128::from(at) * 2 + 1, 0)).collect();
            for key in 0..u128::from(count) * 2 + 2 {
                let expected = entries.binary_search_by_key(&key, |entry| entry.0);
                for guess in 0..entries.len() + 2 {
                    let found = search_from(&entries, key, guess);
                    assert_eq!(found, expected, "{key} of {count}, from {guess}");
                }
            }
        }
    }

    /// As somebody could choose them who knows the hash.
    #[test]
    fn keys_that_are_not_spread_are_found_too() {
        let mut table = HashTable::default();
        for number in 0..2000 {
            table.insert(number, number);
            table.insert(u128::MAX - number, number);
        }
        for number in 0..2000 {
            assert_eq!(table.get(number), Some(number));
            assert_eq!(table.get(u128::MAX - number), Some(number));
        }
        assert_eq!(table.get(2000), None);
    }

    #[test]
    fn an_entry_takes_little_more_than_its_size_however_many_there_are() {
        let mut table = HashTable::default();
        for number in 0..50_000 {
            table.insert(key(number), 7);
            if number > 1000 && number % 997 == 0 {
                let room: usize = table.buckets.iter().map(Vec::capacity).sum();
                let bytes = room * size_of::<Entry>() + table.buckets.capacity() * size_of::<Vec<Entry>>();
                assert!(
                    bytes < table.len() * 38,
                    "{bytes} bytes for {} entries",
                    table.len()
                );
            }
        }
        for number in 0..49_000 {
            table.remove(key(number));
        }
        let room: usize = table.buckets.iter().map(Vec::capacity).sum();
        assert!(room < 50_000 / 4, "removed entries give their room back");
    }

    #[test]
    fn entries_from_a_key_on_come_in_order() {
        let mut table = HashTable::default();
        for number in 0..3000 {
            table.insert(key(number), u128::from(number));
        }
        let mut all: Vec<_> = table.iter().collect();
        all.sort_unstable();
        assert_eq!(table.iter_from(0).collect::<Vec<_>>(), all);
        let behind = all[1000].0 + 1;
        assert_eq!(table.iter_from(behind).collect::<Vec<_>>(), all[1001..]);
        assert_eq!(table.iter_from(u128::MAX).count(), 0);
    }

    #[test]
    fn keys_at_both_ends_have_their_places() {
        let mut table = HashTable::default();
        for number in 0..1000 {
            table.insert(key(number), 0);
        }
        table.insert(0, 1);
        table.insert(u128::MAX, 2);
        assert_eq!((table.get(0), table.get(u128::MAX)), (Some(1), Some(2)));
    }

    #[test]
    fn what_was_met_is_told_from_the_others() {
        let mut table = HashTable::default();
        for number in 0..3000 {
            table.insert(key(number), 0);
        }
        let mut met = Met::none_of(&table);
        for number in 0..1000 {
            assert!(met.meet(key(number)));
        }
        assert!(!met.meet(key(5000)));
        assert!(met.contains(key(999)) && !met.contains(key(1000)) && !met.contains(key(5000)));
        let others: BTreeSet<_> = met.others().map(|(key, _)| key).collect();
        assert_eq!(others, (1000..3000).map(key).collect());
    }
}
