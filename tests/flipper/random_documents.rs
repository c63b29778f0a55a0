//! Documents as the app might hold them, at random: each field missing, null, or a value in one of the notations of its writers.

use ditto_sync::{FieldDescriptor, FieldKind, ModelDescriptor};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use crate::documents::{BRANCH, BUSINESS};

/// A document of `model` with this id; it belongs to the branch.
pub(crate) fn document(model: &'static ModelDescriptor, id: String) -> BoxedStrategy<Json> {
    let fields: Vec<_> = model.fields().iter().map(|field| entry(model, field)).collect();
    (fields, any::<bool>())
        .prop_map(move |(entries, unmapped)| {
            let mut document: Map<String, Json> = entries.into_iter().flatten().collect();
            document.insert("_id".into(), json!(id));
            document.insert("id".into(), json!(id));
            if unmapped {
                document.insert("branchIdString".into(), json!(BRANCH));
            }
            Json::Object(document)
        })
        .boxed()
}

fn entry(
    model: &'static ModelDescriptor,
    field: &'static FieldDescriptor,
) -> BoxedStrategy<Option<(String, Json)>> {
    let name = field.document_name().to_owned();
    let scope = match name.as_str() {
        "branchId" => Some(BRANCH),
        "businessId" if model.collection() == "branches" => Some(BUSINESS),
        _ => None,
    };
    if let Some(value) = scope {
        return Just(Some((name, json!(value)))).boxed();
    }
    let named = move |value: Json| Some((name.clone(), value));
    let some = value(field).prop_map(named.clone());
    let (null, optional) = (Just(named(Json::Null)), field.is_nullable());
    match (optional, field.missing().is_ok()) {
        (true, _) => prop_oneof![6 => some, 1 => null, 3 => Just(None)].boxed(),
        (false, true) => prop_oneof![6 => some, 1 => Just(None)].boxed(),
        (false, false) => some.boxed(),
    }
}

fn value(field: &FieldDescriptor) -> BoxedStrategy<Json> {
    match field.kind() {
        FieldKind::Bool => any::<bool>().prop_map(Json::from).boxed(),
        FieldKind::Int => prop_oneof![0..100_000_i64, any::<i64>()]
            .prop_map(Json::from)
            .boxed(),
        FieldKind::Float => prop_oneof![
            (-1_000_000..1_000_000_i64).prop_map(Json::from),
            (-1e9..1e9_f64).prop_map(Json::from),
            (-100_000..100_000_i32).prop_map(|cents| json!(f64::from(cents) / 100.0)),
        ]
        .boxed(),
        FieldKind::Text if field.is_never_numeric() => date().prop_map(Json::from).boxed(),
        _ => prop_oneof!["[a-zA-Z0-9 ]{0,12}", "0[0-9]{3,9}", "\\PC{0,8}"]
            .prop_map(Json::from)
            .boxed(),
    }
}

/// UTC or local time, with milliseconds or microseconds.
fn date() -> impl Strategy<Value = String> {
    let day = (2000..2040_u32, 1..=12_u32, 1..=28_u32);
    let time = (0..24_u32, 0..60_u32, 0..60_u32, 0..1_000_000_u32);
    (day, time, any::<bool>(), any::<bool>()).prop_map(
        |((year, month, day), (hour, minute, second, micros), utc, short)| {
            let fraction = if short || micros % 1000 == 0 {
                format!("{:03}", micros / 1000)
            } else {
                format!("{micros:06}")
            };
            let zone = if utc { "Z" } else { "" };
            format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}{zone}")
        },
    )
}
