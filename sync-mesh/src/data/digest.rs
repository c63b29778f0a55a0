//! What a row holds as one number, so that two devices that say they hold the same can find out whether they do.
//!
//! Made for accidents (a copied directory, a bug), not against forgers. Independent of the order in which maps are walked.

use loro::{LoroMap, LoroValue, ValueOrContainer};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// The digest of the row of this name; zero when its map holds nothing.
pub(crate) fn digest(name: &str, map: &LoroMap) -> u64 {
    let mut sum = 0_u64;
    let mut empty = true;
    map.for_each(|key, value| {
        if let ValueOrContainer::Value(value) = value {
            empty = false;
            sum = sum.wrapping_add(entry(key, &value));
        }
    });
    if empty {
        return 0;
    }
    xxh3_64_with_seed(name.as_bytes(), sum)
}

fn entry(key: &str, value: &LoroValue) -> u64 {
    let mut hasher = Xxh3::new();
    bytes(&mut hasher, key.as_bytes());
    add(&mut hasher, value);
    hasher.digest()
}

fn bytes(hasher: &mut Xxh3, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn add(hasher: &mut Xxh3, value: &LoroValue) {
    match value {
        LoroValue::Null => hasher.update(&[0]),
        LoroValue::Bool(value) => hasher.update(&[1, u8::from(*value)]),
        LoroValue::I64(value) => {
            hasher.update(&[2]);
            hasher.update(&value.to_le_bytes());
        }
        LoroValue::Double(value) => {
            hasher.update(&[3]);
            hasher.update(&value.to_bits().to_le_bytes());
        }
        LoroValue::String(text) => {
            hasher.update(&[4]);
            bytes(hasher, text.as_bytes());
        }
        LoroValue::Binary(value) => {
            hasher.update(&[5]);
            bytes(hasher, value);
        }
        LoroValue::List(items) => {
            hasher.update(&[6]);
            hasher.update(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| add(hasher, item));
        }
        LoroValue::Map(entries) => {
            hasher.update(&[7]);
            let sum = entries
                .iter()
                .fold(0_u64, |sum, (key, value)| sum.wrapping_add(entry(key, value)));
            hasher.update(&sum.to_le_bytes());
        }
        LoroValue::Container(_) => hasher.update(&[8]),
    }
}

#[cfg(test)]
mod tests {
    use loro::LoroDoc;

    use super::*;

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
