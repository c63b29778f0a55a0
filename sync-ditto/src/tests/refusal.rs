//! What is refused before the engine sees it.

use ditto_sync_core::{
    descriptor::{FieldDescriptor, ModelDescriptor},
    document::Document,
    id::{DocumentId, IdPart},
    intent::{Action, Expect, Operation, Record, Undo},
    value::Value,
};
use ditto_sync_testkit::models::{ANYTHING, STOCK};

use super::text_id;
use crate::refusal::{collection_refusal, id_refusal, refusals};

#[test]
fn a_collection_that_would_end_the_process_is_refused() {
    for name in [
        "",
        "a\0b",
        &"x".repeat(256),
        &"é".repeat(128),
        "__own",
        "system:info",
    ] {
        assert!(collection_refusal(name).is_some(), "{name}");
    }
    for name in ["stocks", &"x".repeat(255), "odd `name` 😀", "group", "_x"] {
        assert_eq!(collection_refusal(name), None, "{name}");
    }
}

#[test]
fn an_id_longer_than_the_engine_takes_is_refused() {
    assert_eq!(id_refusal(&text_id(&"x".repeat(240))), None);
    let parts = (0..8).map(|_| IdPart::Text("x".repeat(30).into())).collect();
    let id = DocumentId::from_parts(parts).unwrap();
    assert!(id_refusal(&id).unwrap().contains("256"));
}

#[test]
fn each_bad_operation_is_named_with_its_field() {
    let operations = [
        operation(&STOCK, "fine", insert([("id", "fine".into())])),
        operation(&STOCK, "nan", insert([("price", Value::Float(f64::NAN))])),
        operation(&STOCK, "counter", insert([("quantity", "many".into())])),
        operation(
            &ANYTHING,
            "big",
            insert([("value", Value::Text("x".repeat(3 << 20)))]),
        ),
        operation(&ANYTHING, "nul", insert([("a\0b", Value::Null)])),
        operation(&ANYTHING, "twice", Action::Delete),
        operation(&ANYTHING, "twice", Action::Delete),
        operation(&ANYTHING, "_id", insert([("_id", "another".into())])),
    ];
    let found: Vec<_> = refusals(&operations)
        .into_iter()
        .map(|refusal| (refusal.id.to_string(), refusal.reason))
        .collect();
    let wanted = [
        ("nan", "`price`"),
        ("counter", "`quantity`"),
        ("big", "bytes"),
        ("nul", "NUL"),
        ("twice", "two"),
        ("_id", "`_id`"),
    ];
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for ((id, reason), (wanted_id, word)) in found.iter().zip(wanted) {
        assert!(id == wanted_id && reason.contains(word), "{id}: {reason}");
    }
}

#[test]
fn a_model_of_a_collection_of_the_engine_sends_nothing() {
    static FIELDS: [FieldDescriptor; 0] = [];
    static ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
    static MODEL: ModelDescriptor = ModelDescriptor::new("Own", "__small_peer_info", "own", &ID, &FIELDS);
    assert_eq!(refusals(&[operation(&MODEL, "a", Action::Delete)]).len(), 1);
}

fn insert<const N: usize>(fields: [(&str, Value); N]) -> Action {
    Action::Insert(Document::from_iter(fields))
}

fn operation(model: &'static ModelDescriptor, id: &str, action: Action) -> Operation {
    Operation {
        model,
        id: text_id(id),
        expect: Expect::Absent,
        action,
        record: Record {
            covers: None,
            sent: None,
            undo: Undo::Seed,
        },
    }
}
