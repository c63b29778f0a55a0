//! What was written at a place of a row that it had left already is carried over to where it lives, by whoever has both: [`Copies::carry`].
//!
//! A plain function from what is held to what has to be written. It says nothing when all of it was carried over, so it comes to an end, however many devices do it at once:
//!
//! - Each value at the new place tells which value of the old place it knows. One that is another now was written by somebody who did not know of the move, and counts as a write after all
//!   that is known here: whoever wrote the other one is told that it was replaced (`replica/own_writes.rs`). A delete is such a value, too, and wins over everything else as always. Who knows no more
//!   operations of the old place than the one who wrote that keeps silent until it does: two of whom each knows something else would write in turns.
//! - Totals of counters are written at their place by their writer alone, and only ever grow in number. They stand at the new place under the names of both, and of two that were taken over the
//!   newer counts. So each increment counts once.

use std::collections::{BTreeMap, BTreeSet};

use ditto_sync_core::document::FieldName;
use loro::LoroValue;

use super::{
    copies::{Copies, Held, Place, moved_entry},
    counter::Total,
    digest::hash,
    instance::Known,
    key::{Carried, Key},
    partition::Partition,
};

/// Entries to be written into the map of the row, in this order.
pub(crate) type Entries = Vec<(Key, LoroValue)>;

/// What has to be carried over.
#[derive(Debug, Default)]
pub(crate) struct Carry {
    /// What has to be written into which document.
    pub(crate) writes: Vec<(Partition, Entries)>,
    /// There is more that somebody else may have carried over who knew more of the old place: to be looked at again when more of that is here.
    pub(crate) waits: bool,
}

/// News of other places, as entries of the target.
#[derive(Default)]
struct News {
    entries: Entries,
    waits: bool,
}

impl Copies {
    /// What has to be done so that nothing stays behind where the row has been. `carrier` is who writes.
    pub(crate) fn carry(&self, carrier: u64) -> Carry {
        let Some(location) = self.location().filter(|location| location.written) else {
            return Carry::default();
        };
        let copies = self.copies();
        let links = copies.iter().map(|copy| link(copy.location(), &location));
        let mut writes: Vec<Entries> = links.collect();
        let mut news = News::default();
        if let Some(target) = self.newest().filter(|newest| newest.place.written) {
            self.look_for(&mut news, &target, carrier);
            let moves = target.place.moves;
            let placed = news.entries.into_iter();
            writes[target.copy].extend(placed.map(|(key, value)| (key.at(moves), value)));
        }
        let partitions = copies.iter().map(|copy| copy.partition.clone());
        let writes = partitions.zip(writes);
        Carry {
            writes: writes.filter(|(_, entries)| !entries.is_empty()).collect(),
            waits: news.waits,
        }
    }

    /// What other places have that the target does not know. Of a document that is not taken only own writes are here: whoever takes it carries over what comes of them.
    fn look_for(&self, news: &mut News, target: &Held<'_>, carrier: u64) {
        let is_other = |held: &Held<'_>| held.place != target.place && self.copies()[held.copy].is_taken;
        let mut others: Vec<Held<'_>> = self.held().filter(is_other).collect();
        others.sort_unstable_by(|one, other| one.place.cmp(&other.place));
        let held: BTreeSet<u64> = others.iter().map(|held| held.place.tag()).collect();
        for from in &others {
            let operations = self.copies()[from.copy].operations;
            values((from, operations), target, &held, news);
        }
        let mut known = target.instance.carried();
        for from in &others {
            totals(from, target, carrier, (&mut known, &mut news.entries));
        }
    }
}

/// A document that does not know where the row lives is told.
fn link(known: Option<Place>, location: &Place) -> Entries {
    if known.is_none_or(|known| known >= *location) {
        return Vec::new();
    }
    vec![moved_entry(location.moves, &location.partition)]
}

/// The values that were written at `from`, of whose document so many operations are here, without knowing of the target. `held` are all places whose values can be seen here.
fn values((from, operations): (&Held<'_>, u64), target: &Held<'_>, held: &BTreeSet<u64>, news: &mut News) {
    let origin = from.place.tag();
    // Where the row lives says which scope it has.
    let scope: Vec<_> = [&from.place, &target.place]
        .iter()
        .flat_map(|place| place.partition.fields())
        .map(|(field, _)| field)
        .collect();
    for (key, value) in from.instance.plain() {
        let now = Known {
            value: hash(&value),
            operations,
        };
        let known = target.instance.known(origin, &key);
        let is_scope = key.field().is_some_and(|field| scope.contains(field));
        if is_scope || known.is_some_and(|known| known.value == now.value) {
            continue;
        }
        // What came there from a third place is that one's news.
        let origins: Vec<(u64, Known)> = from.instance.origins(&key, now.value).collect();
        let is_known = |(origin, there): &(u64, Known)| {
            let known = target.instance.known(*origin, &key);
            held.contains(origin) || known.is_some_and(|known| known.operations >= there.operations)
        };
        if origins.iter().any(is_known) {
            continue;
        }
        if known.is_some_and(|known| known.operations >= now.operations) {
            news.waits = true;
            continue;
        }
        // Next to each other, so that neither wins without the other.
        let is_new = target.instance.hash_of(&key) != now.value;
        if is_new || news.entries.iter().any(|(other, _)| *other == key) {
            news.entries.push((key.clone(), value));
        }
        let known = std::iter::once((origin, now)).chain(origins);
        let known = known.map(|(origin, known)| known.entry(origin, key.clone()));
        news.entries.extend(known);
    }
}

/// The totals at `from`, and those that it knows of third places, where they are newer than those known at the target.
fn totals(
    from: &Held<'_>,
    target: &Held<'_>,
    carrier: u64,
    (known, entries): (&mut BTreeMap<(u64, FieldName, u64), Total>, &mut Entries),
) {
    let origin = from.place.tag();
    let here = from.instance.totals();
    let here = here.map(|(field, writer, total)| ((origin, field.clone(), writer), total));
    for (of, total) in here.chain(from.instance.carried()) {
        let is_newer = known.get(&of).is_none_or(|known| total.times > known.times);
        if of.0 == target.place.tag() || !is_newer {
            continue;
        }
        known.insert(of.clone(), total);
        let (origin, field, writer) = of;
        let key = Key::Carried(Carried {
            origin,
            field,
            writer,
            carrier,
        });
        entries.push((key, total.encode()));
    }
}

#[cfg(test)]
mod tests {
    use ditto_sync_core::{document::Document, intent::Action, value::Value};
    use ditto_sync_testkit::models::BRANCH_STOCK;
    use proptest::prelude::*;

    use super::*;
    use crate::data::{Author, Copy, Shard, Slot};

    const ROW: &str = "trow";

    /// Two documents of one device, in which others write, too.
    struct Documents {
        shards: Vec<(Partition, Shard)>,
        writes: u64,
    }

    fn partition(branch: &str) -> Partition {
        Partition::encode(vec![("branchId", &branch.into())]).expect("text parts rows")
    }

    fn stock() -> Document {
        let fields: [(&str, Value); 4] = [
            ("id", "row".into()),
            ("branchId", "b1".into()),
            ("quantity", 10.into()),
            ("note", "new".into()),
        ];
        fields.into_iter().collect()
    }

    fn patch(set: Vec<(FieldName, Value)>, amount: Option<i64>) -> Action {
        let increments = amount.map(|amount| ("quantity".into(), amount));
        Action::Patch {
            set,
            increments: increments.into_iter().collect(),
        }
    }

    impl Documents {
        fn new() -> Self {
            let shards = ["b1", "b2"]
                .map(|branch| (partition(branch), Shard::empty(1).expect("an empty shard opens")));
            let mut documents = Self {
                shards: shards.into(),
                writes: 0,
            };
            documents.act(&Action::Insert(stock()));
            documents
        }

        fn copies(&self) -> Copies {
            let mut copies = Copies::default();
            for (partition, shard) in &self.shards {
                let version = shard.version();
                let counts = version.values().map(|count| u64::try_from(*count).unwrap_or(0));
                let operations = counts.sum();
                // Looked up only when it is there, as the index does it.
                if operations > 0 {
                    copies.add(Copy {
                        partition: partition.clone(),
                        operations,
                        is_taken: true,
                        row: shard.row(ROW),
                    });
                }
            }
            copies
        }

        fn shard(&self, partition: &Partition) -> &Shard {
            let mut shards = self.shards.iter();
            let found = shards.find(|(other, _)| other == partition);
            &found.expect("there are two").1
        }

        fn put(&self, partition: &Partition, entries: &Entries) {
            let put = |map: &loro::LoroMap| {
                entries
                    .iter()
                    .try_for_each(|(key, value)| map.insert(&key.encode(), value.clone()))
            };
            self.shard(partition)
                .write(|map| put(&map(ROW)))
                .expect("it can be written");
        }

        fn author(&mut self) -> Author {
            self.writes += 1;
            Author {
                writer: 1,
                incarnation: self.writes,
            }
        }

        /// As somebody who holds both.
        fn act(&mut self, action: &Action) {
            let plan = self.copies().plan((&BRANCH_STOCK, action), 1, |wanted| wanted);
            for left in &plan.left {
                self.put(left, &vec![plan.link()]);
            }
            self.put(&plan.partition, &plan.arriving());
            let author = self.author();
            let write = |map: &loro::LoroMap| {
                let slot = Slot {
                    map,
                    moves: plan.moves,
                };
                plan.instance.write(slot, &BRANCH_STOCK, action, author)
            };
            self.shard(&plan.partition)
                .write(|map| write(&map(ROW)))
                .expect("it can be written");
        }

        /// As somebody who has heard of no move.
        fn act_late(&mut self, action: &Action) {
            let author = self.author();
            let first = &self.shards[0].1;
            let instance = first.row(ROW).into_instance(0);
            let write =
                |map: &loro::LoroMap| instance.write(Slot { map, moves: 0 }, &BRANCH_STOCK, action, author);
            first.write(|map| write(&map(ROW))).expect("it can be written");
        }

        fn carry(&self) -> usize {
            let Carry { writes, waits } = self.copies().carry(1);
            assert!(!waits, "nobody knows more than this device");
            for (partition, entries) in &writes {
                self.put(partition, entries);
            }
            writes.len()
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Move(bool),
        Add(bool, i64),
        Note(bool),
        Carry,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<bool>().prop_map(Step::Move),
            (any::<bool>(), any::<i64>()).prop_map(|(late, amount)| Step::Add(late, amount)),
            any::<bool>().prop_map(Step::Note),
            Just(Step::Carry),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn everything_is_carried_once_and_then_there_is_nothing_more(steps in prop::collection::vec(step(), 0..25)) {
            let mut documents = Documents::new();
            let mut sum = 10_i64;
            let mut late_note = None;
            for step in steps {
                match step {
                    Step::Move(there) => {
                        let branch = if there { "b2" } else { "b1" };
                        documents.act(&patch(vec![("branchId".into(), branch.into())], None));
                    }
                    Step::Add(late, amount) => {
                        sum = sum.wrapping_add(amount);
                        let action = patch(vec![], Some(amount));
                        if late { documents.act_late(&action) } else { documents.act(&action) }
                    }
                    Step::Note(late) => {
                        let note = Value::from(format!("n{}", documents.writes));
                        let action = patch(vec![("note".into(), note.clone())], None);
                        if late { documents.act_late(&action) } else { documents.act(&action) }
                        late_note = late.then_some(note);
                    }
                    Step::Carry => {
                        documents.carry();
                        prop_assert_eq!(documents.carry(), 0);
                    }
                }
            }
            documents.carry();
            prop_assert_eq!(documents.carry(), 0, "it comes to an end");
            let found = documents.copies().view().expect("nobody deletes it");
            prop_assert_eq!(found.get("quantity"), Some(&Value::Int(sum)));
            if let Some(note) = late_note {
                prop_assert_eq!(found.get("note"), Some(&note), "what was written last is there");
            }
        }
    }

    #[test]
    fn a_late_delete_is_carried_and_wins() {
        let mut documents = Documents::new();
        documents.act(&patch(vec![("branchId".into(), "b2".into())], None));
        documents.act_late(&Action::Delete);
        documents.act(&patch(vec![("note".into(), "kept".into())], Some(1)));
        documents.carry();
        assert_eq!(documents.copies().view(), None);
    }
}
