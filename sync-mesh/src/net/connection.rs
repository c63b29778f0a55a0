//! One connection, from its greeting to its end: [`serve`].

use std::net::SocketAddr;

use iroh::endpoint::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;

use super::{
    GOODBYE_TIME, Shared,
    frames::{FramingError, read_frame, write_frame},
    handshake::{GREETING_TIME, Greeting, HandshakeError, Introduction, greet},
    secret::{End, SessionKey},
};
use crate::{
    engine::Command,
    limits::{FRAME_BYTES_MAX, MESSAGES_WAITING},
    link::carry,
};

/// The name of the protocol at the TLS level, with its version.
pub(crate) const ALPN: &[u8] = b"ditto-sync-mesh/2";

/// Codes with which connections are closed, beside a reason in words.
const GOODBYE: u32 = 0;
const REPLACED: u32 = 1;
const REFUSED: u32 = 2;
const PROTOCOL: u32 = 3;

/// Greets the other side, and exchanges with it until one of them ends it.
pub(crate) async fn serve(shared: &Shared, connection: &Connection, end: End) {
    let peer = connection.remote_id();
    let mut introduction = shared.introduction();
    introduction.trusted = shared.is_listed(peer);
    if shared.is_barred(peer) {
        tracing::warn!(peer = %peer.fmt_short(), "a device that is not on the list was not let in");
        refuse(connection, REFUSED, &HandshakeError::NotAllowed.to_string()).await;
        return;
    }
    let (stream, greeting) = match introduce(&introduction, connection, end).await {
        Ok(met) => met,
        Err(error) => {
            tracing::warn!(peer = %peer.fmt_short(), error = &error as &dyn std::error::Error, "a device was not let in, or does not let us in");
            refuse(connection, REFUSED, &error.to_string()).await;
            return;
        }
    };
    for told in [
        Command::Share(introduction.secret.to_bytes()),
        Command::Remember(*peer.as_bytes(), encode_addresses(&greeting.addresses)),
    ] {
        // A store that is closing remembers nobody.
        let _ = shared.engine.commands.send(told).await;
    }
    let dialer_is_smaller = (shared.endpoint.id() < peer) == (end == End::Dialer);
    if !shared.book.enter(connection, dialer_is_smaller) {
        connection.close(REPLACED.into(), b"there is another connection");
        return;
    }
    shared.book.add(peer, &greeting.addresses);
    shared.book.rename(peer, greeting.name.clone());
    tracing::info!(peer = %peer.fmt_short(), "a peer is here");
    let outcome = exchange(shared, *peer.as_bytes(), stream).await;
    shared.book.leave(connection);
    match outcome {
        Ok(()) => connection.close(GOODBYE.into(), b"goodbye"),
        Err(error) => {
            tracing::warn!(peer = %peer.fmt_short(), error = &*error, "the connection to a peer is closed");
            refuse(connection, PROTOCOL, &error.to_string()).await;
        }
    }
    tracing::info!(peer = %peer.fmt_short(), "a peer is gone");
}

type Stream = (SendStream, RecvStream);

async fn introduce(
    introduction: &Introduction,
    connection: &Connection,
    end: End,
) -> Result<(Stream, Greeting), HandshakeError> {
    let mut session = SessionKey::default();
    connection
        .export_keying_material(&mut session, ALPN, b"")
        .map_err(|_| HandshakeError::Malformed)?;
    let opening = async {
        match end {
            End::Dialer => connection.open_bi().await,
            End::Listener => connection.accept_bi().await,
        }
    };
    let (send, receive) = tokio::time::timeout(GREETING_TIME, opening)
        .await
        .map_err(|_| HandshakeError::TimedOut)?
        .map_err(|_| HandshakeError::Ended)?;
    let mut stream = tokio::io::join(receive, send);
    let greeting = greet(&mut stream, end, introduction, &session).await?;
    let (receive, send) = stream.into_inner();
    Ok(((send, receive), greeting))
}

/// Addresses as the file keeps them.
pub(crate) fn encode_addresses(addresses: &[SocketAddr]) -> Vec<u8> {
    postcard::to_extend(addresses, Vec::new()).expect("a growing buffer takes all addresses")
}

/// Addresses as the file kept them; none, if it does not hold what it should.
pub(crate) fn decode_addresses(bytes: &[u8]) -> Vec<SocketAddr> {
    postcard::from_bytes(bytes).unwrap_or_default()
}

/// Carries frames both ways. The first side that ends or fails ends it.
async fn exchange(
    shared: &Shared,
    device: [u8; 32],
    (mut send, mut receive): Stream,
) -> Result<(), ditto_sync_core::error::Source> {
    let (to_engine, incoming) = mpsc::channel(MESSAGES_WAITING);
    let (outgoing, mut from_engine) = mpsc::channel::<Vec<u8>>(MESSAGES_WAITING);
    let reading = async {
        while let Some(frame) = read_frame(&mut receive, FRAME_BYTES_MAX).await? {
            if to_engine.send(frame).await.is_err() {
                break;
            }
        }
        Ok::<(), FramingError>(())
    };
    let writing = async {
        while let Some(frame) = from_engine.recv().await {
            write_frame(&mut send, &frame).await?;
        }
        Ok::<(), FramingError>(())
    };
    let broke = |outcome: Result<(), FramingError>| match outcome {
        // The other side is gone: nothing to complain about.
        Err(FramingError::Broken(_)) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    };
    tokio::select! {
        outcome = carry(&shared.engine, device, incoming, outgoing) => outcome.map_err(Into::into),
        outcome = reading => broke(outcome),
        outcome = writing => broke(outcome),
    }
}

/// Closes with the reason in words, and waits until it has been read, or a moment.
async fn refuse(connection: &Connection, code: u32, reason: &str) {
    connection.close(code.into(), reason.as_bytes());
    let _ = tokio::time::timeout(GOODBYE_TIME, connection.closed()).await;
}
