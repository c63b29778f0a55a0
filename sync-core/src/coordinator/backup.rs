//! Pulls rows back from the store: [`BackupPull`] for the app, and the engine's side, one chunk between two rounds of the exchange.
//!
//! A chunk is some documents of a model and all that they link to, fetched and restored in one go, so that nothing of our own is written in between.
//! Not here: the order of models and the end of circles (`backup::plan`), and what becomes of a row (`Repository::restore`).

use std::{
    collections::VecDeque,
    future::{Future, IntoFuture},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

use tokio::sync::oneshot;

use super::{SyncError, SyncHandle, engine::Engine, handle::Command};
use crate::{
    adapter::DittoAdapter,
    backup::{
        BackupError, BackupOptions, BackupOutcome, BackupReport, BackupRow,
        plan::{self, Step, Trail},
    },
    clock::Moment,
    descriptor::{Linked, ModelDescriptor},
    document::Document,
    error::ErrorKind,
    hooks::panic_text,
    id::{DocumentId, IdList},
    limits::BACKUP_CHUNK,
    query::Query,
    repository::{InboundItem, Repository, Restored},
    store::DocumentStore,
};

impl SyncHandle {
    /// Brings rows of `T` back that are missing here and whose documents the store holds, and the rows that these link to. Await it.
    ///
    /// Rows that exist are never touched, whether or not they are the same, nor are rows that were deleted here. What comes back is not sent. Models that
    /// only send come back too: that is what the backup of a till is for. Documents out of scope stay away.
    ///
    /// Cancellation safe: dropped, the pull ends after the chunk under way, and what it restored stays.
    pub fn pull_backup_for<T: DittoAdapter>(&self) -> BackupPull<'_> {
        BackupPull {
            handle: self,
            model: Some(T::descriptor()),
            options: BackupOptions::new(),
        }
    }

    /// The same for every model that says `backup`, and what they link to.
    pub fn pull_backup_for_all(&self) -> BackupPull<'_> {
        BackupPull {
            handle: self,
            model: None,
            options: BackupOptions::new(),
        }
    }
}

/// A pull that begins when it is awaited.
#[must_use = "a pull does nothing unless it is awaited"]
pub struct BackupPull<'a> {
    handle: &'a SyncHandle,
    model: Option<&'static ModelDescriptor>,
    options: BackupOptions,
}

impl BackupPull<'_> {
    /// How it is pulled.
    pub fn with(mut self, options: BackupOptions) -> Self {
        self.options = options;
        self
    }
}

impl<'a> IntoFuture for BackupPull<'a> {
    type Output = Result<BackupReport, BackupError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let request = PullRequest {
                model: self.model,
                options: self.options,
                reply,
            };
            let asked = self.handle.command(Command::Pull(request)).await;
            asked.map_err(|()| BackupError::Stopped)?;
            answer.await.map_err(|_| BackupError::Stopped)?
        })
    }
}

type Reply = oneshot::Sender<Result<BackupReport, BackupError>>;

/// What was asked.
pub(super) struct PullRequest {
    /// `None`: all that say `backup`.
    model: Option<&'static ModelDescriptor>,
    options: BackupOptions,
    reply: Reply,
}

/// A pull under way. All of it is lost by a crash, and nothing with it: what was restored is, and asking again restores the rest.
pub(super) struct Pull<O> {
    options: BackupOptions,
    reply: Reply,
    /// Models still to be read, in order.
    roots: VecDeque<usize>,
    /// Places of all models in the order of restoring.
    rank: Vec<usize>,
    /// Of models that nobody observes: what peers hold of them comes here meanwhile.
    subscriptions: Vec<O>,
    /// `None`: not subscribed yet.
    reads_from: Option<Moment>,
    /// The model being read, and its documents that are left.
    reading: Option<(usize, IdList, usize)>,
    trail: Trail,
    /// What the chunk under way still has to look up.
    leads: Vec<Lead>,
    found: Vec<Found>,
    report: BackupReport,
}

/// Something to look up.
enum Lead {
    Document {
        model: usize,
        id: DocumentId,
        step: Step,
        /// A link leads to it.
        linked: bool,
    },
    Query {
        model: usize,
        query: Query,
        cascade: bool,
    },
}

/// A document of the chunk under way.
struct Found {
    model: usize,
    id: DocumentId,
    document: Document,
}

/// How a pull goes on.
enum Pace {
    Waits,
    Goes,
    Ends,
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Begins a pull.
    pub(super) fn begin_pull(&mut self, request: PullRequest) {
        let chosen: Vec<usize> = match request.model {
            Some(model) => self.place_of(model).into_iter().collect(),
            None => {
                let models = self.setup.models.iter().enumerate();
                models
                    .filter(|(_, model)| model.is_backed_up())
                    .map(|(at, _)| at)
                    .collect()
            }
        };
        if let Some(model) = request.model.filter(|_| chosen.is_empty()) {
            let model = model.type_path();
            // Whoever gave up waiting needs no answer.
            let _ = request.reply.send(Err(BackupError::UnknownModel { model }));
            return;
        }
        let order = plan::order(&self.state.order, &self.links());
        let mut rank = vec![0; order.len()];
        for (place, &model) in order.iter().enumerate() {
            rank[model] = place;
        }
        self.pulls.push_back(Pull {
            report: BackupReport {
                dry_run: request.options.is_dry_run(),
                ..BackupReport::default()
            },
            options: request.options,
            reply: request.reply,
            roots: order.into_iter().filter(|model| chosen.contains(model)).collect(),
            rank,
            subscriptions: Vec::new(),
            reads_from: None,
            reading: None,
            trail: Trail::default(),
            leads: Vec::new(),
            found: Vec::new(),
        });
    }

    /// One chunk of the pull at hand, if there is one. Whether anything was done.
    #[tracing::instrument(skip_all, level = "debug")]
    pub(super) async fn pull_some(&mut self) -> Result<bool, SyncError> {
        if self.state.in_flight.is_some() {
            return Ok(false);
        }
        let Some(mut pull) = self.pulls.pop_front() else {
            return Ok(false);
        };
        if pull.reply.is_closed() {
            return Ok(true);
        }
        match self.pull_chunk(&mut pull).await {
            Ok(Pace::Ends) => {
                tracing::info!(restored = pull.report.restored(), "a backup was pulled");
                let _ = pull.reply.send(Ok(pull.report));
                Ok(true)
            }
            Ok(pace) => {
                self.pulls.push_front(pull);
                Ok(matches!(pace, Pace::Goes))
            }
            Err(error) if error.kind() == ErrorKind::Permanent => {
                let _ = pull.reply.send(Err(BackupError::Failed(error)));
                Ok(true)
            }
            Err(error) => {
                pull.read_again();
                self.pulls.push_front(pull);
                Err(error)
            }
        }
    }

    /// When the pull at hand goes on, if that is later.
    pub(super) fn pull_due(&self) -> Option<Moment> {
        self.pulls.front().and_then(|pull| pull.reads_from)
    }

    async fn pull_chunk(&mut self, pull: &mut Pull<S::Observation>) -> Result<Pace, SyncError> {
        let now = self.setup.clock.now();
        match pull.reads_from {
            None => {
                let any = self.subscribe_for(pull).await?;
                let patience = if any {
                    pull.options.patience_value()
                } else {
                    std::time::Duration::ZERO
                };
                pull.reads_from = Some(now.after(patience));
                return Ok(Pace::Goes);
            }
            Some(from) if !from.since(now).is_zero() => return Ok(Pace::Waits),
            Some(_) => {}
        }
        if pull.leads.is_empty() && !self.next_leads(pull).await? {
            return Ok(Pace::Ends);
        }
        while let Some(lead) = pull.leads.last() {
            match lead {
                Lead::Document { model, .. } => {
                    let model = *model;
                    self.look_up(pull, model).await?;
                }
                Lead::Query {
                    model,
                    query,
                    cascade,
                } => {
                    let (model, cascade) = (*model, *cascade);
                    let scan = self.store.scan(self.model(model), query).await?;
                    pull.leads.pop();
                    for id in scan.ids {
                        pull.lead_to(model, id, (cascade, true));
                    }
                }
            }
        }
        self.restore_found(pull).await?;
        self.tell_pull_progress(pull);
        Ok(Pace::Goes)
    }

    /// Subscribes to what the pull may read and nobody observes; whether there is anything of the kind.
    async fn subscribe_for(&mut self, pull: &mut Pull<S::Observation>) -> Result<bool, SyncError> {
        pull.subscriptions.clear();
        let links = self.links();
        let (mut open, mut seen) = (Vec::from(pull.roots.clone()), vec![false; links.len()]);
        while let Some(model) = open.pop() {
            if std::mem::replace(&mut seen[model], true) {
                continue;
            }
            open.extend(&links[model]);
            let scope = self.setup.scopes.query(self.model(model));
            if let Some(scope) = scope.filter(|_| self.observations[model].is_none()) {
                let subscription = self.store.observe(self.model(model), &scope, None).await?;
                pull.subscriptions.push(subscription);
            }
        }
        Ok(!pull.subscriptions.is_empty())
    }

    /// The next documents of the models to read; whether there are any.
    async fn next_leads(&mut self, pull: &mut Pull<S::Observation>) -> Result<bool, SyncError> {
        loop {
            if let Some((model, ids, _)) = &mut pull.reading {
                let model = *model;
                let chunk: Vec<_> = (0..BACKUP_CHUNK).map_while(|_| ids.pop_front()).collect();
                if !chunk.is_empty() {
                    for id in chunk {
                        pull.lead_to(model, id, (true, false));
                    }
                    return Ok(true);
                }
                pull.reading = None;
            }
            let Some(&model) = pull.roots.front() else {
                return Ok(false);
            };
            let Some(scope) = self.setup.scopes.query(self.model(model)) else {
                pull.roots.pop_front();
                pull.report.awaiting_scope.push(self.model(model).collection());
                continue;
            };
            let ids = self.store.scan(self.model(model), &scope).await?.ids;
            pull.roots.pop_front();
            let total = ids.len();
            pull.reading = Some((model, ids, total));
        }
    }

    /// Fetches the documents of the last leads, those of one model, and follows their links.
    async fn look_up(&mut self, pull: &mut Pull<S::Observation>, model: usize) -> Result<(), SyncError> {
        let same = |lead: &&Lead| matches!(lead, Lead::Document { model: of, .. } if *of == model);
        let count = pull
            .leads
            .iter()
            .rev()
            .take_while(same)
            .take(BACKUP_CHUNK)
            .count();
        let first = pull.leads.len() - count;
        let ids: Vec<_> = pull.leads[first..]
            .iter()
            .filter_map(|lead| match lead {
                Lead::Document { id, .. } => Some(id.clone()),
                Lead::Query { .. } => None,
            })
            .collect();
        let documents = self.store.fetch(self.model(model), &ids).await?;
        let leads = pull.leads.split_off(first);
        for (lead, document) in leads.into_iter().zip(documents) {
            let Lead::Document { id, step, linked, .. } = lead else {
                continue;
            };
            match document {
                Some(document) => {
                    if step.follow {
                        self.follow_links(pull, model, &document);
                    }
                    if step.restore {
                        pull.found.push(Found { model, id, document });
                    }
                }
                // One that was scanned is gone again; one that a link names should be there.
                None if linked && step.restore => {
                    let collection = self.model(model).collection();
                    pull.report
                        .rows
                        .push(BackupRow::new(collection, id, BackupOutcome::NotFound));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn follow_links(&self, pull: &mut Pull<S::Observation>, model: usize, document: &Document) {
        for link in self.model(model).links() {
            let Some(target) = self.place_of(link.target()) else {
                continue;
            };
            match link.follow(document) {
                Some(Linked::Document(id)) => pull.lead_to(target, id, (link.cascades(), true)),
                Some(Linked::Documents(query)) => pull.leads.push(Lead::Query {
                    model: target,
                    query,
                    cascade: link.cascades(),
                }),
                None => {}
            }
        }
    }

    async fn restore_found(&mut self, pull: &mut Pull<S::Observation>) -> Result<(), SyncError> {
        pull.found.sort_by_key(|found| pull.rank[found.model]);
        let items: Vec<_> = pull
            .found
            .iter()
            .map(|found| {
                let (model, id) = (self.model(found.model), found.id.clone());
                InboundItem::new(model, id, Some(found.document.clone()), &self.setup.scopes)
            })
            .collect();
        if items.is_empty() {
            return Ok(());
        }
        let dry_run = pull.options.is_dry_run();
        let outcomes = self.repository.restore(&items, dry_run).await?;
        self.unpark |= !dry_run && outcomes.contains(&Restored::Done);
        for (found, outcome) in std::mem::take(&mut pull.found).into_iter().zip(outcomes) {
            let model = self.model(found.model);
            let told = outcome == Restored::Done && !dry_run;
            let hook_failed = if told { run_hook(model, &found) } else { None };
            pull.report.rows.push(BackupRow {
                hook_failed,
                ..BackupRow::new(model.collection(), found.id, outcome.into())
            });
        }
        Ok(())
    }

    fn tell_pull_progress(&self, pull: &Pull<S::Observation>) {
        if let Some((model, left, total)) = &pull.reading {
            self.reporter
                .restoring(self.model(*model).collection(), (total - left.len(), *total));
        }
    }

    /// Positions of the models that each model links to.
    fn links(&self) -> Vec<Vec<usize>> {
        let targets = |model: &&'static ModelDescriptor| {
            let links = model.links().iter();
            links.filter_map(|link| self.place_of(link.target())).collect()
        };
        self.setup.models.iter().map(targets).collect()
    }

    fn place_of(&self, model: &'static ModelDescriptor) -> Option<usize> {
        self.setup
            .models
            .iter()
            .position(|known| std::ptr::eq(*known, model))
    }
}

impl<O> Pull<O> {
    /// A document was come to.
    fn lead_to(&mut self, model: usize, id: DocumentId, (follow, linked): (bool, bool)) {
        let step = self.trail.step(model, &id, follow);
        if step.restore || step.follow {
            self.leads.push(Lead::Document {
                model,
                id,
                step,
                linked,
            });
        }
    }

    /// What was fetched may be old by the time it is tried again.
    fn read_again(&mut self) {
        let step = Step {
            restore: true,
            follow: false,
        };
        for found in self.found.drain(..) {
            self.leads.push(Lead::Document {
                model: found.model,
                id: found.id,
                step,
                linked: false,
            });
        }
    }
}

/// Tells the app's hook; what it panicked with.
fn run_hook(model: &'static ModelDescriptor, found: &Found) -> Option<String> {
    let hooks = model.hooks()?;
    let call = || hooks.on_backup_restored(&found.id, &found.document);
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => None,
        Ok(Err(reason)) => Some(reason.to_string()),
        Err(panic) => {
            let reason = panic_text(&*panic);
            tracing::error!(collection = model.collection(), id = %found.id, %reason, "the hook on_backup_restored panicked");
            Some(reason)
        }
    }
}
