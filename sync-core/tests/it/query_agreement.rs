//! The three renderings of a query agree: evaluated on a document, as DQL, as SQL on a real SQLite.

use std::cell::Cell;

use ditto_sync_core::{
    column::{ColumnValue, Image},
    document::Document,
};
use proptest::prelude::*;

use crate::{
    database::Database,
    query_dql_evaluator::evaluate,
    query_samples::{CREATE_TABLE, MODEL, any_document, any_query, any_row, any_sql_query},
};

#[test]
fn dql_agrees_with_evaluation_on_any_document() {
    proptest!(ProptestConfig::with_cases(1_000), |(query in any_query(), documents in prop::collection::vec(any_document(), 1..6))| {
        let dql = query.to_dql_where().unwrap().expect("it has a filter");
        for document in documents {
            // Not only the same answer: never an unknown one, so that NOT is the opposite wherever the text is put.
            prop_assert_eq!(evaluate(&dql, &document), Some(query.matches(&document)), "{} on {:?}", dql.text, document);
        }
    });
}

#[test]
fn sql_agrees_with_evaluation_on_the_documents_of_rows() {
    let database = Database::in_memory();
    database.execute(CREATE_TABLE, &[]);
    let places = vec!["?"; MODEL.fields().len() + 1].join(", ");
    let insert = format!("INSERT INTO \"the samples\" VALUES ({places})");
    let compared = Cell::new(0);
    proptest!(ProptestConfig::with_cases(250), |(queries in prop::collection::vec(any_sql_query(), 1..6), rows in prop::collection::vec(any_row(), 1..6))| {
        database.execute("DELETE FROM \"the samples\"", &[]);
        for row in rows {
            database.execute(&insert, &row);
        }
        let stored = database.rows("SELECT * FROM \"the samples\" ORDER BY rowid", &[]);
        for query in queries {
            let sql = query.to_sql(&MODEL).unwrap();
            let answers = database.rows(&format!("SELECT {} FROM \"the samples\" ORDER BY rowid", sql.clause), &sql.arguments);
            let dql = query.to_dql_where().unwrap().expect("it has a filter");
            for (row, answer) in stored.iter().zip(answers) {
                let truth = match answer.as_slice() {
                    [ColumnValue::Integer(0)] => false,
                    [ColumnValue::Integer(1)] => true,
                    other => return Err(TestCaseError::fail(format!("{other:?} of {}", sql.clause))),
                };
                // A row that an affinity has bent into what its field cannot read has no document to agree with.
                let Some(document) = document(row) else { continue };
                compared.set(compared.get() + 1);
                prop_assert_eq!(truth, query.matches(&document), "{:?} on {:?}", sql, document);
                prop_assert_eq!(evaluate(&dql, &document), Some(truth), "{} on {:?}", dql.text, document);
            }
        }
    });
    assert!(
        compared.get() > 1_000,
        "only {} rows had a document",
        compared.get()
    );
}

fn document(row: &[ColumnValue]) -> Option<Document> {
    let id = MODEL.id_from_columns(&row[..1]).ok()?;
    let image = MODEL.canonical(Image::new(row[1..].to_vec())).ok()?;
    MODEL.document_of(&id, &image).ok()
}
