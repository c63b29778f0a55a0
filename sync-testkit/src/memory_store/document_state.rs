//! One replicated document and how two states of it merge: [`DocumentState`].
//!
//! A port of the stores of the executable model. Merging is commutative, associative and idempotent, so the order and the number of
//! deliveries do not matter. Not here: when a write is allowed, and who is told about it.

use std::cmp::Ordering;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::{Document, FieldName},
    hash::ContentHash,
    rules::{Rule, off},
    value::Value,
};

use super::{
    counter::{Counter, CounterStart},
    stamp::{Stamp, Writer},
    value_order::compare_values,
    witness::Witness,
};

/// Hands out the stamps of one write.
pub(super) struct Stamps<'a> {
    /// The replica's clock.
    pub(super) clock: &'a mut u64,
    /// What the wall clock says, for flavors that look at it.
    pub(super) physical: u64,
    /// Who writes.
    pub(super) writer: Writer,
}

/// Everything a replica holds of one document, visible or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DocumentState {
    /// Sorted by name.
    pub(super) registers: Vec<(FieldName, Register)>,
    /// What shows only where no register is; mesh flavor only. Sorted by name.
    pub(super) seeds: Vec<(FieldName, Register)>,
    /// Sorted by name.
    counters: Vec<(FieldName, Counter)>,
    deletion: Deletion,
    /// Of a simulation only.
    pub(super) witness: Witness,
}

/// A field's value (`None`: removed) and when it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Register {
    pub(super) stamp: Stamp,
    pub(super) value: Option<Value>,
    /// Of a simulation only: what its writer had met.
    pub(super) witness: Witness,
}

/// What is known of deletes. The order is the merge: the greater one wins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Deletion {
    #[default]
    Never,
    /// Ditto flavor: everything up to the stamp is hidden for ever.
    Tombstone(Stamp),
    /// Mesh flavor: a register of its own hides the whole document or not.
    Register(Stamp, bool),
}

impl Stamps<'_> {
    fn next(&mut self) -> Stamp {
        *self.clock = (*self.clock + 1).max(self.physical);
        Stamp::new(*self.clock, self.writer)
    }

    /// The stamp of seeds, while this rule holds.
    fn floor(&mut self, rule: Rule) -> Stamp {
        if off(rule) { self.next() } else { Stamp::FLOOR }
    }
}

impl DocumentState {
    /// The visible document, husk or not; `None` when nothing is visible.
    pub(super) fn view(&self) -> Option<Document> {
        let fields = self.registers.len() + self.seeds.len() + self.counters.len();
        let mut document = Document::with_capacity(fields);
        for (name, register) in &self.registers {
            if let Some(value) = register.value.as_ref().filter(|_| self.shows(register.stamp)) {
                document.set(name.clone(), value.clone());
            }
        }
        for (name, seed) in &self.seeds {
            if self.shows(seed.stamp) && find(&self.registers, name).is_none() {
                document.set(name.clone(), seed.value.clone());
            }
        }
        for (name, counter) in &self.counters {
            if let Some(value) = self.counter_value(name, counter) {
                document.set(name.clone(), value);
            }
        }
        (!document.is_empty()).then_some(document)
    }

    /// The hash of what readers see; `None` when that is no row.
    pub(super) fn hash(&self, model: &ModelDescriptor) -> Option<ContentHash> {
        model.hash_of(self.view().as_ref()).ok().flatten()
    }

    /// Whether readers see a document: something is visible, and it is no husk. Cheaper than [`view`](Self::view).
    pub(super) fn is_present(&self, model: &ModelDescriptor) -> bool {
        match model.anchor().filter(|_| !off(Rule::Husk)) {
            Some(anchor) => self.register_value(anchor).is_some_and(|value| !value.is_null()),
            None => self.view().is_some(),
        }
    }

    /// Whether `writer` has incremented a counter of this state.
    pub(super) fn counts_increments_of(&self, writer: Writer) -> bool {
        self.counters
            .iter()
            .any(|(_, counter)| counter.has_writer(writer))
    }

    /// Writes a whole document over a tombstone and whatever is there, in two steps of one transaction.
    pub(super) fn insert_over_tombstone(
        &mut self,
        document: &Document,
        model: &ModelDescriptor,
        stamps: &mut Stamps<'_>,
    ) {
        let counters = self.counters.clone();
        if self.view().is_some() {
            self.entomb(stamps);
        }
        if off(Rule::Restart) {
            self.counters = counters;
        }
        let stamp = stamps.next();
        self.registers.reserve(document.len());
        for (name, value) in document.iter() {
            match counter_start(model, name, value) {
                Some(start) => self.start_counter(name, Counter::new(stamp, start)),
                None => put(&mut self.registers, name, Register::new(stamp, value.clone())),
            }
        }
    }

    /// Writes a whole document key by key: clears the deletion, writes every field, removes all others.
    pub(super) fn insert_by_keys(
        &mut self,
        document: &Document,
        model: &ModelDescriptor,
        stamps: &mut Stamps<'_>,
    ) {
        self.deletion = Deletion::Register(stamps.next(), false);
        let gone = |name: &FieldName| document.get(name).is_none();
        let seeds = self.seeds.iter().map(|(name, _)| name);
        let names = self.registers.iter().map(|(name, _)| name).chain(seeds);
        let removed: Vec<FieldName> = names.filter(|name| gone(name)).cloned().collect();
        for name in &removed {
            put(
                &mut self.registers,
                name,
                Register {
                    stamp: stamps.next(),
                    value: None,
                    witness: Witness::default(),
                },
            );
        }
        for (name, counter) in &mut self.counters {
            if gone(name) {
                *counter = Counter::new(stamps.next(), CounterStart::Missing);
            }
        }
        for (name, value) in document.iter() {
            match counter_start(model, name, value) {
                Some(start) => self.start_counter(name, Counter::new(stamps.next(), start)),
                None => put(
                    &mut self.registers,
                    name,
                    Register::new(stamps.next(), value.clone()),
                ),
            }
        }
    }

    /// Writes fields and increments counters of a visible document.
    pub(super) fn patch(
        &mut self,
        set: &[(FieldName, Value)],
        increments: &[(FieldName, i64)],
        model: &ModelDescriptor,
        stamps: &mut Stamps<'_>,
    ) {
        let stamp = stamps.next();
        for (name, value) in set {
            match counter_start(model, name, value) {
                Some(start) => put(&mut self.counters, name, Counter::new(stamp, start)),
                None => put(&mut self.registers, name, Register::new(stamp, value.clone())),
            }
        }
        for (name, amount) in increments {
            self.increment(name, *amount, model, stamps.writer);
        }
    }

    /// Hides everything written so far, for ever.
    pub(super) fn entomb(&mut self, stamps: &mut Stamps<'_>) {
        self.deletion = Deletion::Tombstone(stamps.next());
        self.forget_hidden();
    }

    /// Sets the deletion register.
    pub(super) fn mark_deleted(&mut self, stamps: &mut Stamps<'_>) {
        self.deletion = Deletion::Register(stamps.next(), true);
    }

    /// Writes at the floor of time: older than anything, invisible over a tombstone.
    pub(super) fn seed_at_floor(
        &mut self,
        document: &Document,
        model: &ModelDescriptor,
        stamps: &mut Stamps<'_>,
    ) {
        for (name, value) in document.iter() {
            match counter_start(model, name, value) {
                Some(start) => {
                    let epoch = stamps.floor(Rule::SeedEpoch);
                    merge_counter(&mut self.counters, name, &Counter::new(epoch, start));
                }
                None => {
                    let register = Register::new(stamps.floor(Rule::SeedFloor), value.clone());
                    merge_register(&mut self.registers, name, &register);
                }
            }
        }
        self.forget_hidden();
    }

    /// Writes the seed keys, which show only where the real key is missing.
    pub(super) fn seed_by_keys(
        &mut self,
        document: &Document,
        model: &ModelDescriptor,
        stamps: &mut Stamps<'_>,
    ) {
        for (name, value) in document.iter() {
            match counter_start(model, name, value) {
                Some(start) => {
                    let epoch = stamps.floor(Rule::SeedEpoch);
                    merge_counter(&mut self.counters, name, &Counter::new(epoch, start));
                }
                None => {
                    let keys = if off(Rule::SeedFloor) {
                        &mut self.registers
                    } else {
                        &mut self.seeds
                    };
                    put(keys, name, Register::new(stamps.next(), value.clone()));
                }
            }
        }
    }

    /// Both states in one.
    pub(super) fn merged(&self, theirs: &Self) -> Self {
        let mut merged = self.clone();
        merged.deletion = merged.deletion.max(theirs.deletion);
        for (name, register) in &theirs.registers {
            merge_register(&mut merged.registers, name, register);
        }
        for (name, register) in &theirs.seeds {
            merge_register(&mut merged.seeds, name, register);
        }
        for (name, counter) in &theirs.counters {
            merge_counter(&mut merged.counters, name, counter);
        }
        merged.forget_hidden();
        merged
    }

    /// What a tombstone hides stays hidden, so nobody needs it any more.
    fn forget_hidden(&mut self) {
        if let Deletion::Tombstone(stamp) = self.deletion {
            self.registers.retain(|(_, register)| register.stamp > stamp);
            self.counters.retain(|(_, counter)| counter.epoch() > stamp);
        }
    }

    fn shows(&self, stamp: Stamp) -> bool {
        match self.deletion {
            Deletion::Never => true,
            Deletion::Tombstone(tombstone) => stamp > tombstone,
            Deletion::Register(_, deleted) => !deleted,
        }
    }

    fn register_value(&self, name: &str) -> Option<&Value> {
        let register = find(&self.registers, name).or_else(|| find(&self.seeds, name))?;
        register.value.as_ref().filter(|_| self.shows(register.stamp))
    }

    /// A counter's value, unless it is hidden, nothing, or replaced by a register that another version of the model wrote.
    fn counter_value(&self, name: &str, counter: &Counter) -> Option<Value> {
        let replaced = find(&self.registers, name).is_some_and(|register| register.stamp > counter.epoch());
        if replaced || !self.shows(counter.epoch()) {
            return None;
        }
        counter.value()
    }

    /// A counter starts anew.
    fn start_counter(&mut self, name: &FieldName, counter: Counter) {
        match position(&self.counters, name) {
            Ok(at) if off(Rule::Restart) => self.counters[at].1.continue_at(&counter),
            _ => put(&mut self.counters, name, counter),
        }
    }

    fn increment(&mut self, name: &FieldName, amount: i64, model: &ModelDescriptor, writer: Writer) {
        let started = find(&self.counters, name).is_some_and(|counter| self.shows(counter.epoch()));
        if !started {
            // A document written without this field: its incarnation names the epoch, so that all peers count in the same one.
            let anchor = model.anchor().and_then(|anchor| find(&self.registers, anchor));
            let epoch = anchor.map_or(Stamp::FLOOR, |register| register.stamp);
            put(
                &mut self.counters,
                name,
                Counter::new(epoch, CounterStart::Missing),
            );
        }
        if let Ok(at) = position(&self.counters, name) {
            self.counters[at].1.increment(writer, amount);
        }
    }
}

impl Register {
    fn new(stamp: Stamp, value: Value) -> Self {
        Self {
            stamp,
            value: Some(value),
            witness: Witness::default(),
        }
    }

    /// Equal stamps happen among seeds only; the greater value wins there.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let values = || match (&self.value, &other.value) {
            (Some(mine), Some(theirs)) => compare_values(mine, theirs),
            (mine, theirs) => mine.is_some().cmp(&theirs.is_some()),
        };
        self.stamp.cmp(&other.stamp).then_with(values)
    }
}

/// Where a counter starts when `value` is written to the field `name`; `None` when the field is no counter.
fn counter_start(model: &ModelDescriptor, name: &str, value: &Value) -> Option<CounterStart> {
    let start = match value {
        Value::Int(start) => CounterStart::At(*start),
        Value::Null => CounterStart::Null,
        _ => return None,
    };
    let is_counter = model
        .fields()
        .iter()
        .any(|field| field.is_counter() && field.document_name() == name);
    is_counter.then_some(start)
}

fn position<T>(sorted: &[(FieldName, T)], name: &str) -> Result<usize, usize> {
    sorted.binary_search_by(|(probe, _)| probe.as_str().cmp(name))
}

fn find<'a, T>(sorted: &'a [(FieldName, T)], name: &str) -> Option<&'a T> {
    position(sorted, name).ok().map(|at| &sorted[at].1)
}

fn put<T>(sorted: &mut Vec<(FieldName, T)>, name: &FieldName, item: T) {
    if sorted.last().is_none_or(|(last, _)| last < name) {
        sorted.push((name.clone(), item));
        return;
    }
    match position(sorted, name) {
        Ok(at) => sorted[at].1 = item,
        Err(at) => sorted.insert(at, (name.clone(), item)),
    }
}

fn merge_register(sorted: &mut Vec<(FieldName, Register)>, name: &FieldName, theirs: &Register) {
    match position(sorted, name) {
        Ok(at) if theirs.order(&sorted[at].1).is_gt() => sorted[at].1 = theirs.clone(),
        Ok(_) => {}
        Err(at) => sorted.insert(at, (name.clone(), theirs.clone())),
    }
}

fn merge_counter(sorted: &mut Vec<(FieldName, Counter)>, name: &FieldName, theirs: &Counter) {
    match position(sorted, name) {
        Ok(at) => sorted[at].1.merge(theirs),
        Err(at) => sorted.insert(at, (name.clone(), theirs.clone())),
    }
}
