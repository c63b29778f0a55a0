//! The keys of a row's map: a register of a field, its seed, the parts of a counter, the state of the row, and what tells where it lives.
//!
//! Keys of ours begin with a control character; a field whose own name begins with one is escaped.

use smol_str::SmolStr;

const STATE: char = '\u{1}';
const SEED: char = '\u{2}';
const BASE: char = '\u{3}';
const SEED_BASE: char = '\u{4}';
const TOTAL: char = '\u{5}';
const ESCAPED: char = '\u{6}';
const MOVED: char = '\u{7}';
const AT: char = '\u{8}';
const KNOWN: char = '\u{e}';
const CARRIED: char = '\u{f}';
/// The greatest of them.
const LAST: char = CARRIED;
/// Hexadecimal digits of a writer, or of a place.
const LONG_DIGITS: usize = 16;
/// Hexadecimal digits of a number of moves.
const SHORT_DIGITS: usize = 8;

/// What a key of a row's map holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// The row has moved: how often until then, and to which place.
    Moved(u32, u64),
    /// One of the other keys, since the row came here with this move.
    At(u32, Box<Self>),
    /// Which value this key had at another place of the row when it was taken over from there.
    Known(u64, Box<Self>),
    /// What one writer had added to a counter at another place of the row, as taken over from there by the last of them.
    Carried(Carried),
}

/// A total at another place, and who has taken it over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Carried {
    pub(crate) origin: u64,
    pub(crate) field: SmolStr,
    pub(crate) writer: u64,
    pub(crate) carrier: u64,
}

impl Key {
    /// As it stands in the map.
    pub(crate) fn encode(&self) -> String {
        match self {
            Self::State => STATE.to_string(),
            Self::Register(field) if field.starts_with(|first: char| first <= LAST) => marked(ESCAPED, field),
            Self::Register(field) => field.to_string(),
            Self::Seed(field) => marked(SEED, field),
            Self::Base(field) => marked(BASE, field),
            Self::SeedBase(field) => marked(SEED_BASE, field),
            Self::Total(field, writer) => format!("{TOTAL}{writer:016x}{field}"),
            Self::Moved(moves, place) => format!("{MOVED}{moves:08x}{place:016x}"),
            Self::At(moves, key) => format!("{AT}{moves:08x}{}", key.encode()),
            Self::Known(origin, key) => format!("{KNOWN}{origin:016x}{}", key.encode()),
            Self::Carried(Carried {
                origin,
                field,
                writer,
                carrier,
            }) => format!("{CARRIED}{origin:016x}{writer:016x}{carrier:016x}{field}"),
        }
    }

    /// What a key in a map means; `None` when no device of ours has written it.
    pub(crate) fn decode(key: &str) -> Option<Self> {
        let mut characters = key.chars();
        let mark = match characters.next() {
            Some(first) if first <= LAST => first,
            _ => return Some(Self::Register(key.into())),
        };
        let rest = characters.as_str();
        Some(match mark {
            STATE if rest.is_empty() => Self::State,
            SEED => Self::Seed(rest.into()),
            BASE => Self::Base(rest.into()),
            SEED_BASE => Self::SeedBase(rest.into()),
            TOTAL => {
                let (writer, field) = long(rest)?;
                Self::Total(field.into(), writer)
            }
            ESCAPED if rest.starts_with(|first: char| first <= LAST) => Self::Register(rest.into()),
            MOVED => {
                let (moves, place) = short(rest)?;
                let (place, "") = long(place)? else { return None };
                Self::Moved(moves, place)
            }
            AT => {
                // What has not moved has its keys as they are.
                let (moves, key) = short(rest).filter(|(moves, _)| *moves > 0)?;
                let key = Self::decode(key).filter(|key| !matches!(key, Self::Moved(..) | Self::At(..)))?;
                Self::At(moves, Box::new(key))
            }
            KNOWN => {
                let (origin, key) = long(rest)?;
                let key = Self::decode(key).filter(Self::is_plain)?;
                Self::Known(origin, Box::new(key))
            }
            CARRIED => {
                let (origin, rest) = long(rest)?;
                let (writer, rest) = long(rest)?;
                let (carrier, field) = long(rest)?;
                Self::Carried(Carried {
                    origin,
                    field: field.into(),
                    writer,
                    carrier,
                })
            }
            _ => return None,
        })
    }

    /// Whether it holds one value, of which the last writer decides.
    fn is_plain(&self) -> bool {
        match self {
            Self::State | Self::Register(_) | Self::Seed(_) | Self::Base(_) | Self::SeedBase(_) => true,
            Self::Total(..) | Self::Moved(..) | Self::At(..) | Self::Known(..) | Self::Carried(_) => false,
        }
    }

    /// This key of a row that has come to its place with this move; a row that never moved has its keys as they are.
    pub(crate) fn at(self, moves: u32) -> Self {
        if moves == 0 {
            self
        } else {
            Self::At(moves, Box::new(self))
        }
    }

    /// With which move the row came to where it has this key, and the key there.
    pub(crate) fn place(self) -> (u32, Self) {
        match self {
            Self::At(moves, key) => (moves, *key),
            key => (0, key),
        }
    }

    /// The field that it belongs to.
    pub(crate) fn field(&self) -> Option<&SmolStr> {
        match self {
            Self::Register(field)
            | Self::Seed(field)
            | Self::Base(field)
            | Self::SeedBase(field)
            | Self::Total(field, _)
            | Self::Carried(Carried { field, .. }) => Some(field),
            Self::At(_, key) | Self::Known(_, key) => key.field(),
            Self::State | Self::Moved(..) => None,
        }
    }
}

fn marked(mark: char, field: &str) -> String {
    let mut key = String::with_capacity(field.len() + 1);
    key.push(mark);
    key.push_str(field);
    key
}

fn long(text: &str) -> Option<(u64, &str)> {
    let (digits, rest) = text.split_at_checked(LONG_DIGITS)?;
    Some((u64::from_str_radix(digits, 16).ok()?, rest))
}

fn short(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(SHORT_DIGITS)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain() -> impl Strategy<Value = Key> {
        let field = || "[\\x00-\\x10a-z]{0,4}".prop_map(SmolStr::from);
        prop_oneof![
            Just(Key::State),
            field().prop_map(Key::Register),
            field().prop_map(Key::Seed),
            field().prop_map(Key::Base),
            field().prop_map(Key::SeedBase),
        ]
    }

    fn key() -> impl Strategy<Value = Key> {
        let carried = ("[\\x00-\\x10a-z]{0,4}", any::<[u64; 3]>());
        let carried = carried.prop_map(|(field, [origin, writer, carrier])| Carried {
            origin,
            field: field.into(),
            writer,
            carrier,
        });
        let placed = prop_oneof![
            plain(),
            (plain(), any::<u64>()).prop_filter_map("a field", |(key, writer)| Some(Key::Total(
                key.field()?.clone(),
                writer
            ))),
            (any::<u64>(), plain()).prop_map(|(origin, key)| Key::Known(origin, Box::new(key))),
            carried.prop_map(Key::Carried),
        ];
        prop_oneof![
            (any::<u32>(), any::<u64>()).prop_map(|(moves, place)| Key::Moved(moves, place)),
            (0..3_u32, placed).prop_map(|(moves, key)| key.at(moves)),
        ]
    }

    proptest! {
        #[test]
        fn every_key_comes_back(key in key()) {
            prop_assert_eq!(Key::decode(&key.encode()), Some(key));
        }

        #[test]
        fn keys_of_strangers_never_panic(key in "[\\x00-\\x10]?.{0,60}") {
            let _ = Key::decode(&key);
        }
    }
}
