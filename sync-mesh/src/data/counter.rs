//! What a counter is made of: a base line that an insert sets, and one running total for each writer.
//!
//! Loro's own counter is a float, and diverges for fractions. Here each part is one register of fixed length: totals are written by their writer alone, so nothing
//! is lost by last-writer-wins, and their sum is exact. Totals belong to the epoch that the base line names; those of another epoch do not count.

use loro::LoroValue;

/// The epoch of counters that seeds start: the same on every clone.
pub(crate) const SEED_EPOCH: u64 = 0;

/// Where a counter starts, and in which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) epoch: u64,
    pub(crate) start: Start,
}

/// Where a counter starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The document was written without it.
    Missing,
    /// Written as null.
    Null,
    /// At this value.
    At(i64),
}

/// What one writer has added in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) epoch: u64,
    pub(crate) sum: i64,
    /// How often this writer has added something, in all epochs: of two that were read at different times, the one with more is the newer.
    pub(crate) times: u64,
}

const MISSING: u8 = 0;
const NULL: u8 = 1;
const AT: u8 = 2;

impl Base {
    pub(crate) fn encode(self) -> LoroValue {
        let (tag, value) = match self.start {
            Start::Missing => (MISSING, 0),
            Start::Null => (NULL, 0),
            Start::At(value) => (AT, value),
        };
        let mut bytes = Vec::with_capacity(17);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.push(tag);
        bytes.extend_from_slice(&value.to_le_bytes());
        LoroValue::Binary(bytes.into())
    }

    pub(crate) fn decode(value: &LoroValue) -> Option<Self> {
        let LoroValue::Binary(bytes) = value else {
            return None;
        };
        let (epoch, rest) = bytes.split_first_chunk::<8>()?;
        let (&tag, rest) = rest.split_first()?;
        let value = i64::from_le_bytes(rest.try_into().ok()?);
        let start = match tag {
            MISSING => Start::Missing,
            NULL => Start::Null,
            AT => Start::At(value),
            _ => return None,
        };
        Some(Self {
            epoch: u64::from_le_bytes(*epoch),
            start,
        })
    }
}

impl Total {
    pub(crate) fn encode(self) -> LoroValue {
        let mut bytes = Vec::with_capacity(24);
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.sum.to_le_bytes());
        bytes.extend_from_slice(&self.times.to_le_bytes());
        LoroValue::Binary(bytes.into())
    }

    pub(crate) fn decode(value: &LoroValue) -> Option<Self> {
        let LoroValue::Binary(bytes) = value else {
            return None;
        };
        let (epoch, rest) = bytes.split_first_chunk::<8>()?;
        let (sum, rest) = rest.split_first_chunk::<8>()?;
        Some(Self {
            epoch: u64::from_le_bytes(*epoch),
            sum: i64::from_le_bytes(*sum),
            // Files of before rows could move do not count.
            times: if rest.is_empty() {
                0
            } else {
                u64::from_le_bytes(rest.try_into().ok()?)
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_other_lengths_are_refused() {
        for start in [Start::Missing, Start::Null, Start::At(i64::MIN)] {
            let base = Base {
                epoch: u64::MAX,
                start,
            };
            assert_eq!(Base::decode(&base.encode()), Some(base));
            assert_eq!(Total::decode(&base.encode()), None);
        }
        let total = Total {
            epoch: 7,
            sum: -1,
            times: 3,
        };
        assert_eq!(Total::decode(&total.encode()), Some(total));
        let LoroValue::Binary(bytes) = total.encode() else {
            panic!("a total is binary");
        };
        let old = LoroValue::Binary(bytes[..16].to_vec().into());
        assert_eq!(Total::decode(&old), Some(Total { times: 0, ..total }));
        assert_eq!(Base::decode(&total.encode()), None);
        assert_eq!(Base::decode(&LoroValue::I64(1)), None);
    }
}
