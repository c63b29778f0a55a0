//! One intent as one transaction of the engine: [`write`].
//!
//! Documents are compared inside the transaction that changes them, the batch id is noted in it, and it rolls back whenever anything is not as
//! expected. Not here: what the engine would refuse (`refusal`), and the texts (`statement`).

mod attempt;
mod conditions;

use std::{collections::HashSet, num::NonZeroU64};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation},
    store::StaleId,
};

use super::{error::EngineError, transaction::Transactions};

/// An intent without what only the repository needs.
pub(super) struct Batch {
    pub(super) id: BatchId,
    pub(super) operations: Vec<Step>,
}

/// What an operation asks of the store.
pub(super) struct Step {
    pub(super) model: &'static ModelDescriptor,
    pub(super) id: DocumentId,
    pub(super) expect: Expect,
    pub(super) action: Action,
}

/// How a batch ended.
pub(super) enum Written {
    /// By this call; the engine's number of the commit.
    Now(Option<NonZeroU64>),
    /// By an earlier one.
    Before,
    /// Nothing was applied.
    Stale(Vec<StaleId>),
}

impl Batch {
    pub(super) fn of(intent: &Intent) -> Self {
        let step = |operation: &Operation| Step {
            model: operation.model,
            id: operation.id.clone(),
            expect: operation.expect,
            action: operation.action.clone(),
        };
        Self {
            id: intent.batch,
            operations: intent.operations.iter().map(step).collect(),
        }
    }
}

/// Applies a batch as a whole, once, or not at all.
pub(super) fn write(transactions: &Transactions, batch: &Batch) -> Result<Written, EngineError> {
    // A seed over a deleted document stays invisible. The engine makes a ghost of it instead, whose fields are all null, so it is left out.
    let mut invisible = HashSet::new();
    loop {
        let outcome = transactions.write(async |call| attempt::attempt(call, batch, &invisible).await)?;
        match outcome {
            attempt::Outcome::Applied(noted) => return Ok(Written::Now(noted.commit_id())),
            attempt::Outcome::Unchanged(written) => return Ok(written),
            attempt::Outcome::Ghosts(found) => {
                let before = invisible.len();
                invisible.extend(found);
                assert!(
                    invisible.len() > before,
                    "a seed that was left out cannot become a ghost"
                );
            }
        }
    }
}
