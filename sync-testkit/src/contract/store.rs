//! The contract suite of [`DocumentStore`]: what every store must pass, whatever the engine.
//!
//! Implement [`StoreFixture`] for your engine and either call [`check_store`], or let [`store_contract!`](crate::store_contract) make one test of
//! each case. The cases need a tokio runtime with time.

mod conditions;
mod observing;
mod peers;
mod reading;
mod session;
mod writing;

use ditto_sync_core::{descriptor::ModelDescriptor, store::DocumentStore};

use crate::models::STOCK;

/// How the suite gets stores of one engine.
///
/// Cases use names of their own, so one fixture may serve them all, also at the same time.
pub trait StoreFixture: Send + Sync {
    /// The store under test.
    type Store: DocumentStore;

    /// The model of the cases: [`STOCK`], or [`BRANCH_STOCK`](crate::models::BRANCH_STOCK), which has a scope, for stores to which that makes a difference.
    fn stock(&self) -> &'static ModelDescriptor {
        &STOCK
    }

    /// Opens the store of this name, empty at first.
    fn open(&self, name: &str) -> impl Future<Output = Self::Store> + Send;

    /// Closes the store and opens it again, as a restart of the app does.
    fn reopen(&self, name: &str, store: Self::Store) -> impl Future<Output = Self::Store> + Send;

    /// Whether stores of this fixture can exchange with each other. Without it the cases about peers have nothing to check.
    fn has_peers(&self) -> bool {
        false
    }

    /// Lets the two exchange. Stores that were just opened may exchange already.
    fn connect(&self, one: &Self::Store, other: &Self::Store) -> impl Future<Output = ()> + Send {
        let _ = (one, other);
        async {}
    }

    /// Keeps the two from exchanging.
    fn disconnect(&self, one: &Self::Store, other: &Self::Store) -> impl Future<Output = ()> + Send {
        let _ = (one, other);
        async {}
    }

    /// Waits until the two, which are connected, hold the same.
    fn settle(&self, one: &Self::Store, other: &Self::Store) -> impl Future<Output = ()> + Send {
        let _ = (one, other);
        async {}
    }
}

/// The cases, each an `async fn(&impl StoreFixture)` that panics when the contract is broken.
pub mod cases {
    pub use super::{conditions::*, observing::*, peers::*, reading::*, writing::*};
}

/// Hands the names of all cases to a macro.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ($then:path { $($argument:tt)* }) => {
        $then! {
            { $($argument)* }
            an_insert_is_read_back_exactly
            a_patch_touches_only_its_fields
            increments_add_up
            increments_wrap_at_the_ends_of_an_integer
            an_insert_replaces_the_whole_document
            an_insert_restarts_counters
            a_deleted_document_is_absent
            a_deleted_document_can_be_inserted_again
            a_seed_fills_what_is_absent
            a_write_beats_the_seed_below_it
            a_seed_over_a_deleted_document_leaves_nothing
            a_thousand_operations_apply_as_one_batch
            every_kind_of_id_names_its_own_document
            collections_do_not_share_ids
            an_invalid_value_is_rejected_and_nothing_applied
            a_stale_operation_refuses_the_whole_batch
            all_stale_ids_come_back
            a_seed_of_an_existing_document_is_stale
            a_document_without_its_anchor_is_absent
            a_batch_applies_once
            a_batch_applies_once_across_a_restart
            a_refused_batch_is_not_the_last_applied
            identity_survives_a_restart
            replicas_are_told_apart
            fetch_answers_in_the_order_asked
            a_scan_is_complete
            a_scan_honours_its_query
            documents_survive_a_restart
            an_evicted_document_is_gone_here
            own_writes_are_observed
            a_hash_that_comes_with_a_change_is_that_of_the_document
            what_an_observation_has_seen_is_so_or_is_reported
            changes_are_coalesced
            only_matching_documents_are_observed
            an_own_write_is_observed_whatever_became_of_the_document
            a_seed_that_nobody_sees_is_observed
            several_observations_see_the_same_change
            a_dropped_observation_disturbs_nobody
            a_cancelled_wait_loses_nothing
            an_observation_resumes_from_its_cursor
            an_observation_resumes_after_a_restart
            the_cursor_of_another_store_is_lost
            a_scan_and_its_cursor_are_of_one_moment
            writes_of_a_peer_arrive_and_are_observed
            a_document_of_a_peer_that_matched_for_a_while_is_observed
            concurrent_edits_of_different_fields_both_survive
            concurrent_edits_of_one_field_end_alike
            concurrent_increments_add_up
            a_delete_wins_over_a_concurrent_edit
            a_document_inserted_again_is_a_new_one_everywhere
            seeds_of_clones_share_their_counters
            a_seed_loses_to_an_older_write_of_a_peer
            a_write_computed_before_a_merge_is_stale
            a_frontier_is_covered_once_it_has_arrived
            a_batch_is_confirmed_once_a_peer_holds_it
        }
    };
}

/// Makes one `#[tokio::test]` of each case of the contract. The expression makes the fixture; it is evaluated for each test.
///
/// ```text
/// mod contract {
///     ditto_sync_testkit::store_contract!(super::MyFixture::new());
/// }
/// ```
#[macro_export]
macro_rules! store_contract {
    ($fixture:expr) => {
        $crate::__store_cases! { $crate::__store_tests { $fixture } }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests {
    ({ $fixture:expr } $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::contract::store::cases::$case(&$fixture).await;
            }
        )*
    };
}

macro_rules! run_cases {
    ({ $fixture:ident } $($case:ident)*) => {
        $(
            tracing::info!(case = stringify!($case), "checking the store contract");
            Box::pin(cases::$case($fixture)).await;
        )*
    };
}

/// Runs all cases, one after another.
///
/// # Panics
/// When the store breaks the contract; the message says how.
pub async fn check_store<F: StoreFixture>(fixture: &F) {
    crate::__store_cases! { run_cases { fixture } }
}
