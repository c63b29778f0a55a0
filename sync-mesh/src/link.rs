//! One connection to a peer, whatever carries its frames: [`carry`].

use ditto_sync_core::store::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::{
    engine::{Command, EngineHandle},
    exchange::Device,
};

/// Exchanges frames with a peer that is known and trusted, until either side ends it. Dropping the future ends it too.
///
/// # Errors
/// When the peer breaks the protocol or the store fails: the reason, to be told to the peer.
pub(crate) async fn carry(
    engine: &EngineHandle,
    device: Device,
    mut incoming: mpsc::Receiver<Vec<u8>>,
    outgoing: mpsc::Sender<Vec<u8>>,
) -> Result<(), StoreError> {
    let (reply, link) = oneshot::channel();
    let closed = |_| StoreError::Closed;
    engine
        .commands
        .send(Command::Connect(device, outgoing, reply))
        .await
        .map_err(|_| StoreError::Closed)?;
    let link = link.await.map_err(closed)?;
    let mut outcome = Ok(());
    while let Some(frame) = incoming.recv().await {
        outcome = engine.ask(|reply| Command::Frame(link, frame, reply)).await;
        if outcome.is_err() {
            break;
        }
    }
    // Without this the engine notices by itself that nobody takes its frames.
    let _ = engine.commands.send(Command::Disconnect(link)).await;
    outcome
}
