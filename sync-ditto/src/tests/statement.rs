//! The texts of statements.

use std::collections::BTreeMap;

use ditto_sync_core::{
    document::FieldName,
    id::DocumentId,
    query::{Query, field},
    value::Value,
};
use ditto_sync_testkit::models::STOCK;

use super::text_id;
use crate::{
    statement::{Mode, Statement, delete, increment, select_counted, select_ids, write},
    wire::OutgoingDocument,
};

#[test]
fn counters_and_maps_are_declared_and_names_are_quoted() {
    let id = text_id("a");
    let names = ["quantity", "odd ` name", "note"].map(FieldName::new);
    let values = [Value::Int(1), Value::Map(BTreeMap::new()), Value::Null];
    let document = OutgoingDocument {
        id: &id,
        fields: names.iter().zip(&values).collect(),
    };
    let statements = write(&STOCK, vec![document], Mode::Absent);
    assert_eq!(
        statements[0].text,
        "INSERT INTO COLLECTION `stocks` (`odd `` name` REGISTER, `quantity` COUNTER) DOCUMENTS (:docs) ON ID CONFLICT DO NOTHING"
    );
    let sent: Sent = sent(&statements[0]);
    let Value::List(documents) = &sent["docs"].0 else {
        panic!("documents go as a list");
    };
    let wanted = BTreeMap::from([
        ("_id".to_owned(), Value::Text("a".into())),
        ("quantity".to_owned(), Value::Int(1)),
        ("odd ` name".to_owned(), Value::Map(BTreeMap::new())),
        ("note".to_owned(), Value::Null),
    ]);
    assert_eq!(documents[..], [Value::Map(wanted)]);
}

#[test]
fn nothing_to_write_is_no_statement() {
    assert!(write(&STOCK, Vec::new(), Mode::Fields).is_empty());
    assert!(delete("stocks", &[]).is_empty());
    assert!(increment("stocks", "quantity", &[]).is_empty());
}

#[test]
fn large_writes_are_cut_by_number_and_by_size() {
    let id = text_id("a");
    let name = FieldName::new("note");
    let (small, big) = (Value::Null, Value::Text("x".repeat(1 << 20)));
    let documents = |value, count| {
        let document = |_| OutgoingDocument {
            id: &id,
            fields: vec![(&name, value)],
        };
        (0..count).map(document).collect::<Vec<_>>()
    };
    assert_eq!(write(&STOCK, documents(&small, 1001), Mode::Seed).len(), 3);
    assert_eq!(write(&STOCK, documents(&big, 3), Mode::Seed).len(), 3);
}

#[test]
fn different_amounts_go_in_one_statement() {
    let ids = [text_id("a"), text_id("b")];
    let statements = increment("stocks", "quantity", &[(&ids[0], 5), (&ids[1], -3)]);
    assert_eq!(
        statements[0].text,
        "UPDATE `stocks` APPLY `quantity` INCREMENT BY CASE `_id` WHEN :i0 THEN :v0 WHEN :i1 THEN :v1 ELSE 0 END WHERE `_id` IN :ids"
    );
    let sent = sent(&statements[0]);
    assert_eq!(sent["v1"].0, Value::Int(-3));
    assert_eq!(sent["ids"].0, Value::List(vec!["a".into(), "b".into()]));
}

#[test]
fn a_husk_is_no_answer_to_a_query() {
    let query = Query::new(field("branchId").eq("kigali-1"));
    let statement = select_ids(&STOCK, &query).unwrap();
    assert!(
        statement
            .text
            .starts_with("SELECT `_id` FROM `stocks` WHERE (`id` IS NOT MISSING AND `id` IS NOT NULL) AND ("),
        "{}",
        statement.text
    );
}

#[test]
fn counters_are_read_as_counters() {
    let id = DocumentId::integer(1);
    let statements = select_counted(&STOCK, &[&id]);
    assert_eq!(
        statements[0].text,
        "SELECT * FROM COLLECTION `stocks` (`quantity` COUNTER) WHERE `_id` IN :ids"
    );
}

type Sent = BTreeMap<String, crate::wire::Incoming>;

/// The arguments as the engine reads them.
fn sent(statement: &Statement<'_>) -> Sent {
    let mut cbor = Vec::new();
    ciborium::into_writer(&statement.arguments, &mut cbor).unwrap();
    ciborium::from_reader(&cbor[..]).unwrap()
}
