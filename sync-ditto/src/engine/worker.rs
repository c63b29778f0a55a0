//! A thread that makes the engine's calls: [`Worker`].
//!
//! Dropping a transaction's future while the engine works on it ends the process, and dropping it between two calls leaves the engine's write
//! lock taken for good. So no future of a caller ever holds one: callers send jobs here and may stop waiting at any time.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use dittolive_ditto::store::Store;
use tokio::sync::{mpsc, oneshot};

use super::{error::EngineError, transaction::Transactions};
use crate::limits::JOBS_WAITING;
use ditto_sync_core::store::StoreError;

type Job = Box<dyn FnOnce(&Transactions) + Send>;

enum Order {
    Do(Job),
    Stop,
}

/// A thread that does one job after another, until the worker is dropped and the last job done.
#[derive(Debug)]
pub(super) struct Worker {
    orders: mpsc::Sender<Order>,
}

/// The answer of a job, which may be waited for again and again.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, EngineError>>;

impl Worker {
    /// Starts the thread. The receiver answers when it has ended and let go of the store.
    pub(super) fn start(name: &str, store: Store) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (orders, mut waiting) = mpsc::channel::<Order>(JOBS_WAITING);
        let (ended, end) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        thread::Builder::new().name(name.into()).spawn(move || {
            let transactions = Transactions::new(store, runtime);
            while let Some(Order::Do(job)) = waiting.blocking_recv() {
                // A job that panics answers nobody; its transaction was rolled back. See `transaction`.
                let outcome = catch_unwind(AssertUnwindSafe(|| job(&transactions)));
                if outcome.is_err() {
                    tracing::error!("a job of the Ditto store panicked");
                }
            }
            drop((waiting, transactions));
            // Nobody may be waiting.
            let _ = ended.send(());
        })?;
        Ok((Self { orders }, end))
    }

    /// Has a job done and waits for its answer. A job whose caller has gone before it began is not done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        job: impl FnOnce(&Transactions) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = packed(job);
        self.orders
            .send(Order::Do(job))
            .await
            .map_err(|_| StoreError::Closed)?;
        match answer.await {
            Ok(outcome) => outcome.map_err(|error| error.into_store_error(action)),
            Err(_) => Err(EngineError::Panicked.into_store_error(action)),
        }
    }

    /// Ends the thread after the jobs that wait; later ones find the store closed.
    pub(super) async fn stop(&self) {
        // Where nobody receives any more the thread has ended.
        let _ = self.orders.send(Order::Stop).await;
    }

    /// Waits until there is room for a job.
    pub(super) async fn room(&self) -> Result<Room<'_>, StoreError> {
        self.orders
            .reserve()
            .await
            .map(Room)
            .map_err(|_| StoreError::Closed)
    }
}

/// The room for one job: from here on nothing is awaited before the job is on its way.
pub(super) struct Room<'a>(mpsc::Permit<'a, Order>);

impl Room<'_> {
    pub(super) fn start<T: Send + 'static>(
        self,
        job: impl FnOnce(&Transactions) -> Result<T, EngineError> + Send + 'static,
    ) -> Answer<T> {
        let (job, answer) = packed(job);
        self.0.send(Order::Do(job));
        answer
    }
}

fn packed<T: Send + 'static>(
    job: impl FnOnce(&Transactions) -> Result<T, EngineError> + Send + 'static,
) -> (Job, Answer<T>) {
    let (reply, answer) = oneshot::channel();
    let job = move |transactions: &Transactions| {
        if !reply.is_closed() {
            // The caller may have gone meanwhile.
            let _ = reply.send(job(transactions));
        }
    };
    (Box::new(job), answer)
}
