//! One attempt at a batch, within its transaction: [`attempt`].

use std::collections::{BTreeMap, HashMap, HashSet};

use ditto_sync_core::{
    document::{Document, FieldName},
    id::DocumentId,
    intent::Action,
    store::StaleId,
    value::Value,
};
use dittolive_ditto::dql::QueryResult;

use super::{
    Batch, Step, Written,
    conditions::{Conditions, check},
};
use crate::{
    engine::{
        bookkeeping,
        error::EngineError,
        reading::documents_by_id,
        transaction::{Call, Ending},
    },
    refusal::is_counter,
    statement::{self, Mode, delete, increment, restart, select, unset},
    wire::{ID_FIELD, OutgoingDocument},
};

/// What an attempt came to.
pub(super) enum Outcome {
    /// Applied; the statement knows the number of the commit after it.
    Applied(QueryResult),
    /// Nothing was written, and nothing is to be.
    Unchanged(Written),
    /// Nothing was written: at these positions are seeds that the engine would make ghosts of.
    Ghosts(Vec<usize>),
}

/// The operations of one collection, with their positions in the batch.
pub(super) type Steps<'a> = Vec<(usize, &'a Step)>;

pub(super) async fn attempt(
    call: Call<'_>,
    batch: &Batch,
    invisible: &HashSet<usize>,
) -> Result<Ending<Outcome>, EngineError> {
    let last = bookkeeping::last_applied(call, batch.id.replica).await?;
    // Numbers only grow, and a refused one is never used for anything else: what is not newer was applied.
    if last.is_some_and(|last| batch.id.sequence <= last) {
        return Ok(Ending::Rollback(Outcome::Unchanged(Written::Before)));
    }
    let mut collections: BTreeMap<&str, Steps<'_>> = BTreeMap::new();
    for (at, step) in batch.operations.iter().enumerate() {
        collections
            .entry(step.model.collection())
            .or_default()
            .push((at, step));
    }
    let (mut checked, mut stale) = (Vec::new(), Vec::new());
    for steps in collections.into_values() {
        let mut conditions = check(call, &steps).await?;
        stale.append(&mut conditions.stale);
        checked.push((steps, conditions));
    }
    if !stale.is_empty() {
        stale.sort_unstable();
        let stale = stale
            .into_iter()
            .map(|at| stale_id(&batch.operations[at]))
            .collect();
        return Ok(Ending::Rollback(Outcome::Unchanged(Written::Stale(stale))));
    }
    let mut ghosts = Vec::new();
    for (steps, conditions) in &checked {
        replace(call, steps, conditions).await?;
        patch(call, steps, conditions).await?;
        delete_all(call, steps).await?;
        ghosts.append(&mut seed(call, steps, invisible).await?);
    }
    if !ghosts.is_empty() {
        return Ok(Ending::Rollback(Outcome::Ghosts(ghosts)));
    }
    let noted = bookkeeping::note_applied(call, batch.id).await?;
    Ok(Ending::Commit(Outcome::Applied(noted)))
}

fn stale_id(step: &Step) -> StaleId {
    StaleId {
        collection: step.model.collection(),
        id: step.id.clone(),
    }
}

/// Inserts over what is there: it goes first, so that nothing of it stays and counters start anew.
async fn replace(call: Call<'_>, steps: &Steps<'_>, conditions: &Conditions) -> Result<(), EngineError> {
    let replaced: Vec<_> = steps
        .iter()
        .filter(|(at, _)| conditions.replaced.contains(at))
        .map(|(_, step)| *step)
        .collect();
    let Some(first) = replaced.first() else {
        return Ok(());
    };
    let ids: Vec<_> = replaced.iter().map(|step| &step.id).collect();
    call.change(delete(first.model.collection(), &ids)).await?;
    let documents = replaced.iter().filter_map(|step| whole(step)).collect();
    let inserted = call
        .change(statement::write(first.model, documents, Mode::Absent))
        .await?;
    assert_eq!(inserted, replaced.len(), "what was deleted just now is not there");
    Ok(())
}

/// The document of an insert or a seed, as it is sent.
pub(super) fn whole(step: &Step) -> Option<OutgoingDocument<'_>> {
    let (Action::Insert(document) | Action::Seed(document)) = &step.action else {
        return None;
    };
    // A counter without a value is left out: the engine takes integers only.
    let fields = document
        .iter()
        .filter(|(name, value)| *name != ID_FIELD && !(value.is_null() && is_counter(step.model, name)));
    Some(OutgoingDocument {
        id: &step.id,
        fields: fields.collect(),
    })
}

async fn patch(call: Call<'_>, steps: &Steps<'_>, conditions: &Conditions) -> Result<(), EngineError> {
    let mut changes = Changes::default();
    for (at, step) in steps {
        if let Action::Patch { set, increments } = &step.action {
            changes.add(step, set, increments, conditions.recounted.get(at));
        }
    }
    let Some((_, first)) = steps.first() else {
        return Ok(());
    };
    let collection = first.model.collection();
    call.change(statement::write(first.model, changes.sparse, Mode::Fields))
        .await?;
    for (field, ids) in changes.unset {
        call.change(unset(collection, field, &ids)).await?;
    }
    for (counter, values) in changes.restarts {
        call.change(restart(collection, counter, &values)).await?;
    }
    for (counter, amounts) in changes.increments {
        call.change(increment(collection, counter, &amounts)).await?;
    }
    Ok(())
}

/// What the patches of one collection change, by kind of statement.
#[derive(Default)]
struct Changes<'a> {
    sparse: Vec<OutgoingDocument<'a>>,
    unset: BTreeMap<&'a str, Vec<&'a DocumentId>>,
    restarts: BTreeMap<&'a str, Vec<(&'a DocumentId, i64)>>,
    increments: BTreeMap<&'a str, Vec<(&'a DocumentId, i64)>>,
}

impl<'a> Changes<'a> {
    fn add(
        &mut self,
        step: &'a Step,
        set: &'a [(FieldName, Value)],
        increments: &'a [(FieldName, i64)],
        recounted: Option<&HashMap<FieldName, i64>>,
    ) {
        let id = &step.id;
        let mut fields = Vec::with_capacity(set.len());
        for (name, value) in set {
            match value {
                Value::Int(start) if is_counter(step.model, name) => {
                    self.restarts.entry(name).or_default().push((id, *start));
                }
                _ if is_counter(step.model, name) => self.unset.entry(name).or_default().push(id),
                _ => fields.push((name, value)),
            }
        }
        if !fields.is_empty() {
            self.sparse.push(OutgoingDocument { id, fields });
        }
        for (name, amount) in increments {
            match recounted.and_then(|counters| counters.get(name)) {
                Some(value) => {
                    let start = value.wrapping_add(*amount);
                    self.restarts.entry(name).or_default().push((id, start));
                }
                None if *amount != 0 => self.increments.entry(name).or_default().push((id, *amount)),
                None => {}
            }
        }
    }
}

async fn delete_all(call: Call<'_>, steps: &Steps<'_>) -> Result<(), EngineError> {
    let deleted = steps
        .iter()
        .filter(|(_, step)| matches!(step.action, Action::Delete));
    let ids: Vec<_> = deleted.map(|(_, step)| &step.id).collect();
    let Some((_, first)) = steps.first() else {
        return Ok(());
    };
    call.change(delete(first.model.collection(), &ids))
        .await
        .map(drop)
}

/// Seeds; the positions of those that the engine made ghosts of.
async fn seed(
    call: Call<'_>,
    steps: &Steps<'_>,
    invisible: &HashSet<usize>,
) -> Result<Vec<usize>, EngineError> {
    let is_seed =
        |(at, step): &&(usize, &Step)| matches!(step.action, Action::Seed(_)) && !invisible.contains(at);
    let seeds: Steps<'_> = steps.iter().filter(is_seed).copied().collect();
    let Some((_, first)) = seeds.first() else {
        return Ok(Vec::new());
    };
    let documents = seeds.iter().filter_map(|(_, step)| whole(step)).collect();
    call.change(statement::write(first.model, documents, Mode::Seed))
        .await?;
    let ids: Vec<_> = seeds.iter().map(|(_, step)| &step.id).collect();
    let found = documents_by_id(call, first.model, select(first.model.collection(), &ids)).await?;
    let is_ghost = |(_, step): &&(usize, &Step)| match (&step.action, found.get(&step.id)) {
        (Action::Seed(seed), Some(document)) => is_ghost(step, seed, document),
        _ => true,
    };
    Ok(seeds.iter().filter(is_ghost).map(|(at, _)| *at).collect())
}

/// A ghost has lost all values. With an anchor that one field tells.
fn is_ghost(step: &Step, seed: &Document, found: &Document) -> bool {
    step.model.is_husk(found)
        || seed
            .iter()
            .any(|(name, value)| !value.is_null() && found.get(name).is_none_or(Value::is_null))
}
