//! The descriptor: names, and everything else that the attributes say.

use ditto_sync::prelude::*;
use ditto_sync_core::{
    descriptor::{Direction, LeftScope, Scope},
    field::{FieldKind, Storage},
};

#[derive(DittoAdapter)]
#[ditto(collection = "names_plain")]
struct Plain {
    #[ditto(id)]
    id: String,
    r#type: String,
    branch_id: Option<i64>,
}

#[derive(DittoAdapter)]
#[ditto(collection = "names_full", table = "full table")]
#[ditto(
    rename_all = "SCREAMING-KEBAB-CASE",
    direction = "receive_only",
    id_field = "key"
)]
#[ditto(scope(any(branch_id, r#type)), left_scope = "keep")]
struct Full {
    #[ditto(id)]
    key: String,
    #[ditto(rename = "kind")]
    r#type: String,
    #[ditto(column = "Branch Id", storage = "text")]
    branch_id: i64,
    #[ditto(counter)]
    count: Option<i64>,
    #[ditto(volatile, storage = "blob")]
    seen: Option<String>,
}

#[test]
fn defaults_are_the_collection_both_ways_and_the_anchor_id() {
    let model = Plain::descriptor();
    assert_eq!(model.type_name(), "Plain");
    assert_eq!(model.collection(), "names_plain");
    assert_eq!(model.table(), "names_plain");
    assert_eq!(model.direction(), Direction::Bidirectional);
    assert_eq!(model.anchor(), Some("id"));
    assert_eq!(model.scope(), Scope::Everything);
    assert_eq!(model.left_scope(), LeftScope::Delete);
}

#[test]
fn raw_identifiers_lose_their_prefix() {
    let field = Plain::descriptor().fields()[0];
    assert_eq!(
        (field.name(), field.document_name(), field.column()),
        ("type", "type", "type")
    );
}

#[test]
fn kind_storage_and_null_come_from_the_type() {
    let field = Plain::descriptor().fields()[1];
    assert_eq!(field.kind(), FieldKind::Int);
    assert_eq!(field.storage_class(), Storage::Integer);
    assert!(field.is_nullable());
    assert!(!field.is_counter());
    assert!(!field.is_volatile());
}

#[test]
fn attributes_of_the_struct_are_in_the_descriptor() {
    let model = Full::descriptor();
    assert_eq!(model.table(), "full table");
    assert_eq!(model.direction(), Direction::ReceiveOnly);
    assert_eq!(model.anchor(), Some("key"));
    assert_eq!(model.scope(), Scope::Any(&["BRANCH-ID", "kind"]));
    assert_eq!(model.left_scope(), LeftScope::Keep);
}

#[test]
fn attributes_of_a_field_are_in_its_descriptor() {
    let [kind, branch_id, count, seen] = Full::descriptor().fields() else {
        panic!("four fields are mapped beside the id");
    };
    assert_eq!(kind.document_name(), "kind");
    assert_eq!(kind.column(), "type");
    assert_eq!(branch_id.document_name(), "BRANCH-ID");
    assert_eq!(branch_id.column(), "Branch Id");
    assert_eq!(branch_id.storage_class(), Storage::Text);
    assert!(count.is_counter());
    assert!(count.is_nullable());
    assert!(seen.is_volatile());
    assert_eq!(seen.storage_class(), Storage::Blob);
}

#[test]
fn each_direction_and_scope_is_what_its_word_says() {
    #[derive(DittoAdapter)]
    #[ditto(collection = "names_out", direction = "send_only", scope(branch))]
    struct Outgoing {
        #[ditto(id)]
        id: String,
        branch: String,
    }
    #[derive(DittoAdapter)]
    #[ditto(collection = "names_both", direction = "bidirectional", scope(any,))]
    struct Both {
        #[ditto(id)]
        id: String,
        any: String,
    }
    assert_eq!(Outgoing::descriptor().direction(), Direction::SendOnly);
    assert_eq!(Outgoing::descriptor().scope(), Scope::All(&["branch"]));
    assert_eq!(Both::descriptor().direction(), Direction::Bidirectional);
    assert_eq!(Both::descriptor().scope(), Scope::All(&["any"]));
}
