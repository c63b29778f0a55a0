//! What a device sees of changes: [`RemoteObservation`].

use std::sync::Arc;

use ditto_sync_core::store::{ChangeBatch, Observation, StoreError};

use super::{
    client::{Coming, Link, answer, nonsense},
    protocol::{Answer, Request},
};

/// A running observation of a [`RemoteStore`](super::RemoteStore).
#[derive(Debug)]
pub struct RemoteObservation {
    link: Arc<Link>,
    number: u64,
    /// The report that was asked for. Kept when nobody waits any more: it has to reach the next one who asks.
    coming: Option<Coming>,
}

impl RemoteObservation {
    pub(super) fn new(link: Arc<Link>, number: u64) -> Self {
        Self {
            link,
            number,
            coming: None,
        }
    }
}

impl Observation for RemoteObservation {
    async fn next(&mut self) -> Result<ChangeBatch, StoreError> {
        const ACTION: &str = "report changes";
        if self.coming.is_none() {
            self.coming = Some(self.link.call(Request::Next(self.number)).await?);
        }
        let Some(coming) = self.coming.as_mut() else {
            return Err(StoreError::Closed);
        };
        let answer = answer(coming).await;
        self.coming = None;
        match answer?.map_err(|error| error.resolve(ACTION, None))? {
            Answer::Changes(batch) => Ok(batch.into()),
            _ => Err(nonsense(ACTION)),
        }
    }
}

impl Drop for RemoteObservation {
    fn drop(&mut self) {
        self.link.tell(Request::StopObserving(self.number));
    }
}
