//! The names of rows inside a Loro document: an id as the name of a root container, and back.
//!
//! Loro aborts the process at an empty name, at `/`, at NUL and at some prefixes of its own, so every id is escaped, and starts with a letter that tells its
//! kind. What peers sent is decoded with [`id_of`], which refuses anything that [`root_name`] would not have written.

use ditto_sync_core::id::{DocumentId, IdPart};

use crate::limits::ROOT_NAME_BYTES_MAX;

const INTEGER: char = 'i';
const TEXT: char = 't';
/// Between the parts of a composite id; escaped inside of them.
const SEPARATOR: char = ',';

/// The name of the root container that holds this document.
pub(crate) fn root_name(id: &DocumentId) -> String {
    let mut name = String::with_capacity(40);
    for (at, part) in id.parts().iter().enumerate() {
        if at > 0 {
            name.push(SEPARATOR);
        }
        match part {
            IdPart::Integer(integer) => {
                name.push(INTEGER);
                name.push_str(&integer.to_string());
            }
            IdPart::Text(text) => {
                name.push(TEXT);
                escape(text, &mut name);
            }
        }
    }
    name
}

/// The id that a root container's name stands for; `None` when no device of ours has written it.
pub(crate) fn id_of(name: &str) -> Option<DocumentId> {
    if name.len() > ROOT_NAME_BYTES_MAX {
        return None;
    }
    let parts = name.split(SEPARATOR).map(part_of).collect::<Option<Vec<_>>>()?;
    let id = DocumentId::from_parts(parts).ok()?;
    // Another spelling of the same id would be a second row of one document.
    (root_name(&id) == name).then_some(id)
}

fn part_of(part: &str) -> Option<IdPart> {
    let mut characters = part.chars();
    match characters.next()? {
        INTEGER => characters.as_str().parse().ok().map(IdPart::Integer),
        TEXT => Some(IdPart::Text(unescape(characters.as_str())?.into())),
        _ => None,
    }
}

fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '%' => into.push_str("%25"),
            '/' => into.push_str("%2F"),
            '\0' => into.push_str("%00"),
            SEPARATOR => into.push_str("%2C"),
            other => into.push(other),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut pieces = text.split('%');
    plain.push_str(pieces.next()?);
    for piece in pieces {
        plain.push(match piece.get(..2)? {
            "25" => '%',
            "2F" => '/',
            "00" => '\0',
            "2C" => SEPARATOR,
            _ => return None,
        });
        plain.push_str(&piece[2..]);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part() -> impl Strategy<Value = IdPart> {
        prop_oneof![
            any::<i64>().prop_map(IdPart::Integer),
            "[%/\\x00,ti0-9a-z🤝: ]{1,20}".prop_map(|text| IdPart::Text(text.into())),
        ]
    }

    proptest! {
        #[test]
        fn every_id_comes_back_from_its_name(parts in prop::collection::vec(part(), 1..4)) {
            let id = DocumentId::from_parts(parts).expect("the parts are within bounds");
            let name = root_name(&id);
            prop_assert!(!name.contains(['/', '\0']));
            prop_assert!(name.len() <= ROOT_NAME_BYTES_MAX);
            prop_assert_eq!(id_of(&name), Some(id));
        }

        #[test]
        fn names_of_strangers_are_refused_or_ours(name in ".{0,30}") {
            if let Some(id) = id_of(&name) {
                prop_assert_eq!(root_name(&id), name);
            }
        }
    }

    #[test]
    fn a_second_spelling_of_an_id_is_refused() {
        for name in [
            "", "x", "i", "i+1", "i01", "t", "ta%41", "ta%2", "ta%", "t%2f", ",", "i1,",
        ] {
            assert_eq!(id_of(name), None, "{name}");
        }
    }
}
