//! Many ids in little memory: [`IdList`].

use std::collections::VecDeque;

use smol_str::SmolStr;

use super::{DocumentId, IdPart, MAX_ID_BYTES, Parts};

/// Bytes of one block: large enough that its own cost does not count, small enough that a consumed one is given back soon.
const BLOCK_BYTES: usize = 16 * 1024;

/// A text part has its length as its tag; these are the other tags.
const INTEGER: u8 = 0;
const UUID: u8 = 255;
/// Followed by the number of parts.
const MANY: u8 = 254;

const _: () = assert!(MAX_ID_BYTES < MANY as usize, "a length is no other tag");

/// A queue of ids: 17 bytes for a UUID in its usual spelling, 9 for an integer, one more than its length for other text. What is consumed is freed, block by block.
///
/// ```
/// use ditto_sync_core::id::{DocumentId, IdList};
///
/// let mut ids: IdList = (1..=3).map(DocumentId::integer).collect();
/// assert_eq!(ids.pop_front(), Some(DocumentId::integer(1)));
/// assert_eq!(ids.iter().collect::<Vec<_>>(), [DocumentId::integer(2), DocumentId::integer(3)]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct IdList {
    blocks: VecDeque<Vec<u8>>,
    /// Bytes of the first block that have been consumed.
    consumed: usize,
    len: usize,
}

impl IdList {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many ids there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds one at the end.
    pub fn push(&mut self, id: &DocumentId) {
        let space = 2 + id.parts().iter().map(space_of).sum::<usize>();
        if self
            .blocks
            .back()
            .is_none_or(|block| block.capacity() - block.len() < space)
        {
            self.blocks.push_back(Vec::with_capacity(BLOCK_BYTES));
        }
        let block = self.blocks.back_mut().expect("a block was added");
        if let Parts::Many(parts) = &id.0 {
            let count = u8::try_from(parts.len()).expect("an id has few parts");
            block.extend([MANY, count]);
        }
        for part in id.parts() {
            write(block, part);
        }
        self.len += 1;
    }

    /// Takes the first one out.
    pub fn pop_front(&mut self) -> Option<DocumentId> {
        let block = self.blocks.front()?;
        let (id, read) = read_id(&block[self.consumed..]);
        self.consumed += read;
        self.len -= 1;
        if self.consumed == block.len() {
            self.consumed = 0;
            if self.len == 0 {
                self.blocks.clear();
            } else {
                self.blocks.pop_front();
            }
        }
        Some(id)
    }

    /// The ids, made anew from their bytes.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            list: self,
            block: 0,
            at: self.consumed,
            left: self.len,
        }
    }
}

/// The ids of a list.
#[derive(Debug)]
pub struct Iter<'a> {
    list: &'a IdList,
    block: usize,
    at: usize,
    left: usize,
}

impl Iterator for Iter<'_> {
    type Item = DocumentId;

    fn next(&mut self) -> Option<DocumentId> {
        let block = self.list.blocks.get(self.block)?;
        let (id, read) = read_id(&block[self.at..]);
        self.at += read;
        self.left -= 1;
        if self.at == block.len() {
            self.block += 1;
            self.at = 0;
        }
        Some(id)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Consumes a list, freeing it on the way.
#[derive(Debug)]
pub struct IntoIter(IdList);

impl Iterator for IntoIter {
    type Item = DocumentId;

    fn next(&mut self) -> Option<DocumentId> {
        self.0.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len, Some(self.0.len))
    }
}

impl ExactSizeIterator for IntoIter {}

impl IntoIterator for IdList {
    type Item = DocumentId;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self)
    }
}

impl<'a> IntoIterator for &'a IdList {
    type Item = DocumentId;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Extend<DocumentId> for IdList {
    fn extend<T: IntoIterator<Item = DocumentId>>(&mut self, ids: T) {
        for id in ids {
            self.push(&id);
        }
    }
}

impl FromIterator<DocumentId> for IdList {
    fn from_iter<T: IntoIterator<Item = DocumentId>>(ids: T) -> Self {
        let mut list = Self::new();
        list.extend(ids);
        list
    }
}

fn space_of(part: &IdPart) -> usize {
    match part {
        IdPart::Integer(_) => 9,
        IdPart::Text(text) => 1 + text.len(),
    }
}

fn write(block: &mut Vec<u8>, part: &IdPart) {
    match part {
        IdPart::Integer(integer) => {
            block.push(INTEGER);
            block.extend(integer.to_le_bytes());
        }
        IdPart::Text(text) => match uuid_of(text) {
            Some(uuid) => {
                block.push(UUID);
                block.extend(uuid.to_be_bytes());
            }
            None => {
                block.push(u8::try_from(text.len()).expect("an id is short"));
                block.extend(text.bytes());
            }
        },
    }
}

/// The id that starts here, and its length.
fn read_id(bytes: &[u8]) -> (DocumentId, usize) {
    if bytes[0] != MANY {
        let (part, read) = read_part(bytes);
        return (DocumentId(Parts::One(part)), read);
    }
    let mut at = 2;
    let parts = (0..bytes[1]).map(|_| {
        let (part, read) = read_part(&bytes[at..]);
        at += read;
        part
    });
    let parts = parts.collect();
    (DocumentId(Parts::Many(parts)), at)
}

fn read_part(bytes: &[u8]) -> (IdPart, usize) {
    match bytes[0] {
        INTEGER => {
            let integer = bytes[1..9].try_into().expect("eight bytes were written");
            (IdPart::Integer(i64::from_le_bytes(integer)), 9)
        }
        UUID => {
            let uuid = bytes[1..17].try_into().expect("sixteen bytes were written");
            (IdPart::Text(uuid_text(u128::from_be_bytes(uuid))), 17)
        }
        length => {
            let end = 1 + usize::from(length);
            let text = std::str::from_utf8(&bytes[1..end]).expect("text was written");
            (IdPart::Text(text.into()), end)
        }
    }
}

/// Where a UUID has its dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];
const UUID_LENGTH: usize = 36;

/// The number of a UUID in its usual spelling, with dashes and in lower case; no other spelling, because it would not come back as it was.
fn uuid_of(text: &str) -> Option<u128> {
    if text.len() != UUID_LENGTH {
        return None;
    }
    let mut uuid = 0_u128;
    for (at, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b'-' if DASHES.contains(&at) => continue,
            _ if DASHES.contains(&at) => return None,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        uuid = uuid << 4 | u128::from(digit);
    }
    Some(uuid)
}

fn uuid_text(uuid: u128) -> SmolStr {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; UUID_LENGTH];
    let mut left = uuid;
    for at in (0..UUID_LENGTH).rev().filter(|at| !DASHES.contains(at)) {
        text[at] = DIGITS[usize::from(left.to_le_bytes()[0] & 15)];
        left >>= 4;
    }
    std::str::from_utf8(&text).expect("digits and dashes").into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_text() -> impl Strategy<Value = String> {
        let uuid = proptest::array::uniform16(any::<u8>())
            .prop_map(|bytes| uuid_text(u128::from_be_bytes(bytes)).to_string());
        prop_oneof![
            "\\PC{1,20}",
            Just("x".repeat(MAX_ID_BYTES)),
            uuid.clone(),
            uuid.clone().prop_map(|uuid| uuid.to_uppercase()),
            uuid.prop_map(|uuid| uuid.replace('-', "a")),
            "[0-9a-f-]{36}",
        ]
    }

    fn any_id() -> impl Strategy<Value = DocumentId> {
        let part = || {
            prop_oneof![
                any::<i64>().prop_map(IdPart::Integer),
                "\\PC{1,20}".prop_map(|text| IdPart::Text(text.into())),
            ]
        };
        prop_oneof![
            any::<i64>().prop_map(DocumentId::integer),
            any_text().prop_map(|text| DocumentId::text(text).expect("it is short")),
            proptest::collection::vec(part(), 2..8)
                .prop_filter_map("too long", |parts| { DocumentId::from_parts(parts).ok() }),
        ]
    }

    proptest! {
        #[test]
        fn ids_come_back_as_they_were(ids in proptest::collection::vec(any_id(), 0..400), popped in 0_usize..400) {
            let mut list: IdList = ids.iter().cloned().collect();
            prop_assert_eq!(list.len(), ids.len());
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), ids.clone());
            let popped = popped.min(ids.len());
            for id in &ids[..popped] {
                prop_assert_eq!(list.pop_front(), Some(id.clone()));
            }
            list.extend(ids[..popped].iter().cloned());
            let turned = [&ids[popped..], &ids[..popped]].concat();
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), turned.clone());
            prop_assert_eq!(list.into_iter().collect::<Vec<_>>(), turned);
        }
    }

    #[test]
    fn a_uuid_takes_seventeen_bytes_and_what_is_consumed_is_freed() {
        let ids = (0..10_000_u128).map(|at| uuid_text(at << 77 | at));
        let mut list: IdList = ids.map(|id| DocumentId::text(id).expect("an id")).collect();
        let held = |list: &IdList| list.blocks.iter().map(Vec::capacity).sum::<usize>();
        assert!(held(&list) < 10_000 * 17 + 2 * BLOCK_BYTES, "{}", held(&list));
        for _ in 0..9_000 {
            list.pop_front();
        }
        assert!(held(&list) < 1_000 * 18 + 2 * BLOCK_BYTES, "{}", held(&list));
        for _ in 0..1_000 {
            list.pop_front();
        }
        assert_eq!((list.pop_front(), held(&list)), (None, 0));
    }
}
