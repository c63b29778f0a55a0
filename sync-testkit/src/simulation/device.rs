//! One simulated device: its coordinator as a future that is polled by hand, on a database and a store that survive it: [`Device`].

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use ditto_sync_core::{
    audit::{AuditError, AuditReport},
    config::SyncConfig,
    coordinator::{Coordinator, Setup, SyncHandle},
    id::DocumentId,
    status::Phase,
};
use futures_util::FutureExt;

use super::{
    family::Family,
    ledger::{Ledger, Notes},
    schedule::ScopeSides,
    virtual_clock::VirtualClock,
    watched::{Watch, WatchedRepository, WatchedStore, lock},
};
use crate::{
    memory_repository::{MemoryRepository, Snapshot},
    memory_store::{MemoryStore, Tags},
};

/// One device. Repository and store survive a crash, the coordinator does not.
pub(crate) struct Device {
    pub(crate) name: String,
    number: usize,
    pub(crate) repository: MemoryRepository,
    pub(crate) store: MemoryStore,
    /// Its tables have constraints that those of other devices lack. A copy of the database has them too.
    pub(crate) strict: bool,
    pub(crate) sides: ScopeSides,
    pub(crate) notes: Arc<Mutex<Notes>>,
    /// An old copy of the database file, what its rows had met, and all changes made until then.
    pub(crate) saved: Option<(Snapshot, Notes, Tags)>,
    /// Transactions that will fail.
    pub(crate) faults: Arc<Mutex<usize>>,
    shared: Shared,
    process: Process,
}

/// What all devices of a run have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) family: Arc<Family>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) clock: VirtualClock,
}

type Auditing = Pin<Box<dyn Future<Output = Result<AuditReport, AuditError>> + Send>>;

/// What is lost in a crash.
struct Process {
    coordinator: Pin<Box<dyn Future<Output = ()> + Send>>,
    handle: Arc<Mutex<Option<Arc<SyncHandle>>>>,
    audits: Vec<Auditing>,
    awake: Arc<Awake>,
    ended: bool,
}

struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Device {
    pub(crate) fn new(
        number: usize,
        (repository, store): (MemoryRepository, MemoryStore),
        sides: ScopeSides,
        shared: Shared,
    ) -> Self {
        store.start_witnessing();
        let notes = Arc::new(Mutex::new(Notes::default()));
        let faults = Arc::new(Mutex::new(0));
        let mut device = Self {
            name: store.name().to_owned(),
            number,
            process: Process::none(),
            repository,
            store,
            strict: Family::is_strict(number),
            sides,
            notes,
            saved: None,
            faults,
            shared,
        };
        device.start();
        device
    }

    /// The process dies, wherever it was, and starts again.
    pub(crate) fn crash(&mut self) {
        // Before the database: a dead process holds nothing.
        self.process = Process::none();
        lock(&self.notes).fetched.clear();
        self.repository = self.repository.restart();
        self.store = self.store.hub().store(&self.name);
        self.store.start_witnessing();
        self.start();
    }

    fn start(&mut self) {
        let watch = Watch {
            family: Arc::clone(&self.shared.family),
            ledger: Arc::clone(&self.shared.ledger),
            notes: Arc::clone(&self.notes),
            device: self.number,
        };
        let store = WatchedStore {
            inner: self.store.clone(),
            watch: watch.clone(),
        };
        let repository = WatchedRepository {
            inner: self.repository.clone(),
            watch,
            faults: Arc::clone(&self.faults),
        };
        let mut setup = Setup::new(self.shared.family.models());
        setup.config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
        setup.clock = Arc::new(self.shared.clock.clone());
        setup.seed = 1;
        setup.scopes = self.shared.family.scopes(self.sides);
        let handle = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&handle);
        let coordinator = async move {
            if let Ok((sync, coordinator)) = Coordinator::prepare(repository, store, setup).await {
                *lock(&slot) = Some(Arc::new(sync));
                coordinator.run().await;
            }
        };
        self.process = Process {
            coordinator: Box::pin(coordinator),
            handle,
            audits: Vec::new(),
            awake: Arc::new(Awake(AtomicBool::new(true))),
            ended: false,
        };
        // The tables are prepared before an app may write: a start returns when everything from now on is captured.
        while lock(&self.process.handle).is_none() && self.poll() {}
    }

    /// Lets the coordinator go on to its next await; whether it had anything to do.
    pub(crate) fn poll(&mut self) -> bool {
        let process = &mut self.process;
        if process.ended || !process.awake.0.swap(false, Ordering::Relaxed) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&process.awake));
        let polled = process
            .coordinator
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        process.ended = matches!(polled, Poll::Ready(()));
        true
    }

    /// The coordinator gave up, which it never should.
    pub(crate) fn has_ended(&self) -> bool {
        self.process.ended
    }

    pub(crate) fn is_awaiting_peer(&self) -> bool {
        lock(&self.process.handle)
            .as_ref()
            .is_some_and(|handle| handle.status().borrow().phase == Phase::AwaitingPeer)
    }

    /// The user says that the replaced store is complete.
    pub(crate) fn accept_store(&self) {
        if let Some(handle) = &*lock(&self.process.handle) {
            let _ = handle.accept_store().now_or_never();
        }
    }

    /// Compares everything again.
    pub(crate) fn reconcile(&self) {
        if let Some(handle) = &*lock(&self.process.handle) {
            let _ = handle.reconcile().now_or_never();
        }
    }

    /// Nothing is waiting to be sent, except for rows whose documents wait.
    pub(crate) fn is_settled(&self) -> bool {
        let settled = |id: &DocumentId, model| self.repository.is_waiting(model, id);
        self.repository.in_flight().is_none()
            && self.shared.family.tables().iter().all(|shape| {
                let entries = self.repository.outbox(shape.model);
                entries.iter().all(|entry| settled(&entry.id, shape.model))
            })
    }

    /// Asks for an audit; what it finds is there later, or never when the process dies.
    pub(crate) fn ask_audit(&mut self) {
        let Some(handle) = lock(&self.process.handle).clone() else {
            return;
        };
        let audit: Auditing = Box::pin(async move { handle.audit().await });
        self.process.audits.push(audit);
        // The command is on its way from now on.
        let done = self.take_audits();
        debug_assert!(done.is_empty(), "the coordinator has not gone on");
    }

    /// The reports of the audits that are done.
    pub(crate) fn take_audits(&mut self) -> Vec<AuditReport> {
        let mut reports = Vec::new();
        self.process.audits.retain_mut(|audit| {
            match audit.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => true,
                Poll::Ready(report) => {
                    reports.extend(report.ok());
                    false
                }
            }
        });
        reports
    }

    /// Has rows take what their documents hold.
    pub(crate) fn repair(&self, report: &AuditReport) {
        if let Some(handle) = &*lock(&self.process.handle) {
            // The command is on its way after the first poll; the answer is of no interest.
            let _ = handle.repair(report).now_or_never();
        }
    }
}

impl Process {
    fn none() -> Self {
        Self {
            coordinator: Box::pin(std::future::pending()),
            handle: Arc::default(),
            audits: Vec::new(),
            awake: Arc::new(Awake(AtomicBool::new(false))),
            ended: false,
        }
    }
}
