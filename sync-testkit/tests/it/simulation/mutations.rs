//! The simulation finds what it should find: with any one rule of the mirror switched off some schedule fails.

use ditto_sync_core::rules::{Rule, without};
use ditto_sync_testkit::{
    Flavor,
    simulation::{Action, AppKind, Scenario, Schedule, ScheduleSetup, ScopeSides},
};

use super::simulation;

/// Schedules in which a missing rule has to show.
const SCHEDULES: u64 = 20_000;

/// Whether some schedule fails without the rule.
fn is_noticed(flavor: Flavor, rule: Rule) -> bool {
    let simulation = simulation();
    without(rule, || {
        (0..SCHEDULES).any(|seed| simulation.try_seed(flavor, seed).is_err())
    })
}

/// Stores without husks, or that sync what they write, do not need these; stores without cursors compare everything at each start.
fn is_needed(flavor: Flavor, rule: Rule) -> bool {
    match rule {
        // Seeds meet it once in thousands of schedules: it has a schedule of its own.
        Rule::NoHuskGc => false,
        Rule::Husk | Rule::Retain => flavor == Flavor::Ditto,
        Rule::ScopeMark => flavor == Flavor::Mesh,
        _ => true,
    }
}

fn every_rule_is_needed(flavor: Flavor) {
    let needed = Rule::ALL.iter().copied().filter(|rule| is_needed(flavor, *rule));
    let unnoticed: Vec<_> = needed.filter(|rule| !is_noticed(flavor, *rule)).collect();
    assert!(unnoticed.is_empty(), "nothing fails without {unnoticed:?}");
}

#[test]
fn no_rule_is_left_out_but_the_one_with_a_schedule_of_its_own() {
    let nowhere = |rule: &Rule| {
        let flavors = [Flavor::Ditto, Flavor::Mesh];
        flavors.iter().all(|flavor| !is_needed(*flavor, *rule))
    };
    let left_out: Vec<_> = Rule::ALL.iter().copied().filter(nowhere).collect();
    assert_eq!(left_out, [Rule::NoHuskGc]);
}

#[test]
fn every_rule_is_needed_on_a_ditto_store() {
    every_rule_is_needed(Flavor::Ditto);
}

#[test]
fn every_rule_is_needed_on_a_mesh_store() {
    every_rule_is_needed(Flavor::Mesh);
}

/// One device deletes and inserts a row again, a second one edits the deleted row, a third one gets the delete and the edit: a husk.
#[test]
fn cleaning_up_a_husk_would_kill_an_insert_it_has_not_seen() {
    const FAR: usize = 1000;
    let setup = ScheduleSetup {
        scopes: vec![ScopeSides::Both; 3],
        skews: vec![0; 3],
        clones: Vec::new(),
        operations_max: 1000,
    };
    let actions = vec![
        Action::App(0, AppKind::Insert, 0, 1),
        Action::Step(0, FAR),
        Action::Send(0, 1),
        Action::Deliver(0, 1, 0, false),
        Action::Send(0, 2),
        Action::Deliver(0, 2, 0, false),
        Action::Step(1, FAR),
        Action::Step(2, FAR),
        Action::App(0, AppKind::Delete, 0, 2),
        Action::Step(0, FAR),
        Action::App(1, AppKind::A, 0, 3),
        Action::Step(1, FAR),
        Action::Send(0, 2),
        Action::Deliver(0, 2, 0, false),
        Action::Send(1, 2),
        Action::Deliver(1, 2, 0, false),
        Action::App(0, AppKind::Insert, 0, 4),
        Action::Step(0, FAR),
        Action::Step(2, FAR),
    ];
    let schedule = Schedule {
        scenario: Scenario::Delete,
        setup,
        actions,
    };
    let simulation = simulation();
    if let Err(failure) = simulation.run_schedule(Flavor::Ditto, &schedule) {
        panic!("{failure}");
    }
    let failure = without(Rule::NoHuskGc, || {
        simulation.run_schedule(Flavor::Ditto, &schedule)
    })
    .expect_err("the insert is gone");
    assert!(failure.to_string().contains("nobody deleted it"), "{failure}");
}
