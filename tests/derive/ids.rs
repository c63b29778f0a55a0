//! Ids: of one part and of several.

use ditto_sync::prelude::*;
use ditto_sync_core::{
    column::ColumnValue,
    descriptor::RowError,
    id::{DocumentId, IdError, IdPart},
    value::Value,
};

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "ids_order_lines", rename_all = "camelCase")]
struct OrderLine {
    amount: i64,
    #[ditto(id)]
    order_id: String,
    note: Option<String>,
    #[ditto(id, column = "line_no")]
    line: i32,
}

fn line() -> OrderLine {
    OrderLine {
        amount: 2,
        order_id: "o1".to_owned(),
        note: None,
        line: 4,
    }
}

#[test]
fn the_parts_of_a_composite_id_follow_the_fields() {
    let id = line().document_id().unwrap();
    assert_eq!(
        id.parts(),
        [IdPart::Text("o1".into()), IdPart::Integer(4)].as_slice()
    );
    let columns = OrderLine::descriptor().id_to_columns(&id).unwrap();
    assert_eq!(
        columns,
        [ColumnValue::Text("o1".to_owned()), ColumnValue::Integer(4)]
    );
    let names: Vec<_> = OrderLine::descriptor()
        .id_fields()
        .iter()
        .map(|field| (field.document_name(), field.column()))
        .collect();
    assert_eq!(names, [("orderId", "order_id"), ("line", "line_no")]);
}

#[test]
fn a_composite_id_is_in_the_document_as_parts_and_as_a_whole() {
    let document = line().to_document().unwrap();
    assert_eq!(document.get("orderId"), Some(&Value::from("o1")));
    assert_eq!(document.get("line"), Some(&Value::Int(4)));
    let whole = Value::List(vec![Value::from("o1"), Value::Int(4)]);
    assert_eq!(document.get("id"), Some(&whole));
}

#[test]
fn id_fields_come_from_the_id_and_not_from_the_document() {
    let mut document = line().to_document().unwrap();
    document.set("orderId", "another");
    document.remove("line");
    let id = line().document_id().unwrap();
    assert_eq!(OrderLine::from_document(&id, &document).unwrap(), line());
}

#[test]
fn an_id_of_another_shape_is_an_error() {
    let document = line().to_document().unwrap();
    let short = DocumentId::text("o1").unwrap();
    assert_eq!(
        OrderLine::from_document(&short, &document),
        Err(RowError::IdParts {
            expected: 2,
            found: 1
        })
    );
    let swapped = DocumentId::from_parts(vec![IdPart::Integer(4), IdPart::Text("o1".into())]).unwrap();
    assert!(OrderLine::from_document(&swapped, &document).is_err());
    let wide = DocumentId::from_parts(vec![IdPart::Text("o1".into()), IdPart::Integer(1 << 40)]).unwrap();
    assert!(OrderLine::from_document(&wide, &document).is_err());
}

#[test]
fn an_id_out_of_bounds_is_an_error() {
    let mut line = line();
    line.order_id = String::new();
    assert_eq!(line.document_id(), Err(IdError::Empty));
    assert_eq!(line.to_document(), Err(RowError::Id(IdError::Empty)));
    line.order_id = "x".repeat(500);
    assert!(matches!(line.document_id(), Err(IdError::TooLong(_))));
}

#[test]
fn narrower_integers_are_ids() {
    #[derive(Debug, PartialEq, DittoAdapter)]
    #[ditto(collection = "ids_narrow")]
    struct Narrow {
        #[ditto(id)]
        id: u32,
    }
    let narrow = Narrow { id: u32::MAX };
    let id = narrow.document_id().unwrap();
    assert_eq!(id, DocumentId::integer(u32::MAX.into()));
    assert_eq!(
        Narrow::from_document(&id, &narrow.to_document().unwrap()).unwrap(),
        narrow
    );
}
