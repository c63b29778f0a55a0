//! The ids that wait to be looked at, by model: [`Queues`].

use std::collections::VecDeque;

use crate::{
    id::{DocumentId, IdList},
    limits::UNPACKED_IDS_MAX,
    repository::Mark,
};

/// The ids that wait to be looked at, and the marks to set once a model's have been.
#[derive(Debug, Default)]
pub(super) struct Queues {
    models: Vec<Queue>,
    /// Positions of the models, parents first.
    order: Vec<usize>,
    /// Of a reconcile under way: how many ids there were.
    total: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// These come first, as they are.
    first: VecDeque<DocumentId>,
    /// There may be as many as the table has rows.
    ids: IdList,
    marks: Vec<Mark>,
    /// Nothing is looked at any more.
    muted: bool,
}

impl Queue {
    fn len(&self) -> usize {
        self.first.len() + self.ids.len()
    }

    fn take(&mut self, count: usize) -> Vec<DocumentId> {
        let mut taken = Vec::with_capacity(count.min(self.len()));
        while taken.len() < count {
            match self.first.pop_front().or_else(|| self.ids.pop_front()) {
                Some(id) => taken.push(id),
                None => break,
            }
        }
        taken
    }
}

/// Ids to look at in one go.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// By position of the model.
    pub(super) ids: Vec<(usize, Vec<DocumentId>)>,
    /// To set when they have been.
    pub(super) marks: Vec<Mark>,
}

impl Chunk {
    /// How many ids.
    pub(super) fn len(&self) -> usize {
        self.ids.iter().map(|(_, ids)| ids.len()).sum()
    }
}

impl Queues {
    pub(super) fn new(models: usize, order: Vec<usize>) -> Self {
        debug_assert_eq!(models, order.len(), "the order names every model once");
        Self {
            models: (0..models).map(|_| Queue::default()).collect(),
            order,
            total: 0,
        }
    }

    pub(super) fn push(&mut self, model: usize, ids: impl IntoIterator<Item = DocumentId>) {
        let queue = &mut self.models[model];
        if queue.muted {
            return;
        }
        for id in ids {
            // To pack and unpack an id takes longer than anything else that is done with it here.
            if queue.ids.is_empty() && queue.first.len() < UNPACKED_IDS_MAX {
                queue.first.push_back(id);
            } else {
                queue.ids.push(&id);
            }
        }
    }

    /// All ids of a model that has none waiting, as they are.
    pub(super) fn fill(&mut self, model: usize, ids: IdList) {
        if !self.models[model].muted {
            self.models[model].ids = ids;
        }
    }

    /// Before all others of the model: what a refused intent has to meet first.
    pub(super) fn push_front(&mut self, model: usize, id: DocumentId) {
        if !self.models[model].muted {
            self.models[model].first.push_front(id);
        }
    }

    /// To be set once all ids of the model that wait now have been looked at.
    pub(super) fn mark(&mut self, model: usize, mark: Mark) {
        if !self.models[model].muted {
            self.models[model].marks.push(mark);
        }
    }

    /// Forgets what waits for this model, and whatever comes.
    pub(super) fn mute(&mut self, model: usize) {
        self.models[model] = Queue {
            muted: true,
            ..Queue::default()
        };
    }

    /// Nothing waits for this model.
    pub(super) fn is_idle(&self, model: usize) -> bool {
        self.models[model].len() == 0 && self.models[model].marks.is_empty()
    }

    /// Nothing waits at all.
    pub(super) fn is_empty(&self) -> bool {
        (0..self.models.len()).all(|model| self.is_idle(model))
    }

    /// How many ids wait.
    pub(super) fn len(&self) -> usize {
        self.models.iter().map(Queue::len).sum()
    }

    /// Done and total since the queues were last empty.
    pub(super) fn progress(&mut self) -> (usize, usize) {
        let left = self.len();
        self.total = if left == 0 { 0 } else { self.total.max(left) };
        (self.total.saturating_sub(left), self.total)
    }

    /// Up to `rows` ids, parents first, with the marks of the models that are exhausted by it.
    pub(super) fn take(&mut self, rows: usize) -> Chunk {
        let (mut chunk, mut left) = (Chunk::default(), rows);
        for &model in &self.order {
            let queue = &mut self.models[model];
            let ids = queue.take(left);
            left -= ids.len();
            if !ids.is_empty() {
                chunk.ids.push((model, ids));
            }
            if queue.len() == 0 {
                chunk.marks.append(&mut queue.marks);
            }
        }
        chunk
    }

    /// What could not be looked at goes back.
    pub(super) fn restore(&mut self, chunk: Chunk, position: impl Fn(&Mark) -> Option<usize>) {
        for (model, ids) in chunk.ids.into_iter().rev() {
            for id in ids.into_iter().rev() {
                self.models[model].first.push_front(id);
            }
        }
        for mark in chunk.marks {
            if let Some(model) = position(&mark) {
                self.models[model].marks.push(mark);
            }
        }
    }

    /// Forgets everything: a reconcile starts over.
    pub(super) fn clear(&mut self, model: usize) {
        let queue = &mut self.models[model];
        queue.first.clear();
        queue.ids = IdList::new();
        queue.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<i64>) -> Vec<DocumentId> {
        range.map(DocumentId::integer).collect()
    }

    #[test]
    fn chunks_go_parents_first_and_carry_the_marks_of_exhausted_models() {
        let mut queues = Queues::new(2, vec![1, 0]);
        queues.push(0, ids(0..3));
        queues.push(1, ids(10..12));
        queues.mark(0, Mark::Cursor("children", None));
        queues.mark(1, Mark::Cursor("parents", None));

        let first = queues.take(3);
        assert_eq!(first.ids, vec![(1, ids(10..12)), (0, ids(0..1))]);
        assert_eq!(first.marks, vec![Mark::Cursor("parents", None)]);
        let second = queues.take(3);
        assert_eq!(second.ids, vec![(0, ids(1..3))]);
        assert_eq!(second.marks, vec![Mark::Cursor("children", None)]);
        assert!(queues.is_empty());
    }

    #[test]
    fn many_ids_are_packed_and_come_in_the_same_order() {
        let mut queues = Queues::new(1, vec![0]);
        let count = i64::try_from(UNPACKED_IDS_MAX).expect("a small number");
        queues.push(0, ids(0..count + 10));
        assert_eq!(
            (queues.models[0].first.len(), queues.models[0].ids.len()),
            (UNPACKED_IDS_MAX, 10)
        );
        let mut taken = queues.take(7).ids.remove(0).1;
        // Behind those that were packed.
        queues.push(0, ids(count + 10..count + 20));
        queues.push_front(0, DocumentId::integer(-1));
        assert_eq!(queues.models[0].ids.len(), 20);
        let rest = queues.take(usize::MAX).ids.remove(0).1;
        assert_eq!(rest[0], DocumentId::integer(-1));
        taken.extend_from_slice(&rest[1..]);
        assert_eq!(taken, ids(0..count + 20));
        assert!(queues.is_empty());
    }

    #[test]
    fn a_chunk_that_failed_goes_back_where_it_was() {
        let mut queues = Queues::new(1, vec![0]);
        queues.push(0, ids(0..4));
        queues.mark(0, Mark::Cursor("c", None));
        let chunk = queues.take(9);
        queues.restore(chunk, |_| Some(0));
        let again = queues.take(9);
        assert_eq!((again.ids, again.marks.len()), (vec![(0, ids(0..4))], 1));
    }
}
