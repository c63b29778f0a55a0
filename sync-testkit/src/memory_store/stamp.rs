//! When a write happened and who made it: [`Stamp`], the total order behind "the last writer wins".

/// The number of one writer: one life of one replica. Never used twice, so that no two writes have the same stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Writer(u32);

/// A logical time and its writer, in 64 bits: a replica holds one for each field of each document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Stamp(u64);

const WRITER_BITS: u32 = 20;

impl Writer {
    /// The writer of this number.
    ///
    /// # Panics
    /// When the number is 0 (seeds have it) or one of more than a million.
    pub(super) fn new(number: u32) -> Self {
        Self::checked(number).unwrap_or_else(|| panic!("writer number {number} is out of range"))
    }

    /// The writer of this number, if it can be one.
    pub(super) fn checked(number: u32) -> Option<Self> {
        (number > 0 && number >> WRITER_BITS == 0).then_some(Self(number))
    }

    pub(super) fn number(self) -> u32 {
        self.0
    }
}

impl Stamp {
    /// Older than every real write, and the same for every writer: the stamp of seeds.
    pub(super) const FLOOR: Self = Self(0);

    /// # Panics
    /// When the clock exceeds 44 bits, which no test reaches by counting.
    pub(super) fn new(clock: u64, writer: Writer) -> Self {
        assert!(
            clock >> (u64::BITS - WRITER_BITS) == 0,
            "clock {clock} is out of range"
        );
        Self(clock << WRITER_BITS | u64::from(writer.0))
    }
}
