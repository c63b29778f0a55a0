//! The host's side: [`StoreServer`].

use std::{
    collections::HashMap,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    store::{DocumentStore, Observation, StoreError},
};
use tokio::{
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::{AbortHandle, JoinHandle, JoinSet},
};

use super::{
    frame,
    protocol::{Answer, Call, Reply, Request, WireError, WireIntent, model_of},
};
use crate::memory_store::{MemoryHub, MemoryObservation, MemoryStore};

/// How long somebody who connects may take to say which store it wants: others wait meanwhile.
const OPENING_MAX: Duration = Duration::from_secs(10);
/// Replies on their way to one device.
const REPLIES_WAITING: usize = 16;

/// Hosts the stores of a hub for devices in other processes of this machine.
pub struct StoreServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// A moment in the life of a write that a device asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteMoment {
    /// It has arrived, and nothing was done yet.
    Arrived,
    /// It was carried out, and the device does not know yet.
    Done,
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It goes on.
    GoOn,
    /// It goes no further: what was not done is not done, what was not answered is not answered.
    Stop,
}

/// Asked at each moment of each write, with the name of the store. It may kill the device.
type Witness = Arc<Mutex<dyn FnMut(&str, WriteMoment) -> Verdict + Send>>;

impl StoreServer {
    /// Listens on a free port of the loopback interface. `witness` is asked at each moment of each write; it must not call the hub.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(
        hub: MemoryHub,
        models: Vec<&'static ModelDescriptor>,
        witness: impl FnMut(&str, WriteMoment) -> Verdict + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let host = Host {
            hub,
            models: models.into(),
            witness: Arc::new(Mutex::new(witness)),
        };
        let task = tokio::spawn(host.accept(listener));
        Ok(Self { address, task })
    }

    /// Where devices connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Disconnects all devices. The stores stay.
    pub async fn shutdown(mut self) {
        self.task.abort();
        // It was aborted, or it had panicked, which was reported then.
        let _ = (&mut self.task).await;
    }
}

impl Drop for StoreServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for StoreServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Host {
    hub: MemoryHub,
    models: Arc<[&'static ModelDescriptor]>,
    witness: Witness,
}

/// The connections that are open, by the name of their store; they end when dropped.
#[derive(Default)]
struct Guests {
    tasks: JoinSet<()>,
    by_name: HashMap<String, AbortHandle>,
}

impl Host {
    async fn accept(self, listener: TcpListener) {
        let mut guests = Guests::default();
        loop {
            let opened = match listener.accept().await {
                Ok((connection, _)) => {
                    tokio::time::timeout(OPENING_MAX, self.open(connection, &mut guests)).await
                }
                Err(error) => Ok(Err(error)),
            };
            if let Ok(Err(error)) = opened {
                tracing::debug!(%error, "a device did not get its store");
            }
        }
    }

    /// Lets a device in. The one that had the store before is thrown out first: what it asked for last must not be carried out later.
    async fn open(&self, mut connection: TcpStream, guests: &mut Guests) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let call: Call = frame::receive(&mut connection).await?;
        let Request::Open(name) = call.request else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        guests.throw_out(&name).await;
        let store = self.hub.store(&name);
        let reply = Reply {
            number: call.number,
            answer: Ok(Answer::Opened(store.capabilities().into())),
        };
        frame::send(&mut connection, &reply).await?;
        let session = Session {
            host: self.clone(),
            store,
            observations: HashMap::new(),
            watching: JoinSet::new(),
        };
        guests
            .by_name
            .insert(name, guests.tasks.spawn(session.serve(connection)));
        Ok(())
    }
}

impl Guests {
    async fn throw_out(&mut self, name: &str) {
        let Some(before) = self.by_name.remove(name) else {
            return;
        };
        before.abort();
        // Those that have ended by themselves are cleared away too.
        while !before.is_finished() {
            self.tasks.join_next().await;
        }
    }
}

/// One connection.
struct Session {
    host: Host,
    store: MemoryStore,
    observations: HashMap<u64, (mpsc::Sender<u64>, AbortHandle)>,
    watching: JoinSet<()>,
}

impl Session {
    /// Carries calls out one after the other, so that a device that gave one up and asks the next finds it done or not done.
    async fn serve(mut self, connection: TcpStream) {
        let (mut source, sink) = connection.into_split();
        let (replies, outbox) = mpsc::channel(REPLIES_WAITING);
        self.watching.spawn(send_replies(sink, outbox));
        if let Err(error) = self.listen(&mut source, &replies).await {
            tracing::debug!(%error, name = self.store.name(), "a device has gone");
        }
    }

    async fn listen(&mut self, source: &mut OwnedReadHalf, replies: &mpsc::Sender<Reply>) -> io::Result<()> {
        loop {
            let Call { number, request } = frame::receive(source).await?;
            let answer = match request {
                Request::Next(observation) => {
                    if self.ask_observation(observation, number).await {
                        continue;
                    }
                    Err(WireError::Closed)
                }
                Request::StopObserving(observation) => {
                    if let Some((_, task)) = self.observations.remove(&observation) {
                        task.abort();
                    }
                    continue;
                }
                Request::Write(intent) => match self.write(intent).await {
                    Some(answer) => answer,
                    None => continue,
                },
                request => self.carry_out(request, replies).await,
            };
            // When nobody takes it the next read fails.
            let _ = replies.send(Reply { number, answer }).await;
        }
    }

    /// `None`: it is not answered.
    async fn write(&self, intent: WireIntent) -> Option<Result<Answer, WireError>> {
        let intent = match intent.resolve(&self.host.models) {
            Ok(intent) => intent,
            Err(error) => return Some(Err(error)),
        };
        if self.ask_witness(WriteMoment::Arrived) == Verdict::Stop {
            return None;
        }
        let outcome = self.store.write(&intent).await;
        if self.ask_witness(WriteMoment::Done) == Verdict::Stop {
            return None;
        }
        Some(outcome.map(Answer::from).map_err(WireError::from))
    }

    fn ask_witness(&self, moment: WriteMoment) -> Verdict {
        let mut witness = self.host.witness.lock().unwrap_or_else(PoisonError::into_inner);
        witness(self.store.name(), moment)
    }

    async fn carry_out(
        &mut self,
        request: Request,
        replies: &mpsc::Sender<Reply>,
    ) -> Result<Answer, WireError> {
        let models = Arc::clone(&self.host.models);
        let store = &self.store;
        Ok(match request {
            Request::Identity(replica) => store.identity(replica).await?.into(),
            Request::Fetch(collection, ids) => {
                Answer::Documents(store.fetch(model_of(&models, &collection)?, &ids).await?)
            }
            Request::Scan(collection, query) => {
                store.scan(model_of(&models, &collection)?, &query).await?.into()
            }
            Request::Observe(number, collection, query, cursor) => {
                let model = model_of(&models, &collection)?;
                let observation = store.observe(model, &query, cursor.as_ref()).await?;
                self.watch(number, observation, replies.clone());
                Answer::Observing
            }
            Request::Covers(frontier) => Answer::Covers(store.covers(&frontier).await?),
            Request::Evict(collection, ids) => {
                store.evict(model_of(&models, &collection)?, &ids).await?;
                Answer::Evicted
            }
            Request::Open(_) | Request::Write(_) | Request::Next(_) | Request::StopObserving(_) => {
                return Err(WireError::Failed("this is not asked here".to_owned()));
            }
        })
    }

    fn watch(&mut self, number: u64, observation: MemoryObservation, replies: mpsc::Sender<Reply>) {
        let (ask, asked) = mpsc::channel(1);
        let task = self.watching.spawn(report(observation, asked, replies));
        self.observations.insert(number, (ask, task));
    }

    /// Whether there is such an observation, to answer in its own time.
    async fn ask_observation(&mut self, observation: u64, number: u64) -> bool {
        match self.observations.get(&observation) {
            Some((ask, _)) => ask.send(number).await.is_ok(),
            None => false,
        }
    }
}

/// Reports as often as it is asked.
async fn report(
    mut observation: MemoryObservation,
    mut asked: mpsc::Receiver<u64>,
    replies: mpsc::Sender<Reply>,
) {
    while let Some(number) = asked.recv().await {
        let batch: Result<_, StoreError> = observation.next().await;
        let answer = batch.map(Answer::from).map_err(WireError::from);
        if replies.send(Reply { number, answer }).await.is_err() {
            return;
        }
    }
}

async fn send_replies(mut sink: OwnedWriteHalf, mut replies: mpsc::Receiver<Reply>) {
    while let Some(reply) = replies.recv().await {
        if let Err(error) = frame::send(&mut sink, &reply).await {
            tracing::debug!(%error, "a device takes no more replies");
            return;
        }
    }
}
