//! The struct says the same of its columns to sqlx and to us. Where it does not, rows read by the one would not be those written by the other.

use crate::{
    diagnostics::Diagnostics,
    parse::adapter::{AdapterInput, FieldInput},
};

/// Reports every contradiction.
pub(super) fn agrees(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    for field in input.mapped_fields() {
        columns_have_one_name(field, diagnostics);
        what_sqlx_does_not_read_is_skipped(field, diagnostics);
        json_is_json(field, diagnostics);
    }
}

/// A name that sqlx is told is the column's name; ours may only repeat it.
fn columns_have_one_name(field: &FieldInput<'_>, diagnostics: &mut Diagnostics) {
    if let (Some(column), Some(sqlx_name)) = (field.column.value(), &field.sqlx_name)
        && column.text != *sqlx_name
    {
        let message = format!("`#[sqlx(..)]` calls this column `{sqlx_name}`");
        diagnostics.at(column.span, message);
    }
}

/// A skipped or flattened field is no column of the row that sqlx reads.
fn what_sqlx_does_not_read_is_skipped(field: &FieldInput<'_>, diagnostics: &mut Diagnostics) {
    let words = [field.sqlx.skip.as_ref(), field.sqlx.flatten.as_ref()];
    for word in words.into_iter().flatten() {
        let message = format!("with `{word}` sqlx reads no such column; write `#[ditto(skip)]` too");
        diagnostics.at(word.span(), message);
    }
}

/// The same text is another value when it is read as JSON.
fn json_is_json(field: &FieldInput<'_>, diagnostics: &mut Diagnostics) {
    let converts = field.json.is_written() || field.with.is_written();
    if let Some(word) = field.sqlx.json.as_ref().filter(|_| !converts) {
        diagnostics.at(
            word.span(),
            "sqlx reads this column as JSON; write `#[ditto(json)]` too",
        );
    }
}
