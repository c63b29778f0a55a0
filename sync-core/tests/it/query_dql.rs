//! The DQL text of queries: what exactly is written, and what is refused.

use ditto_sync_core::{
    query::{Query, QueryError, field, not, or},
    value::Value,
};

fn text(query: impl Into<Query>) -> String {
    query.into().to_dql("stocks").unwrap().text
}

#[test]
fn a_query_without_filter_selects_everything() {
    let dql = Query::all().to_dql("my `stocks`").unwrap();
    assert_eq!(dql.text, "SELECT * FROM `my ``stocks```");
    assert!(dql.arguments.is_empty());
    assert_eq!(Query::all().to_dql_where(), Ok(None));
}

#[test]
fn values_are_arguments_and_never_text() {
    let dql = Query::new(field("branch`Id").eq("x' OR 1=1 --").and(field("count").lt(5)))
        .to_dql("stocks")
        .unwrap();
    assert_eq!(
        dql.text,
        "SELECT * FROM `stocks` WHERE ((`branch``Id` IS NOT MISSING AND `branch``Id` IS NOT NULL AND `branch``Id` = :p0) \
         AND (`count` IS NOT MISSING AND `count` IS NOT NULL AND is_number(`count`) AND `count` < :p1))"
    );
    let arguments: Vec<_> = dql.arguments.into_iter().collect();
    assert_eq!(
        arguments,
        [
            ("p0".to_owned(), Value::from("x' OR 1=1 --")),
            ("p1".into(), Value::Int(5))
        ]
    );
}

#[test]
fn null_is_also_missing() {
    assert_eq!(
        text(not(field("a").is_null())),
        "SELECT * FROM `stocks` WHERE (NOT (`a` IS MISSING OR `a` IS NULL))"
    );
}

#[test]
fn an_empty_in_is_false() {
    let none: [i64; 0] = [];
    assert_eq!(
        text(field("a").is_in(none)),
        "SELECT * FROM `stocks` WHERE (`_id` IS MISSING)"
    );
    assert_eq!(text(field("a").is_in([Value::Null])), text(or([])));
}

#[test]
fn a_long_in_is_split() {
    let dql = Query::new(field("a").is_in(0..250))
        .to_dql_where()
        .unwrap()
        .unwrap();
    assert_eq!(
        dql.text,
        "(`a` IS NOT MISSING AND `a` IS NOT NULL AND (`a` IN :p0 OR `a` IN :p1 OR `a` IN :p2))"
    );
    let Value::List(last) = &dql.arguments["p2"] else {
        panic!("not a list");
    };
    assert_eq!(last.len(), 50);
}

#[test]
fn an_in_of_several_types_is_split_because_the_engine_would_find_nothing() {
    let values = [
        Value::Int(1),
        "a".into(),
        Value::Float(1.5),
        Value::List(vec!["b".into()]),
    ];
    let dql = Query::new(field("a").is_in(values))
        .to_dql_where()
        .unwrap()
        .unwrap();
    assert_eq!(
        dql.text,
        "(`a` IS NOT MISSING AND `a` IS NOT NULL AND (`a` IN :p0 OR `a` IN :p1 OR `a` IN :p2))"
    );
    let numbers = Value::List(vec![Value::Int(1), Value::Float(1.5)]);
    assert_eq!(dql.arguments["p0"], numbers);
}

#[test]
fn names_that_end_the_process_are_refused() {
    for collection in ["", "a\0b", &"x".repeat(256)] {
        let error = Query::all().to_dql(collection).unwrap_err();
        assert!(matches!(error, QueryError::Name { .. }), "{error}");
    }
    assert!(Query::all().to_dql(&"x".repeat(255)).is_ok());
    assert!(matches!(
        Query::new(field("a\0b").is_null()).to_dql("c"),
        Err(QueryError::Name { .. })
    ));
}

#[test]
fn an_operand_that_no_document_holds_is_refused() {
    let error = Query::new(field("a").lt(f64::INFINITY)).to_dql("c").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the operand of field `a` is not a value of a document"
    );
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "a float must be finite, found inf"
    );
}
