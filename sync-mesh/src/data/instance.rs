//! One row at one place: what its map says, the document that readers see, and how a write changes the map. See [`Instance`].
//!
//! A row that moves from one document to another leaves an instance behind and gets a new one there. Not here: how the instances of a row go together (`copies`).
//!
//! The same rules as the mesh flavor of the memory store: a delete is a register that hides the whole row, so it wins over every concurrent edit; an insert writes
//! every field anew, starts a new epoch for counters, and removes what it does not name; seeds lie beneath every write.

use std::collections::BTreeMap;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::{Document, FieldName},
    intent::Action,
    value::Value,
};
use loro::{LoroMap, LoroResult, LoroValue};
use smol_str::SmolStr;

use super::{
    counter::{Base, SEED_EPOCH, Start, Total},
    digest::hash,
    encoding::{Decoded, decode, encode, removed},
    key::{Carried, Key},
};

/// Everything a map holds of one row at one place, visible or not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Instance {
    state: Option<State>,
    registers: Vec<(FieldName, LoroValue)>,
    seeds: Vec<(FieldName, LoroValue)>,
    bases: Vec<(FieldName, Base)>,
    seed_bases: Vec<(FieldName, Base)>,
    totals: Vec<(FieldName, u64, Total)>,
    /// What was taken over from other places: of each, which value a key had there.
    known: Vec<(u64, Key, Known)>,
    /// The totals of other places.
    carried: Vec<(Carried, Total)>,
}

/// Which value a key had at another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The value as a number; zero when there was none.
    pub(super) value: u64,
    /// How many operations of the document there were known to whoever took it over: of two who saw different values, the one who knew more counts.
    pub(super) operations: u64,
}

/// Where an instance is written: the map of its row, and the move that it came with.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    pub(crate) map: &'a LoroMap,
    pub(crate) moves: u32,
}

/// Whether a row lives. A row that was only seeded has no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Written by the insert of this number, which is also the epoch of its counters.
    Alive(u64),
    Deleted,
}

const DELETED: i64 = 0;

/// What a field takes in memory beside what its value refers to.
const ENTRY_BYTES: usize = 64;

impl State {
    fn encode(self) -> LoroValue {
        LoroValue::I64(match self {
            Self::Alive(incarnation) => incarnation.cast_signed(),
            Self::Deleted => DELETED,
        })
    }

    fn decode(value: &LoroValue) -> Option<Self> {
        match value {
            LoroValue::I64(DELETED) => Some(Self::Deleted),
            LoroValue::I64(incarnation) => Some(Self::Alive(incarnation.cast_unsigned())),
            _ => None,
        }
    }
}

/// Who writes, and the number that no other insert has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Author {
    pub(crate) writer: u64,
    pub(crate) incarnation: u64,
}

impl Known {
    /// Of this key at this place.
    pub(super) fn entry(self, origin: u64, key: Key) -> (Key, LoroValue) {
        let bytes = [self.value.to_le_bytes(), self.operations.to_le_bytes()].concat();
        (Key::Known(origin, Box::new(key)), LoroValue::Binary(bytes.into()))
    }

    fn decode(value: &LoroValue) -> Option<Self> {
        let LoroValue::Binary(bytes) = value else {
            return None;
        };
        let (value, operations) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            value: u64::from_le_bytes(*value),
            operations: u64::from_le_bytes(operations.try_into().ok()?),
        })
    }
}

impl Slot<'_> {
    fn insert(self, key: Key, value: LoroValue) -> LoroResult<()> {
        self.map.insert(&key.at(self.moves).encode(), value)
    }

    fn delete(self, key: Key) -> LoroResult<()> {
        self.map.delete(&key.at(self.moves).encode())
    }
}

impl Instance {
    /// About how many bytes it takes in memory, beside its own.
    pub(super) fn bytes(&self) -> usize {
        let plain = self.registers.iter().chain(&self.seeds);
        let values: usize = plain.map(|(_, value)| ENTRY_BYTES + bytes_of(value)).sum();
        let counters = self.bases.len() + self.seed_bases.len() + self.totals.len();
        let others = 2 * (self.known.len() + self.carried.len());
        values + (counters + others) * ENTRY_BYTES
    }

    /// Whether nothing of it is there.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_written()
            && self.seeds.is_empty()
            && self.seed_bases.is_empty()
            && self.known.is_empty()
            && self.carried.is_empty()
    }

    /// Whether somebody has written it, beside seeds, which lie beneath every write.
    pub(super) fn is_written(&self) -> bool {
        self.state.is_some()
            || !(self.registers.is_empty() && self.bases.is_empty() && self.totals.is_empty())
    }

    /// Its map has this entry.
    pub(super) fn read(&mut self, key: Key, value: LoroValue) {
        match key {
            Key::State => self.state = State::decode(&value),
            Key::Register(field) => self.registers.push((field, value)),
            Key::Seed(field) => self.seeds.push((field, value)),
            Key::Base(field) => self.bases.extend(Base::decode(&value).map(|base| (field, base))),
            Key::SeedBase(field) => {
                self.seed_bases
                    .extend(Base::decode(&value).map(|base| (field, base)));
            }
            Key::Total(field, writer) => {
                self.totals
                    .extend(Total::decode(&value).map(|total| (field, writer, total)));
            }
            Key::Known(origin, key) => {
                self.known
                    .extend(Known::decode(&value).map(|known| (origin, *key, known)));
            }
            Key::Carried(carried) => self
                .carried
                .extend(Total::decode(&value).map(|total| (carried, total))),
            // They are no part of an instance.
            Key::Moved(..) | Key::At(..) => {}
        }
    }

    /// All that holds one value each, of which the last writer decides.
    pub(super) fn plain(&self) -> Vec<(Key, LoroValue)> {
        let state = self.state.map(|state| (Key::State, state.encode()));
        let registers = self.registers.iter();
        let registers = registers.map(|(field, value)| (Key::Register(field.clone()), value.clone()));
        let seeds = self.seeds.iter();
        let seeds = seeds.map(|(field, value)| (Key::Seed(field.clone()), value.clone()));
        let bases = self.bases.iter();
        let bases = bases.map(|(field, base)| (Key::Base(field.clone()), base.encode()));
        let seed_bases = self.seed_bases.iter();
        let seed_bases = seed_bases.map(|(field, base)| (Key::SeedBase(field.clone()), base.encode()));
        let all = state.into_iter().chain(registers).chain(seeds);
        all.chain(bases).chain(seed_bases).collect()
    }

    /// The value of such a key, as a number; zero when there is none.
    pub(super) fn hash_of(&self, key: &Key) -> u64 {
        let value = match key {
            Key::State => self.state.map(State::encode),
            Key::Register(field) => find(&self.registers, field).cloned(),
            Key::Seed(field) => find(&self.seeds, field).cloned(),
            Key::Base(field) => find(&self.bases, field).map(|base| base.encode()),
            Key::SeedBase(field) => find(&self.seed_bases, field).map(|base| base.encode()),
            _ => None,
        };
        value.as_ref().map_or(0, hash)
    }

    /// Which value a key had at another place when it was taken over from there.
    pub(super) fn known(&self, origin: u64, key: &Key) -> Option<Known> {
        let mut known = self.known.iter();
        known
            .find(|(other, of, _)| *other == origin && of == key)
            .map(|(_, _, known)| *known)
    }

    /// The places at which a key had this value when it was taken over from there.
    pub(super) fn origins(&self, key: &Key, value: u64) -> impl Iterator<Item = (u64, Known)> {
        let known = self.known.iter();
        known
            .filter(move |(_, of, known)| of == key && known.value == value)
            .map(|(origin, _, known)| (*origin, *known))
    }

    /// What writers have added here.
    pub(super) fn totals(&self) -> impl Iterator<Item = (&FieldName, u64, Total)> {
        self.totals
            .iter()
            .map(|(field, writer, total)| (field, *writer, *total))
    }

    /// What writers had added at other places, by place and writer: the newest that was taken over.
    pub(super) fn carried(&self) -> BTreeMap<(u64, FieldName, u64), Total> {
        let mut newest: BTreeMap<(u64, FieldName, u64), Total> = BTreeMap::new();
        for (carried, total) in &self.carried {
            let of = (carried.origin, carried.field.clone(), carried.writer);
            let known = newest.entry(of).or_insert(*total);
            if (total.times, total.epoch, total.sum) > (known.times, known.epoch, known.sum) {
                *known = *total;
            }
        }
        newest
    }

    /// The same row at another place, to be written there: `origin` is this place, and of how many operations of its document it is; `carrier` is who writes.
    ///
    /// It knows all that is here. Without `contents` it is only known, so that it does not come after, and the row is empty.
    pub(super) fn moved(&self, (origin, operations): (u64, u64), carrier: u64, contents: bool) -> Self {
        let plain = self.plain();
        let known = |value: u64| Known { value, operations };
        let here = plain
            .iter()
            .map(|(key, value)| (origin, key.clone(), known(hash(value))));
        let none = self.state.is_none().then(|| (origin, Key::State, known(0)));
        let known = self.known.iter().cloned().chain(here).chain(none).collect();
        if !contents {
            return Self {
                known,
                ..Self::default()
            };
        }
        let totals = self
            .totals()
            .map(|(field, writer, total)| ((origin, field.clone(), writer), total));
        let carried = self.carried().into_iter().chain(totals);
        let carried = carried.map(|((origin, field, writer), total)| {
            let carried = Carried {
                origin,
                field,
                writer,
                carrier,
            };
            (carried, total)
        });
        Self {
            totals: Vec::new(),
            known,
            carried: carried.collect(),
            ..self.clone()
        }
    }

    /// All its entries, each value next to what tells where it comes from, so that neither wins without the other.
    pub(super) fn entries(&self) -> Vec<(Key, LoroValue)> {
        let mut entries = Vec::new();
        let mut known: Vec<&(u64, Key, Known)> = self.known.iter().collect();
        for (key, value) in self.plain() {
            entries.push((key.clone(), value));
            known.retain(|entry| {
                let belongs = entry.1 == key;
                if belongs {
                    entries.push(entry.2.entry(entry.0, entry.1.clone()));
                }
                !belongs
            });
        }
        let known = known.into_iter();
        entries.extend(known.map(|(origin, key, known)| known.entry(*origin, key.clone())));
        let totals = self.totals();
        entries
            .extend(totals.map(|(field, writer, total)| (Key::Total(field.clone(), writer), total.encode())));
        let carried = self.carried.iter();
        entries.extend(carried.map(|(carried, total)| (Key::Carried(carried.clone()), total.encode())));
        entries
    }

    /// The visible document, husk or not; `None` when nothing is visible.
    pub(crate) fn view(&self) -> Option<Document> {
        if self.state == Some(State::Deleted) {
            return None;
        }
        let mut document = Document::with_capacity(self.registers.len() + self.bases.len());
        for (name, value) in &self.registers {
            if let Decoded::Value(value) = decode(value) {
                document.set(name.clone(), value);
            }
        }
        for (name, value) in &self.seeds {
            if let (Decoded::Value(value), None) = (decode(value), find(&self.registers, name)) {
                document.set(name.clone(), value);
            }
        }
        for name in self.counters() {
            if let Some(value) = self.counter_value(name) {
                document.set(name.clone(), value);
            }
        }
        (!document.is_empty()).then_some(document)
    }

    /// The names of all counters that have some part here, without repetition.
    fn counters(&self) -> Vec<&FieldName> {
        let bases = self.bases.iter().chain(&self.seed_bases).map(|(name, _)| name);
        let carried = self.carried.iter().map(|(carried, _)| &carried.field);
        let totals = self.totals.iter().map(|(name, ..)| name);
        let mut names: Vec<_> = bases.chain(totals).chain(carried).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Where a counter starts: as its insert says, or its seed, or else nowhere, in the epoch of the row.
    fn base(&self, name: &str) -> Base {
        let base = find(&self.bases, name).or_else(|| find(&self.seed_bases, name));
        base.copied().unwrap_or(Base {
            epoch: match self.state {
                Some(State::Alive(incarnation)) => incarnation,
                _ => SEED_EPOCH,
            },
            start: Start::Missing,
        })
    }

    /// The base line and all totals of its epoch, wrapping.
    fn counter_value(&self, name: &str) -> Option<Value> {
        let base = self.base(name);
        let here = self.totals.iter().filter(|(other, ..)| other == name);
        let here = here.map(|(_, _, total)| *total);
        let elsewhere = (!self.carried.is_empty()).then(|| self.carried());
        let elsewhere = elsewhere.into_iter().flatten();
        let elsewhere = elsewhere.filter_map(|((_, other, _), total)| (other == name).then_some(total));
        let mut totals = here
            .chain(elsewhere)
            .filter(|total| total.epoch == base.epoch)
            .map(|total| total.sum)
            .peekable();
        let start = match base.start {
            Start::At(start) => start,
            Start::Missing if totals.peek().is_none() => return None,
            Start::Null if totals.peek().is_none() => return Some(Value::Null),
            Start::Missing | Start::Null => 0,
        };
        Some(Value::Int(totals.fold(start, i64::wrapping_add)))
    }

    /// Carries `action` out where this was read.
    pub(crate) fn write(
        &self,
        slot: Slot<'_>,
        model: &ModelDescriptor,
        action: &Action,
        author: Author,
    ) -> LoroResult<()> {
        match action {
            Action::Insert(document) => self.insert(slot, model, document, author),
            Action::Patch { set, increments } => {
                for (name, value) in set {
                    self.put_field(slot, model, (name, value), author)?;
                }
                increments
                    .iter()
                    .try_for_each(|(name, amount)| self.increment(slot, name, *amount, author.writer))
            }
            Action::Delete => slot.insert(Key::State, State::Deleted.encode()),
            Action::Seed(document) => seed(slot, model, document),
        }
    }

    fn insert(
        &self,
        slot: Slot<'_>,
        model: &ModelDescriptor,
        document: &Document,
        author: Author,
    ) -> LoroResult<()> {
        slot.insert(Key::State, State::Alive(author.incarnation).encode())?;
        let gone = |name: &&FieldName| document.get(name).is_none();
        let plain = self.registers.iter().chain(&self.seeds).map(|(name, _)| name);
        for name in plain.filter(gone) {
            self.put(slot, &Key::Register(name.clone()), &removed())?;
        }
        for name in self.counters().into_iter().filter(gone) {
            let base = Base {
                epoch: author.incarnation,
                start: Start::Missing,
            };
            slot.insert(Key::Base(name.clone()), base.encode())?;
        }
        document
            .iter()
            .try_for_each(|field| self.put_field(slot, model, field, author))
    }

    /// Writes one field, as a register or as the start of a counter; the other kind, which another version of the model may have written, goes.
    fn put_field(
        &self,
        slot: Slot<'_>,
        model: &ModelDescriptor,
        (name, value): (&FieldName, &Value),
        author: Author,
    ) -> LoroResult<()> {
        match counter_start(model, name, value) {
            Some(start) => {
                if find(&self.registers, name).is_some() {
                    slot.delete(Key::Register(name.clone()))?;
                }
                let epoch = author.incarnation;
                slot.insert(Key::Base(name.clone()), Base { epoch, start }.encode())
            }
            None => {
                if self.counters().contains(&name) {
                    let epoch = author.incarnation;
                    let start = Start::Missing;
                    slot.insert(Key::Base(name.clone()), Base { epoch, start }.encode())?;
                }
                self.put(slot, &Key::Register(name.clone()), &encode(value))
            }
        }
    }

    /// Sets a register. Loro takes an equal value for no write at all, which would then not compete with a concurrent one: so it is deleted first.
    fn put(&self, slot: Slot<'_>, key: &Key, value: &LoroValue) -> LoroResult<()> {
        if let Key::Register(name) = key
            && find(&self.registers, name) == Some(value)
        {
            slot.delete(key.clone())?;
        }
        slot.insert(key.clone(), value.clone())
    }

    fn increment(&self, slot: Slot<'_>, name: &FieldName, amount: i64, writer: u64) -> LoroResult<()> {
        let epoch = self.base(name).epoch;
        let mut totals = self.totals();
        let mine = totals.find(|(other, who, _)| *other == name && *who == writer);
        let mine = mine.map(|(_, _, total)| total);
        let sum = mine.filter(|total| total.epoch == epoch);
        let total = Total {
            epoch,
            sum: sum.map_or(0, |total| total.sum).wrapping_add(amount),
            times: mine.map_or(0, |total| total.times).saturating_add(1),
        };
        slot.insert(Key::Total(name.clone(), writer), total.encode())
    }
}

/// Writes beneath every real write.
fn seed(slot: Slot<'_>, model: &ModelDescriptor, document: &Document) -> LoroResult<()> {
    for (name, value) in document.iter() {
        match counter_start(model, name, value) {
            Some(start) => {
                let epoch = SEED_EPOCH;
                slot.insert(Key::SeedBase(name.clone()), Base { epoch, start }.encode())?;
            }
            None => slot.insert(Key::Seed(name.clone()), encode(value))?,
        }
    }
    Ok(())
}

/// Where a counter starts when `value` is written to the field `name`; `None` when the field is no counter.
fn counter_start(model: &ModelDescriptor, name: &str, value: &Value) -> Option<Start> {
    let start = match value {
        Value::Int(start) => Start::At(*start),
        Value::Null => Start::Null,
        _ => return None,
    };
    let is_counter = model
        .fields()
        .iter()
        .any(|field| field.is_counter() && field.document_name() == name);
    is_counter.then_some(start)
}

/// What a value refers to, in bytes.
fn bytes_of(value: &LoroValue) -> usize {
    match value {
        LoroValue::String(text) => text.len(),
        LoroValue::Binary(bytes) => bytes.len(),
        LoroValue::List(items) => items.iter().map(|item| ENTRY_BYTES + bytes_of(item)).sum(),
        LoroValue::Map(entries) => {
            let entries = entries.iter();
            entries
                .map(|(key, value)| ENTRY_BYTES + key.len() + bytes_of(value))
                .sum()
        }
        _ => 0,
    }
}

fn find<'a, T>(fields: &'a [(SmolStr, T)], name: &str) -> Option<&'a T> {
    fields
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value)
}
