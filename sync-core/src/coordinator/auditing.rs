//! Compares tables with the store, and mends rows that differ. Served when nothing else is left to do, so that no own change is under way.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;

use super::{SyncError, SyncHandle, engine::Engine, handle::Command};
use crate::{
    audit::{AuditError, AuditReport, AuditedRow, Difference, DifferenceKind, Digest, bucket_of},
    descriptor::ModelDescriptor,
    hash::IdHash,
    id::DocumentId,
    limits::{AUDIT_BUCKETS, AUDIT_DIFFERENCES_MAX, AUDIT_FETCH},
    merge::FieldConflict,
    repository::{InboundItem, Incoming, Remote, Repository, RowRef},
    store::DocumentStore,
};

/// What was asked.
pub(super) enum Audit {
    Compare(oneshot::Sender<Result<AuditReport, SyncError>>),
    Repair(Vec<Difference>, oneshot::Sender<Result<usize, SyncError>>),
}

impl SyncHandle {
    /// Compares every clean row with its document, once everything that was under way is done; changes nothing. What it holds in memory is bounded by the ids
    /// of one collection and the rows that differ.
    ///
    /// Rows are found that were changed while triggers were off, and whatever else the framework did not see. What differs only because a change of the
    /// store has not been applied yet is not listed.
    ///
    /// # Errors
    /// When the coordinator has stopped, or store or database failed.
    pub async fn audit(&self) -> Result<AuditReport, AuditError> {
        let (reply, answer) = oneshot::channel();
        self.ask_for(Audit::Compare(reply)).await?;
        answer
            .await
            .map_err(|_| AuditError::Stopped)?
            .map_err(AuditError::Failed)
    }

    /// Has the rows of `report` take what their documents hold; how many. Rows that the app has changed since are left alone. What a row held is reported as
    /// [`SyncEvent::Conflict`](crate::status::SyncEvent::Conflict); [`settled`](Self::settled) waits until it is done.
    ///
    /// # Errors
    /// When the coordinator has stopped, or the database failed.
    pub async fn repair(&self, report: &AuditReport) -> Result<usize, AuditError> {
        let (reply, answer) = oneshot::channel();
        self.ask_for(Audit::Repair(report.differences.clone(), reply))
            .await?;
        answer
            .await
            .map_err(|_| AuditError::Stopped)?
            .map_err(AuditError::Failed)
    }

    async fn ask_for(&self, audit: Audit) -> Result<(), AuditError> {
        self.command(Command::Audit(audit))
            .await
            .map_err(|()| AuditError::Stopped)
    }
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Answers what was asked; whether there is work to do because of that.
    pub(super) async fn serve_audits(&mut self) -> bool {
        let mut any = false;
        for audit in std::mem::take(&mut self.audits) {
            any = true;
            // Whoever gave up waiting needs no answer.
            match audit {
                Audit::Compare(reply) => {
                    let report = self.audit().await;
                    let _ = reply.send(report);
                }
                Audit::Repair(differences, reply) => {
                    let count = self.repair(differences).await;
                    let _ = reply.send(count);
                }
            }
        }
        any
    }

    #[tracing::instrument(skip_all)]
    async fn audit(&mut self) -> Result<AuditReport, SyncError> {
        let mut report = AuditReport::default();
        for position in 0..self.setup.models.len() {
            if self.looks_at(position) {
                self.audit_model(position, &mut report).await?;
            }
        }
        tracing::info!(
            compared = report.compared,
            differences = report.differences.len(),
            "tables and store were compared"
        );
        Ok(report)
    }

    async fn audit_model(&mut self, position: usize, report: &mut AuditReport) -> Result<(), SyncError> {
        let model = self.model(position);
        let rows = self.repository.digest(model, AUDIT_BUCKETS).await?;
        report.compared += rows.rows;
        report.skipped += rows.skipped.len() as u64;
        let Some(scope) = self.setup.scopes.query(model) else {
            return Ok(());
        };
        let scan = self.store.scan(model, &scope).await?;
        let mut documents = Digest::new(AUDIT_BUCKETS);
        for ids in scan.ids.chunks(AUDIT_FETCH) {
            for (id, remote) in self.documents(model, ids).await? {
                if let Some(remote) = remote.filter(|_| !rows.skipped.contains(&id)) {
                    documents.add(id, remote.hash);
                }
            }
        }
        let buckets = rows.digest.differing(&documents);
        if buckets.is_empty() {
            return Ok(());
        }
        let rows_of_buckets = self.repository.audited(model, (&buckets, AUDIT_BUCKETS)).await?;
        let mut local: HashMap<IdHash, AuditedRow> = HashMap::with_capacity(rows_of_buckets.len());
        let mut ids: Vec<DocumentId> = Vec::new();
        let mut listed = HashSet::new();
        let in_question = |id: &DocumentId| {
            let id = IdHash::of(id);
            buckets.contains(&bucket_of(id, AUDIT_BUCKETS)) && !rows.skipped.contains(&id)
        };
        for id in scan.ids.into_iter().filter(in_question) {
            if listed.insert(IdHash::of(&id)) {
                ids.push(id);
            }
        }
        for row in rows_of_buckets {
            if listed.insert(IdHash::of(&row.id)) {
                ids.push(row.id.clone());
            }
            local.insert(IdHash::of(&row.id), row);
        }
        for ids in ids.chunks(AUDIT_FETCH) {
            let documents = self.documents(model, ids).await?;
            for (id, (hash, remote)) in ids.iter().zip(documents) {
                self.compare((position, id), local.get(&hash), remote.as_ref(), report);
            }
        }
        Ok(())
    }

    /// Lists a row that differs; a document that has not come in yet is looked at again instead.
    fn compare(
        &mut self,
        (position, id): (usize, &DocumentId),
        row: Option<&AuditedRow>,
        remote: Option<&Remote>,
        report: &mut AuditReport,
    ) {
        if row.map(|row| row.hash) == remote.map(|remote| remote.hash) {
            return;
        }
        let kind = match (row, remote) {
            (Some(row), _) if row.known == Some(row.hash) => {
                self.queues.push(position, [id.clone()]);
                return;
            }
            (Some(_), Some(_)) => DifferenceKind::Changed,
            (Some(_), None) => DifferenceKind::DocumentMissing,
            (None, _) => DifferenceKind::RowMissing,
        };
        if report.differences.len() >= AUDIT_DIFFERENCES_MAX {
            report.more = true;
            return;
        }
        let model = self.model(position);
        report.differences.push(Difference {
            collection: model.collection(),
            id: id.clone(),
            kind,
            fields: differing_fields(model, row, remote),
        });
    }

    /// The current documents, as rows; `None` where there is none that can be read.
    async fn documents(
        &mut self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<(IdHash, Option<Remote>)>, SyncError> {
        let documents = self.store.fetch(model, ids).await?;
        let items = ids.iter().zip(documents).map(|(id, document)| {
            let item = InboundItem::new(model, id.clone(), document, &self.setup.scopes);
            let remote = match item.incoming {
                Incoming::Present(remote) => Some(remote),
                Incoming::Absent | Incoming::Unreadable { .. } => None,
            };
            (IdHash::of(id), remote)
        });
        Ok(items.collect())
    }

    async fn repair(&mut self, differences: Vec<Difference>) -> Result<usize, SyncError> {
        let mut rows = Vec::with_capacity(differences.len());
        let mut count = 0;
        for difference in differences {
            let Some(position) = self.position(difference.collection) else {
                continue;
            };
            count += 1;
            self.holds.exempt(position, std::iter::once(&difference.id));
            self.queues.push(position, [difference.id.clone()]);
            if difference.kind != DifferenceKind::DocumentMissing {
                rows.push(RowRef {
                    model: self.model(position),
                    id: difference.id,
                });
            }
        }
        self.repository.forget(&rows).await?;
        Ok(count)
    }
}

fn differing_fields(
    model: &'static ModelDescriptor,
    row: Option<&AuditedRow>,
    remote: Option<&Remote>,
) -> Vec<FieldConflict> {
    let fields = model.fields().iter().enumerate();
    let both = fields.map(|(at, field)| FieldConflict {
        field: field.document_name(),
        local: row.map(|row| row.image[at].clone()),
        remote: remote.map(|remote| remote.image[at].clone()),
    });
    both.filter(|field| field.local != field.remote).collect()
}
