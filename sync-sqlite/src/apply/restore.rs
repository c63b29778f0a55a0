//! Rows that are missing, from their documents: [`restore`]. What is there, or was deleted here, stays as it is.

use std::collections::HashMap;

use ditto_sync_core::{
    hash::{ContentHash, IdHash},
    repository::{InboundItem, Incoming, RepositoryError, Restored},
    scope::Belongs,
};

use super::{
    pass::{Failure, Pass},
    work::{self, Work},
};
use crate::{
    connection::{Durability, Reader, Transaction, Writer},
    draft::read_row,
    known::id_key,
    native::Native,
    state::{Fault, Memory, SLICE_ROWS, Session, on_native},
};

const ACTION: &str = "restore rows from the store";

/// Restores rows; what became of each item. Of a dry run nothing remains.
pub(crate) async fn restore(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    (items, dry_run): (&[InboundItem], bool),
) -> Result<Vec<Restored>, RepositoryError> {
    let mut memory = session.memory().await;
    session.load_known(reader, &mut memory, session.order()).await?;
    let begin = (ACTION, Durability::Normal);
    let mut transaction = session.begin(writer, &mut memory, begin).await?;
    on_native(&mut transaction, ACTION, |native| {
        Ok(native.execute("PRAGMA defer_foreign_keys = ON")?)
    })
    .await?;
    let work = work::in_order(session, items)?;
    let (mut outcomes, mut missing) = (Outcomes::new(), Vec::with_capacity(work.len()));
    for slice in work.chunks(SLICE_ROWS) {
        on_native(&mut transaction, ACTION, |native| {
            for work in slice {
                match verdict(native, (session, &memory), work)? {
                    Some(verdict) => drop(outcomes.insert((work.model, work.id), verdict)),
                    None => missing.push(Work {
                        restores: true,
                        ..*work
                    }),
                }
            }
            Ok(())
        })
        .await?;
        tokio::task::yield_now().await;
    }
    outcomes.extend(missing.iter().map(|work| ((work.model, work.id), Restored::Done)));
    put(session, (&mut transaction, &mut memory), missing, &mut outcomes).await?;
    let restored = |outcome: &Restored| *outcome == Restored::Done;
    if dry_run || !outcomes.values().any(restored) {
        // The memory stays in doubt, and is read again.
        transaction.rollback().await?;
    } else {
        session.commit(transaction, &mut memory, ACTION).await?;
        for item in items {
            let model = session.position(item.model)?;
            if outcomes
                .get(&(model, id_key(IdHash::of(&item.id))))
                .is_some_and(restored)
            {
                memory.touch(model, &item.id);
            }
        }
    }
    let outcome = |item: &InboundItem| {
        let name = (session.position(item.model)?, id_key(IdHash::of(&item.id)));
        Ok(outcomes[&name].clone())
    };
    items.iter().map(outcome).collect()
}

/// What became of each, by the position of its model and its id.
type Outcomes = HashMap<(usize, u128), Restored>;

/// What becomes of an item whose row is not simply missing.
fn verdict(
    native: &Native<'_>,
    (session, memory): (&Session, &Memory),
    work: &Work<'_>,
) -> Result<Option<Restored>, Fault> {
    let sql = &session.models()[work.model];
    let of_model = &memory.models[work.model];
    if let Some(reason) = &of_model.unusable {
        return Ok(Some(Restored::Refused(reason.clone())));
    }
    let remote = match &work.item.incoming {
        Incoming::Absent => return Ok(Some(Restored::Refused("there is no document".to_owned()))),
        Incoming::Unreadable { reason, .. } => return Ok(Some(Restored::Refused(reason.to_string()))),
        Incoming::Present(remote) if remote.belongs != Belongs::Here => {
            return Ok(Some(Restored::OutOfScope));
        }
        Incoming::Present(remote) => remote,
    };
    let key = match sql.model.id_to_columns(&work.item.id) {
        Ok(key) => key,
        Err(reason) => return Ok(Some(Restored::Refused(reason.to_string()))),
    };
    let mut select = native.prepare(&sql.select_row)?;
    let deleted = of_model.outbox.get(work.id).is_some() || memory.known(work.model).get(work.id).is_some();
    Ok(match read_row(&mut select, sql, &key)? {
        Ok(Some(row)) if ContentHash::of(sql.model, &row) == remote.hash => Some(Restored::Present),
        Ok(Some(_)) | Err(_) => Some(Restored::Differs),
        Ok(None) if deleted => Some(Restored::Deleted),
        Ok(None) => None,
    })
}

/// Puts the rows in. Those that a constraint refuses are tried again as long as that gets anything in.
async fn put(
    session: &Session,
    (transaction, memory): (&mut Transaction, &mut Memory),
    mut open: Vec<Work<'_>>,
    outcomes: &mut Outcomes,
) -> Result<(), RepositoryError> {
    while !open.is_empty() {
        let pass = Pass::run(session, (transaction, memory), &open).await?;
        let hopeful = !pass.changed.is_empty();
        let mut next = Vec::new();
        for (at, failure) in pass.failures {
            if hopeful && failure.may_pass() {
                next.push(open[at]);
            } else {
                let refused = Restored::Refused(reason_of(failure));
                outcomes.insert((open[at].model, open[at].id), refused);
            }
        }
        open = next;
        work::sort(session, &mut open);
    }
    Ok(())
}

fn reason_of(failure: Failure) -> String {
    match failure {
        Failure::Waits(reason) | Failure::Constraint(reason) | Failure::Unreadable(reason) => reason,
    }
}
