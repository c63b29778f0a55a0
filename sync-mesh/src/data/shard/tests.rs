//! Rows of several shards that exchange updates in any order.

use std::collections::HashSet;

use ditto_sync_core::{document::Document, id::DocumentId, intent::Action, value::Value};
use ditto_sync_testkit::models::STOCK;
use proptest::prelude::*;

use loro::VersionVector;

use super::{Shard, ShardError, Touched};
use crate::data::{Author, Copies, Copy, Partition, Row, Slot, root_name};

const ROW: &str = "trow";

fn shard(peer: u64) -> Shard {
    Shard::empty(peer).expect("an empty shard opens")
}

fn stock(quantity: i64, note: &str) -> Document {
    let fields: [(&str, Value); 5] = [
        ("id", "row".into()),
        ("branchId", "kigali-1".into()),
        ("quantity", quantity.into()),
        ("product", Value::Null),
        ("note", note.into()),
    ];
    fields.into_iter().collect()
}

fn write(shard: &Shard, action: &Action, (writer, incarnation): (u64, u64)) -> Vec<u8> {
    let row = shard.row(ROW);
    let author = Author { writer, incarnation };
    write_row(shard, (ROW, row), action, author)
}

fn write_row(shard: &Shard, (name, row): (&str, Row), action: &Action, author: Author) -> Vec<u8> {
    let first = row.instance(0).cloned().unwrap_or_default();
    let write = |map: &loro::LoroMap| first.write(Slot { map, moves: 0 }, &STOCK, action, author);
    shard
        .write(|map| write(&map(name)))
        .expect("a row can be written")
}

fn view(shard: &Shard, name: &str) -> Option<Document> {
    let copy = Copy {
        partition: Partition::none(),
        operations: 1,
        is_taken: true,
        row: shard.row(name),
    };
    Copies::one(copy).view()
}

fn document(shard: &Shard) -> Option<Document> {
    let view = shard.row(ROW).view();
    view.filter(|document| !STOCK.is_husk(document))
}

fn increment(amount: i64) -> Action {
    Action::Patch {
        set: vec![],
        increments: vec![("quantity".into(), amount)],
    }
}

fn note(text: &str) -> Action {
    Action::Patch {
        set: vec![("note".into(), text.into())],
        increments: vec![],
    }
}

/// Everything that either lacks of the other.
fn exchange(one: &Shard, other: &Shard) {
    for (from, to) in [(one, other), (other, one)] {
        let update = from
            .updates_since(&to.version())
            .expect("an update can be exported");
        assert!(!to.import(&update).expect("an update can be imported").gap);
    }
}

#[test]
fn an_import_tells_the_rows_it_changed() {
    let (one, other) = (shard(1), shard(2));
    let update = write(&one, &Action::Insert(stock(1, "a")), (1, 7));
    let imported = other.import(&update).expect("the update is whole");
    let names: Vec<&str> = imported.touched.iter().map(|touched| &*touched.name).collect();
    assert_eq!((names, imported.gap), (vec![ROW], false));
    assert_eq!(document(&other), Some(stock(1, "a")));
    let again = other.import(&update).expect("a repetition does no harm");
    assert!(again.touched.is_empty());
}

#[test]
fn a_gap_is_reported_and_garbage_refused() {
    let (one, other) = (shard(1), shard(2));
    write(&one, &Action::Insert(stock(1, "a")), (1, 7));
    let second = write(&one, &note("b"), (1, 8));
    assert!(other.import(&second).expect("an update is whole by itself").gap);
    assert!(matches!(other.import(b"garbage"), Err(ShardError::Import(_))));
    assert_eq!(document(&other), None);
}

#[test]
fn a_repeated_insert_of_equal_values_beats_an_older_edit() {
    let (one, other) = (shard(1), shard(2));
    write(&one, &Action::Insert(stock(1, "a")), (1, 7));
    exchange(&one, &other);
    write(&other, &note("older"), (2, 8));
    for _ in 0..20 {
        write(&one, &increment(1), (1, 9));
    }
    write(&one, &Action::Delete, (1, 10));
    write(&one, &Action::Insert(stock(1, "a")), (1, 11));
    exchange(&one, &other);
    assert_eq!(document(&one), Some(stock(1, "a")));
    assert_eq!(document(&other), Some(stock(1, "a")));
}

#[test]
fn a_field_left_out_by_an_insert_does_not_show_its_seed() {
    let (one, clone) = (shard(1), shard(2));
    write(&one, &Action::Seed(stock(3, "seed")), (1, 7));
    let mut without = stock(4, "x");
    without.remove("note");
    write(&one, &Action::Insert(without.clone()), (1, 8));
    write(&clone, &Action::Seed(stock(3, "seed")), (2, 9));
    exchange(&one, &clone);
    assert_eq!(document(&one), Some(without.clone()));
    assert_eq!(document(&clone), Some(without));
}

#[test]
fn a_snapshot_comes_back_with_all_rows() {
    let one = shard(1);
    write(&one, &Action::Insert(stock(1, "a")), (1, 7));
    write(&one, &increment(4), (1, 8));
    let (_, again) = one.snapshot().expect("a snapshot is whole");
    assert_eq!(document(&again), Some(stock(5, "a")));
    assert_eq!(again.version(), one.version());
}

#[test]
fn names_that_abort_loro_are_no_names_of_ours() {
    for text in ["/", "a/b", "\0", "🤝:x", ""] {
        let Ok(id) = DocumentId::text(text) else { continue };
        let shard = shard(1);
        let name = root_name(&id);
        let action = Action::Insert(stock(1, "a"));
        let author = Author {
            writer: 1,
            incarnation: 2,
        };
        write_row(&shard, (&name, Row::default()), &action, author);
        assert!(
            shard
                .row(&name)
                .view()
                .is_some_and(|document| !STOCK.is_husk(&document))
        );
    }
}

#[derive(Debug, Clone)]
enum Step {
    Write(usize, Action),
    Exchange(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let action = prop_oneof![
        2 => (any::<i8>(), "[ab]").prop_map(|(n, text)| Action::Insert(stock(n.into(), &text))),
        2 => (any::<i8>(), "[ab]").prop_map(|(n, text)| Action::Seed(stock(n.into(), &text))),
        4 => any::<i8>().prop_map(|n| increment(n.into())),
        4 => "[abc]".prop_map(|text| note(&text)),
        1 => Just(Action::Delete),
    ];
    prop_oneof![
        3 => (0..3usize, action).prop_map(|(at, action)| Step::Write(at, action)),
        2 => (0..3usize, 0..3usize).prop_map(|(one, other)| Step::Exchange(one, other)),
    ]
}

proptest! {
    #[test]
    fn shards_that_hold_the_same_show_the_same(steps in prop::collection::vec(step(), 0..40)) {
        let shards = [shard(1), shard(2), shard(3)];
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Write(at, action) => {
                    let present = document(&shards[*at]).is_some();
                    let fits = match action {
                        Action::Insert(_) => true,
                        Action::Seed(_) => !present,
                        Action::Patch { .. } | Action::Delete => present,
                    };
                    if fits {
                        write(&shards[*at], action, (*at as u64 + 1, number as u64 + 1));
                    }
                }
                Step::Exchange(one, other) if one != other => exchange(&shards[*one], &shards[*other]),
                Step::Exchange(..) => {}
            }
        }
        for _ in 0..2 {
            exchange(&shards[0], &shards[1]);
            exchange(&shards[1], &shards[2]);
            exchange(&shards[0], &shards[2]);
        }
        let shown = shards.each_ref().map(|shard| view(shard, ROW));
        prop_assert_eq!(&shown[0], &shown[1]);
        prop_assert_eq!(&shown[1], &shown[2]);
    }

    #[test]
    fn concurrent_increments_are_exact(amounts in prop::collection::vec((0..3usize, any::<i64>()), 0..30)) {
        let shards = [shard(1), shard(2), shard(3)];
        write(&shards[0], &Action::Insert(stock(5, "a")), (1, 9));
        exchange(&shards[0], &shards[1]);
        exchange(&shards[0], &shards[2]);
        let mut sum = 5_i64;
        for (at, amount) in amounts {
            write(&shards[at], &increment(amount), (at as u64 + 1, 3));
            sum = sum.wrapping_add(amount);
        }
        exchange(&shards[0], &shards[1]);
        exchange(&shards[1], &shards[2]);
        exchange(&shards[0], &shards[2]);
        for shard in &shards {
            let document = document(shard).expect("nobody deletes");
            prop_assert_eq!(document.get("quantity"), Some(&Value::Int(sum)));
        }
    }
}

/// Rows that several writers fill while they exchange now and then.
fn busy(seed: u64, rows: usize) -> Shard {
    let mut random = fastrand::Rng::with_seed(seed);
    let shards = [shard(1), shard(2), shard(3)];
    for step in 0..rows as u64 {
        let at = if step % 7 == 0 { random.usize(..3) } else { 0 };
        let name = format!("t{}", random.usize(..rows));
        let row = if shards[at].names().iter().any(|known| *known == name) {
            shards[at].row(&name)
        } else {
            Row::default()
        };
        let author = Author {
            writer: at as u64 + 1,
            incarnation: step + 1,
        };
        let action = Action::Insert(stock(random.i64(..), "ab"));
        write_row(&shards[at], (&name, row), &action, author);
        if random.u8(..) < 30 {
            exchange(&shards[random.usize(..2)], &shards[2]);
        }
    }
    exchange(&shards[0], &shards[1]);
    exchange(&shards[0], &shards[2]);
    let [first, ..] = shards;
    first
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pieces_of_any_size_end_at_rows_and_make_up_the_whole(seed in any::<u64>(), operations in 1..200usize, bytes in 200..4000usize) {
        let whole = busy(seed, 60);
        let copy = shard(9);
        let mut known = HashSet::new();
        let mut pieces = 0;
        while let Some(chunk) = whole.chunk(&copy.version(), (operations, bytes)).expect("a piece can be exported") {
            let imported = copy.import(&chunk.update).expect("a piece can be imported");
            prop_assert!(!imported.gap, "a piece holds what it builds on");
            prop_assert_eq!(&Shard::range_of(&chunk.update).expect("it says how far it goes").1, &{
                let mut end = chunk.end.clone();
                end.retain(|peer, _| Shard::range_of(&chunk.update).is_ok_and(|(_, end)| end.contains_key(peer)));
                end
            });
            for Touched { name, written } in imported.touched {
                let (row, digest) = written.expect("rows are maps");
                if known.insert(name.clone()) {
                    prop_assert_eq!(digest, copy.digest(&name), "what was written into a new row is all of it");
                    prop_assert_eq!(row.view(), view(&copy, &name));
                }
                // Inserts write all fields at once: half of one would lack some.
                let document = view(&copy, &name).expect("an insert is shown whole");
                prop_assert_eq!(document.len(), 5, "{}", name);
            }
            prop_assert_eq!(chunk.more, copy.version() != whole.version());
            pieces += 1;
        }
        prop_assert_eq!(copy.version(), whole.version());
        prop_assert!(pieces > 1 || operations > 100);
        for name in whole.names() {
            prop_assert_eq!(copy.digest(&name), whole.digest(&name));
        }
    }
}

/// `old` gives way to what `new` holds, as a device does that was reset.
fn rebased(old: &Shard, new: &Shard, own: u64, fresh: u64) -> Shard {
    let (bytes, _) = new.snapshot().expect("a snapshot is whole");
    let taken = Shard::from_snapshot(&bytes, fresh).expect("it loads");
    old.rebase_onto(&taken, own).expect("it can be rebased");
    taken
}

fn quantity(shard: &Shard) -> Option<Value> {
    document(shard).and_then(|document| document.get("quantity").cloned())
}

#[test]
fn a_copy_that_wrote_on_under_one_number_loses_nothing_of_either() {
    let original = shard(1);
    write(&original, &Action::Insert(stock(10, "a")), (1, 7));
    let (copied, _) = original.snapshot().expect("a snapshot is whole");
    let copy = Shard::from_snapshot(&copied, 1).expect("it loads");
    for _ in 0..3 {
        write(&original, &increment(1), (1, 8));
    }
    write(&original, &note("original"), (1, 8));
    write(&copy, &increment(100), (1, 8));
    let settled = rebased(&copy, &original, 1, 2);
    assert_eq!(
        quantity(&settled),
        Some(Value::Int(113)),
        "each increment counts once"
    );
    assert_eq!(
        document(&settled).and_then(|document| document.get("note").cloned()),
        Some("original".into())
    );
    exchange(&settled, &original);
    assert_eq!(document(&settled), document(&original));
    assert_eq!(settled.version(), original.version());
}

#[test]
fn a_device_behind_a_trim_brings_what_it_wrote_meanwhile() {
    let (full, stale) = (shard(1), shard(2));
    write(&full, &Action::Insert(stock(10, "a")), (1, 7));
    exchange(&full, &stale);
    for step in 0..50 {
        write(&full, &increment(1), (1, 8));
        write(&full, &note(&format!("n{step}")), (1, 8));
    }
    write(&stale, &increment(7), (2, 9));
    let all = full.version();
    let (_, trimmed) = full
        .trimmed(&all)
        .expect("it can be trimmed")
        .expect("there is history to trim");
    assert!(
        !stale.version().includes_vv(&trimmed.trimmed_to()),
        "it is behind"
    );
    assert_eq!(document(&trimmed), document(&full));
    let late = stale
        .updates_since(&VersionVector::new())
        .expect("it can be exported");
    assert!(matches!(trimmed.import(&late), Err(ShardError::Trimmed)));
    let settled = rebased(&stale, &trimmed, 2, 3);
    assert_eq!(quantity(&settled), Some(Value::Int(67)));
    let update = settled
        .updates_since(&trimmed.version())
        .expect("it can be exported");
    trimmed.import(&update).expect("it builds on what is there");
    assert_eq!(document(&trimmed), document(&settled));
}
