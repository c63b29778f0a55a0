//! What a row holds as one number, so that two devices that say they hold the same can find out whether they do.
//!
//! Made for accidents (a copied directory, a bug), not against forgers. Independent of the order in which maps are walked.

use loro::LoroValue;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The digest of a row whose entries are added one by one, in any order.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    sum: u64,
    is_some: bool,
    /// One entry as bytes, kept for the next one.
    buffer: Vec<u8>,
}

impl Digest {
    /// The row's map has this entry.
    pub(crate) fn add(&mut self, key: &str, value: &LoroValue) {
        self.is_some = true;
        self.buffer.clear();
        self.sum = self.sum.wrapping_add(entry(&mut self.buffer, key, value));
    }

    /// The digest of the row of this name; zero when its map holds nothing.
    pub(crate) fn of(&self, name: &str) -> u64 {
        if self.is_some {
            xxh3_64_with_seed(name.as_bytes(), self.sum)
        } else {
            0
        }
    }
}

/// One value as a number. Never zero, which stands for none.
pub(crate) fn hash(value: &LoroValue) -> u64 {
    let mut buffer = Vec::new();
    add(&mut buffer, value);
    xxh3_64(&buffer).max(1)
}

/// Appends to the buffer, and leaves it as it was.
fn entry(buffer: &mut Vec<u8>, key: &str, value: &LoroValue) -> u64 {
    let start = buffer.len();
    bytes(buffer, key.as_bytes());
    add(buffer, value);
    let hash = xxh3_64(&buffer[start..]);
    buffer.truncate(start);
    hash
}

fn bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    buffer.extend_from_slice(bytes);
}

fn add(buffer: &mut Vec<u8>, value: &LoroValue) {
    match value {
        LoroValue::Null => buffer.push(0),
        LoroValue::Bool(value) => buffer.extend_from_slice(&[1, u8::from(*value)]),
        LoroValue::I64(value) => {
            buffer.push(2);
            buffer.extend_from_slice(&value.to_le_bytes());
        }
        LoroValue::Double(value) => {
            buffer.push(3);
            buffer.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        LoroValue::String(text) => {
            buffer.push(4);
            bytes(buffer, text.as_bytes());
        }
        LoroValue::Binary(value) => {
            buffer.push(5);
            bytes(buffer, value);
        }
        LoroValue::List(items) => {
            buffer.push(6);
            buffer.extend_from_slice(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| add(buffer, item));
        }
        LoroValue::Map(entries) => {
            buffer.push(7);
            let sum = entries.iter().fold(0_u64, |sum, (key, value)| {
                sum.wrapping_add(entry(buffer, key, value))
            });
            buffer.extend_from_slice(&sum.to_le_bytes());
        }
        LoroValue::Container(_) => buffer.push(8),
    }
}

#[cfg(test)]
mod tests {
    use loro::{LoroDoc, LoroMap, ValueOrContainer};

    use super::*;

    fn digest(name: &str, map: &LoroMap) -> u64 {
        let mut digest = Digest::default();
        map.for_each(|key, value| {
            if let ValueOrContainer::Value(value) = value {
                digest.add(key, &value);
            }
        });
        digest.of(name)
    }

    #[test]
    fn a_digest_depends_on_what_is_held_and_not_on_how_it_came() {
        let (one, other) = (LoroDoc::new(), LoroDoc::new());
        let (first, second) = (one.get_map("r"), other.get_map("r"));
        assert_eq!(digest("r", &first), 0);
        first.insert("a", 1).expect("it is written");
        first.insert("b", 2.5).expect("it is written");
        second.insert("b", 2.5).expect("it is written");
        second.insert("a", 7).expect("it is written");
        assert_ne!(digest("r", &first), digest("r", &second));
        second.insert("a", 1).expect("it is written");
        assert_eq!(digest("r", &first), digest("r", &second));
        assert_ne!(digest("r", &first), digest("other", &first));
    }
}
