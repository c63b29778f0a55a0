//! The schedules of the executable model, replayed: the real coordinators meet the same apps, network, crashes and accidents. All invariants hold, and the
//! final rows are those of the model wherever no timing decides.
//!
//! A step of the model is one atomic action, here it is a few awaits, so the two runs drift apart, and a change may not apply in one of them, or meet other
//! changes. A row is compared when it had the same history in both runs, as far as the result depends on it: the same changes, none of them reported or thrown
//! away; every insert and delete ordered against all other changes; and for each register one write that had met all others. Schedules that clone a
//! device are compared in no row, because whether the clone takes place depends on timing.
//!
//! A line of the files is one schedule: seed; scenario; scopes; skews; rows there before; actions; changes (tag, row, kind, tags met, `!` when reported or thrown
//! away); final rows (device, row, three registers, counter as tags and how often each counts).

use std::collections::{BTreeMap, BTreeSet};

use ditto_sync_core::column::{ColumnValue, Image};
use ditto_sync_testkit::{
    Flavor,
    simulation::{Action, AppKind, Outcome, Scenario, Schedule, ScheduleSetup, ScopeSides},
};

use super::simulation;

/// Awaits for one step of the model.
const POLLS: usize = 4;
/// Fewest rows of each file that must be comparable, so that the comparison means something.
const COMPARED_MIN: usize = 200;

/// A change: its kind (`None`: there before) and the changes it had met.
type Changes = BTreeMap<u32, (Option<AppKind>, BTreeSet<u32>)>;
/// A row: three registers, and how often each change is in its counter.
type Row = ([i64; 3], BTreeMap<u32, i64>);

struct Model {
    seed: u64,
    schedule: Schedule,
    /// By row; `None` when one of them was reported or thrown away.
    changes: [Option<Changes>; 2],
    /// By device and row.
    rows: BTreeMap<(usize, usize), Row>,
}

#[test]
fn schedules_of_the_model_end_alike_on_a_ditto_store() {
    replay(Flavor::Ditto, include_str!("model_schedules_ditto.txt"));
}

#[test]
fn schedules_of_the_model_end_alike_on_a_mesh_store() {
    replay(Flavor::Mesh, include_str!("model_schedules_mesh.txt"));
}

fn replay(flavor: Flavor, file: &str) {
    let simulation = simulation();
    let mut compared = 0;
    for line in file.lines() {
        let model = Model::read(line);
        let outcome = simulation
            .run_schedule(flavor, &model.schedule)
            .unwrap_or_else(|failure| panic!("schedule {} of the model: {failure}", model.seed));
        let clones = |action: &Action| matches!(action, Action::Clone(..));
        if model.schedule.actions.iter().any(clones) {
            continue;
        }
        for row in 0..2 {
            if model.is_comparable(&outcome, row) {
                compared += 1;
                model.compare(&outcome, row);
            }
        }
    }
    assert!(
        compared >= COMPARED_MIN,
        "{flavor:?}: only {compared} rows were comparable"
    );
}

impl Model {
    fn is_comparable(&self, outcome: &Outcome, row: usize) -> bool {
        let committed = outcome.committed.iter().filter(|(_, change)| change.row == row);
        let ours: Changes = committed
            .map(|(tag, change)| (*tag, (change.kind, change.past.iter().copied().collect())))
            .collect();
        let Some(theirs) = &self.changes[row] else {
            return false;
        };
        let same = ours
            .iter()
            .map(|(tag, (kind, _))| (tag, kind))
            .eq(theirs.iter().map(|(tag, (kind, _))| (tag, kind)));
        let reported = ours.keys().any(|tag| outcome.reported.contains(tag));
        same && !ours.is_empty() && !reported && is_ordered(&ours) && is_ordered(theirs)
    }

    fn compare(&self, outcome: &Outcome, row: usize) {
        for (device, rows) in outcome.rows.iter().enumerate() {
            let id = if row == 0 { "x" } else { "y" };
            let ours = rows.iter().find(|(found, _)| found.to_string() == id);
            let ours = ours.map(|(_, image)| content(outcome, row, image));
            let theirs = self.rows.get(&(device, row)).cloned();
            assert_eq!(
                ours, theirs,
                "row {id} of device {device} in schedule {} of the model",
                self.seed
            );
        }
    }

    fn read(line: &str) -> Self {
        let parts: Vec<&str> = line.split(';').collect();
        let words = |at: usize| parts[at].split_whitespace();
        let scopes = parts[2].chars().map(sides).collect();
        let setup = ScheduleSetup {
            scopes,
            skews: words(3).map(|skew| skew.parse().unwrap()).collect(),
            clones: words(4)
                .map(|clone| {
                    let numbers = numbers(clone);
                    (numbers[0], numbers[1], u32::try_from(numbers[2]).unwrap())
                })
                .collect(),
            operations_max: 3,
        };
        let schedule = Schedule {
            scenario: scenario(parts[1]),
            setup,
            actions: words(5).map(action).collect(),
        };
        let mut changes = [Some(Changes::new()), Some(Changes::new())];
        for word in words(6) {
            let fields: Vec<&str> = word.trim_end_matches('!').split('.').collect();
            let of_row = &mut changes[fields[1].parse::<usize>().unwrap()];
            if word.ends_with('!') {
                *of_row = None;
            } else if let Some(of_row) = of_row {
                let past = fields[3].split('+').filter(|tag| !tag.is_empty());
                let past = past.map(|tag| tag.parse().unwrap()).collect();
                of_row.insert(fields[0].parse().unwrap(), (kind(fields[2]), past));
            }
        }
        let rows = words(7).map(|word| {
            let fields: Vec<&str> = word.split('.').collect();
            let at = |at: usize| fields[at].parse::<i64>().unwrap();
            let key = (fields[0].parse().unwrap(), fields[1].parse().unwrap());
            let counted = fields[5].split('+').filter(|change| !change.is_empty());
            let counted = counted.map(|change| {
                let (tag, times) = change.split_once('*').unwrap();
                (tag.parse().unwrap(), times.parse().unwrap())
            });
            (key, ([at(2), at(3), at(4)], counted.collect()))
        });
        Self {
            seed: parts[0].parse().unwrap(),
            schedule,
            changes,
            rows: rows.collect(),
        }
    }
}

/// Whether nothing in this history leaves the result to timing.
fn is_ordered(changes: &Changes) -> bool {
    let met = |one: &u32, other: &u32| changes[one].1.contains(other);
    let whole = |kind: Option<AppKind>| {
        matches!(
            kind,
            None | Some(AppKind::Insert | AppKind::Reinsert | AppKind::Delete)
        )
    };
    let inserts_and_deletes = changes.keys().filter(|tag| whole(changes[*tag].0)).all(|one| {
        changes
            .keys()
            .all(|other| one == other || met(one, other) || met(other, one))
    });
    inserts_and_deletes
        && (0..3).all(|register| {
            let writers: Vec<_> = changes
                .keys()
                .filter(|tag| writes(changes[*tag].0, register))
                .collect();
            writers
                .iter()
                .any(|last| writers.iter().all(|other| other == last || met(last, other)))
        })
}

fn writes(kind: Option<AppKind>, register: usize) -> bool {
    use AppKind::{A, AIncrement, Ab, B, Insert, Move, Reinsert, Replace, Same};
    match (kind, register) {
        (None | Some(Insert | Reinsert), _) => true,
        (Some(kind), 0) => matches!(kind, A | Ab | Replace | AIncrement | Same),
        (Some(kind), 1) => matches!(kind, B | Ab | Replace),
        (Some(kind), _) => kind == Move,
    }
}

fn content(outcome: &Outcome, row: usize, image: &Image) -> Row {
    let integer = |at: usize| match &image[at] {
        ColumnValue::Integer(integer) => *integer,
        other => panic!("no column of the model holds {other:?}"),
    };
    let changes = outcome.committed.iter().filter(|(_, change)| change.row == row);
    let counted = changes.filter_map(|(tag, change)| {
        let digit = change.digit?;
        let times = balanced(integer(4 + digit / 15), digit % 15);
        (times != 0).then_some((*tag, times))
    });
    ([integer(0), integer(1), integer(2)], counted.collect())
}

/// A digit of a number in base 16, from -8 to 7.
fn balanced(mut number: i64, place: usize) -> i64 {
    for _ in 0..place {
        number = (number - balanced(number, 0)) / 16;
    }
    (number + 8).rem_euclid(16) - 8
}

fn action(word: &str) -> Action {
    let (what, rest) = word.split_at(1);
    if what == "A" || what == "K" {
        let fields: Vec<&str> = rest.split('.').collect();
        let number = |at: usize| fields[at].parse::<usize>().unwrap();
        let tag = fields[fields.len() - 1].parse().unwrap();
        return match what {
            "A" => Action::App(number(0), kind(fields[1]).unwrap(), number(2), tag),
            _ => Action::Clone(number(0), number(1), kind(fields[2]).unwrap(), number(3), tag),
        };
    }
    if let ("X", Some((device, scope))) = (what, rest.split_once('.')) {
        return Action::Context(device.parse().unwrap(), sides(scope.chars().next().unwrap()));
    }
    let numbers = numbers(rest);
    match what {
        "S" => Action::Step(numbers[0], POLLS),
        ">" => Action::Send(numbers[0], numbers[1]),
        "<" => Action::Deliver(numbers[0], numbers[1], numbers[2], numbers[3] == 1),
        "C" => Action::Crash(numbers[0]),
        "M" => Action::Missed(numbers[0]),
        "V" => Action::Save(numbers[0]),
        "R" => Action::Restore(numbers[0]),
        "N" => Action::NewStore(numbers[0]),
        "P" => Action::PowerLoss(numbers[0], numbers[1]),
        other => panic!("the model has no action {other}"),
    }
}

fn numbers(word: &str) -> Vec<usize> {
    word.split('.').map(|number| number.parse().unwrap()).collect()
}

fn sides(letter: char) -> ScopeSides {
    match letter {
        'F' => ScopeSides::First,
        'S' => ScopeSides::Second,
        _ => ScopeSides::Both,
    }
}

fn kind(name: &str) -> Option<AppKind> {
    Some(match name {
        "seed" => return None,
        "insert" => AppKind::Insert,
        "delete" => AppKind::Delete,
        "reinsert" => AppKind::Reinsert,
        "a" => AppKind::A,
        "b" => AppKind::B,
        "ab" => AppKind::Ab,
        "inc" => AppKind::Increment,
        "a_inc" => AppKind::AIncrement,
        "set" => AppKind::Set,
        "replace" => AppKind::Replace,
        "touch" => AppKind::Touch,
        "move" => AppKind::Move,
        "same" => AppKind::Same,
        other => panic!("the model has no change {other}"),
    })
}

fn scenario(name: &str) -> Scenario {
    match name {
        "plain" => Scenario::Plain,
        "delete" => Scenario::Delete,
        "counter" => Scenario::Counter,
        "seed" => Scenario::Seed,
        "scope" => Scenario::Scope,
        "restore" => Scenario::Restore,
        "aba" => Scenario::Aba,
        "power" => Scenario::Power,
        _ => Scenario::Mixed,
    }
}
