//! The keys of a row's map: a register of a field, its seed, the parts of a counter, and the state of the row.
//!
//! Keys of ours begin with a control character; a field whose own name begins with one is escaped.

use smol_str::SmolStr;

const STATE: char = '\u{1}';
const SEED: char = '\u{2}';
const BASE: char = '\u{3}';
const SEED_BASE: char = '\u{4}';
const TOTAL: char = '\u{5}';
const ESCAPED: char = '\u{6}';
/// Hexadecimal digits of a writer.
const WRITER_DIGITS: usize = 16;

/// What a key of a row's map holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// Whether the row lives.
    State,
    /// The value of a field.
    Register(SmolStr),
    /// The value of a field that shows where no register is.
    Seed(SmolStr),
    /// Where a counter starts.
    Base(SmolStr),
    /// Where a counter starts that was seeded.
    SeedBase(SmolStr),
    /// What one writer has added to a counter.
    Total(SmolStr, u64),
}

impl Key {
    /// As it stands in the map.
    pub(crate) fn encode(&self) -> String {
        match self {
            Self::State => STATE.to_string(),
            Self::Register(field) if field.starts_with(|first: char| first <= ESCAPED) => {
                marked(ESCAPED, field)
            }
            Self::Register(field) => field.to_string(),
            Self::Seed(field) => marked(SEED, field),
            Self::Base(field) => marked(BASE, field),
            Self::SeedBase(field) => marked(SEED_BASE, field),
            Self::Total(field, writer) => format!("{TOTAL}{writer:016x}{field}"),
        }
    }

    /// What a key in a map means; `None` when no device of ours has written it.
    pub(crate) fn decode(key: &str) -> Option<Self> {
        let mut characters = key.chars();
        let mark = match characters.next() {
            Some(first) if first <= ESCAPED => first,
            _ => return Some(Self::Register(key.into())),
        };
        let rest = characters.as_str();
        Some(match mark {
            STATE if rest.is_empty() => Self::State,
            SEED => Self::Seed(rest.into()),
            BASE => Self::Base(rest.into()),
            SEED_BASE => Self::SeedBase(rest.into()),
            TOTAL => {
                let writer = u64::from_str_radix(rest.get(..WRITER_DIGITS)?, 16).ok()?;
                Self::Total(rest.get(WRITER_DIGITS..)?.into(), writer)
            }
            ESCAPED if rest.starts_with(|first: char| first <= ESCAPED) => Self::Register(rest.into()),
            _ => return None,
        })
    }
}

fn marked(mark: char, field: &str) -> String {
    let mut key = String::with_capacity(field.len() + 1);
    key.push(mark);
    key.push_str(field);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_comes_back(field in "[\\x00-\\x07a-z]{0,4}", writer in any::<u64>(), kind in 0..6) {
            let field = SmolStr::from(field);
            let key = match kind {
                0 => Key::State,
                1 => Key::Register(field),
                2 => Key::Seed(field),
                3 => Key::Base(field),
                4 => Key::SeedBase(field),
                _ => Key::Total(field, writer),
            };
            prop_assert_eq!(Key::decode(&key.encode()), Some(key));
        }

        #[test]
        fn keys_of_strangers_never_panic(key in ".{0,24}") {
            let _ = Key::decode(&key);
        }
    }
}
