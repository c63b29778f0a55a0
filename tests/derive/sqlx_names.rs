//! A struct that sqlx reads: its columns have the names that sqlx was told, and a row is the same for both.

use ditto_sync::prelude::*;
use ditto_sync_core::column::Image;

#[derive(Debug, Clone, PartialEq, DittoAdapter, sqlx::FromRow)]
#[ditto(collection = "sqlx_sales", rename_all = "camelCase")]
#[sqlx(rename_all = "SCREAMING_SNAKE_CASE")]
struct Sale {
    #[ditto(id)]
    #[sqlx(rename = "sale key")]
    id: String,
    branch_id: String,
    #[ditto(column = "TOTAL_2")]
    total_2: i64,
    #[sqlx(try_from = "String")]
    state: State,
    #[ditto(skip)]
    #[sqlx(skip)]
    is_selected: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, DittoField, sqlx::Type)]
#[sqlx(rename_all = "kebab-case")]
enum State {
    PartlyPaid,
    #[sqlx(rename = "paid")]
    Settled,
}

impl TryFrom<String> for State {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "partly-paid" => Ok(Self::PartlyPaid),
            "paid" => Ok(Self::Settled),
            _ => Err(text),
        }
    }
}

#[test]
fn columns_are_called_what_sqlx_calls_them() {
    let model = Sale::descriptor();
    let columns: Vec<_> = model.fields().iter().map(|field| field.column()).collect();
    assert_eq!(columns, ["BRANCH_ID", "TOTAL_2", "STATE"]);
    assert_eq!(model.id_fields()[0].column(), "sale key");
    assert_eq!(model.fields()[0].document_name(), "branchId");
}

#[tokio::test]
async fn sqlx_reads_what_we_write() {
    let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
    for state in [State::PartlyPaid, State::Settled] {
        let sale = Sale {
            id: "a".to_owned(),
            branch_id: "kigali-1".to_owned(),
            total_2: 3,
            state,
            is_selected: false,
        };
        let image: Image = Sale::descriptor().image_of(&sale.to_document().unwrap()).unwrap();
        let [branch, total, text] = image.columns() else {
            panic!("three columns beside the id")
        };
        let literal = |column: &ditto_sync::ColumnValue| match column {
            ditto_sync::ColumnValue::Text(text) => format!("'{text}'"),
            ditto_sync::ColumnValue::Integer(integer) => integer.to_string(),
            other => panic!("{other:?}"),
        };
        let select = format!(
            "SELECT 'a' AS \"sale key\", {} AS BRANCH_ID, {} AS TOTAL_2, {} AS STATE",
            literal(branch),
            literal(total),
            literal(text),
        );
        let read: Sale = sqlx::query_as(sqlx::AssertSqlSafe(select))
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(read, sale);
        let written: State = sqlx::query_scalar("SELECT ?")
            .bind(state)
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(written, state);
    }
}
