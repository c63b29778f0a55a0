//! Which ids may stand in one list: [`in_lists`].

use ditto_sync_core::id::{DocumentId, IdPart};

/// Whether each part of an id is text. A list in which this differs finds nothing in the engine, without an error.
fn class(id: &DocumentId) -> impl Iterator<Item = bool> {
    id.parts().iter().map(|part| matches!(part, IdPart::Text(_)))
}

/// The ids in lists that the engine takes: of one class, and of `max` ids at most.
pub(crate) fn in_lists<'a>(
    ids: impl IntoIterator<Item = &'a DocumentId>,
    max: usize,
) -> Vec<Vec<&'a DocumentId>> {
    let mut full = Vec::new();
    let mut open: Vec<Vec<&DocumentId>> = Vec::new();
    for id in ids {
        let fitting = open.iter().position(|list| class(list[0]).eq(class(id)));
        match fitting {
            None => open.push(vec![id]),
            Some(at) if open[at].len() == max => full.push(std::mem::replace(&mut open[at], vec![id])),
            Some(at) => open[at].push(id),
        }
    }
    full.append(&mut open);
    full
}
