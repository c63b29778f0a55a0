//! The engine answers queries as the core evaluates them on documents.

use std::collections::{BTreeMap, BTreeSet};

use ditto_sync_core::{
    document::Document,
    id::DocumentId,
    intent::{Action, Expect},
    query::{Comparison, Filter, Operand, Query},
    store::DocumentStore,
    value::Value,
};
use ditto_sync_testkit::models::ANYTHING;

use super::{
    fixture::open_new,
    session::{operation, text_id, write},
};

/// Values that are easily taken for one another.
fn values() -> Vec<Value> {
    let list = |values: &[Value]| Value::List(values.to_vec());
    let map = |entries: &[(&str, Value)]| {
        let entries = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        Value::Map(entries.collect::<BTreeMap<_, _>>())
    };
    vec![
        Value::Null,
        Value::Bool(false),
        Value::Bool(true),
        Value::Int(0),
        Value::Int(1),
        Value::Int(-1),
        Value::Int(i64::MAX),
        Value::Float(1.0),
        Value::Float(1.5),
        Value::Float(-0.0),
        "".into(),
        "1".into(),
        "a".into(),
        "B".into(),
        "true".into(),
        Value::Bytes(vec![]),
        Value::Bytes(vec![1]),
        list(&[]),
        list(&[Value::Int(1)]),
        list(&["a".into(), Value::Int(1)]),
        map(&[]),
        map(&[("a", Value::Int(1))]),
    ]
}

#[tokio::test]
async fn the_engine_answers_queries_as_they_are_evaluated_on_documents() {
    let (_directory, store) = open_new().await;
    let mut documents: Vec<(DocumentId, Document)> = Vec::new();
    for (at, value) in values().into_iter().enumerate() {
        let id = text_id(&format!("d{at}"));
        let document = Document::from_iter([("id", id.to_value()), ("value", value)]);
        documents.push((id, document));
    }
    let id = text_id("missing");
    documents.push((id.clone(), Document::from_iter([("id", id.to_value())])));
    let inserts = documents
        .iter()
        .map(|(id, document)| operation(&ANYTHING, id, Expect::Absent, Action::Insert(document.clone())));
    write(&store, 1, inserts.collect()).await;

    let mut wrong = Vec::new();
    for filter in filters() {
        for filter in [filter.clone(), Filter::Not(Box::new(filter))] {
            let query = Query::new(filter);
            let scan = store.scan(&ANYTHING, &query).await.expect("it can be asked");
            let found: BTreeSet<_> = scan.ids.iter().collect();
            let wanted = documents.iter().filter(|(_, document)| query.matches(document));
            let wanted: BTreeSet<_> = wanted.map(|(id, _)| id.clone()).collect();
            if found != wanted {
                wrong.push(format!("{query:?}: found {found:?}, wanted {wanted:?}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} answers differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Subscriptions take less than other statements do.
#[tokio::test]
async fn every_kind_of_query_can_be_observed() {
    let (_directory, store) = open_new().await;
    for filter in filters() {
        let query = Query::new(Filter::Not(Box::new(filter)));
        let observed = store.observe(&ANYTHING, &query, None).await;
        observed.unwrap_or_else(|error| panic!("{query:?}: {error:?}"));
    }
}

fn filters() -> Vec<Filter> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let literal = |value: &Value| Operand::Literal(value.clone());
    let mut filters = vec![
        Filter::IsNull("value".into()),
        Filter::In("value".into(), Vec::new()),
        Filter::In("value".into(), values().iter().map(literal).collect()),
        Filter::In(
            "value".into(),
            [Value::Int(1), "a".into(), Value::Bool(true)]
                .iter()
                .map(literal)
                .collect(),
        ),
        Filter::And(Vec::new()),
        Filter::Or(Vec::new()),
    ];
    for value in values() {
        for comparison in [Eq, Ne, Lt, Le, Gt, Ge] {
            filters.push(Filter::Compare("value".into(), comparison, literal(&value)));
        }
        filters.push(Filter::In("value".into(), vec![literal(&value)]));
    }
    filters
}
