//! Whether documents are what a batch was computed against: [`check`].

use std::collections::{HashMap, HashSet};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::{Document, FieldName},
    id::DocumentId,
    intent::{Action, Expect},
    value::Value,
};

use super::{
    Step,
    attempt::{Steps, whole},
};
use crate::{
    engine::{
        error::EngineError,
        reading::documents_by_id,
        transaction::{Call, decoded},
    },
    statement::{self, Mode, select, select_counted},
    wire::{Incoming, id_of},
};

/// What was found, by position in the batch.
#[derive(Default)]
pub(super) struct Conditions {
    /// Documents that are not as expected.
    pub(super) stale: Vec<usize>,
    /// Inserts that have something to remove first: the document they replace, or a husk.
    pub(super) replaced: HashSet<usize>,
    /// Counters that another program has written as plain numbers, with what they show: an increment would not add to that.
    pub(super) recounted: HashMap<usize, HashMap<FieldName, i64>>,
}

/// Compares every document of one collection with what is expected of it, and makes the inserts that need nothing else.
pub(super) async fn check(call: Call<'_>, steps: &Steps<'_>) -> Result<Conditions, EngineError> {
    let is_fresh = |step: &Step| matches!((&step.action, step.expect), (Action::Insert(_), Expect::Absent));
    let mut conditions = Conditions::default();
    let (fresh, rest): (Steps<'_>, Steps<'_>) = steps.iter().partition(|(_, step)| is_fresh(step));
    let (counting, plain): (Steps<'_>, Steps<'_>) = rest.iter().partition(|(_, step)| counts(step));
    insert(call, &fresh, &mut conditions).await?;
    compare(call, &plain, &mut conditions).await?;
    compare_counting(call, &counting, &mut conditions).await?;
    Ok(conditions)
}

fn counts(step: &Step) -> bool {
    matches!(&step.action, Action::Patch { increments, .. } if !increments.is_empty())
}

/// Inserts where nothing is expected. Whether something was there the engine tells by not inserting; this costs no read.
async fn insert(call: Call<'_>, steps: &Steps<'_>, conditions: &mut Conditions) -> Result<(), EngineError> {
    let Some((_, first)) = steps.first() else {
        return Ok(());
    };
    let documents = steps.iter().filter_map(|(_, step)| whole(step)).collect();
    let (mut inserted, mut count) = (Vec::new(), 0);
    for statement in statement::write(first.model, documents, Mode::Absent) {
        let ids = call.execute(statement).await?.mutated_document_ids();
        count += ids.len();
        inserted.push(ids);
    }
    if count == steps.len() {
        return Ok(());
    }
    let mut there: HashMap<&DocumentId, usize> = steps.iter().map(|(at, step)| (&step.id, *at)).collect();
    for id in inserted.iter().flatten() {
        let Incoming(id) = decoded(id.as_ref())?;
        if let Some(id) = id_of(id) {
            there.remove(&id);
        }
    }
    let ids: Vec<_> = there.keys().copied().collect();
    let found = documents_by_id(call, first.model, select(first.model.collection(), &ids)).await?;
    for (id, at) in there {
        if Expect::Absent.is_met_by(first.model, found.get(id)) {
            conditions.replaced.insert(at);
        } else {
            conditions.stale.push(at);
        }
    }
    Ok(())
}

async fn compare(call: Call<'_>, steps: &Steps<'_>, conditions: &mut Conditions) -> Result<(), EngineError> {
    let Some(found) = read(call, steps, |model, ids| select(model.collection(), ids)).await? else {
        return Ok(());
    };
    for (at, step) in steps {
        if !step.expect.is_met_by(step.model, found.get(&step.id)) {
            conditions.stale.push(*at);
        } else if matches!(step.action, Action::Insert(_)) {
            conditions.replaced.insert(*at);
        }
    }
    Ok(())
}

/// Compares documents whose counters grow. They are read with their counters as counters, which tells whether those are some; only where that
/// does not settle it they are read as everybody sees them.
async fn compare_counting(
    call: Call<'_>,
    steps: &Steps<'_>,
    conditions: &mut Conditions,
) -> Result<(), EngineError> {
    let Some(counted) = read(call, steps, select_counted).await? else {
        return Ok(());
    };
    let settled = |(_, step): &&(usize, &Step)| {
        let document = counted.get(&step.id);
        document.is_some_and(|document| has_counters(step, document))
            && step.expect.is_met_by(step.model, document)
    };
    let open: Steps<'_> = steps.iter().filter(|step| !settled(step)).copied().collect();
    let Some(shown) = read(call, &open, |model, ids| select(model.collection(), ids)).await? else {
        return Ok(());
    };
    for (at, step) in open {
        let document = shown.get(&step.id);
        if !step.expect.is_met_by(step.model, document) {
            conditions.stale.push(at);
        } else if let Some(document) = document {
            let recounted = recounted(step, document, counted.get(&step.id));
            conditions.recounted.insert(at, recounted);
        }
    }
    Ok(())
}

fn increments(step: &Step) -> &[(FieldName, i64)] {
    match &step.action {
        Action::Patch { increments, .. } => increments,
        _ => &[],
    }
}

fn has_counters(step: &Step, document: &Document) -> bool {
    increments(step)
        .iter()
        .all(|(name, _)| document.get(name).is_some())
}

fn recounted(step: &Step, shown: &Document, counted: Option<&Document>) -> HashMap<FieldName, i64> {
    let mut recounted = HashMap::new();
    for (name, _) in increments(step) {
        let value = shown.get(name);
        if let Some(Value::Int(number)) = value
            && counted.and_then(|document| document.get(name)) != value
        {
            recounted.insert(name.clone(), *number);
        }
    }
    recounted
}

async fn read<'a>(
    call: Call<'_>,
    steps: &Steps<'a>,
    statements: impl FnOnce(&'static ModelDescriptor, &[&'a DocumentId]) -> Vec<statement::Statement<'a>>,
) -> Result<Option<HashMap<DocumentId, Document>>, EngineError> {
    let Some((_, first)) = steps.first() else {
        return Ok(None);
    };
    let ids: Vec<_> = steps.iter().map(|(_, step)| &step.id).collect();
    documents_by_id(call, first.model, statements(first.model, &ids))
        .await
        .map(Some)
}
