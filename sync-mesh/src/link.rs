//! One connection to a peer, whatever carries its frames: [`carry`].

use ditto_sync_core::store::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::{
    engine::{Command, EngineHandle},
    error,
    exchange::Device,
    limits::READ_APART_BYTES,
    message::Message,
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
    // One message is read while the engine takes the one before.
    let (read, mut messages) = mpsc::channel(1);
    let reading = async move {
        while let Some(frame) = incoming.recv().await {
            if read.send(read_message(frame).await).await.is_err() {
                break;
            }
        }
        drop(read);
        // It ends when the last message is taken.
        std::future::pending().await
    };
    let taking = async {
        while let Some(message) = messages.recv().await {
            let message = message?;
            engine.ask(|reply| Command::Message(link, message, reply)).await?;
        }
        Ok(())
    };
    let outcome = tokio::select! {
        outcome = taking => outcome,
        never = reading => never,
    };
    // Without this the engine notices by itself that nobody takes its frames.
    let _ = engine.commands.send(Command::Disconnect(link)).await;
    outcome
}

/// The message of a frame, with what takes long to find out of an update.
async fn read_message(frame: Vec<u8>) -> Result<Message, StoreError> {
    let length = frame.len();
    let reading = move || {
        let message = Message::decode(&frame).map_err(error::failed("read the frame of a peer"))?;
        if let Message::Update { update, .. } = &message {
            update
                .range()
                .map_err(error::failed("read the update of a peer"))?;
        }
        Ok(message)
    };
    if length < READ_APART_BYTES {
        return reading();
    }
    // The app's runtime must not wait for it.
    let read = tokio::task::spawn_blocking(reading).await;
    read.map_err(error::failed("read the frame of a peer"))?
}
