//! One row: what its map says, the document that readers see, and how a write changes the map. See [`Row`].
//!
//! The same rules as the mesh flavor of the memory store: a delete is a register that hides the whole row, so it wins over every concurrent edit; an insert writes
//! every field anew, starts a new epoch for counters, and removes what it does not name; seeds lie beneath every write.

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::{Document, FieldName},
    intent::Action,
    value::Value,
};
use loro::{LoroMap, LoroResult, LoroValue, ValueOrContainer};
use smol_str::SmolStr;

use super::{
    counter::{Base, SEED_EPOCH, Start, Total},
    digest::Digest,
    encoding::{Decoded, decode, encode, removed},
    key::Key,
};

/// Everything a map holds of one row, visible or not.
#[derive(Debug, Default)]
pub(crate) struct Row {
    state: Option<State>,
    registers: Vec<(FieldName, LoroValue)>,
    seeds: Vec<(FieldName, LoroValue)>,
    bases: Vec<(FieldName, Base)>,
    seed_bases: Vec<(FieldName, Base)>,
    totals: Vec<(FieldName, u64, Total)>,
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

impl Row {
    /// Reads the map of a row.
    pub(crate) fn of(map: &LoroMap) -> Self {
        let mut row = Self::default();
        map.for_each(|key, value| {
            if let ValueOrContainer::Value(value) = value {
                row.read_entry(key, value);
            }
        });
        row
    }

    /// Reads the map of the row of this name, and what it holds as a number.
    pub(crate) fn with_digest(name: &str, map: &LoroMap) -> (Self, u64) {
        let (mut row, mut digest) = (Self::default(), Digest::default());
        map.for_each(|key, value| {
            if let ValueOrContainer::Value(value) = value {
                digest.add(key, &value);
                row.read_entry(key, value);
            }
        });
        (row, digest.of(name))
    }

    fn read_entry(&mut self, key: &str, value: LoroValue) {
        if let Some(key) = Key::decode(key) {
            self.read(key, value);
        }
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let plain = self.registers.iter().chain(&self.seeds);
        let values: usize = plain.map(|(_, value)| ENTRY_BYTES + bytes_of(value)).sum();
        let counters = self.bases.len() + self.seed_bases.len() + self.totals.len();
        size_of::<Self>() + values + counters * ENTRY_BYTES
    }

    fn read(&mut self, key: Key, value: LoroValue) {
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
        }
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

    /// The document that readers see; husks left out.
    pub(crate) fn document(&self, model: &ModelDescriptor) -> Option<Document> {
        self.view().filter(|document| !model.is_husk(document))
    }

    /// The names of all counters that have some part here, without repetition.
    fn counters(&self) -> Vec<&FieldName> {
        let bases = self.bases.iter().chain(&self.seed_bases).map(|(name, _)| name);
        let mut names: Vec<_> = bases.chain(self.totals.iter().map(|(name, ..)| name)).collect();
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
        let mut totals = self
            .totals
            .iter()
            .filter(|(other, _, total)| other == name && total.epoch == base.epoch)
            .map(|(_, _, total)| total.sum)
            .peekable();
        let start = match base.start {
            Start::At(start) => start,
            Start::Missing if totals.peek().is_none() => return None,
            Start::Null if totals.peek().is_none() => return Some(Value::Null),
            Start::Missing | Start::Null => 0,
        };
        Some(Value::Int(totals.fold(start, i64::wrapping_add)))
    }

    /// Carries `action` out on the map that this row was read from.
    pub(crate) fn write(
        &self,
        map: &LoroMap,
        model: &ModelDescriptor,
        action: &Action,
        author: Author,
    ) -> LoroResult<()> {
        match action {
            Action::Insert(document) => self.insert(map, model, document, author),
            Action::Patch { set, increments } => {
                for (name, value) in set {
                    self.put_field(map, model, (name, value), author)?;
                }
                increments
                    .iter()
                    .try_for_each(|(name, amount)| self.increment(map, name, *amount, author.writer))
            }
            Action::Delete => map.insert(&Key::State.encode(), State::Deleted.encode()),
            Action::Seed(document) => seed(map, model, document),
        }
    }

    fn insert(
        &self,
        map: &LoroMap,
        model: &ModelDescriptor,
        document: &Document,
        author: Author,
    ) -> LoroResult<()> {
        map.insert(&Key::State.encode(), State::Alive(author.incarnation).encode())?;
        let gone = |name: &&FieldName| document.get(name).is_none();
        let plain = self.registers.iter().chain(&self.seeds).map(|(name, _)| name);
        for name in plain.filter(gone) {
            self.put(map, &Key::Register(name.clone()), &removed())?;
        }
        for name in self.counters().into_iter().filter(gone) {
            let base = Base {
                epoch: author.incarnation,
                start: Start::Missing,
            };
            map.insert(&Key::Base(name.clone()).encode(), base.encode())?;
        }
        document
            .iter()
            .try_for_each(|field| self.put_field(map, model, field, author))
    }

    /// Writes one field, as a register or as the start of a counter; the other kind, which another version of the model may have written, goes.
    fn put_field(
        &self,
        map: &LoroMap,
        model: &ModelDescriptor,
        (name, value): (&FieldName, &Value),
        author: Author,
    ) -> LoroResult<()> {
        match counter_start(model, name, value) {
            Some(start) => {
                if find(&self.registers, name).is_some() {
                    map.delete(&Key::Register(name.clone()).encode())?;
                }
                let epoch = author.incarnation;
                map.insert(&Key::Base(name.clone()).encode(), Base { epoch, start }.encode())
            }
            None => {
                if self.counters().contains(&name) {
                    let epoch = author.incarnation;
                    let start = Start::Missing;
                    map.insert(&Key::Base(name.clone()).encode(), Base { epoch, start }.encode())?;
                }
                self.put(map, &Key::Register(name.clone()), &encode(value))
            }
        }
    }

    /// Sets a register. Loro takes an equal value for no write at all, which would then not compete with a concurrent one: so it is deleted first.
    fn put(&self, map: &LoroMap, key: &Key, value: &LoroValue) -> LoroResult<()> {
        let encoded = key.encode();
        if let Key::Register(name) = key
            && find(&self.registers, name) == Some(value)
        {
            map.delete(&encoded)?;
        }
        map.insert(&encoded, value.clone())
    }

    fn increment(&self, map: &LoroMap, name: &FieldName, amount: i64, writer: u64) -> LoroResult<()> {
        let epoch = self.base(name).epoch;
        let mine = self
            .totals
            .iter()
            .find(|(other, who, total)| other == name && *who == writer && total.epoch == epoch);
        let sum = mine.map_or(0, |(_, _, total)| total.sum).wrapping_add(amount);
        let key = Key::Total(name.clone(), writer);
        map.insert(&key.encode(), Total { epoch, sum }.encode())
    }
}

/// Writes beneath every real write.
fn seed(map: &LoroMap, model: &ModelDescriptor, document: &Document) -> LoroResult<()> {
    for (name, value) in document.iter() {
        match counter_start(model, name, value) {
            Some(start) => {
                let epoch = SEED_EPOCH;
                map.insert(
                    &Key::SeedBase(name.clone()).encode(),
                    Base { epoch, start }.encode(),
                )?;
            }
            None => map.insert(&Key::Seed(name.clone()).encode(), encode(value))?,
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
