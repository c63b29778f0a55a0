//! Is this the store, and is this the database, of last time? [`compare`] decides from what both remember.

use crate::{
    repository::{Recovery, SyncState},
    rules::{Rule, off},
    store::StoreIdentity,
};

/// Compares what the database remembers of the store with what the store remembers of the database.
///
/// `None`: both go on where they stopped. Otherwise one of them was replaced or lost its end; see [`Recovery`]. The order of the questions matters: another store's batch
/// numbers say nothing.
#[must_use]
pub fn compare(state: &SyncState, identity: &StoreIdentity) -> Option<Recovery> {
    if off(Rule::Identity) {
        return None;
    }
    if state.store.as_ref().is_some_and(|store| *store != identity.store) {
        return Some(Recovery::OtherStore);
    }
    let last = identity.last_applied;
    let in_flight = state.in_flight.as_ref().map(|intent| intent.batch.sequence);
    if last == state.acknowledged || (last.is_some() && last == in_flight) {
        return None;
    }
    if !off(Rule::Retain) && state.retained.iter().any(|(before, _)| *before == last) {
        return Some(Recovery::StoreBehind { last_applied: last });
    }
    Some(Recovery::RestoredFile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        intent::{BatchId, Intent, ReplicaId},
        store::StoreId,
    };

    fn state(
        acknowledged: Option<u64>,
        in_flight: Option<u64>,
        retained: &[(Option<u64>, u64)],
    ) -> SyncState {
        let replica = ReplicaId::from_bytes([1; 16]);
        let intent = |sequence| Intent {
            batch: BatchId { replica, sequence },
            operations: Vec::new(),
        };
        SyncState {
            replica,
            in_flight: in_flight.map(intent),
            acknowledged,
            retained: retained.to_vec(),
            store: Some(StoreId("ours".into())),
            frontier: None,
            await_peer: false,
            models: Vec::new(),
            order: Vec::new(),
        }
    }

    fn identity(store: &str, last_applied: Option<u64>) -> StoreIdentity {
        StoreIdentity {
            store: StoreId(store.into()),
            last_applied,
            frontier: None,
        }
    }

    #[test]
    fn equal_numbers_go_on() {
        assert_eq!(
            compare(&state(Some(4), None, &[]), &identity("ours", Some(4))),
            None
        );
        assert_eq!(
            compare(&state(Some(4), Some(5), &[]), &identity("ours", Some(4))),
            None
        );
    }

    #[test]
    fn a_batch_applied_but_not_acknowledged_goes_on() {
        assert_eq!(
            compare(&state(Some(4), Some(5), &[]), &identity("ours", Some(5))),
            None
        );
        assert_eq!(
            compare(&state(None, Some(1), &[]), &identity("ours", Some(1))),
            None
        );
    }

    #[test]
    fn the_first_start_goes_on() {
        let mut first = state(None, None, &[]);
        first.store = None;
        assert_eq!(compare(&first, &identity("new", None)), None);
    }

    #[test]
    fn another_store_is_told_before_any_number_is_looked_at() {
        assert_eq!(
            compare(&state(Some(4), None, &[]), &identity("theirs", Some(4))),
            Some(Recovery::OtherStore)
        );
    }

    #[test]
    fn a_store_that_lost_its_end_is_behind_a_retained_batch() {
        let retained = [(Some(2), 3), (Some(3), 4)];
        let behind = |last_applied| Some(Recovery::StoreBehind { last_applied });
        assert_eq!(
            compare(&state(Some(4), None, &retained), &identity("ours", Some(2))),
            behind(Some(2))
        );
        assert_eq!(
            compare(&state(Some(1), None, &[(None, 1)]), &identity("ours", None)),
            behind(None)
        );
    }

    #[test]
    fn a_store_ahead_of_the_database_means_an_old_file() {
        assert_eq!(
            compare(&state(Some(4), None, &[(Some(3), 4)]), &identity("ours", Some(9))),
            Some(Recovery::RestoredFile)
        );
    }
}
