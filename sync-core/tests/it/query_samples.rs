//! Random values, documents, rows and filters over one model, chosen so that equal and neighbouring values meet often.

use chrono::{DateTime, Utc};
use ditto_sync_core::{
    column::ColumnValue,
    descriptor::{FieldDescriptor, ModelDescriptor, Scope},
    document::Document,
    field::Storage,
    query::{Comparison, Filter, Operand, Query},
    value::Value,
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

const IDS: &[FieldDescriptor] = &[FieldDescriptor::of::<String>("id", "key", "the \"key\"")];
const FIELDS: &[FieldDescriptor] = &[
    FieldDescriptor::of::<i64>("count", "count", "count"),
    FieldDescriptor::of::<Option<i64>>("maybe_count", "maybeCount", "select"),
    FieldDescriptor::of::<f64>("ratio", "ratio", "ratio"),
    FieldDescriptor::of::<Option<f64>>("maybe_ratio", "maybe`Ratio", "maybe ratio"),
    FieldDescriptor::of::<Option<String>>("name", "name", "name"),
    FieldDescriptor::of::<Option<String>>("note", "the note", "note"),
    FieldDescriptor::of::<Option<bool>>("active", "active", "active"),
    FieldDescriptor::of::<Option<Vec<u8>>>("data", "data", "data"),
    FieldDescriptor::of::<Value>("open", "open", "open"),
    FieldDescriptor::of::<Option<i64>>("count_text", "countText", "count_text").storage(Storage::Text),
    FieldDescriptor::of::<Option<f64>>("ratio_text", "ratioText", "ratio_text").storage(Storage::Text),
    FieldDescriptor::of::<Option<bool>>("active_text", "activeText", "active_text").storage(Storage::Text),
    FieldDescriptor::of::<Option<DateTime<Utc>>>("touched", "touched", "touched"),
    FieldDescriptor::of::<Option<Uuid>>("uuid", "uuid", "uuid"),
    FieldDescriptor::of::<Option<Decimal>>("price", "price", "price"),
    FieldDescriptor::of::<Option<serde_json::Value>>("extra", "extra", "extra"),
];

pub(crate) static MODEL: ModelDescriptor =
    ModelDescriptor::new("Sample", "samples", "the samples", IDS, FIELDS).with_scope(
        Scope::All(&["name", "count"]),
        ditto_sync_core::descriptor::LeftScope::Delete,
    );

/// Affinities and collations that would change comparisons if they were let: no affinity for the first count, text with NOCASE, text in
/// a column of integer affinity.
pub(crate) const CREATE_TABLE: &str = r#"CREATE TABLE "the samples" ("the ""key""" TEXT COLLATE NOCASE, count, "select" INTEGER, ratio REAL, "maybe ratio" NUMERIC,
    name TEXT COLLATE NOCASE, note INTEGER, active BOOLEAN, data TEXT, open NUMERIC, count_text TEXT, ratio_text TEXT, active_text TEXT,
    touched TEXT, uuid BLOB, price TEXT, extra TEXT)"#;

/// The document names of fields whose columns hold something else than the document value, so that SQL orders them not.
const CONVERTED: [&str; 6] = ["countText", "ratioText", "activeText", "touched", "uuid", "price"];
/// The field that SQL cannot compare.
const OPAQUE: &str = "extra";

const BIG: i64 = 1 << 53;

fn any_integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -2..3_i64,
        2 => prop::sample::select(vec![BIG - 1, BIG, BIG + 1, BIG + 2, -BIG - 1, i64::MAX, i64::MAX - 1, i64::MIN]),
        1 => any::<i64>(),
    ]
}

fn any_float() -> impl Strategy<Value = f64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "neighbours of 2^53 are wanted, exact or not"
    )]
    let near_big = BIG as f64;
    prop_oneof![
        4 => prop::sample::select(vec![-1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5, 2.0]),
        2 => prop::sample::select(vec![near_big, near_big + 2.0, -near_big, 9_223_372_036_854_775_808.0, -9_223_372_036_854_775_808.0, 1e300]),
        1 => any::<f64>().prop_filter("finite", |float| float.is_finite()),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["", "a", "A", "b", "ab", "5", "10", "!", "é", "null", "1.0"]).prop_map(str::to_owned),
        1 => any::<String>().prop_filter("SQLite ends text at a NUL in some functions", |text| !text.contains('\0')),
    ]
}

fn any_touched() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "2024-05-06T07:08:09Z",
        "2024-05-06T07:08:09.5Z",
        "2024-05-06T09:08:09+02:00",
        "2024-05-06T07:08:09.500Z",
    ])
    .prop_map(str::to_owned)
}

fn any_uuid() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "0189d9c2-7e5a-7c3b-9d5e-2f4a6b8c0d1e",
        "0189D9C2-7E5A-7C3B-9D5E-2F4A6B8C0D1E",
        "ffffffff-7e5a-7c3b-9d5e-2f4a6b8c0d1e",
    ])
    .prop_map(str::to_owned)
}

fn any_price() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["12.5", "12.50", "3", "-0.1"]).prop_map(str::to_owned)
}

pub(crate) fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any_integer().prop_map(Value::Int),
        any_float().prop_map(Value::Float),
        any_text().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Bool),
        prop::collection::vec(0..3_u8, 0..3).prop_map(Value::Bytes),
        any_touched().prop_map(Value::Text),
        any_uuid().prop_map(Value::Text),
        any_price().prop_map(Value::Text),
        Just(Value::Null),
    ]
}

fn any_document_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => any_scalar(),
        1 => prop::collection::vec(any_scalar(), 0..2).prop_map(Value::List),
        1 => prop::collection::btree_map("[ab]", any_scalar(), 0..2).prop_map(Value::Map),
    ]
}

fn field_names() -> Vec<&'static str> {
    let declared = FIELDS.iter().map(FieldDescriptor::document_name);
    declared.chain(["key", "id"]).collect()
}

/// A document with any field missing or of any kind.
pub(crate) fn any_document() -> impl Strategy<Value = Document> {
    let names = field_names();
    prop::collection::vec(prop::option::weighted(0.8, any_document_value()), names.len()).prop_map(
        move |values| {
            let fields = names.iter().zip(values);
            fields.filter_map(|(name, value)| Some((*name, value?))).collect()
        },
    )
}

/// A row of the model's table: the key, then a column for each field, as sqlx or other code may have written them.
pub(crate) fn any_row() -> impl Strategy<Value = Vec<ColumnValue>> {
    let integer = || any_integer().prop_map(ColumnValue::Integer);
    let real = || any_float().prop_map(ColumnValue::Real);
    let text = || any_text().prop_map(ColumnValue::Text);
    let blob = || prop::collection::vec(0..3_u8, 0..3).prop_map(ColumnValue::Blob);
    let column = |at: usize| -> BoxedStrategy<ColumnValue> {
        let field = &FIELDS[at];
        let value = match field.document_name() {
            "count" | "maybeCount" => integer().boxed(),
            "ratio" | "maybe`Ratio" => real().boxed(),
            "name" | "the note" => text().boxed(),
            "active" => (0..2_i64).prop_map(ColumnValue::Integer).boxed(),
            "data" => blob().boxed(),
            "open" => prop_oneof![integer(), real(), text(), blob()].boxed(),
            "extra" => prop::sample::select(vec!["null", " null\n", "1", "[1]", "\"null\""])
                .prop_map(|text| ColumnValue::Text(text.into()))
                .boxed(),
            _ => written(at),
        };
        if field.is_nullable() {
            prop_oneof![4 => value, 1 => Just(ColumnValue::Null)].boxed()
        } else {
            value
        }
    };
    let columns: Vec<_> = (0..FIELDS.len()).map(column).collect();
    (prop::sample::select(vec!["a", "A", "b", "5"]), columns).prop_map(|(key, columns)| {
        let mut row = vec![ColumnValue::Text(key.into())];
        row.extend(columns);
        row
    })
}

/// What the field itself writes for a value.
fn written(at: usize) -> BoxedStrategy<ColumnValue> {
    let values = match FIELDS[at].document_name() {
        "countText" => any_integer().prop_map(Value::Int).boxed(),
        "ratioText" => any_float().prop_map(Value::Float).boxed(),
        "activeText" => any::<bool>().prop_map(Value::Bool).boxed(),
        "touched" => any_touched().prop_map(Value::Text).boxed(),
        "uuid" => any_uuid().prop_map(Value::Text).boxed(),
        _ => any_price().prop_map(Value::Text).boxed(),
    };
    values
        .prop_map(move |value| FIELDS[at].to_column(&value).unwrap())
        .boxed()
}

fn any_comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge])
}

fn any_operand(values: BoxedStrategy<Value>) -> BoxedStrategy<Operand> {
    prop_oneof![
        4 => values.prop_map(Operand::Literal),
        1 => prop::sample::select(vec!["x", "y"]).prop_map(|name| Operand::Parameter(name.into())),
    ]
    .boxed()
}

fn tree(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(4, 24, 3, |filter| {
        prop_oneof![
            prop::collection::vec(filter.clone(), 0..4).prop_map(Filter::And),
            prop::collection::vec(filter.clone(), 0..4).prop_map(Filter::Or),
            filter.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
    .boxed()
}

fn with_parameters(
    filters: BoxedStrategy<Filter>,
    values: BoxedStrategy<Value>,
) -> impl Strategy<Value = Query> {
    (filters, values.clone(), values).prop_map(|(filter, x, y)| Query::new(filter).with("x", x).with("y", y))
}

/// Any query over the model's fields.
pub(crate) fn any_query() -> impl Strategy<Value = Query> {
    let values = any_document_value().boxed();
    let name = prop::sample::select(field_names());
    let operand = any_operand(values.clone());
    let leaf = prop_oneof![
        4 => (name.clone(), any_comparison(), operand.clone())
            .prop_map(|(name, comparison, operand)| Filter::Compare(name.into(), comparison, operand)),
        2 => (name.clone(), prop::collection::vec(operand, 0..4))
            .prop_map(|(name, operands)| Filter::In(name.into(), operands)),
        1 => name.prop_map(|name| Filter::IsNull(name.into())),
    ];
    with_parameters(tree(leaf.boxed()), values)
}

/// Any query that SQL can answer: converted fields are not ordered, the JSON field is only asked whether it is null.
pub(crate) fn any_sql_query() -> impl Strategy<Value = Query> {
    any_query().prop_filter_map("SQL cannot order or compare a field", |query| {
        let filter = answerable(query.filter()?);
        let parameters = query.parameters().clone();
        Some(
            parameters
                .into_iter()
                .fold(Query::new(filter), |query, (name, value)| query.with(name, value)),
        )
    })
}

fn answerable(filter: &Filter) -> Filter {
    let all = |filters: &[Filter]| filters.iter().map(answerable).collect();
    match filter {
        Filter::Compare(name, _, _) | Filter::In(name, _) if name == OPAQUE => Filter::IsNull(name.clone()),
        Filter::Compare(name, comparison, operand)
            if CONVERTED.contains(&name.as_str()) && *comparison != Comparison::Ne =>
        {
            Filter::Compare(name.clone(), Comparison::Eq, operand.clone())
        }
        Filter::And(filters) => Filter::And(all(filters)),
        Filter::Or(filters) => Filter::Or(all(filters)),
        Filter::Not(filter) => Filter::Not(Box::new(answerable(filter))),
        other => other.clone(),
    }
}
