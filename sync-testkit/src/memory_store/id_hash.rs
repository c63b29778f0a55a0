//! A fast hash for maps keyed by document ids: [`IdHashing`].
//!
//! The multiply-rotate hash of rustc. It resists no attacker, and a test store has none.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds [`IdHasher`]s.
pub(super) type IdHashing = BuildHasherDefault<IdHasher>;

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct IdHasher(u64);

const MULTIPLIER: u64 = 0xf135_7aea_2e62_a9c5;

impl IdHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    }
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        // The map takes its buckets from the low bits, and multiplying mixes into the high ones.
        self.0.rotate_left(26)
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while let Some((word, rest)) = bytes.split_first_chunk() {
            self.add(u64::from_le_bytes(*word));
            bytes = rest;
        }
        let mut last = [0; size_of::<u64>()];
        last[..bytes.len()].copy_from_slice(bytes);
        self.add(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.add(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn write_i64(&mut self, word: i64) {
        self.add(word.cast_unsigned());
    }

    fn write_isize(&mut self, word: isize) {
        self.add(word.cast_unsigned() as u64);
    }
}
