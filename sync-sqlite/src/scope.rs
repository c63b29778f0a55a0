//! Rows that left the scope: removed under full suppression and forgotten. Nothing is propagated.
//!
//! Rows in scope must not vanish with them unseen: what ON DELETE CASCADE takes along is forgotten and parked, so that it comes back with its parent; and a
//! row stays as long as unsent changes would go with it. Not here: when a row has left the scope (`merge::leaves_scope`).

use std::collections::HashSet;

use ditto_sync_core::{
    column::ColumnValue, descriptor::LeftScope, hash::IdHash, id::DocumentId, repository::RowRef,
};

use crate::{
    apply::{
        foreign_keys::{self, ForeignKey},
        guard,
    },
    known::{KEPT, KnownWrite, id_key},
    native::Native,
    outbox::{EntryKey, read_key},
    schema::identifier::same_name,
    state::{Fault, Memory, Session},
};

/// A row that a foreign key deletes with its parent.
#[derive(Debug)]
pub(crate) struct Follower {
    model: usize,
    id: u128,
    document: DocumentId,
}

/// Lets a clean row leave; whether it did. It stays while other rows refer to it, or would lose unsent changes; the next reconcile tries again.
pub(crate) fn leave(
    native: &Native<'_>,
    session: &Session,
    (memory, model): (&mut Memory, usize),
    (id, key): (u128, &[ColumnValue]),
) -> Result<bool, Fault> {
    let sql = &session.models()[model];
    let keeps = sql.model.left_scope() == LeftScope::Keep;
    if !keeps {
        let keys = foreign_keys::all(native)?;
        let followers = match followers(native, (session, memory), &keys, (model, key))? {
            Ok(followers) => followers,
            Err(reason) => {
                tracing::info!(collection = sql.model.collection(), %reason, "a row that left the scope stays for now");
                return Ok(false);
            }
        };
        if !guard::remove_quietly(native, sql, key)? {
            return Ok(false);
        }
        park(native, session, (memory, model), followers)?;
        if let Ok(document) = sql.model.id_from_columns(key) {
            memory.touch(model, &document);
        }
    }
    memory.write_known(KnownWrite {
        model,
        id,
        hash: keeps.then_some(KEPT),
    });
    Ok(true)
}

/// The rows of models that go with the row of this key; or why it must not go now.
pub(crate) fn followers(
    native: &Native<'_>,
    (session, memory): (&Session, &Memory),
    keys: &[ForeignKey],
    (model, key): (usize, &[ColumnValue]),
) -> Result<Result<Vec<Follower>, String>, Fault> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![(model, key.to_vec())];
    while let Some((parent, key)) = open.pop() {
        let of_parent = &session.models()[parent];
        for foreign in keys
            .iter()
            .filter(|foreign| foreign.acts() && same_name(foreign.parent(), of_parent.model.table()))
        {
            let child = session
                .models()
                .iter()
                .position(|sql| same_name(sql.model.table(), foreign.child()));
            let Some(child) = child else { continue };
            let sql = &session.models()[child];
            let mut select = native.prepare(&foreign.children_sql(sql, of_parent))?;
            select.bind_all(&key)?;
            while select.step()? {
                let EntryKey::Id(document, columns) = read_key(&select, sql, 0)? else {
                    return Ok(Err(format!(
                        "rows of `{}` that cannot be sent refer to it",
                        foreign.child()
                    )));
                };
                let id = id_key(IdHash::of(&document));
                if !seen.insert((child, id)) {
                    continue;
                }
                if !foreign.cascades() {
                    return Ok(Err(format!("rows of `{}` still refer to it", foreign.child())));
                }
                let unsent = memory.models[child].outbox.get(id).is_some() && sql.model.direction().sends();
                if unsent || memory.known(child).get(id).is_none() {
                    return Ok(Err(format!(
                        "rows of `{}` that are not sent refer to it",
                        foreign.child()
                    )));
                }
                found.push(Follower {
                    model: child,
                    id,
                    document,
                });
                open.push((child, columns));
            }
        }
    }
    Ok(Ok(found))
}

/// Forgets rows that went with the row of `model`, and has them wait for it.
pub(crate) fn park(
    native: &Native<'_>,
    session: &Session,
    (memory, model): (&mut Memory, usize),
    followers: Vec<Follower>,
) -> Result<Vec<RowRef>, Fault> {
    let parent = session.models()[model].model.table();
    let reason = format!("went with a row of `{parent}` that left the scope");
    let mut parked = Vec::with_capacity(followers.len());
    for follower in followers {
        let sql = &session.models()[follower.model];
        memory.models[follower.model]
            .troubles
            .park(native, sql, (&follower.document, &reason))?;
        memory.touch(follower.model, &follower.document);
        memory.write_known(KnownWrite {
            model: follower.model,
            id: follower.id,
            hash: None,
        });
        tracing::info!(collection = sql.model.collection(), id = ?follower.document, %reason, "a row is parked");
        parked.push(RowRef {
            model: sql.model,
            id: follower.document,
        });
    }
    Ok(parked)
}
