//! Captures what the app says it has changed where no trigger saw it: [`note_changed`].
//!
//! Not here: what happens while triggers were missing, which the next prepare finds (`state::missed`).

use ditto_sync_core::{
    hash::{ContentHash, IdHash},
    repository::{RepositoryError, RowRef},
};

use crate::{
    connection::{Durability, Reader, Writer},
    draft::read_row,
    known::id_key,
    layout::kind,
    native::Native,
    outbox::{self, NewEntry},
    state::{Fault, Memory, Session, on_native},
};

const ACTION: &str = "note a change that no trigger saw";

/// Compares the row with what was last agreed on, and captures a difference; whether there was one.
pub(crate) async fn note_changed(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    row: &RowRef,
) -> Result<bool, RepositoryError> {
    let mut memory = session.memory().await;
    let model = session.position(row.model)?;
    if !row.model.direction().sends() {
        return Ok(false);
    }
    session.load_known(reader, &mut memory, &[model]).await?;
    let mut transaction = session
        .begin(writer, &mut memory, (ACTION, Durability::Normal))
        .await?;
    let noted = on_native(&mut transaction, ACTION, |native| {
        note(native, session, (&mut memory, model), row)
    })
    .await?;
    if noted {
        session.commit(transaction, &mut memory, ACTION).await?;
    } else {
        memory.end_unchanged(transaction).await?;
    }
    Ok(noted)
}

fn note(
    native: &Native<'_>,
    session: &Session,
    (memory, model): (&mut Memory, usize),
    row: &RowRef,
) -> Result<bool, Fault> {
    let sql = &session.models()[model];
    let id = id_key(IdHash::of(&row.id));
    let of_model = &memory.models[model];
    let dirty = of_model.outbox.get(id).is_some();
    if dirty || of_model.unusable.is_some() || memory.known(model).is_kept(id) {
        return Ok(false);
    }
    // An id that is none of this model names no row.
    let Ok(key) = sql.model.id_to_columns(&row.id) else {
        return Ok(false);
    };
    let found = read_row(&mut native.prepare(&sql.select_row)?, sql, &key)?;
    let kind = match (found, memory.known(model).get(id)) {
        (Ok(None), None) => return Ok(false),
        (Ok(Some(image)), Some(known)) if ContentHash::of(sql.model, &image) == known => return Ok(false),
        (_, Some(_)) => kind::MISSED,
        (_, None) => kind::INSERT,
    };
    let entry = NewEntry {
        kind,
        key: &key,
        base: None,
    };
    outbox::append(native, sql, entry)?;
    memory.models[model].outbox.read(native, sql)?;
    Ok(true)
}
