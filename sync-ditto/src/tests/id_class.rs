//! Which ids share a list.

use ditto_sync_core::id::DocumentId;

use super::{composite, text_id};
use crate::id_class::in_lists;

#[test]
fn ids_of_different_classes_never_share_a_list_and_none_is_lost() {
    let ids = [
        text_id("a"),
        DocumentId::integer(1),
        composite("a", 1),
        text_id("b"),
        DocumentId::integer(2),
        composite("b", 2),
    ];
    let lists = in_lists(&ids, 10);
    assert_eq!(
        lists,
        [[&ids[0], &ids[3]], [&ids[1], &ids[4]], [&ids[2], &ids[5]]]
    );
}

#[test]
fn a_list_holds_no_more_than_its_limit() {
    let ids: Vec<_> = (0..250).map(DocumentId::integer).collect();
    let mut lengths: Vec<_> = in_lists(&ids, 100).iter().map(Vec::len).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [50, 100, 100]);
    assert!(in_lists([], 100).is_empty());
}
