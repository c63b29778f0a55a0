//! The thread of a mesh store: takes commands one by one, serves them from the replica, and gives peers what they lack. See [`Engine`].
//!
//! A thread of its own because Loro computes without pause: a large merge takes a tenth of a second, which would stop the app's runtime. A command that was sent is
//! carried out whoever waits for it, so a caller may give up at any time.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use ditto_sync_core::{
    descriptor::ModelDescriptor,
    document::Document,
    id::DocumentId,
    intent::{BatchId, Intent, ReplicaId},
    query::Query,
    store::{Frontier, StoreError, StoreIdentity, WriteOutcome},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    disk::{Gaps, Owner},
    error::OpenError,
    exchange::{Device, Exchange, LinkId},
    frontier,
    interest::Interest,
    limits::{ANTI_ENTROPY_PAUSE, COMMANDS_WAITING, SETTLE_PAUSE},
    message::Message,
    presence::Presence,
    replica::{News, Replica},
};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What is asked of the engine.
pub(crate) enum Command {
    Identity(ReplicaId, Reply<StoreIdentity>),
    Write(Intent, Reply<WriteOutcome>),
    Fetch(
        &'static ModelDescriptor,
        Vec<DocumentId>,
        Reply<Vec<Option<Document>>>,
    ),
    Scan(&'static ModelDescriptor, Query, Reply<(Vec<DocumentId>, u64)>),
    Changes(&'static ModelDescriptor, Query, u64, Reply<News>),
    Covers(Frontier, Reply<bool>),
    Confirmed(BatchId, Reply<bool>),
    /// Drops history that nobody needs.
    Trim(Reply<Vec<String>>),
    /// Takes updates of this only from now on.
    Interest(Interest, Reply<()>),
    /// A peer is there, and takes frames.
    Connect(Device, mpsc::Sender<Vec<u8>>, oneshot::Sender<LinkId>),
    /// A peer has sent a message. An error ends the connection.
    Message(LinkId, Message, Reply<()>),
    Disconnect(LinkId),
    /// A device is there: its public key and its addresses, encoded.
    Remember([u8; 32], Vec<u8>),
    /// Who this store is.
    Owner(Reply<Owner>),
    /// Another device has shown that it knows this secret.
    Share([u8; 32]),
    /// The mesh has this secret from now on, and others know it.
    ChangeSecret([u8; 32], Reply<()>),
    Close(oneshot::Sender<()>),
}

/// How the rest of the store reaches its engine.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    pub(crate) commands: mpsc::Sender<Command>,
    /// Of the newest change.
    pub(crate) position: watch::Receiver<u64>,
    /// The name of this life of the store.
    pub(crate) store: smol_str::SmolStr,
    /// Positions whose changes may have been lost.
    pub(crate) gaps: Gaps,
    /// How far others are.
    pub(crate) presence: Arc<Presence>,
}

struct Engine {
    replica: Replica,
    exchange: Exchange,
    outgoing: HashMap<LinkId, mpsc::Sender<Vec<u8>>>,
    next_link: u64,
    position: watch::Sender<u64>,
    presence: Arc<Presence>,
    /// Position and events of which was told last how far others are.
    told: (u64, u64),
}

/// Opens the file on a thread of its own, which serves it until it is closed or nobody holds the handle any more.
pub(crate) async fn start(file: PathBuf, mesh: String) -> Result<(EngineHandle, Known), OpenError> {
    let (commands, inbox) = mpsc::channel(COMMANDS_WAITING);
    let (opened, outcome) = oneshot::channel();
    std::thread::Builder::new()
        .name("ditto-sync-mesh".to_owned())
        .spawn(move || serve(&file, &mesh, inbox, opened))
        .map_err(OpenError::Thread)?;
    let (position, presence, known) = outcome.await.unwrap_or_else(|_| {
        Err(OpenError::Thread(std::io::Error::other(
            "it ended before the file was open",
        )))
    })?;
    let handle = EngineHandle {
        commands,
        position,
        store: known.owner.store.clone(),
        gaps: Arc::clone(&known.gaps),
        presence,
    };
    Ok((handle, known))
}

/// What the file knew when it was opened.
pub(crate) struct Known {
    pub(crate) owner: Owner,
    /// Devices: public key and addresses, encoded.
    pub(crate) devices: Vec<([u8; 32], Vec<u8>)>,
    /// Positions whose changes may have been lost.
    gaps: Gaps,
}

type Opened = oneshot::Sender<Result<(watch::Receiver<u64>, Arc<Presence>, Known), OpenError>>;

fn serve(file: &Path, mesh: &str, inbox: mpsc::Receiver<Command>, opened: Opened) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever opened may have given up.
            let _ = opened.send(Err(OpenError::Thread(error)));
            return;
        }
    };
    runtime.block_on(async {
        match Replica::open(file, mesh).await {
            Ok(replica) => {
                let (position, listener) = watch::channel(replica.position());
                let known = Known {
                    owner: replica.owner().clone(),
                    devices: replica.devices().to_vec(),
                    gaps: Arc::clone(replica.gaps()),
                };
                let presence = Arc::new(Presence::default());
                let device = *iroh::SecretKey::from_bytes(&known.owner.key).public().as_bytes();
                let engine = Engine {
                    replica,
                    exchange: Exchange::new(device),
                    outgoing: HashMap::new(),
                    next_link: 0,
                    position,
                    presence: Arc::clone(&presence),
                    told: (0, 0),
                };
                if opened.send(Ok((listener, presence, known))).is_ok() {
                    engine.run(inbox).await;
                }
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        }
    });
}

impl Engine {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut reminder = tokio::time::interval(ANTI_ENTROPY_PAUSE);
        reminder.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let closed = loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    None => break None,
                    Some(Command::Close(reply)) => break Some(reply),
                    Some(command) => self.serve(command).await,
                },
                _ = reminder.tick() => self.remind().await,
                () = Self::room(&self.outgoing, &self.exchange) => {}
                () = until(self.exchange.due()) => {}
                () = tokio::time::sleep(SETTLE_PAUSE), if self.replica.has_grown() => self.replica.shorten(true).await,
            }
            self.push().await;
            self.tell_presence();
        };
        for link in self.exchange.links() {
            self.disconnect(link).await;
        }
        self.replica.close().await;
        if let Some(reply) = closed {
            // Whoever closed may have given up waiting.
            let _ = reply.send(());
        }
    }

    /// Answers; nobody minds when the one who asked has given up.
    async fn serve(&mut self, command: Command) {
        match command {
            Command::Identity(replica, reply) => {
                let _ = reply.send(Ok(StoreIdentity {
                    store: ditto_sync_core::store::StoreId(self.replica.owner().store.clone()),
                    last_applied: self.replica.last_applied(replica),
                    frontier: Some(frontier::encode(&self.replica)),
                }));
            }
            Command::Write(intent, reply) => {
                let outcome = self.replica.write(&intent).await;
                self.announce();
                let _ = reply.send(outcome);
            }
            Command::Fetch(model, ids, reply) => {
                let _ = reply.send(self.replica.fetch(model, &ids).await);
            }
            Command::Scan(model, query, reply) => {
                let _ = reply.send(self.replica.scan(model, &query).await);
            }
            Command::Changes(model, query, position, reply) => {
                let _ = reply.send(self.replica.changes(model, &query, position).await);
            }
            Command::Covers(frontier, reply) => {
                let _ = reply.send(frontier::covers(&self.replica, &self.exchange, &frontier));
            }
            Command::Confirmed(batch, reply) => {
                let _ = reply.send(Ok(self.replica.is_confirmed(batch)));
            }
            Command::Trim(reply) => {
                let _ = reply.send(self.trim().await);
            }
            Command::Interest(interest, reply) => {
                self.replica.set_interest(interest);
                self.exchange.change_interest();
                let _ = reply.send(Ok(()));
            }
            Command::Connect(device, outgoing, reply) => {
                self.next_link += 1;
                let link = LinkId(self.next_link);
                self.exchange.connect(link, device);
                self.outgoing.insert(link, outgoing);
                let _ = reply.send(link);
            }
            Command::Message(link, message, reply) => {
                let outcome = self.exchange.receive(link, message, &mut self.replica).await;
                self.announce();
                let _ = reply.send(outcome);
            }
            Command::Disconnect(link) => self.disconnect(link).await,
            Command::Remember(device, addresses) => {
                // Best effort: it is told again at the next connection.
                if let Err(error) = self.replica.remember(&device, &addresses).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a peer could not be remembered"
                    );
                }
            }
            Command::Share(secret) => self.share(secret).await,
            Command::Owner(reply) => {
                let _ = reply.send(Ok(self.replica.owner().clone()));
            }
            Command::ChangeSecret(secret, reply) => {
                let _ = reply.send(self.replica.change_secret(secret).await);
            }
            Command::Close(_) => unreachable!("the loop ends at this command"),
        }
    }

    /// The secret is no longer ours alone. Best effort: it is told again at the next connection.
    async fn share(&mut self, secret: [u8; 32]) {
        let owner = self.replica.owner();
        if owner.secret == secret
            && !owner.shared
            && let Err(error) = self.replica.change_secret(secret).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "that the secret is shared could not be noted"
            );
        }
    }

    fn announce(&self) {
        self.position.send_if_modified(|position| {
            let changed = *position != self.replica.position();
            *position = self.replica.position();
            changed
        });
    }

    /// Whoever asks how far others are gets an answer without asking here.
    fn tell_presence(&mut self) {
        let now = (self.replica.position(), self.exchange.events());
        if std::mem::replace(&mut self.told, now) != now {
            self.presence.set(self.exchange.progress(&self.replica));
        }
    }

    async fn disconnect(&mut self, link: LinkId) {
        let confirmed = self.exchange.disconnect(link);
        self.outgoing.remove(&link);
        if !confirmed.is_empty() {
            self.replica.confirm(confirmed).await;
        }
    }

    async fn trim(&mut self) -> Result<Vec<String>, StoreError> {
        let confirmed = self.exchange.confirmed();
        self.replica.confirm(confirmed).await;
        self.replica.trim(self.exchange.own()).await
    }

    /// What got lost is noticed, and what peers hold remembered.
    async fn remind(&mut self) {
        self.exchange.remind();
        let confirmed = self.exchange.confirmed();
        if !confirmed.is_empty() {
            self.replica.confirm(confirmed).await;
        }
    }

    /// Gives each peer that takes something what it lacks.
    async fn push(&mut self) {
        let now = Instant::now();
        if self.exchange.is_about_to_tell(now)
            && let Err(error) = self.replica.secure().await
        {
            // What is told then is that nothing is held, until the file can be read again.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what came from peers could not be secured"
            );
        }
        for link in self.exchange.links() {
            let Some(outgoing) = self.outgoing.get(&link).filter(|outgoing| !outgoing.is_closed()) else {
                // Whoever carried its frames is gone without a word.
                self.disconnect(link).await;
                continue;
            };
            while let Ok(permit) = outgoing.try_reserve() {
                match self.exchange.next(link, &self.replica, now) {
                    Ok(Some(message)) => permit.send(message.encode()),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a peer could not be given what it lacks"
                        );
                        break;
                    }
                }
            }
        }
    }

    /// Returns when a connection that was full takes messages again.
    async fn room(outgoing: &HashMap<LinkId, mpsc::Sender<Vec<u8>>>, exchange: &Exchange) {
        let full = outgoing
            .iter()
            .filter(|(link, outgoing)| outgoing.capacity() == 0 && exchange.is_connected(**link));
        let waits: Vec<_> = full.map(|(_, outgoing)| Box::pin(outgoing.reserve())).collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        let _ = futures_util::future::select_all(waits).await;
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
