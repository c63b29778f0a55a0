//! The contract suite of repositories: what every [`Repository`] must do, through its public methods, the app's SQL and nothing else.
//!
//! An implementation writes a [`RepositoryFixture`] and one line, `repository_contract!(MyFixture::new())`, which makes one test of each case.

pub mod applying;
pub mod auditing;
pub mod bench;
pub mod constraints;
pub mod holding;
pub mod listening;
pub mod memory_fixture;
pub mod merging;
pub mod models;
pub mod noting;
pub mod preparing;
pub mod random;
pub mod recovering;
pub mod releasing;
pub mod restoring;
pub mod scope;
pub mod sending;
pub mod settling;

use std::{collections::BTreeMap, future::Future};

use ditto_sync_core::{
    column::Image, descriptor::ModelDescriptor, error::Source, id::DocumentId, repository::Repository,
};

use crate::app_change::AppChange;

/// One database of the implementation under test, with the tables of [`models::SCHEMA`], empty, with foreign keys
/// enforced. Each test gets a fixture of its own.
pub trait RepositoryFixture: Send {
    /// The implementation.
    type Repository: Repository;

    /// Opens the database, as a process does at its start. Asked twice, both are open.
    fn open(&mut self) -> impl Future<Output = Self::Repository> + Send;

    /// The process that had opened `repository` dies: nothing of it is closed in order, and all it had in memory is gone.
    fn crash(&mut self, repository: Self::Repository) -> impl Future<Output = ()> + Send;

    /// Commits a change of the app, on a connection that is the app's own.
    ///
    /// # Errors
    /// When the database refuses it; then nothing of it happened.
    fn change(&mut self, change: AppChange) -> impl Future<Output = Result<(), Source>> + Send;

    /// Commits a change that no capture trigger sees, as when a tool drops the triggers and makes them anew.
    ///
    /// # Errors
    /// When the database refuses it; then nothing of it happened.
    fn change_unseen(&mut self, change: AppChange) -> impl Future<Output = Result<(), Source>> + Send;

    /// The rows of a table, as the app sees them.
    fn rows(
        &mut self,
        model: &'static ModelDescriptor,
    ) -> impl Future<Output = BTreeMap<DocumentId, Image>> + Send;

    /// A number that is another one after anything was committed to the database by someone else than the app.
    fn writes(&mut self) -> impl Future<Output = u64> + Send;
}

/// Makes one `#[tokio::test]` of each case of the suite. The argument is an expression that makes a fresh [`RepositoryFixture`]; it is evaluated
/// once a test, in an async context.
#[macro_export]
macro_rules! repository_contract {
    ($fixture:expr) => {
        $crate::repository_contract!(@module $fixture;
            preparing: a_fresh_database_has_no_past, preparing_again_writes_nothing, the_state_is_what_the_next_start_finds,
                a_second_coordinator_on_the_same_handle_is_refused, a_second_coordinator_is_refused,
                a_closed_database_opens_again, changes_of_the_app_are_captured_while_nothing_runs, a_change_of_the_app_wakes,
                a_cancelled_wait_misses_nothing;
            sending: an_insert_is_sent_whole, an_update_is_sent_as_the_fields_that_differ, a_counter_is_sent_as_its_increment,
                a_delete_is_sent_against_its_base, a_row_deleted_and_inserted_again_is_a_new_insert,
                replace_and_upsert_over_a_row_are_updates, a_change_taken_back_sends_nothing, a_row_inserted_and_deleted_sends_nothing,
                nothing_to_send_writes_nothing, a_row_older_than_the_triggers_is_seeded_when_asked,
                a_changed_row_without_a_base_is_seeded_with_its_old_image, an_intent_has_at_most_the_operations_asked_for,
                composite_and_integer_ids_are_sent, several_tables_are_sent_in_one_intent, an_app_transaction_that_fails_is_not_captured,
                a_row_that_cannot_be_sent_is_set_aside;
            settling: an_intent_survives_a_crash, a_discarded_intent_leaves_its_rows_dirty, a_batch_number_is_never_used_twice,
                a_row_changed_meanwhile_stays_dirty_against_the_image_sent, a_row_deleted_meanwhile_stays_dirty,
                a_rejected_row_is_set_aside_until_it_changes, acknowledged_intents_are_retained;
            applying: a_new_document_becomes_a_row, a_changed_document_changes_a_clean_row, a_known_document_writes_nothing,
                a_deleted_document_deletes_a_clean_row, an_absent_document_that_was_never_known_says_nothing,
                the_last_of_several_documents_of_one_id_counts, marks_are_durable_with_the_batch, a_batch_may_take_several_transactions,
                an_unreadable_document_is_set_aside_alone, an_unreadable_document_does_not_make_its_row_go_round,
                applied_rows_are_not_local_changes, unseen_lists_rows_and_known_documents, unseen_lists_documents_that_did_not_come_in,
                pending_counts_by_collection;
            merging: different_fields_are_merged, a_field_changed_on_both_sides_keeps_the_local_value, counters_add_up,
                the_same_change_on_both_sides_leaves_a_clean_row, a_delete_wins_over_an_unsent_edit,
                a_delete_on_both_sides_leaves_nothing, a_delete_meets_an_unsent_insert, a_local_delete_meets_a_remote_edit,
                a_local_insert_meets_a_document, a_row_never_sent_gives_way_to_its_document, an_equal_row_is_adopted_without_a_word;
            constraints: children_come_before_their_parents_in_one_batch, an_orphan_waits_for_its_parent,
                an_orphan_does_not_hold_its_neighbours, a_parked_document_that_went_away_waits_no_longer,
                a_remote_delete_cascades_as_local_changes, parents_and_children_are_deleted_in_one_batch,
                a_row_in_the_way_holds_only_its_document;
            scope: a_document_out_of_scope_is_no_row, a_clean_row_leaves_with_its_document, a_known_row_out_of_scope_leaves,
                a_row_without_a_value_in_its_scope_stays_here_until_it_has_one, a_row_that_loses_its_place_is_sent_no_longer,
                all_or_any_fields_of_a_scope_have_to_be_null, a_row_older_than_the_triggers_may_stay_here_too, an_unreadable_document_of_elsewhere_is_set_aside_only_where_it_is_known,
                while_the_scope_is_not_known_nothing_is_seeded_taken_or_removed,
                a_dirty_row_is_sent_before_it_leaves, a_row_that_left_is_forgotten, a_row_that_is_kept_is_left_alone;
            recovering: another_store_leaves_everything_unsent, a_restored_file_reports_what_was_pending,
                a_store_behind_makes_lost_patches_pending_again, a_store_behind_makes_lost_inserts_pending_again,
                a_store_behind_makes_lost_deletes_pending_again;
            releasing: what_is_in_quarantine_is_listed_with_its_content, a_retried_row_is_sent_again_and_its_attempts_are_counted,
                a_discarded_update_goes_back_to_its_base, a_discarded_insert_is_removed, a_row_in_quarantine_is_mended_by_an_edit,
                an_edit_that_does_not_fit_changes_nothing, a_discarded_document_is_ignored_until_it_changes,
                an_edited_document_becomes_the_row_and_is_sent, an_edited_document_survives_a_crash,
                what_is_not_in_quarantine_cannot_be_released, a_row_is_traced, a_draft_leaves_out_what_it_is_told_to;
            listening: changes_of_the_app_are_heard, a_change_acknowledged_between_two_looks_is_heard, a_change_taken_back_is_heard,
                changes_of_the_store_are_heard, a_merge_is_heard, a_row_that_leaves_is_heard, only_what_is_listened_to_is_heard,
                a_cancelled_hearing_misses_nothing, what_changes_while_it_is_closed_is_heard, rows_are_read_and_selected,
                an_unreadable_row_is_listed_with_the_reason;
            holding: what_documents_would_do_is_told_and_not_done, a_parked_delete_weighs_nothing, a_rejected_delete_becomes_an_insert,
                a_rejected_overwrite_becomes_an_update, a_rejection_leaves_everything_else_alone, a_burst_is_durable;
            auditing: rows_that_agree_have_the_sums_of_their_documents, what_cannot_be_compared_is_left_out,
                a_change_that_no_trigger_saw_shows_in_its_bucket, what_is_forgotten_takes_its_document_again,
                a_dirty_row_is_not_forgotten;
            noting: what_has_not_changed_is_not_noted, a_forgotten_row_takes_its_document,
                a_forgotten_row_that_changes_is_seeded_first, seeding_is_counted_and_done_once, a_row_whose_document_did_not_fit_is_seeded_when_that_is_gone, a_reset_has_tables_be_looked_through_again,
                only_what_is_asked_for_is_seeded;
            restoring: a_missing_row_is_restored_and_not_sent, what_is_there_is_left_alone, restored_children_find_their_parents,
                a_document_that_does_not_fit_is_told_alone, a_dry_restore_changes_nothing;
            random: the_base_is_what_was_last_agreed_on, counters_equal_the_sum_of_all_increments, it_agrees_with_the_repository_in_memory;
        );
    };
    (@module $fixture:expr; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            #[expect(unused_imports, reason = "what the fixture's expression names; not every expression needs it")]
            use super::*;

            $(#[tokio::test]
            async fn $case() {
                $crate::contract::repository::$module::$case($fixture).await;
            })+
        })+
    };
}
