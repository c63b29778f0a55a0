//! What a coordinator waits for: commands, local changes, changes of the store, time. One [`Signal`] at a time.

use futures_util::{
    FutureExt,
    future::{BoxFuture, select_all},
};

use super::{engine::Engine, handle::Command};
use crate::{
    clock::Sleep,
    repository::Repository,
    store::{ChangeBatch, DocumentStore, Observation, StoreError},
};

/// Something a coordinator waits for has come.
pub(super) enum Signal {
    /// The app asks for something; `None`: the handle is gone.
    Command(Option<Command>),
    /// A local change may have been committed.
    Local,
    /// The store reports changes of the model at this position.
    Observed(usize, Result<ChangeBatch, StoreError>),
    /// A value of the context that is followed may have changed.
    Context,
    /// The time has come.
    Time,
}

impl<R: Repository, S: DocumentStore> Engine<R, S> {
    /// Waits for the next signal. Models whose queue is not empty are not asked: that is the back-pressure.
    ///
    /// Cancellation safe, because each of the futures waited on is.
    pub(super) async fn signal(&mut self, time: Option<Sleep>) -> Signal {
        let Self {
            inbox,
            repository,
            observations,
            queues,
            setup,
            ..
        } = self;
        let mut waits: Vec<BoxFuture<'_, Signal>> = Vec::with_capacity(observations.len() + 3);
        waits.push(inbox.recv().map(Signal::Command).boxed());
        waits.push(repository.changed().map(|()| Signal::Local).boxed());
        for (model, observation) in observations.iter_mut().enumerate() {
            if let Some(running) = observation.as_mut().filter(|_| queues.is_idle(model)) {
                waits.push(
                    running
                        .observation
                        .next()
                        .map(move |batch| Signal::Observed(model, batch))
                        .boxed(),
                );
            }
        }
        if setup.context.is_followed() {
            waits.push(setup.context.changed().map(|()| Signal::Context).boxed());
        }
        if let Some(sleep) = time {
            waits.push(sleep.map(|()| Signal::Time).boxed());
        }
        let (signal, _, _) = select_all(waits).await;
        signal
    }

    /// A signal that is there already.
    pub(super) fn signal_now(&mut self) -> Option<Signal> {
        self.signal(None).now_or_never()
    }
}
