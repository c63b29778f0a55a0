//! `json` and `with`: struct and engine convert alike, and nothing is invented.

use std::collections::BTreeMap;

use ditto_sync::{ColumnValue, FieldKind, RowError, Storage, prelude::*};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Address {
    city: String,
    #[serde(default)]
    floors: Vec<f32>,
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "conversions_json", rename_all = "camelCase")]
struct Customer {
    #[ditto(id)]
    id: String,
    #[ditto(json)]
    home_address: Address,
    #[ditto(json)]
    work_address: Option<Address>,
    #[ditto(json, default)]
    prices: BTreeMap<String, f64>,
}

fn customer() -> Customer {
    Customer {
        id: "c1".to_owned(),
        home_address: Address {
            city: "Kigali".to_owned(),
            floors: vec![0.1, 2.0],
        },
        work_address: None,
        prices: [("tea".to_owned(), 0.3)].into(),
    }
}

fn text(text: &str) -> ColumnValue {
    ColumnValue::Text(text.to_owned())
}

#[test]
fn json_fields_are_maps_in_documents_and_text_in_columns() {
    let [home, work, prices] = Customer::descriptor().fields() else {
        panic!("three fields")
    };
    for field in [home, work, prices] {
        assert_eq!(
            (field.kind(), field.storage_class()),
            (FieldKind::Json, Storage::Text)
        );
    }
    assert_eq!(
        [home, work, prices].map(|field| field.is_nullable()),
        [false, true, false]
    );
    let document = customer().to_document().unwrap();
    assert!(matches!(document.get("homeAddress"), Some(Value::Map(map)) if map["city"] == "Kigali".into()));
    assert_eq!(document.get("workAddress"), Some(&Value::Null));
    let image = Customer::descriptor().image_of(&document).unwrap();
    assert_eq!(
        image.columns(),
        [
            text(r#"{"city":"Kigali","floors":[0.1,2.0]}"#),
            ColumnValue::Null,
            text(r#"{"tea":0.3}"#)
        ]
    );
}

#[test]
fn json_fields_come_back() {
    for work_address in [None, Some(customer().home_address)] {
        let value = Customer {
            work_address,
            ..customer()
        };
        let (id, document) = (value.document_id().unwrap(), value.to_document().unwrap());
        assert_eq!(Customer::from_document(&id, &document).unwrap(), value);
    }
}

#[test]
fn what_sqlx_writes_for_json_is_what_the_struct_sends() {
    let value = customer();
    // `sqlx::types::Json` writes the text of serde_json.
    let column = text(&serde_json::to_string(&value.home_address).unwrap());
    let field = &Customer::descriptor().fields()[0];
    assert_eq!(
        Some(&field.to_value(&column).unwrap()),
        value.to_document().unwrap().get("homeAddress")
    );
}

#[test]
fn entries_that_the_type_does_not_know_are_kept() {
    let field = &Customer::descriptor().fields()[0];
    let richer = text(r#"{"city":"Huye","floors":[],"zip":"40001"}"#);
    let value = field.to_value(&richer).unwrap();
    assert_eq!(field.to_column(&value).unwrap(), richer);
    assert_eq!(
        field
            .canonical(text(r#"{ "zip":"40001", "floors":[], "city":"Huye" }"#))
            .unwrap(),
        richer
    );
}

#[test]
fn json_that_the_type_cannot_read_is_refused() {
    let mut document = customer().to_document().unwrap();
    document.set("homeAddress", Value::List(Vec::new()));
    let error = Customer::from_document(&customer().document_id().unwrap(), &document).unwrap_err();
    assert!(
        matches!(
            error,
            RowError::Field {
                field: "homeAddress",
                ..
            }
        ),
        "{error}"
    );
    let field = &Customer::descriptor().fields()[0];
    assert!(field.to_value(&text("{}")).is_err());
    assert!(field.to_value(&ColumnValue::Null).is_err());
}

#[test]
fn what_serde_cannot_write_is_an_error() {
    #[derive(Debug, DittoAdapter)]
    #[ditto(collection = "conversions_json_unwritable")]
    struct Unwritable {
        #[ditto(id)]
        id: String,
        #[ditto(json)]
        by_pair: BTreeMap<(i64, i64), i64>,
        #[ditto(json)]
        large: u64,
    }
    let value = |pairs: &[(i64, i64)], large| Unwritable {
        id: "a".to_owned(),
        by_pair: pairs.iter().map(|pair| (*pair, 1)).collect(),
        large,
    };
    assert!(value(&[], 1).to_document().is_ok());
    assert!(value(&[(1, 2)], 1).to_document().is_err(), "JSON keys are text");
    assert!(
        value(&[], u64::MAX).to_document().is_err(),
        "no document has such integers"
    );
}

/// Money as a text of Rwandan francs.
mod francs {
    use ditto_sync::{ColumnValue, FieldError, FieldKind, Storage, Value};

    use super::Francs;

    pub(super) const KIND: FieldKind = FieldKind::Text;
    pub(super) const STORAGE: Storage = Storage::Integer;

    pub(super) fn to_value(francs: &Francs) -> Value {
        format!("{} RWF", francs.0).into()
    }

    pub(super) fn from_value(value: &Value) -> Result<Francs, FieldError> {
        let Value::Text(text) = value else {
            return Err(FieldError::value_kind("francs", value));
        };
        let number = text.strip_suffix(" RWF").and_then(|number| number.parse().ok());
        number
            .map(Francs)
            .ok_or_else(|| FieldError::content("francs", text))
    }

    pub(super) fn to_column(francs: &Francs, storage: Storage) -> ColumnValue {
        match storage {
            Storage::Text => ColumnValue::Text(francs.0.to_string()),
            _ => ColumnValue::Integer(francs.0),
        }
    }

    pub(super) fn from_column(column: &ColumnValue) -> Result<Francs, FieldError> {
        match column {
            ColumnValue::Integer(number) => Ok(Francs(*number)),
            ColumnValue::Text(text) => text
                .parse()
                .map(Francs)
                .map_err(|_| FieldError::content("francs", text)),
            other => Err(FieldError::column_class("francs", other)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Francs(i64);

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "conversions_with")]
struct Sale {
    #[ditto(id)]
    id: String,
    #[ditto(with = francs)]
    total: Francs,
    #[ditto(with = self::francs)]
    tip: Option<Francs>,
    #[ditto(with = crate::conversions::francs, storage = "text", default = none)]
    tax: Francs,
}

fn none() -> Francs {
    Francs(0)
}

#[test]
fn a_module_converts_for_the_struct_and_for_the_engine() {
    let sale = Sale {
        id: "s1".to_owned(),
        total: Francs(500),
        tip: None,
        tax: Francs(90),
    };
    let (id, mut document) = (sale.document_id().unwrap(), sale.to_document().unwrap());
    assert_eq!(document.get("total"), Some(&"500 RWF".into()));
    assert_eq!(document.get("tip"), Some(&Value::Null));
    let image = Sale::descriptor().image_of(&document).unwrap();
    assert_eq!(
        image.columns(),
        [ColumnValue::Integer(500), ColumnValue::Null, text("90")]
    );
    assert_eq!(Sale::descriptor().document_of(&id, &image).unwrap(), document);
    assert_eq!(Sale::from_document(&id, &document).unwrap(), sale);
    document.set("tip", "7 RWF");
    assert_eq!(Sale::from_document(&id, &document).unwrap().tip, Some(Francs(7)));
    document.set("tip", "7 USD");
    assert!(Sale::from_document(&id, &document).is_err());
}

#[test]
fn a_module_may_have_a_default_and_an_id() {
    #[derive(Debug, PartialEq, DittoAdapter)]
    #[ditto(collection = "conversions_with_id")]
    struct ByFrancs {
        #[ditto(id, with = francs)]
        francs: Francs,
        #[ditto(with = francs, default = none)]
        more: Francs,
    }
    let value = ByFrancs {
        francs: Francs(5),
        more: Francs(0),
    };
    let id = value.document_id().unwrap();
    assert_eq!(id, DocumentId::text("5 RWF").unwrap());
    assert_eq!(ByFrancs::from_document(&id, &Document::new()).unwrap(), value);
}
