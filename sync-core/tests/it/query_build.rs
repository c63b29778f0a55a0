//! The builder, the parameters and the scope of a model.

use ditto_sync_core::{
    descriptor::{FieldDescriptor, LeftScope, ModelDescriptor, Scope},
    document::Document,
    query::{Comparison, Filter, Operand, Query, and, field, not, or, param},
    value::Value,
};

fn document(fields: &[(&str, Value)]) -> Document {
    fields.iter().cloned().collect()
}

fn holds(filter: Filter, fields: &[(&str, Value)]) -> bool {
    Query::new(filter).matches(&document(fields))
}

#[test]
fn the_builder_writes_the_filter_that_it_reads_like() {
    assert_eq!(
        field("branchId").eq("kigali-1"),
        Filter::Compare(
            "branchId".into(),
            Comparison::Eq,
            Operand::Literal("kigali-1".into())
        )
    );
    assert_eq!(
        field("a")
            .ge(param("x"))
            .and(field("b").is_null())
            .and(field("c").is_in([1, 2])),
        Filter::And(vec![
            Filter::Compare("a".into(), Comparison::Ge, Operand::Parameter("x".into())),
            Filter::IsNull("b".into()),
            Filter::In(
                "c".into(),
                vec![Operand::Literal(1.into()), Operand::Literal(2.into())]
            ),
        ])
    );
    assert_eq!(
        field("a").lt(1).or(not(field("b").gt(2.5))),
        or([field("a").lt(1), Filter::Not(Box::new(field("b").gt(2.5)))])
    );
    assert_eq!(
        field("a").ne(true).and(field("b").le(0)),
        and([field("a").ne(true), field("b").le(0)])
    );
}

#[test]
fn every_document_is_asked_for_without_a_filter() {
    assert!(Query::all().matches(&Document::new()));
    assert!(holds(and([]), &[]));
    assert!(!holds(or([]), &[]));
}

#[test]
fn null_and_missing_are_equal_to_nothing_but_is_null() {
    for fields in [&[][..], &[("a", Value::Null)]] {
        assert!(holds(field("a").is_null(), fields));
        assert!(!holds(field("a").is_not_null(), fields));
        assert!(!holds(field("a").eq(Value::Null), fields));
        assert!(!holds(field("a").ne(1), fields));
        assert!(!holds(field("a").is_in([Value::Null, Value::Int(1)]), fields));
        assert!(holds(not(field("a").eq(1)), fields));
    }
}

#[test]
fn values_of_different_kinds_are_neither_equal_nor_unequal_nor_ordered() {
    let fields = &[("a", Value::Int(1))];
    assert!(!holds(field("a").eq("1"), fields));
    assert!(!holds(field("a").ne("1"), fields));
    assert!(!holds(field("a").lt("2"), fields));
    assert!(!holds(field("a").eq(true), fields));
    assert!(holds(not(field("a").eq("1")), fields));
}

#[test]
fn numbers_compare_by_exact_value() {
    const BIG: i64 = 1 << 53;
    let float = 9_007_199_254_740_992.0;
    assert!(holds(field("a").eq(float), &[("a", BIG.into())]));
    assert!(!holds(field("a").eq(float), &[("a", (BIG + 1).into())]));
    assert!(holds(field("a").gt(float), &[("a", (BIG + 1).into())]));
    assert!(holds(
        field("a").lt(9_223_372_036_854_775_808.0),
        &[("a", i64::MAX.into())]
    ));
    assert!(holds(
        field("a").eq(-9_223_372_036_854_775_808.0),
        &[("a", i64::MIN.into())]
    ));
    assert!(holds(field("a").gt(-2.5), &[("a", (-2).into())]));
    assert!(holds(field("a").lt(-2), &[("a", (-2.5).into())]));
    assert!(holds(field("a").eq(0.0), &[("a", (-0.0).into())]));
    assert!(holds(field("a").lt(f64::INFINITY), &[("a", i64::MAX.into())]));
}

#[test]
fn nan_compares_with_nothing() {
    for value in [Value::Float(f64::NAN), Value::Float(1.0), Value::Int(1)] {
        let fields = &[("a", value)];
        assert!(!holds(field("a").eq(f64::NAN), fields));
        assert!(!holds(field("a").ne(f64::NAN), fields));
        assert!(!holds(field("a").ge(f64::NAN), fields));
    }
}

#[test]
fn text_and_bytes_are_ordered_by_bytes_and_false_before_true() {
    assert!(holds(field("a").lt("a"), &[("a", "B".into())]));
    assert!(holds(field("a").gt("z"), &[("a", "é".into())]));
    assert!(holds(field("a").lt(vec![1, 0]), &[("a", vec![1].into())]));
    assert!(holds(field("a").lt(true), &[("a", false.into())]));
}

#[test]
fn lists_and_maps_are_equal_or_not_and_never_ordered() {
    let list = |items: &[i64]| Value::List(items.iter().map(|item| Value::Int(*item)).collect());
    let fields = &[("a", list(&[1, 2]))];
    assert!(holds(field("a").eq(list(&[1, 2])), fields));
    assert!(holds(
        field("a").eq(Value::List(vec![1.0.into(), 2.0.into()])),
        fields
    ));
    assert!(holds(field("a").ne(list(&[1])), fields));
    assert!(!holds(field("a").ge(list(&[1, 2])), fields));
    let with_null = &[("a", Value::List(vec![Value::Null]))];
    assert!(holds(field("a").eq(Value::List(vec![Value::Null])), with_null));
}

#[test]
fn a_parameter_without_value_is_named_and_compares_with_nothing() {
    let query = Query::new(
        field("a")
            .eq(param("y"))
            .or(not(field("b").is_in([param("x"), param("z")]))),
    );
    assert_eq!(
        query.missing_parameters().into_iter().collect::<Vec<_>>(),
        ["x", "y", "z"]
    );
    let query = query.with("z", 1).with("other", 2);
    assert_eq!(
        query.missing_parameters().into_iter().collect::<Vec<_>>(),
        ["x", "y"]
    );
    assert!(!query.matches(&document(&[("a", 5.into()), ("b", 1.into())])));
    assert!(query.matches(&document(&[("a", 5.into()), ("b", 2.into())])));
    let error = query.to_dql("c").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the query lacks a value for its parameters `x`, `y`"
    );
    let query = query.with("x", Value::Null).with("y", 5);
    assert!(query.missing_parameters().is_empty());
    assert!(query.matches(&document(&[("a", 5.into())])));
}

#[test]
fn a_scope_asks_for_the_parameters_of_its_fields() {
    const ID: &[FieldDescriptor] = &[FieldDescriptor::of::<String>("id", "id", "id")];
    static ALL: ModelDescriptor = ModelDescriptor::new("All", "c", "t", ID, &[])
        .with_scope(Scope::All(&["branchId", "tenantId"]), LeftScope::Delete);
    static ANY: ModelDescriptor = ModelDescriptor::new("Any", "c", "t", ID, &[])
        .with_scope(Scope::Any(&["from", "to"]), LeftScope::Delete);
    static NONE: ModelDescriptor = ModelDescriptor::new("None", "c", "t", ID, &[]);

    assert_eq!(Query::scope(&NONE), None);
    let all = Query::scope(&ALL).unwrap();
    assert_eq!(
        all.missing_parameters().into_iter().collect::<Vec<_>>(),
        ["branchId", "tenantId"]
    );
    let all = all.with("branchId", "b").with("tenantId", 1);
    assert!(all.matches(&document(&[("branchId", "b".into()), ("tenantId", 1.into())])));
    assert!(!all.matches(&document(&[("branchId", "b".into()), ("tenantId", Value::Null)])));
    let any = Query::scope(&ANY).unwrap().with("from", 1).with("to", 1);
    assert!(any.matches(&document(&[("to", 1.into())])));
    assert!(!any.matches(&document(&[("to", 2.into())])));
}

#[test]
fn a_query_round_trips_through_postcard() {
    use proptest::prelude::*;
    proptest!(|(query in crate::query_samples::any_query())| {
        let bytes = postcard::to_allocvec(&query).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Query>(&bytes).unwrap(), query);
    });
}
