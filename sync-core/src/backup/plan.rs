//! In which order models are restored ([`order`]), and which documents a pull still has to meet ([`Trail`]). Plain functions, without IO.

use std::collections::HashMap;

use crate::{hash::IdHash, id::DocumentId};

/// The models in the order in which their rows are restored: those that links lead to before those that link, else as `tables` has them, which
/// is parents before children. A circle of links is entered at its first model in `tables`, and left as that says.
///
/// `links[model]` are the positions of the models that it links to.
pub(crate) fn order(tables: &[usize], links: &[Vec<usize>]) -> Vec<usize> {
    let mut placed = Vec::with_capacity(tables.len());
    let mut visited = vec![false; links.len()];
    for &start in tables {
        visit(start, (tables, links), &mut visited, &mut placed);
    }
    placed
}

fn visit(
    model: usize,
    (tables, links): (&[usize], &[Vec<usize>]),
    visited: &mut [bool],
    placed: &mut Vec<usize>,
) {
    if std::mem::replace(&mut visited[model], true) {
        return;
    }
    // In the order of the tables, so that the order of the fields in a struct decides nothing.
    for &target in tables {
        if links[model].contains(&target) {
            visit(target, (tables, links), visited, placed);
        }
    }
    placed.push(model);
}

/// The documents that a pull has met. A circle of links ends where it meets one again.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Whether their links were followed, too.
    met: HashMap<(usize, IdHash), bool>,
}

/// What is to be done about a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// It is restored.
    pub(crate) restore: bool,
    /// Its links are followed.
    pub(crate) follow: bool,
}

impl Trail {
    /// A document of the model at this position was come to: directly or by a link that cascades (`follow`), or by one that does not.
    pub(crate) fn step(&mut self, model: usize, id: &DocumentId, follow: bool) -> Step {
        match self.met.insert((model, IdHash::of(id)), follow) {
            None => Step {
                restore: true,
                follow,
            },
            Some(followed) => {
                if followed && !follow {
                    self.met.insert((model, IdHash::of(id)), true);
                }
                Step {
                    restore: false,
                    follow: follow && !followed,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODELS: usize = 6;

    /// Tables in some order, and links between them.
    fn graphs() -> impl Strategy<Value = (Vec<usize>, Vec<Vec<usize>>)> {
        let tables = Just((0..MODELS).collect::<Vec<_>>()).prop_shuffle();
        let links = prop::collection::vec(prop::collection::vec(0..MODELS, 0..4), MODELS);
        (tables, links)
    }

    fn reaches(links: &[Vec<usize>], from: usize, to: usize) -> bool {
        let (mut open, mut seen) = (links[from].clone(), vec![false; links.len()]);
        while let Some(model) = open.pop() {
            if model == to {
                return true;
            }
            if !std::mem::replace(&mut seen[model], true) {
                open.extend(&links[model]);
            }
        }
        false
    }

    proptest! {
        #[test]
        fn every_model_has_one_place((tables, links) in graphs()) {
            let mut placed = order(&tables, &links);
            placed.sort_unstable();
            prop_assert_eq!(placed, (0..MODELS).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_linked_to_comes_first_unless_it_links_back((tables, links) in graphs()) {
            let placed = order(&tables, &links);
            let place = |model: usize| placed.iter().position(|placed| *placed == model);
            for (model, targets) in links.iter().enumerate() {
                for &target in targets {
                    if !reaches(&links, target, model) {
                        prop_assert!(place(target) < place(model), "{} before {}", target, model);
                    }
                }
            }
        }

        #[test]
        fn without_links_the_order_is_that_of_the_tables(tables in Just((0..MODELS).collect::<Vec<_>>()).prop_shuffle()) {
            prop_assert_eq!(order(&tables, &vec![Vec::new(); MODELS]), tables);
        }

        /// Walks a random graph of documents, circles and all, from every document: each is restored once, and followed at most once.
        #[test]
        fn a_walk_ends_and_restores_each_document_once(
            links in prop::collection::vec(prop::collection::vec((0..12i64, any::<bool>()), 0..4), 12),
        ) {
            let mut trail = Trail::default();
            let (mut restored, mut followed) = ([0; 12], [0; 12]);
            let mut open: Vec<(i64, bool)> = (0..12).map(|id| (id, true)).collect();
            while let Some((id, cascade)) = open.pop() {
                let at = usize::try_from(id).expect("ids count from 0");
                let step = trail.step(0, &DocumentId::integer(id), cascade);
                restored[at] += i32::from(step.restore);
                if step.follow {
                    followed[at] += 1;
                    open.extend(&links[at]);
                }
            }
            prop_assert_eq!(restored, [1; 12]);
            prop_assert_eq!(followed, [1; 12]);
        }
    }

    #[test]
    fn a_link_that_does_not_cascade_leads_no_further() {
        let (mut trail, id) = (Trail::default(), DocumentId::integer(1));
        let by_link = trail.step(0, &id, false);
        assert_eq!((by_link.restore, by_link.follow), (true, false));
        let directly = trail.step(0, &id, true);
        assert_eq!((directly.restore, directly.follow), (false, true));
        for follow in [false, true, true] {
            let again = trail.step(0, &id, follow);
            assert_eq!((again.restore, again.follow), (false, false));
        }
    }
}
