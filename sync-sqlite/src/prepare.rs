//! Makes a database ready for its models: bookkeeping, checks, capture; or says everything that stands in the way.

use std::collections::HashSet;

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    repository::{Finding, RepositoryError},
};
use sqlx::SqliteConnection;

use crate::{
    capture,
    error::{Context, DatabaseError},
    layout::{self, ModelLayout, Registered},
    schema,
};

/// Checks the tables of `models`, brings the bookkeeping up to date and installs the capture triggers, all in the write transaction that the caller
/// opened on `conn`. Writes nothing when everything is in place. `path` is for messages.
///
/// # Errors
/// [`RepositoryError::Unusable`] with everything wrong at once, [`RepositoryError::FutureFormat`], and those of the database. The caller rolls back.
pub(crate) async fn prepare(
    conn: &mut SqliteConnection,
    models: &[&'static ModelDescriptor],
    path: &str,
) -> Result<Vec<ModelLayout>, RepositoryError> {
    let context = Context::new(path.into(), "prepare the tables");
    let migrated = layout::migrate(conn, &context, path).await?;
    let (mut layouts, findings) = register_fitting(conn, models)
        .await
        .map_err(|error| context.error(error))?;
    if !findings.is_empty() {
        return Err(RepositoryError::Unusable(findings));
    }
    for layout in &mut layouts {
        layout.rehash |= migrated.rehash && !layout.created;
        capture::install(conn, layout)
            .await
            .map_err(|error| context.error(error))?;
    }
    Ok(layouts)
}

/// The layouts of the models whose tables fit, in the order given, and what is wrong with the others.
async fn register_fitting(
    conn: &mut SqliteConnection,
    models: &[&'static ModelDescriptor],
) -> Result<(Vec<ModelLayout>, Vec<Finding>), DatabaseError> {
    let mut findings = schema::check_together(models);
    let mut fitting = Vec::with_capacity(models.len());
    for &model in models {
        let shape = schema::inspect(conn, model.table()).await?;
        let found = schema::check(model, shape.as_ref());
        match shape {
            Some(shape) if found.is_empty() => fitting.push((model, shape)),
            _ => findings.extend(found),
        }
    }
    if !findings.is_empty() {
        return Ok((Vec::new(), findings));
    }
    let collections: HashSet<_> = models.iter().map(|model| model.collection()).collect();
    let mut layouts = Vec::with_capacity(models.len());
    for (model, shape) in fitting {
        match layout::register(conn, model, shape, &collections).await? {
            Registered::Ready(layout) => layouts.push(*layout),
            Registered::Refused(finding) => findings.push(finding),
        }
    }
    Ok((layouts, findings))
}
