//! Tables that do not fit, and what the report says of them.

use ditto_sync_core::{
    descriptor::{Direction, FieldDescriptor, ModelDescriptor},
    field::Storage,
    repository::{Finding, RepositoryError},
};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::{KeyOrigin, inspect};
use crate::{create, prepare::prepare};

/// All that is wrong with the tables of `ddl`, in the eyes of `models`.
async fn findings(ddl: &str, models: &[&'static ModelDescriptor]) -> Vec<Finding> {
    let mut conn = database(ddl).await;
    match prepare(&mut conn, models, "test.db").await {
        Ok(_) => Vec::new(),
        Err(RepositoryError::Unusable(findings)) => findings,
        Err(other) => panic!("{other}"),
    }
}

async fn database(ddl: &str) -> SqliteConnection {
    let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(ddl.to_owned()))
        .execute(&mut conn)
        .await
        .unwrap();
    conn
}

/// A model of the table `t` with the text id `id`.
fn model(fields: &[FieldDescriptor]) -> ModelDescriptor {
    let ids: &'static [_] = Box::leak(Box::new([text("id")]));
    ModelDescriptor::new("Item", "t", "t", ids, Box::leak(fields.into()))
}

fn leak(model: ModelDescriptor) -> &'static ModelDescriptor {
    Box::leak(Box::new(model))
}

fn text(name: &'static str) -> FieldDescriptor {
    FieldDescriptor::of::<String>(name, name, name)
}

fn integer(name: &'static str) -> FieldDescriptor {
    FieldDescriptor::of::<i64>(name, name, name)
}

fn real(name: &'static str) -> FieldDescriptor {
    FieldDescriptor::of::<f64>(name, name, name)
}

fn assert_found(findings: &[Finding], column: Option<&str>, problem: &str, remedy: &str) {
    assert!(
        findings.iter().any(|finding| finding.column.as_deref() == column
            && finding.problem.contains(problem)
            && finding.remedy.contains(remedy)),
        "no {column:?} `{problem}` `{remedy}` in {findings:#?}"
    );
}

#[tokio::test]
async fn everything_wrong_is_reported_at_once() {
    let other = ModelDescriptor::new("Other", "gone", "gone", Box::leak(Box::new([integer("id")])), &[]);
    let model = model(&[
        text("name"),
        integer("amount"),
        text("missing"),
        real("price").storage(Storage::Real),
    ]);
    let ddl = "CREATE TABLE t(id TEXT, name INTEGER, amount TEXT, price TEXT, must TEXT NOT NULL)";
    let findings = findings(ddl, &[leak(model), leak(other)]).await;
    assert_eq!(findings.len(), 7, "{findings:#?}");
    assert_found(
        &findings,
        Some("name"),
        "INTEGER affinity",
        "declare the column as TEXT",
    );
    assert_found(
        &findings,
        Some("amount"),
        "TEXT affinity",
        "declare the column as INTEGER",
    );
    assert_found(
        &findings,
        Some("price"),
        "TEXT affinity",
        "declare the column as REAL",
    );
    assert_found(
        &findings,
        Some("missing"),
        "does not exist",
        "ALTER TABLE \"t\" ADD COLUMN \"missing\" TEXT NOT NULL DEFAULT ''",
    );
    assert_found(&findings, Some("must"), "NOT NULL without a default", "send_only");
    assert_found(
        &findings,
        None,
        "has no primary key",
        "CREATE UNIQUE INDEX \"t_id\" ON \"t\"(\"id\")",
    );
    assert_found(
        &findings,
        None,
        "does not exist",
        "create_missing_tables::<Other>()",
    );
}

#[tokio::test]
async fn a_refused_database_is_unchanged_after_the_rollback() {
    let mut conn = database("CREATE TABLE t(id TEXT)").await;
    let mut transaction = conn.begin().await.unwrap();
    prepare(&mut transaction, &[leak(model(&[]))], "test.db")
        .await
        .unwrap_err();
    transaction.rollback().await.unwrap();
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn the_key_has_to_be_the_id() {
    let item = leak(model(&[]));
    let wrong = findings("CREATE TABLE t(pk INTEGER PRIMARY KEY, id TEXT)", &[item]).await;
    assert_found(
        &wrong,
        None,
        "its primary key is \"pk\", the id fields are \"id\"",
        "mark the fields of the primary key",
    );
    let composite = findings(
        "CREATE TABLE t(id TEXT, other TEXT DEFAULT '', PRIMARY KEY (id, other))",
        &[item],
    )
    .await;
    assert_found(
        &composite,
        None,
        "its primary key is \"id\", \"other\"",
        "CREATE UNIQUE INDEX",
    );
    let nullable = findings("CREATE TABLE t(pk INTEGER PRIMARY KEY, id TEXT UNIQUE)", &[item]).await;
    assert_found(&nullable, None, "admits NULL", "NOT NULL");
    let partial = findings(
        "CREATE TABLE t(id TEXT NOT NULL); CREATE UNIQUE INDEX i ON t(id) WHERE id > 'a'",
        &[item],
    )
    .await;
    assert_found(&partial, None, "no primary key", "CREATE UNIQUE INDEX");

    for accepted in [
        "CREATE TABLE t(id TEXT PRIMARY KEY)",
        "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID",
        "CREATE TABLE t(id TEXT NOT NULL UNIQUE)",
        "CREATE TABLE t(pk INTEGER PRIMARY KEY, id TEXT NOT NULL); CREATE UNIQUE INDEX i ON t(id)",
    ] {
        assert_eq!(findings(accepted, &[item]).await, [], "{accepted}");
    }
}

#[tokio::test]
async fn only_ordinary_tables_are_taken() {
    let item = leak(model(&[]));
    let view = findings("CREATE VIEW t AS SELECT 'a' AS id", &[item]).await;
    assert_found(&view, None, "is a view", "ordinary table");
    let table = findings("CREATE VIRTUAL TABLE t USING fts5(id)", &[item]).await;
    assert_found(&table, None, "is a virtual table", "ordinary table");
    let ids: &'static [_] = Box::leak(Box::new([text("key")]));
    let ours = findings(
        "",
        &[leak(ModelDescriptor::new(
            "Meta",
            "meta",
            "Ditto_Sync_meta",
            ids,
            &[],
        ))],
    )
    .await;
    assert_found(&ours, None, "are reserved", "table of the app");
}

#[tokio::test]
async fn generated_columns_and_counters_are_checked() {
    let model = model(&[integer("twice"), integer("n").counter()]);
    let ddl = "CREATE TABLE t(id TEXT PRIMARY KEY, n NUMERIC, twice INTEGER AS (n * 2))";
    let findings = findings(ddl, &[leak(model)]).await;
    assert_found(&findings, Some("twice"), "is generated", "`skip`");
    assert_found(
        &findings,
        Some("n"),
        "counter in a column of NUMERIC affinity",
        "INTEGER",
    );
}

#[tokio::test]
async fn two_models_on_one_table_or_collection_are_refused() {
    let ddl = "CREATE TABLE t(id TEXT PRIMARY KEY); CREATE TABLE other(id TEXT PRIMARY KEY)";
    let ids: &'static [_] = Box::leak(Box::new([text("id")]));
    let one = leak(ModelDescriptor::new("One", "ones", "t", ids, &[]));
    let table = findings(
        ddl,
        &[one, leak(ModelDescriptor::new("Two", "twos", "T", ids, &[]))],
    )
    .await;
    assert_found(
        &table,
        None,
        "both `One` and `Two` are mapped to it",
        "of its own",
    );
    let collection = findings(
        ddl,
        &[one, leak(ModelDescriptor::new("Two", "ones", "other", ids, &[]))],
    )
    .await;
    assert_found(&collection, None, "the collection `ones`", "of its own");
    let columns = findings(
        "CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT)",
        &[leak(model(&[text("a"), text("A")]))],
    )
    .await;
    assert_found(&columns, Some("A"), "both the fields `a` and `A`", "elsewhere");
}

#[tokio::test]
async fn columns_that_a_model_leaves_out_matter_only_when_it_receives() {
    let ddl = "CREATE TABLE t(id TEXT PRIMARY KEY, must TEXT NOT NULL, defaulted TEXT NOT NULL DEFAULT 'x', \
               generated TEXT NOT NULL AS (must), free TEXT)";
    let findings_of = async |direction| findings(ddl, &[leak(model(&[]).with_direction(direction))]).await;
    assert_eq!(findings_of(Direction::SendOnly).await, []);
    let received = findings_of(Direction::ReceiveOnly).await;
    assert_eq!(received.len(), 1, "{received:#?}");
    assert_found(
        &received,
        Some("must"),
        "no row from the store can be inserted",
        "default",
    );
    let item = leak(model(&[]));
    let counted = "CREATE TABLE t(pk INTEGER PRIMARY KEY NOT NULL, id TEXT NOT NULL UNIQUE)";
    assert_eq!(findings(counted, &[item]).await, [], "SQLite fills it");
}

#[tokio::test]
async fn strict_tables_are_checked_by_their_types() {
    let model = leak(model(&[text("a"), integer("b"), real("c"), integer("d")]));
    let fits = "CREATE TABLE t(id TEXT PRIMARY KEY, a TEXT, b INT, c REAL, d ANY) STRICT";
    assert_eq!(findings(fits, &[model]).await, []);
    let wrong = "CREATE TABLE t(id ANY PRIMARY KEY, a BLOB, b TEXT, c INTEGER, d REAL) STRICT";
    let wrong = findings(wrong, &[model]).await;
    assert_eq!(wrong.len(), 4, "{wrong:#?}");
    assert_found(
        &wrong,
        Some("a"),
        "the STRICT type BLOB refuses the TEXT values",
        "declare the column as TEXT",
    );
}

#[tokio::test]
async fn created_tables_fit_their_models_and_stay_as_they_are() {
    let fields: &'static [_] = Box::leak(Box::new([
        text("a b"),
        integer("group").counter(),
        FieldDescriptor::of::<Option<Vec<u8>>>("x", "x", "q\"x"),
    ]));
    let ids: [&'static [FieldDescriptor]; 3] = [
        Box::leak(Box::new([integer("id")])),
        Box::leak(Box::new([text("id")])),
        Box::leak(Box::new([text("id"), integer("no")])),
    ];
    for ids in ids {
        let model = leak(ModelDescriptor::new(
            "Order",
            "orders",
            "my \"order\"",
            ids,
            fields,
        ));
        let sql = create::table_sql(model);
        let mut conn = database(&format!("{sql};{sql}")).await;
        let layouts = prepare(&mut conn, &[model], "test.db").await.unwrap();
        let shape = &layouts[0].shape;
        assert_eq!(
            shape.primary_key(),
            ids.iter().map(FieldDescriptor::column).collect::<Vec<_>>()
        );
        assert!(shape.column("a b").unwrap().not_null && !shape.column("q\"x").unwrap().not_null);
    }
}

#[tokio::test]
async fn a_table_is_described_as_it_is() {
    let mut conn = database(
        "CREATE TABLE parent(id INTEGER PRIMARY KEY);
         CREATE TABLE t(id TEXT PRIMARY KEY COLLATE NOCASE, p INTEGER REFERENCES parent(id) ON DELETE CASCADE,
            boss TEXT REFERENCES T DEFERRABLE INITIALLY DEFERRED, a TEXT, b TEXT AS (a), UNIQUE (a, p));
         CREATE UNIQUE INDEX lower_a ON t(lower(a));
         CREATE TRIGGER plain AFTER INSERT ON t BEGIN SELECT 1; END;
         CREATE TRIGGER aside AFTER INSERT ON t WHEN NOT (SELECT active FROM Ditto_Sync_guard) BEGIN SELECT 1; END;",
    )
    .await;
    assert!(inspect(&mut conn, "nowhere").await.unwrap().is_none());
    let shape = inspect(&mut conn, "T").await.unwrap().unwrap();
    assert_eq!(
        (shape.name.as_str(), shape.without_rowid, shape.strict),
        ("t", false, false)
    );
    assert!(shape.column("B").unwrap().generated);
    let key = shape.key_over(&["ID"]).unwrap();
    assert_eq!(
        (key.origin, key.columns[0].collation.as_str()),
        (KeyOrigin::PrimaryKey, "NOCASE")
    );
    assert!(shape.key_over(&["p", "a"]).is_some());
    assert_eq!(shape.unique_keys.len(), 2);
    assert_eq!(shape.expression_indexes, ["lower_a"]);
    let to_boss = shape.foreign_keys.iter().find(|key| key.parent == "T").unwrap();
    assert_eq!(
        (to_boss.columns.as_slice(), to_boss.parent_columns.len()),
        (&["boss".to_owned()][..], 0)
    );
    let to_parent = shape
        .foreign_keys
        .iter()
        .find(|key| key.parent == "parent")
        .unwrap();
    assert_eq!(to_parent.parent_columns, ["id"]);
    let mut triggers: Vec<_> = shape
        .user_triggers
        .iter()
        .map(|trigger| (trigger.name.as_str(), trigger.guarded))
        .collect();
    triggers.sort_unstable();
    assert_eq!(triggers, [("aside", true), ("plain", false)]);
}
