//! The simulation: seeded schedules of everything that can go wrong, on both kinds of stores.

mod model;
mod mutations;

use ditto_sync_testkit::{
    Flavor,
    models::{SIMULATED, SIMULATED_CHILD, SIMULATED_KEPT, STOCK},
    simulation::{Schedule, Simulation},
};

/// Schedules of the default run, on both flavors together: of one table, of two, and of one whose rows stay when they leave the scope.
const SCHEDULES: u64 = 5_000;
const RELATED_SCHEDULES: u64 = 4_000;
const KEPT_SCHEDULES: u64 = 1_000;

pub(crate) fn simulation() -> Simulation {
    Simulation::new(&SIMULATED)
        .expect("the model is made for it")
        .with_command("cargo test -p ditto-sync-testkit --test it simulation::replay -- --nocapture")
}

/// Parents and children; a CHECK on one device; another program.
pub(crate) fn related() -> Simulation {
    simulation()
        .with_children(&SIMULATED_CHILD, &["parent"])
        .expect("the models are made for it")
        .with_command("cargo test -p ditto-sync-testkit --test it simulation::replay_related -- --nocapture")
}

/// Rows stay in the table when they leave the scope.
pub(crate) fn kept() -> Simulation {
    Simulation::new(&SIMULATED_KEPT)
        .expect("the model is made for it")
        .with_command("cargo test -p ditto-sync-testkit --test it simulation::replay_kept -- --nocapture")
}

/// 10,000 schedules; another number, or one seed alone, on request of the environment.
#[test]
fn replay() {
    simulation().check(SCHEDULES);
}

#[test]
fn replay_related() {
    related().check(RELATED_SCHEDULES);
}

#[test]
fn replay_kept() {
    kept().check(KEPT_SCHEDULES);
}

#[test]
fn a_seed_is_one_schedule_and_one_outcome() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        for seed in 0..50 {
            assert_eq!(Schedule::generate(seed), Schedule::generate(seed));
            let once = simulation().try_seed(flavor, seed).expect("all invariants hold");
            let again = simulation().try_seed(flavor, seed).expect("all invariants hold");
            assert_eq!(once, again, "{flavor:?}, seed {seed}");
        }
    }
}

/// A write brought a row into the scope, and a peer's delete took it away before the observation looked: that it came and went nobody reports, and the row stayed.
#[test]
fn a_row_that_is_deleted_while_it_enters_the_observed_query_goes() {
    if let Err(failure) = simulation().run(Flavor::Ditto, 9771) {
        panic!("{failure}");
    }
}

/// A row that was never sent waited for its parent's document; that document went, and the row was never offered to the store.
#[test]
fn a_row_whose_document_never_fitted_is_seeded_once_that_is_gone() {
    if let Err(failure) = related().run(Flavor::Ditto, 273) {
        panic!("{failure}");
    }
}

/// A clone whose store is new seeds a row that was deleted meanwhile. Over the tombstone nobody sees the seed, so no observation reports it, and the row
/// stayed.
#[test]
fn a_seed_over_a_tombstone_outside_the_observed_query_takes_its_row_along() {
    for flavor in [Flavor::Ditto, Flavor::Mesh] {
        if let Err(failure) = simulation().run(flavor, 7665) {
            panic!("{failure}");
        }
    }
}

/// A parent left the scope and took its child along, which was in scope itself: nothing waited for the parent, and the child did not come back with it.
#[test]
fn a_child_that_went_with_a_parent_out_of_the_scope_waits_for_it() {
    if let Err(failure) = related().run(Flavor::Ditto, 193) {
        panic!("{failure}");
    }
}

/// A document was in quarantine when the device went to another scope, and was deleted meanwhile: nothing looked at it again, so that its record stayed for ever.
#[test]
fn a_document_in_quarantine_that_is_gone_is_forgotten() {
    if let Err(failure) = related().run(Flavor::Ditto, 4128) {
        panic!("{failure}");
    }
}

/// Another program made a document unreadable and moved it out of the scope in one write, while its row had a change: no observation told when it was mended.
#[test]
fn a_document_in_quarantine_that_moved_away_is_looked_at_until_it_is_mended() {
    if let Err(failure) = related().run(Flavor::Ditto, 5584) {
        panic!("{failure}");
    }
}

/// Two that were no bugs but of the simulation: a copy of a database has its constraints too, and what an old copy lacks is not told by numbers that also count downwards.
#[test]
fn copies_of_databases_are_judged_by_what_they_hold() {
    for seed in [9545, 33_504] {
        if let Err(failure) = related().run(Flavor::Ditto, seed) {
            panic!("{failure}");
        }
    }
}

#[test]
fn other_models_are_simulated_too() {
    Simulation::new(&STOCK)
        .expect("it has registers and a counter")
        .check(400);
}
