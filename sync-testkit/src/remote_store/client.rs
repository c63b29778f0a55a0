//! The device's side: [`RemoteStore`].

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{Intent, ReplicaId},
    query::Query,
    store::{Capabilities, Cursor, DocumentStore, Frontier, Scan, StoreError, StoreIdentity, WriteOutcome},
};
use tokio::{
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    frame,
    observation::RemoteObservation,
    protocol::{Answer, Call, Remote, Reply, Request, WireError, stale_of},
};

/// Calls on their way to the host.
const CALLS_WAITING: usize = 16;

/// A store that lives in the process of a [`StoreServer`](super::StoreServer). When the connection ends it is closed.
#[derive(Debug)]
pub struct RemoteStore {
    name: String,
    link: Arc<Link>,
    capabilities: Capabilities,
    observations: AtomicU64,
}

/// One connection; ends when dropped.
#[derive(Debug)]
pub(super) struct Link {
    calls: mpsc::Sender<Call>,
    waiting: Arc<Waiting>,
    number: AtomicU64,
    tasks: [JoinHandle<()>; 2],
}

/// Who waits for which answer; `None` once there will be no more answers.
#[derive(Debug)]
struct Waiting(Mutex<Option<HashMap<u64, oneshot::Sender<Reply>>>>);

/// An answer to come.
pub(super) type Coming = oneshot::Receiver<Reply>;

impl RemoteStore {
    /// Opens the store `name` of the host at `address`, new or as it was left. Whoever had it open before is disconnected, and none of its calls is
    /// carried out any more.
    ///
    /// # Errors
    /// When the host cannot be reached or is none.
    pub async fn connect(address: SocketAddr, name: &str) -> io::Result<Self> {
        let connection = TcpStream::connect(address).await?;
        connection.set_nodelay(true)?;
        let link = Arc::new(Link::new(connection));
        match link.ask("open", Request::Open(name.to_owned())).await {
            Ok(Answer::Opened(capabilities)) => Ok(Self {
                name: name.to_owned(),
                link,
                capabilities: capabilities.into(),
                observations: AtomicU64::new(0),
            }),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// The name it was opened under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl DocumentStore for RemoteStore {
    type Observation = RemoteObservation;

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn identity(&self, replica: ReplicaId) -> Result<StoreIdentity, StoreError> {
        let action = "read its identity";
        match self.link.ask(action, Request::Identity(replica)).await? {
            Answer::Identity(store, last_applied, frontier) => Ok(StoreIdentity {
                store,
                last_applied,
                frontier,
            }),
            _ => Err(nonsense(action)),
        }
    }

    async fn write(&self, intent: &Intent) -> Result<WriteOutcome, StoreError> {
        let action = "write";
        let mut coming = self.link.call(Request::Write(intent.into())).await?;
        let answer = answer(&mut coming).await?;
        match answer.map_err(|error| error.resolve(action, Some(intent)))? {
            Answer::Applied => Ok(WriteOutcome::Applied),
            Answer::Stale(stale) => Ok(WriteOutcome::Stale(stale_of(intent, stale))),
            _ => Err(nonsense(action)),
        }
    }

    async fn fetch(
        &self,
        model: &'static ModelDescriptor,
        ids: &[DocumentId],
    ) -> Result<Vec<Option<Document>>, StoreError> {
        let action = "fetch documents";
        let request = Request::Fetch(model.collection().to_owned(), ids.to_vec());
        match self.link.ask(action, request).await? {
            Answer::Documents(documents) if documents.len() == ids.len() => Ok(documents),
            _ => Err(nonsense(action)),
        }
    }

    async fn scan(&self, model: &'static ModelDescriptor, query: &Query) -> Result<Scan, StoreError> {
        let action = "scan a collection";
        let request = Request::Scan(model.collection().to_owned(), query.clone());
        match self.link.ask(action, request).await? {
            Answer::Scanned(ids, cursor) => Ok(Scan {
                ids: ids.into_iter().collect(),
                cursor,
            }),
            _ => Err(nonsense(action)),
        }
    }

    async fn observe(
        &self,
        model: &'static ModelDescriptor,
        query: &Query,
        cursor: Option<&Cursor>,
    ) -> Result<RemoteObservation, StoreError> {
        let action = "observe a collection";
        let number = self.observations.fetch_add(1, Ordering::Relaxed);
        // Made first: should this call be cancelled, it stops what the host may have begun.
        let observation = RemoteObservation::new(Arc::clone(&self.link), number);
        let collection = model.collection().to_owned();
        let request = Request::Observe(number, collection, query.clone(), cursor.cloned());
        match self.link.ask(action, request).await? {
            Answer::Observing => Ok(observation),
            _ => Err(nonsense(action)),
        }
    }

    async fn covers(&self, frontier: &Frontier) -> Result<Option<bool>, StoreError> {
        let action = "compare frontiers";
        match self.link.ask(action, Request::Covers(frontier.clone())).await? {
            Answer::Covers(covers) => Ok(covers),
            _ => Err(nonsense(action)),
        }
    }

    async fn evict(&self, model: &'static ModelDescriptor, ids: &[DocumentId]) -> Result<(), StoreError> {
        let action = "evict documents";
        let request = Request::Evict(model.collection().to_owned(), ids.to_vec());
        match self.link.ask(action, request).await? {
            Answer::Evicted => Ok(()),
            _ => Err(nonsense(action)),
        }
    }
}

impl Link {
    fn new(connection: TcpStream) -> Self {
        let (source, sink) = connection.into_split();
        let (calls, outbox) = mpsc::channel(CALLS_WAITING);
        let waiting = Arc::new(Waiting(Mutex::new(Some(HashMap::new()))));
        let tasks = [
            tokio::spawn(send_calls(sink, outbox, Arc::clone(&waiting))),
            tokio::spawn(take_replies(source, Arc::clone(&waiting))),
        ];
        Self {
            calls,
            waiting,
            number: AtomicU64::new(0),
            tasks,
        }
    }

    /// Puts a question on its way, all of it or nothing. The host answers in the order of asking, but for observations.
    pub(super) async fn call(&self, request: Request) -> Result<Coming, StoreError> {
        let place = self.calls.reserve().await.map_err(|_| StoreError::Closed)?;
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (answer, coming) = oneshot::channel();
        match self.waiting.lock().as_mut() {
            Some(waiting) => waiting.insert(number, answer),
            None => return Err(StoreError::Closed),
        };
        place.send(Call { number, request });
        Ok(coming)
    }

    /// Puts a question on its way that has no answer, if there is room for it.
    pub(super) fn tell(&self, request: Request) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        // Without room the host keeps an observation that nobody asks, until the connection ends.
        let _ = self.calls.try_send(Call { number, request });
    }

    async fn ask(&self, action: &'static str, request: Request) -> Result<Answer, StoreError> {
        let mut coming = self.call(request).await?;
        answer(&mut coming)
            .await?
            .map_err(|error| error.resolve(action, None))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Reply>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There will be no more answers.
    fn end(&self) {
        *self.lock() = None;
    }
}

/// Waits for an answer.
pub(super) async fn answer(coming: &mut Coming) -> Result<Result<Answer, WireError>, StoreError> {
    match coming.await {
        Ok(reply) => Ok(reply.answer),
        Err(_) => Err(StoreError::Closed),
    }
}

pub(super) fn nonsense(action: &'static str) -> StoreError {
    StoreError::Failed {
        action,
        source: Box::new(Remote(
            "the host answered something else than was asked".to_owned(),
        )),
    }
}

async fn send_calls(mut sink: OwnedWriteHalf, mut calls: mpsc::Receiver<Call>, waiting: Arc<Waiting>) {
    while let Some(call) = calls.recv().await {
        if let Err(error) = frame::send(&mut sink, &call).await {
            tracing::debug!(%error, "the connection to the store is lost");
            break;
        }
    }
    waiting.end();
}

async fn take_replies(mut source: OwnedReadHalf, waiting: Arc<Waiting>) {
    loop {
        match frame::receive::<Reply>(&mut source).await {
            Ok(reply) => {
                let asker = waiting
                    .lock()
                    .as_mut()
                    .and_then(|waiting| waiting.remove(&reply.number));
                if let Some(asker) = asker {
                    // Whoever gave up waiting needs no answer.
                    let _ = asker.send(reply);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the connection to the store has ended");
                waiting.end();
                return;
            }
        }
    }
}
