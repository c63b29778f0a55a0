//! Documents in quarantine that no observation tells of: [`Strays`]. A state machine without IO; time is an argument.
//!
//! A document that cannot be read as a row is looked at again when it changes. One that moved out of the scope while it was unreadable is observed no more, so nobody
//! tells when it is mended; its row here has a change that waits for that. So it is looked at from time to time, ever more rarely. All of it is in memory: a start looks at
//! everything in quarantine. Not here: fetching and applying (`inbound`).

use std::collections::{HashMap, HashSet};

use crate::{
    clock::Moment,
    id::DocumentId,
    limits::{QUARANTINE_RETRY_FIRST, QUARANTINE_RETRY_LAST, STRAYS_MAX},
    repository::{Applied, InboundItem, Incoming, RowRef, Way},
    retry::Backoff,
    scope::Belongs,
};

/// Documents that are looked at from time to time.
#[derive(Debug)]
pub(super) struct Strays {
    all: HashMap<Key, Stray>,
    seed: u64,
}

type Key = (&'static str, DocumentId);

#[derive(Debug)]
struct Stray {
    due: Moment,
    backoff: Backoff,
}

impl Strays {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            all: HashMap::new(),
            seed,
        }
    }

    /// This one was in quarantine at the start. Whether it is a stray shows when it is looked at.
    pub(super) fn remember(&mut self, row: RowRef, now: Moment) {
        self.keep((row.model.collection(), row.id), now);
    }

    /// These were applied, and some of them put into quarantine. Which are strays now?
    pub(super) fn met(&mut self, items: &[InboundItem], applied: &Applied, now: Moment) {
        let is_stray = |item: &&InboundItem| {
            matches!(
                item.incoming,
                Incoming::Unreadable {
                    belongs: Belongs::Elsewhere,
                    ..
                }
            )
        };
        if self.all.is_empty() && !items.iter().any(|item| is_stray(&item)) {
            return;
        }
        let inbound = applied
            .quarantined
            .iter()
            .filter(|record| record.way == Way::Inbound);
        let quarantined: HashSet<Key> = inbound
            .filter_map(|record| Some((record.model.collection(), record.id.clone()?)))
            .collect();
        for item in items {
            let key = (item.model.collection(), item.id.clone());
            // What is in quarantine as it is already is not reported again.
            if is_stray(&item) && (quarantined.contains(&key) || self.all.contains_key(&key)) {
                self.keep(key, now);
            } else {
                self.all.remove(&key);
            }
        }
    }

    /// Sets when it is looked at next. Of too many, the others are left to the next start.
    fn keep(&mut self, key: Key, now: Moment) {
        if self.all.len() >= STRAYS_MAX && !self.all.contains_key(&key) {
            return;
        }
        self.seed = self.seed.wrapping_add(1);
        let backoff = Backoff::between(QUARANTINE_RETRY_FIRST, QUARANTINE_RETRY_LAST, self.seed);
        let stray = self.all.entry(key).or_insert(Stray { due: now, backoff });
        stray.due = now.after(stray.backoff.fail());
    }

    /// When the next look is due.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.all.values().map(|stray| stray.due).min()
    }

    /// Those to look at now. Each is due again later, in case the look fails.
    pub(super) fn take_due(&mut self, now: Moment) -> Vec<Key> {
        let due = self.all.iter_mut().filter(|(_, stray)| stray.due <= now);
        let mut keys: Vec<_> = due
            .map(|(key, stray)| {
                stray.due = now.after(stray.backoff.fail());
                key.clone()
            })
            .collect();
        keys.sort_unstable();
        keys
    }

    /// It is in quarantine no more.
    pub(super) fn forget(&mut self, row: &RowRef) {
        if !self.all.is_empty() {
            self.all.remove(&(row.model.collection(), row.id.clone()));
        }
    }

    /// Documents of this collection are looked at no more.
    pub(super) fn forget_model(&mut self, collection: &str) {
        self.all.retain(|(of, _), _| *of != collection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        descriptor::{FieldDescriptor, ModelDescriptor},
        document::Document,
        repository::Quarantined,
        scope::Scopes,
    };

    static MODEL: ModelDescriptor = ModelDescriptor::new(
        "Note",
        "notes",
        "notes",
        &[FieldDescriptor::of::<i64>("id", "id", "id")],
        &[FieldDescriptor::of::<i64>("size", "size", "size")],
    );

    fn item(id: i64, belongs: Belongs) -> InboundItem {
        let mut document = Document::new();
        document.set("id", id);
        document.set("size", "large");
        let id = DocumentId::integer(id);
        let mut item = InboundItem::new(&MODEL, id, Some(document), &Scopes::default());
        match &mut item.incoming {
            Incoming::Unreadable { belongs: of, .. } => *of = belongs,
            _ => panic!("a size is a number"),
        }
        item
    }

    fn absent() -> InboundItem {
        InboundItem::new(&MODEL, DocumentId::integer(1), None, &Scopes::default())
    }

    fn quarantined(items: &[InboundItem]) -> Applied {
        let record = |item: &InboundItem| Quarantined {
            model: item.model,
            id: Some(item.id.clone()),
            way: Way::Inbound,
            reason: "the document cannot be read".to_owned(),
        };
        Applied {
            quarantined: items.iter().map(record).collect(),
            ..Applied::default()
        }
    }

    #[test]
    fn what_is_in_quarantine_and_elsewhere_is_looked_at_ever_more_rarely() {
        let mut strays = Strays::new(1);
        let items = [item(1, Belongs::Elsewhere), item(2, Belongs::Here)];
        let mut now = Moment::default();
        let mut waits = Vec::new();
        for _ in 0..20 {
            strays.met(&items, &quarantined(&items), now);
            let due = strays.next_due().expect("it is looked at again");
            waits.push(due.since(now));
            now = due;
        }
        assert!(waits[0] <= QUARANTINE_RETRY_FIRST && waits[19] >= QUARANTINE_RETRY_LAST / 2);
        let due = strays.take_due(now);
        assert_eq!(
            due,
            [("notes", DocumentId::integer(1))],
            "an observation tells of the other one"
        );
        assert!(strays.take_due(now).is_empty(), "once at a time");
    }

    #[test]
    fn what_was_in_quarantine_at_the_start_is_one_if_it_looks_like_one() {
        let mut strays = Strays::new(1);
        let items = [item(1, Belongs::Elsewhere), item(2, Belongs::Here)];
        for item in &items {
            let (model, id) = (item.model, item.id.clone());
            strays.remember(RowRef { model, id }, Moment::default());
        }
        strays.met(&items, &Applied::default(), Moment::default());
        let later = Moment(QUARANTINE_RETRY_LAST);
        assert_eq!(strays.take_due(later), [("notes", DocumentId::integer(1))]);
        let discarded = RowRef {
            model: &MODEL,
            id: DocumentId::integer(1),
        };
        strays.forget(&discarded);
        assert_eq!(strays.next_due(), None);
    }

    #[test]
    fn what_is_no_stray_any_more_is_left_to_the_observation() {
        let strayed = [item(1, Belongs::Elsewhere)];
        for (items, applied) in [
            ([absent()], Applied::default()),
            ([item(1, Belongs::Here)], quarantined(&strayed)),
        ] {
            let mut strays = Strays::new(1);
            strays.met(&strayed, &quarantined(&strayed), Moment::default());
            assert!(strays.next_due().is_some());
            strays.met(&items, &applied, Moment::default());
            assert_eq!(strays.next_due(), None);
        }
        let mut unregistered = Strays::new(1);
        unregistered.met(&strayed, &quarantined(&strayed), Moment::default());
        unregistered.forget_model("notes");
        assert_eq!(unregistered.next_due(), None);
    }

    #[test]
    fn there_are_no_more_than_can_be_looked_at() {
        let mut strays = Strays::new(1);
        let most = i64::try_from(STRAYS_MAX).expect("a small number");
        let items: Vec<_> = (0..=most).map(|id| item(id, Belongs::Elsewhere)).collect();
        strays.met(&items, &quarantined(&items), Moment::default());
        let later = Moment(QUARANTINE_RETRY_LAST);
        assert_eq!(strays.take_due(later).len(), STRAYS_MAX);
    }
}
