//! Somebody who is not of the mesh, with an endpoint of their own: whatever they say, they are refused with a reason and get not one byte of the data.

use std::time::Duration;

use ditto_sync_core::{query::Query, store::DocumentStore};
use ditto_sync_testkit::models::STOCK;
use iroh::{
    Endpoint, EndpointAddr, RelayMode, SecretKey, TransportAddr,
    endpoint::{Connection, ConnectionError, RecvStream, SendStream, presets},
};

use super::quic::{LOOPBACK, PATIENCE, has, insert, open, until};
use crate::{
    MeshSecret, MeshStore, Ticket,
    fuzzing::samples,
    interest::Interest,
    message::Message,
    net::fuzzing::{ALPN, greeting_of},
};

/// An endpoint that speaks QUIC and knows where the store is.
async fn stranger() -> Endpoint {
    Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .secret_key(SecretKey::from_bytes(&[9; 32]))
        .clear_ip_transports()
        .bind_addr(LOOPBACK)
        .expect("an address")
        .bind()
        .await
        .expect("an endpoint")
}

async fn connect(stranger: &Endpoint, ticket: &Ticket) -> (Connection, SendStream, RecvStream) {
    let addresses = ticket.addresses.iter().copied().map(TransportAddr::Ip);
    let address = EndpointAddr::from_parts(ticket.endpoint, addresses);
    let connection = tokio::time::timeout(PATIENCE, stranger.connect(address, ALPN))
        .await
        .expect("in time")
        .expect("QUIC lets everybody in");
    let (send, receive) = connection.open_bi().await.expect("a stream");
    (connection, send, receive)
}

/// Waits until the store has closed the connection: what it has said before, and why it closed.
async fn refusal(connection: &Connection, mut receive: RecvStream) -> (Vec<u8>, String) {
    let mut said = Vec::new();
    let listening = async {
        let mut piece = [0; 1024];
        while let Ok(Some(length)) = receive.read(&mut piece).await {
            said.extend_from_slice(&piece[..length]);
        }
        match connection.closed().await {
            ConnectionError::ApplicationClosed(close) => String::from_utf8_lossy(&close.reason).into_owned(),
            other => panic!("it was not closed with a reason: {other}"),
        }
    };
    let reason = tokio::time::timeout(PATIENCE, listening)
        .await
        .expect("it is closed in time");
    (said, reason)
}

async fn store(directory: &tempfile::TempDir) -> (MeshStore, Ticket) {
    let store = open(directory.path()).await;
    insert(&store, "ours", 1).await;
    let ticket = store.ticket().await.expect("it listens");
    (store, ticket)
}

async fn send(stream: &mut SendStream, frame: &[u8]) {
    let length = u32::try_from(frame.len()).expect("a short frame");
    let bytes = [&length.to_le_bytes(), frame].concat();
    stream.write_all(&bytes).await.expect("the stream takes it");
}

/// Exactly what the store holds is what it held.
async fn is_unharmed(store: MeshStore) {
    let scan = store.scan(&STOCK, &Query::all()).await.expect("it answers");
    assert_eq!(scan.ids.len(), 1);
    assert!(has(&store, "ours").await);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_secret_is_refused_and_hears_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, ticket) = store(&directory).await;
    let stranger = stranger().await;
    let (connection, mut sending, receive) = connect(&stranger, &ticket).await;
    let wrong = MeshSecret::from_bytes([1; 32]);
    send(&mut sending, &greeting_of(&connection, &wrong)).await;
    // As if it had been let in.
    send(&mut sending, &Message::Interest(Interest::everything()).encode()).await;
    let (said, reason) = refusal(&connection, receive).await;
    assert_eq!(said, b"", "the store has said nothing");
    assert!(reason.contains("does not know the secret"), "{reason}");
    stranger.close().await;
    is_unharmed(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greeting_that_was_overheard_is_worth_nothing_in_another_connection() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, ticket) = store(&directory).await;
    let stranger = stranger().await;
    let (first, mut sending, mut receive) = connect(&stranger, &ticket).await;
    let greeting = greeting_of(&first, &ticket.secret);
    send(&mut sending, &greeting).await;
    let mut heard = [0; 4];
    receive.read_exact(&mut heard).await.expect("the first is let in");
    first.close(0_u32.into(), b"");
    let (second, mut sending, receive) = connect(&stranger, &ticket).await;
    send(&mut sending, &greeting).await;
    let (said, reason) = refusal(&second, receive).await;
    assert_eq!(said, b"", "the store has said nothing");
    assert!(reason.contains("does not know the secret"), "{reason}");
    stranger.close().await;
    is_unharmed(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_something_else_than_a_greeting_is_refused_and_hears_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, ticket) = store(&directory).await;
    let stranger = stranger().await;
    let messages = samples().messages.iter().map(Vec::as_slice);
    let too_long: &[u8] = &[0; 5000];
    for frame in messages.chain([&[][..], &[0; 100], too_long]) {
        let (connection, mut sending, receive) = connect(&stranger, &ticket).await;
        send(&mut sending, frame).await;
        let (said, reason) = refusal(&connection, receive).await;
        assert_eq!(said, b"", "the store has said nothing");
        assert!(!reason.is_empty());
    }
    stranger.close().await;
    is_unharmed(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_breaks_the_protocol_is_closed_with_a_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let (store, ticket) = store(&directory).await;
    let stranger = stranger().await;
    let mut broken = samples().messages[2].clone();
    *broken.last_mut().expect("it is not empty") ^= 1;
    for frame in [&[9, 9, 9][..], &broken] {
        let (connection, mut sending, receive) = connect(&stranger, &ticket).await;
        send(&mut sending, &greeting_of(&connection, &ticket.secret)).await;
        send(&mut sending, frame).await;
        let (_, reason) = refusal(&connection, receive).await;
        assert!(!reason.is_empty());
    }
    // A frame that is announced as larger than any may be.
    let (connection, mut sending, receive) = connect(&stranger, &ticket).await;
    send(&mut sending, &greeting_of(&connection, &ticket.secret)).await;
    sending.write_all(&[255; 4]).await.expect("the stream takes it");
    let (_, reason) = refusal(&connection, receive).await;
    assert!(reason.contains("are allowed"), "{reason}");
    stranger.close().await;
    is_unharmed(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_travels_between_members_cannot_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = open(&directory.path().join("one")).await;
    let other = open(&directory.path().join("other")).await;
    let mut ticket = one.ticket().await.expect("it listens");
    let (eavesdropper, overheard) = eavesdrop(ticket.addresses[0]).await;
    ticket.addresses = vec![eavesdropper];
    const WORDS: &str = "nobody-else-may-read-this";
    insert(&one, WORDS, 1).await;
    other.join(&ticket).await.expect("it joins");
    until("it has arrived", async || has(&other, WORDS).await).await;
    one.close().await;
    other.close().await;
    let overheard = overheard.lock().expect("nobody has panicked");
    assert!(overheard.len() > 1000, "{} bytes were overheard", overheard.len());
    let secret = ticket.secret.to_bytes();
    for plain in [WORDS.as_bytes(), &secret] {
        let found = overheard.windows(plain.len()).any(|bytes| bytes == plain);
        assert!(!found, "it was readable");
    }
}

type Overheard = std::sync::Arc<std::sync::Mutex<Vec<u8>>>;

/// Hands on datagrams between whoever comes and this address, and keeps what it has seen.
async fn eavesdrop(address: std::net::SocketAddr) -> (std::net::SocketAddr, Overheard) {
    let front = tokio::net::UdpSocket::bind(LOOPBACK).await.expect("a socket");
    let back = tokio::net::UdpSocket::bind(LOOPBACK).await.expect("a socket");
    let local = front.local_addr().expect("it is bound");
    let overheard = Overheard::default();
    let keep = overheard.clone();
    tokio::spawn(async move {
        let (mut here, mut there) = ([0; 65_536], [0; 65_536]);
        let mut client = None;
        loop {
            let length = tokio::select! {
                Ok((length, from)) = front.recv_from(&mut here) => {
                    client = Some(from);
                    let _ = back.send_to(&here[..length], address).await;
                    keep.lock().expect("nobody has panicked").extend_from_slice(&here[..length]);
                    length
                }
                Ok((length, _)) = back.recv_from(&mut there) => {
                    if let Some(client) = client {
                        let _ = front.send_to(&there[..length], client).await;
                    }
                    keep.lock().expect("nobody has panicked").extend_from_slice(&there[..length]);
                    length
                }
                else => return,
            };
            if length == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    (local, overheard)
}
