//! What counts as a mass change, and when one is held, without a coordinator.

use super::*;
use crate::{descriptor::FieldDescriptor, store::Cursor};

static MODEL: ModelDescriptor = ModelDescriptor::new(
    "Note",
    "notes",
    "notes",
    &[FieldDescriptor::of::<i64>("id", "id", "id")],
    &[],
);

const START: Moment = Moment(Duration::from_secs(100));

fn holds(burst: Option<&Burst>) -> Holds {
    Holds::new(&[&MODEL], &SyncConfig::adaptive(), [burst].into_iter())
}

fn absent(id: i64) -> InboundItem {
    InboundItem {
        model: &MODEL,
        id: DocumentId::integer(id),
        incoming: Incoming::Absent,
    }
}

/// Meets deletes of a table of 1,000 rows; how many went through, and whether the limit was passed.
fn meet(holds: &mut Holds, ids: std::ops::Range<i64>, now: Moment) -> (usize, bool) {
    let asked: Vec<_> = ids.map(absent).filter(|item| holds.asks_about(0, item)).collect();
    let mut sight = Sight {
        rows: 1000,
        effects: asked
            .iter()
            .map(|item| (IdHash::of(&item.id), Effect::Delete))
            .collect(),
    };
    let (waits, tripped) = holds.judge(0, &mut sight, (None, now));
    if !waits {
        return (asked.len(), tripped);
    }
    for item in asked {
        holds.hold(0, item.id, Effect::Delete);
    }
    (0, tripped)
}

fn cursor(at: u8) -> Mark {
    Mark::Cursor("notes", Some(Cursor(vec![at])))
}

#[test]
fn a_few_deletes_go_straight_through() {
    let mut holds = holds(None);
    assert_eq!(meet(&mut holds, 0..62, START), (62, false));
    assert!(holds.is_quiet() && holds.next_due(START).is_none());
}

#[test]
fn the_pieces_of_a_mass_delete_are_gathered_until_they_pass_the_limit() {
    let mut holds = holds(None);
    assert_eq!(meet(&mut holds, 0..256, START), (0, false));
    assert!(!holds.is_held(0));
    assert_eq!(meet(&mut holds, 200..512, START), (0, true), "an id counts once");
    assert!(holds.is_held(0));
    assert_eq!(meet(&mut holds, 512..600, START), (0, false), "told once");
    assert_eq!(holds.count(0), 600);
    assert_eq!(holds.apart_with(&RowSet::new()).len(), 600);
    let described = holds.describe(0);
    assert_eq!(
        (
            described.deletes,
            described.overwrites,
            described.rows,
            described.sample.len()
        ),
        (600, 0, 1000, HELD_SAMPLE)
    );
}

#[test]
fn what_was_gathered_goes_in_once_no_more_follows() {
    let mut holds = holds(None);
    meet(&mut holds, 0..100, START);
    let later = START.after(BURST_QUIET / 2);
    meet(&mut holds, 100..200, later);
    assert_eq!(holds.gathered(START.after(BURST_QUIET)), Vec::<usize>::new());
    assert_eq!(holds.next_due(later), Some(BURST_QUIET));
    assert_eq!(holds.gathered(later.after(BURST_QUIET)), vec![0]);
    let mut ids = holds.let_through(0, true);
    ids.sort();
    assert_eq!(ids.len(), 200);
    assert!(
        !ids.iter().any(|id| holds.asks_about(0, &absent_of(id))),
        "they pass unasked"
    );
    // What follows at once counts together with them.
    assert_eq!(meet(&mut holds, 200..600, later), (0, true));
    assert!(
        ids.iter().all(|id| holds.asks_about(0, &absent_of(id))),
        "and they belong to it"
    );
}

fn absent_of(id: &DocumentId) -> InboundItem {
    InboundItem {
        id: id.clone(),
        ..absent(0)
    }
}

#[test]
fn gathering_ends_however_slowly_more_drips_in() {
    let mut holds = holds(None);
    meet(&mut holds, 0..100, START);
    let mut now = START;
    for id in 100..120 {
        now = now.after(BURST_QUIET / 2);
        meet(&mut holds, id..id + 1, now);
    }
    assert_eq!(holds.gathered(START.after(BURST_GATHERED_MAX)), vec![0]);
}

#[test]
fn marks_are_withheld_until_nothing_is_held_or_on_its_way() {
    let mut holds = holds(None);
    meet(&mut holds, 0..600, START);
    assert_eq!(
        holds.marks(&[cursor(1), Mark::AwaitPeer(false)], &[]),
        (vec![Mark::AwaitPeer(false)], vec![])
    );
    assert_eq!(holds.marks(&[cursor(2)], &[]), (vec![], vec![]));
    let ids = holds.let_through(0, false);
    let passed: Vec<_> = ids.iter().map(|id| (0, IdHash::of(id))).collect();
    assert_eq!(holds.marks(&[], &passed[..599]), (vec![], vec![]));
    assert_eq!(
        holds.marks(&[cursor(3)], &passed),
        (vec![cursor(2), cursor(3)], vec![0]),
        "the newest of each kind"
    );
    assert!(!holds.is_quiet(), "a batch may fail");
    holds.applied(&passed, &[0]);
    assert!(holds.is_quiet());
}

#[test]
fn a_document_that_is_back_is_held_no_longer_and_an_empty_hold_ends() {
    let mut holds = holds(None);
    meet(&mut holds, 0..600, START);
    for id in 0..600 {
        holds.let_go(0, IdHash::of(&DocumentId::integer(id)));
    }
    assert!(holds.is_held(0), "until all that waits has been looked at");
    assert!(holds.apart_with(&RowSet::new()).is_empty());
    assert!(holds.is_over(0));
    holds.open(0);
    assert!(holds.is_quiet());
}

#[test]
fn a_hold_on_record_holds_whatever_comes() {
    let burst = Burst {
        held: true,
        ..Burst::new(SystemTime::UNIX_EPOCH)
    };
    let mut holds = holds(Some(&burst));
    assert!(holds.is_held(0));
    assert_eq!(meet(&mut holds, 0..1, START), (0, false));
    assert_eq!(holds.count(0), 1);
    let off = SyncConfig::adaptive().mass_change_limit(None);
    let unlimited = Holds::new(&[&MODEL], &off, [Some(&burst)].into_iter());
    assert!(!unlimited.is_held(0) && !unlimited.asks_about(0, &absent(1)));
}

#[test]
fn what_is_exempt_passes_uncounted() {
    let mut holds = holds(None);
    let ids: Vec<_> = (0..600).map(DocumentId::integer).collect();
    holds.exempt(0, ids.iter());
    assert!(!holds.asks_about(0, &absent(5)));
    assert_eq!(holds.passes(0, IdHash::of(&ids[5])), Some(None));
    assert_eq!(meet(&mut holds, 600..650, START), (50, false));
}
