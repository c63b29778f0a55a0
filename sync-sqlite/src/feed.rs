//! Telling listeners which rows have changed: [`Feed`] collects them for one model, [`heard`] hands them out.
//!
//! A local change is collected when its outbox entry is read, which happens before that can be dropped; a change of ours where it is made. What is
//! collected in a transaction that fails is told too, and does no harm: listeners read the row as it is. Not here: reading it (`view`).

use std::{collections::HashSet, mem};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    id::DocumentId,
    live::{Origin, Touched},
    repository::RepositoryError,
};

use crate::{
    connection::{Durability, Reader, Writer},
    native::Native,
    outbox,
    state::{Fault, Memory, Session, on_native},
};

const ACTION: &str = "look which rows have changed";

/// The rows of one model that have changed; nothing while nobody listens.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    rows: Option<HashSet<(DocumentId, Origin)>>,
}

impl Feed {
    /// Starts or stops listening.
    pub(crate) fn listen(&mut self, on: bool) {
        match (on, &self.rows) {
            (true, None) => self.rows = Some(HashSet::new()),
            (true, Some(_)) => {}
            (false, _) => self.rows = None,
        }
    }

    fn is_on(&self) -> bool {
        self.rows.is_some()
    }

    /// A row has changed, or will have when the transaction is committed.
    pub(crate) fn touch(&mut self, id: &DocumentId, origin: Origin) {
        if let Some(rows) = &mut self.rows {
            rows.insert((id.clone(), origin));
        }
    }

    fn take(&mut self) -> impl Iterator<Item = (DocumentId, Origin)> + use<> {
        self.rows.as_mut().map(mem::take).into_iter().flatten()
    }
}

/// Listens to these models and no others. What was committed before is not told, unless nobody has looked since.
pub(crate) async fn listen(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    models: &[&'static ModelDescriptor],
) -> Result<(), RepositoryError> {
    let mut memory = session.memory().await;
    if !models.is_empty() {
        look(session, (writer, reader), &mut memory).await?;
    }
    set(session, &mut memory, models);
    Ok(())
}

/// Listens from the start of a session on: everything that is dirty is told once.
pub(crate) async fn listen_on(session: &Session, models: &[&'static ModelDescriptor]) {
    set(session, &mut *session.memory().await, models);
}

fn set(session: &Session, memory: &mut Memory, models: &[&'static ModelDescriptor]) {
    for (sql, of_model) in session.models().iter().zip(&mut memory.models) {
        let on = models
            .iter()
            .any(|model| model.collection() == sql.model.collection());
        of_model.outbox.feed.listen(on);
    }
}

/// What has changed since the last call.
pub(crate) async fn heard(
    session: &Session,
    connections: (&Writer, &Reader),
) -> Result<Vec<Touched>, RepositoryError> {
    let mut memory = session.memory().await;
    if !memory.models.iter().any(|model| model.outbox.feed.is_on()) {
        return Ok(Vec::new());
    }
    look(session, connections, &mut memory).await?;
    let mut touched = Vec::new();
    for (sql, of_model) in session.models().iter().zip(&mut memory.models) {
        touched.extend(of_model.outbox.feed.take().map(|(id, origin)| Touched {
            collection: sql.model.collection(),
            id,
            origin,
        }));
    }
    Ok(touched)
}

/// Reads the entries that are new. Without any it only reads, and takes no lock.
async fn look(
    session: &Session,
    (writer, reader): (&Writer, &Reader),
    memory: &mut Memory,
) -> Result<(), RepositoryError> {
    if !has_news(session, reader, memory, ACTION).await? {
        return Ok(());
    }
    let begin = (ACTION, Durability::Normal);
    let transaction = session.begin(writer, memory, begin).await?;
    memory.end_unchanged(transaction).await
}

/// Whether some outbox holds entries that were not read.
pub(crate) async fn has_news(
    session: &Session,
    reader: &Reader,
    memory: &Memory,
    action: &'static str,
) -> Result<bool, RepositoryError> {
    let doubtful = memory.is_doubtful();
    let look = |native: &Native<'_>| -> Result<bool, Fault> {
        for (sql, memory) in session.models().iter().zip(&memory.models) {
            let newest = outbox::newest(native, sql)?;
            let seen = memory.outbox.newest_seen().filter(|_| !doubtful);
            if newest != seen.unwrap_or(outbox::NONE_SEEN) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if let Some(news) = reader.glance(|native| look(native).ok()).await {
        return Ok(news);
    }
    let mut transaction = reader.begin(action).await?;
    let news = on_native(&mut transaction, action, look).await?;
    transaction.rollback().await?;
    Ok(news)
}
