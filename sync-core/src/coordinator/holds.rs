//! Which changes from the store are held, by model: [`Holds`]. A state machine without IO; time is an argument.
//!
//! Counted changes of a model go straight through while they are few. From a part of the limit on they are *gathered* for a moment, because a mass change comes in pieces;
//! beyond the limit they are *held* until somebody decides. A change that is gathered or held is set aside here by its id, and its row sends nothing: the store would
//! refuse that, and to meet the document is just what has to wait. Meanwhile the cursor and the reconciled scope of the model are withheld, so that a restart looks at
//! everything again. Not here: fetching, applying and answering (`mass_changes`), and the limit itself (`breaker`).

use std::{
    borrow::Cow,
    collections::HashMap,
    time::{Duration, SystemTime},
};

use crate::{
    breaker::{Burst, Effect, MassChangeLimit, Verdict},
    clock::Moment,
    config::SyncConfig,
    descriptor::ModelDescriptor,
    hash::IdHash,
    id::DocumentId,
    limits::{BURST_GATHERED_MAX, BURST_QUIET, HELD_SAMPLE},
    repository::{InboundItem, Incoming, Mark, RowSet},
    scope::Belongs,
};

/// The changes that are held of all models.
#[derive(Debug)]
pub(super) struct Holds {
    models: Vec<Watch>,
    /// The rows of all of them: they stay out of drafts.
    apart: RowSet,
}

/// What is held of one model.
#[derive(Debug)]
struct Watch {
    collection: &'static str,
    limit: Option<MassChangeLimit>,
    standing: Standing,
    held: HashMap<IdHash, Held>,
    /// Let through: they are looked at no more closely when their turn comes. With what still counts of them.
    passing: HashMap<IdHash, Option<Effect>>,
    /// To be set once nothing is held.
    marks: Vec<Mark>,
    /// Synced rows when last asked.
    rows: u64,
}

#[derive(Debug)]
struct Held {
    id: DocumentId,
    effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    /// Applied when no more have come until `quiet`, and by `latest` anyway.
    Gathering {
        quiet: Moment,
        latest: Moment,
    },
    /// Somebody has to decide.
    Held,
}

/// Documents of one model that would change rows in ways that count, and how many rows there are.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pub(super) rows: u64,
    pub(super) effects: HashMap<IdHash, Effect>,
}

/// How many changes of a model are held, and which, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldChange {
    /// The collection.
    pub collection: &'static str,
    /// Rows that would be deleted.
    pub deletes: u64,
    /// Rows that would be overwritten, where these count.
    pub overwrites: u64,
    /// Synced rows of the table.
    pub rows: u64,
    /// Some of the ids.
    pub sample: Vec<DocumentId>,
}

impl Holds {
    /// Nothing is held; except that models with a hold on record start with it, and have to be reconciled.
    pub(super) fn new<'a>(
        models: &[&'static ModelDescriptor],
        config: &SyncConfig,
        bursts: impl Iterator<Item = Option<&'a Burst>>,
    ) -> Self {
        let watches = models.iter().zip(bursts).map(|(model, burst)| {
            let limit = config.mass_change_limit_for(model.collection());
            let held = limit.is_some() && burst.is_some_and(|burst| burst.held);
            Watch {
                collection: model.collection(),
                limit,
                standing: if held { Standing::Held } else { Standing::Open },
                held: HashMap::new(),
                passing: HashMap::new(),
                marks: Vec::new(),
                rows: 0,
            }
        });
        Self {
            models: watches.collect(),
            apart: RowSet::new(),
        }
    }

    /// Whether changes of this model wait for a decision.
    pub(super) fn is_held(&self, model: usize) -> bool {
        self.models[model].standing == Standing::Held
    }

    /// Nothing is held, passing or withheld of any model.
    pub(super) fn is_quiet(&self) -> bool {
        let quiet = |watch: &Watch| !watch.is_busy() && watch.marks.is_empty();
        self.models.iter().all(quiet)
    }

    /// Whether it matters what this document would do to its row.
    pub(super) fn asks_about(&self, model: usize, item: &InboundItem) -> bool {
        let watch = &self.models[model];
        let Some(limit) = watch.limit else { return false };
        let counts = match &item.incoming {
            Incoming::Absent => true,
            Incoming::Present(remote) => limit.overwrites && remote.belongs == Belongs::Here,
            Incoming::Unreadable { .. } => false,
        };
        counts && (watch.passing.is_empty() || !watch.passing.contains_key(&IdHash::of(&item.id)))
    }

    /// Judges what was seen; whether that counts has to wait, and whether the limit was passed just now.
    pub(super) fn judge(
        &mut self,
        model: usize,
        sight: &mut Sight,
        (burst, now): (Option<&Burst>, Moment),
    ) -> (bool, bool) {
        let watch = &mut self.models[model];
        let Some(limit) = watch.limit else {
            return (false, false);
        };
        sight.effects.retain(|_, effect| limit.counts(*effect));
        if sight.effects.is_empty() {
            return (false, false);
        }
        watch.rows = sight.rows;
        let news = sight.effects.keys().filter(|id| !watch.held.contains_key(id));
        let counted = watch.passing.values().filter(|effect| effect.is_some());
        let waiting = watch.held.len() + news.clone().count() + counted.count();
        let any_news = news.clone().next().is_some();
        let verdict = limit.judge(sight.rows, burst, waiting as u64);
        match (watch.standing, verdict) {
            (Standing::Held, _) => (true, false),
            (_, Verdict::Hold) => {
                watch.standing = Standing::Held;
                // What was let through after a pause belongs to it after all.
                watch.passing.retain(|_, effect| effect.is_none());
                (true, true)
            }
            (Standing::Gathering { latest, .. }, _) => {
                if any_news {
                    let quiet = now.after(BURST_QUIET).min(latest);
                    watch.standing = Standing::Gathering { quiet, latest };
                }
                (true, false)
            }
            (Standing::Open, Verdict::Gather) => {
                watch.standing = Standing::Gathering {
                    quiet: now.after(BURST_QUIET),
                    latest: now.after(BURST_GATHERED_MAX),
                };
                (true, false)
            }
            (Standing::Open, Verdict::Go) => (false, false),
        }
    }

    /// Sets a change aside; whether it was not yet.
    pub(super) fn hold(&mut self, model: usize, id: DocumentId, effect: Effect) -> bool {
        let watch = &mut self.models[model];
        let key = IdHash::of(&id);
        self.apart.insert((watch.collection, key));
        watch.held.insert(key, Held { id, effect }).is_none()
    }

    /// The document is another one now, and does no harm: it is held no longer.
    pub(super) fn let_go(&mut self, model: usize, id: IdHash) {
        let watch = &mut self.models[model];
        if !watch.held.is_empty() && watch.held.remove(&id).is_some() {
            self.apart.remove(&(watch.collection, id));
            if watch.held.is_empty() && watch.standing != Standing::Held {
                watch.standing = Standing::Open;
            }
        }
    }

    /// Whether this one was let through, and what still counts of it.
    pub(super) fn passes(&self, model: usize, id: IdHash) -> Option<Option<Effect>> {
        let passing = &self.models[model].passing;
        if passing.is_empty() {
            return None;
        }
        passing.get(&id).copied()
    }

    /// Which marks may be set with a batch after which `passed` have been applied; the others are withheld. And the models whose withheld marks are among them.
    pub(super) fn marks(&mut self, marks: &[Mark], passed: &[(usize, IdHash)]) -> (Vec<Mark>, Vec<usize>) {
        let (mut allowed, mut released) = (Vec::with_capacity(marks.len()), Vec::new());
        for (at, watch) in self.models.iter_mut().enumerate() {
            let own = marks
                .iter()
                .filter(|mark| collection_of(mark) == Some(watch.collection));
            let done = passed
                .iter()
                .filter(|(model, id)| *model == at && watch.passing.contains_key(id));
            let busy = watch.standing != Standing::Open
                || !watch.held.is_empty()
                || done.count() < watch.passing.len();
            if busy {
                own.for_each(|mark| withhold(&mut watch.marks, mark.clone()));
                continue;
            }
            if !watch.marks.is_empty() {
                allowed.extend(watch.marks.iter().cloned());
                released.push(at);
            }
            allowed.extend(own.cloned());
        }
        allowed.extend(marks.iter().filter(|mark| collection_of(mark).is_none()).cloned());
        (allowed, released)
    }

    /// These were applied, and the withheld marks of these models are set.
    pub(super) fn applied(&mut self, passed: &[(usize, IdHash)], released: &[usize]) {
        for (model, id) in passed {
            self.models[*model].passing.remove(id);
        }
        for &model in released {
            self.models[model].marks.clear();
        }
    }

    /// Lets all that is held of a model through; `counted` when it was only gathered. Returns the ids, to be looked at.
    pub(super) fn let_through(&mut self, model: usize, counted: bool) -> Vec<DocumentId> {
        let watch = &mut self.models[model];
        watch.standing = Standing::Open;
        let mut ids = Vec::with_capacity(watch.held.len());
        for (key, held) in watch.held.drain() {
            self.apart.remove(&(watch.collection, key));
            watch.passing.insert(key, counted.then_some(held.effect));
            ids.push(held.id);
        }
        ids
    }

    /// Everything of this model is looked at anew, perhaps for another scope: what was set aside and withheld comes again. A hold stays one.
    pub(super) fn restart(&mut self, model: usize) {
        let watch = &mut self.models[model];
        for (key, _) in watch.held.drain() {
            self.apart.remove(&(watch.collection, key));
        }
        watch.marks.clear();
        if watch.standing != Standing::Held {
            watch.standing = Standing::Open;
        }
    }

    /// These pass without being counted: they were let through before, or somebody has asked for them.
    pub(super) fn exempt<'a>(&mut self, model: usize, ids: impl Iterator<Item = &'a DocumentId>) {
        let watch = &mut self.models[model];
        if watch.limit.is_some() {
            watch.passing.extend(ids.map(|id| (IdHash::of(id), None)));
        }
    }

    /// The models whose gathered changes have waited long enough.
    pub(super) fn gathered(&self, now: Moment) -> Vec<usize> {
        let over =
            |watch: &Watch| matches!(watch.standing, Standing::Gathering { quiet, .. } if quiet <= now);
        (0..self.models.len())
            .filter(|&model| over(&self.models[model]))
            .collect()
    }

    /// When the next of them have.
    pub(super) fn next_due(&self, now: Moment) -> Option<Duration> {
        let due = self.models.iter().filter_map(|watch| match watch.standing {
            Standing::Gathering { quiet, .. } => Some(quiet.since(now)),
            Standing::Open | Standing::Held => None,
        });
        due.min()
    }

    /// Some of the ids that are held of a model.
    pub(super) fn some_of(&self, model: usize, most: usize) -> Vec<DocumentId> {
        let held = self.models[model].held.values();
        held.take(most).map(|held| held.id.clone()).collect()
    }

    /// Somebody has decided, or nothing is held any more: the model is open again.
    pub(super) fn open(&mut self, model: usize) {
        assert!(
            self.models[model].held.is_empty(),
            "what is held is decided about before"
        );
        self.models[model].standing = Standing::Open;
    }

    /// Nothing of this model is left to look at: what was to pass has passed, and whether a hold that holds nothing has to end.
    pub(super) fn is_over(&mut self, model: usize) -> bool {
        let watch = &mut self.models[model];
        watch.passing.clear();
        watch.standing == Standing::Held && watch.held.is_empty()
    }

    /// The marks withheld of a model of which nothing is held any more.
    pub(super) fn take_marks(&mut self, model: usize) -> Vec<Mark> {
        let watch = &mut self.models[model];
        if watch.is_busy() {
            return Vec::new();
        }
        std::mem::take(&mut watch.marks)
    }

    /// `others`, and all rows that are set aside here.
    pub(super) fn apart_with<'a>(&'a self, others: &'a RowSet) -> Cow<'a, RowSet> {
        if others.is_empty() {
            return Cow::Borrowed(&self.apart);
        }
        if self.apart.is_empty() {
            return Cow::Borrowed(others);
        }
        Cow::Owned(self.apart.union(others).copied().collect())
    }

    /// How many changes of a model are set aside.
    pub(super) fn count(&self, model: usize) -> u64 {
        self.models[model].held.len() as u64
    }

    /// What is held of a model.
    pub(super) fn describe(&self, model: usize) -> HeldChange {
        let watch = &self.models[model];
        let deletes = watch.held.values().filter(|held| held.effect == Effect::Delete);
        let deletes = deletes.count() as u64;
        HeldChange {
            collection: watch.collection,
            deletes,
            overwrites: watch.held.len() as u64 - deletes,
            rows: watch.rows,
            sample: self.some_of(model, HELD_SAMPLE),
        }
    }

    /// The burst that counts now: the one on record, unless it is over.
    pub(super) fn burst_at<'b>(
        &self,
        model: usize,
        recorded: Option<&'b Burst>,
        now: SystemTime,
    ) -> Option<&'b Burst> {
        let limit = self.models[model].limit?;
        recorded.filter(|burst| burst.lasts(&limit, now))
    }
}

impl Watch {
    fn is_busy(&self) -> bool {
        self.standing != Standing::Open || !self.held.is_empty() || !self.passing.is_empty()
    }
}

fn collection_of(mark: &Mark) -> Option<&'static str> {
    match mark {
        Mark::Cursor(collection, _) | Mark::Reconciled(collection, _) | Mark::Burst(collection, _) => {
            Some(collection)
        }
        Mark::Store(..) | Mark::AwaitPeer(_) => None,
    }
}

/// The newest mark of its kind counts.
fn withhold(marks: &mut Vec<Mark>, mark: Mark) {
    marks.retain(|other| std::mem::discriminant(other) != std::mem::discriminant(&mark));
    marks.push(mark);
}

#[cfg(test)]
mod tests;
