//! Tables and columns of any name.

use super::{Bed, integer, model, nullable, text};

#[tokio::test]
async fn names_of_any_kind_are_captured() {
    let names = [
        "order",
        "my table",
        "a.b",
        "quote\"d",
        "it's",
        "été [1]",
        "select",
        "x;--",
    ];
    for name in names {
        let quoted = crate::schema::identifier::quoted(name);
        let ddl = format!(
            "CREATE TABLE {quoted}({quoted} TEXT PRIMARY KEY, \"group\" INTEGER, \"c d\" TEXT UNIQUE);
             INSERT INTO {quoted} VALUES ('a', 1, 'x'), ('b', 2, 'y')"
        );
        let fields = [nullable::<i64>("group"), nullable::<String>("c d")];
        let mut bed = Bed::new(&ddl, &[model(name, &[text(name)], &fields)]).await;
        assert_eq!(
            bed.captured(&format!("UPDATE {quoted} SET \"group\" = 5 WHERE \"group\" = 1"))
                .await,
            ["U 'a' 1 'x'"]
        );
        assert_eq!(
            bed.captured(&format!("REPLACE INTO {quoted} VALUES ('c', 1, 'y')"))
                .await,
            ["R 'b' 2 'y'", "I 'c'"]
        );
        assert_eq!(
            bed.captured(&format!("DELETE FROM {quoted} WHERE {quoted} = 'a'"))
                .await,
            ["D 'a' 5 'x'"]
        );
    }
}

#[tokio::test]
async fn a_model_may_spell_names_in_another_case() {
    let mut bed = Bed::new(
        "CREATE TABLE Items(Id INTEGER PRIMARY KEY, Qty INTEGER); INSERT INTO Items VALUES (1, 1)",
        &[model("items", &[integer("id")], &[nullable::<i64>("qty")])],
    )
    .await;
    assert_eq!(bed.captured("UPDATE ITEMS SET QTY = 2").await, ["U 1 1"]);
    bed.clear().await;
    let models = [bed.layouts[0].model];
    bed.prepare(&models).await;
    assert!(!bed.layouts[0].reinstalled);
}

#[tokio::test]
async fn tables_with_many_columns_are_captured() {
    const COLUMNS: usize = 1200;
    let names: Vec<&'static str> = (0..COLUMNS)
        .map(|at| &*Box::leak(format!("c{at}").into_boxed_str()))
        .collect();
    let fields: Vec<_> = names.iter().map(|name| nullable::<i64>(name)).collect();
    let ddl = format!(
        "CREATE TABLE t(id TEXT PRIMARY KEY, {}); INSERT INTO t(id) VALUES ('a')",
        names.join(" INTEGER, ")
    );
    let mut bed = Bed::new(
        &ddl.replace("c1199)", "c1199 INTEGER)"),
        &[model("t", &[text("id")], &fields)],
    )
    .await;
    bed.run("UPDATE t SET c1199 = 5; UPDATE t SET c1199 = 5; UPDATE t SET c0 = 1")
        .await;
    assert_eq!(
        bed.number("SELECT count(*) FROM ditto_sync_outbox_1 WHERE kind = 'U'")
            .await,
        2
    );
}
