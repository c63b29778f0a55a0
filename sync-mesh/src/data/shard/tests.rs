//! Rows of several shards that exchange updates in any order.

use ditto_sync_core::{document::Document, id::DocumentId, intent::Action, value::Value};
use ditto_sync_testkit::models::STOCK;
use proptest::prelude::*;

use super::{Shard, ShardError};
use crate::data::{Row, root_name, row::Author};

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
    shard
        .write(|map| row.write(&map(ROW), &STOCK, action, author))
        .expect("a row can be written")
}

fn document(shard: &Shard) -> Option<Document> {
    shard.row(ROW).document(&STOCK)
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
    assert_eq!((imported.touched, imported.gap), (vec![ROW.to_owned()], false));
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
    let again = Shard::from_snapshot(&one.snapshot().expect("a snapshot is whole"), 1).expect("it loads");
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
        shard
            .write(|map| Row::default().write(&map(&name), &STOCK, &action, author))
            .expect("every id can be written");
        assert!(shard.row(&name).document(&STOCK).is_some());
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
        let shown = shards.each_ref().map(|shard| shard.row(ROW).view());
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
