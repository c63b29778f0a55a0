//! The SQL text of queries: what exactly is written, and what is refused.

use ditto_sync_core::{
    column::ColumnValue,
    field::FieldKind,
    query::{Query, QueryError, Sql, field, or},
    value::Value,
};

use crate::query_samples::MODEL;

fn sql(query: impl Into<Query>) -> Result<Sql, QueryError> {
    query.into().to_sql(&MODEL)
}

#[test]
fn a_query_without_filter_holds_for_every_row() {
    assert_eq!(sql(Query::all()).unwrap().clause, "1");
    assert_eq!(sql(or([])).unwrap().clause, "0");
}

#[test]
fn names_are_quoted_and_values_are_placeholders() {
    let sql = sql(field("key").eq("a").and(field("maybe`Ratio").gt(1))).unwrap();
    assert_eq!(
        sql.clause,
        r#"((typeof("the ""key""") = 'text' AND "the ""key""" COLLATE BINARY = ?) AND (typeof("maybe ratio") IN ('integer', 'real') AND +"maybe ratio" COLLATE BINARY > ?))"#
    );
    assert_eq!(
        sql.arguments,
        [ColumnValue::Text("a".into()), ColumnValue::Integer(1)]
    );
}

#[test]
fn the_anchor_is_the_column_of_the_id() {
    assert_eq!(sql(field("id").eq("a")), sql(field("key").eq("a")));
}

#[test]
fn values_of_different_classes_in_one_list_are_asked_for_separately() {
    let sql = sql(field("open").is_in([Value::Int(1), "a".into(), Value::Float(0.5), true.into()])).unwrap();
    assert_eq!(
        sql.clause,
        r#"((typeof("open") IN ('integer', 'real') AND "open" COLLATE BINARY IN (?, ?)) OR (typeof("open") = 'text' AND "open" COLLATE BINARY IN (?)))"#
    );
    assert_eq!(
        sql.arguments,
        [
            ColumnValue::Integer(1),
            ColumnValue::Real(0.5),
            ColumnValue::Text("a".into())
        ]
    );
}

#[test]
fn a_converted_field_is_compared_as_its_column_is_written() {
    let sql = sql(field("touched").eq("2024-05-06T07:08:09Z")).unwrap();
    assert_eq!(
        sql.arguments,
        [ColumnValue::Text("2024-05-06T07:08:09+00:00".into())]
    );
}

#[test]
fn a_converted_field_is_not_ordered() {
    let error = sql(field("touched").lt("2024-05-06T07:08:09Z")).unwrap_err();
    assert_eq!(
        error,
        QueryError::NotOrdered {
            field: "touched".into(),
            kind: FieldKind::Text
        }
    );
    assert!(error.to_string().starts_with("field `touched`"));
}

#[test]
fn json_is_only_asked_whether_it_is_null() {
    assert!(matches!(
        sql(field("extra").eq(1)),
        Err(QueryError::NotComparable { .. })
    ));
    assert!(matches!(
        sql(field("extra").is_in([1])),
        Err(QueryError::NotComparable { .. })
    ));
    assert!(sql(field("extra").is_null()).is_ok());
}

#[test]
fn the_null_of_json_is_null() {
    let sql = sql(field("extra").is_null()).unwrap();
    assert_eq!(
        sql.clause,
        r#"("extra" IS NULL OR (typeof("extra") = 'text' AND trim("extra", ?) COLLATE BINARY = ?))"#
    );
    assert_eq!(sql.arguments[1], ColumnValue::Text("null".into()));
}

#[test]
fn an_unknown_field_is_named_beside_the_known_ones() {
    let error = sql(field("branch").is_null()).unwrap_err().to_string();
    assert!(
        error.starts_with("`Sample` has no field `branch`; it has `key`, `count`,"),
        "{error}"
    );
}

#[test]
fn a_parameter_without_value_and_an_infinite_operand_are_refused() {
    let query = Query::scope(&MODEL).unwrap();
    assert!(
        matches!(sql(query.clone()), Err(QueryError::MissingParameters { names }) if names == ["count", "name"])
    );
    assert!(sql(query.with("count", 1).with("name", "x")).is_ok());
    assert!(matches!(
        sql(field("ratio").lt(f64::INFINITY)),
        Err(QueryError::Operand { .. })
    ));
}
