//! The decoders of this module for [`crate::fuzzing`].

use tokio::io::AsyncRead;

use super::{
    frames::FramingError,
    handshake::{Greeting, HandshakeError, Introduction},
    secret::{End, MeshSecret, SessionKey},
    ticket::Ticket,
};

const SESSION: SessionKey = [5; 32];

pub(crate) async fn read_frame<R: AsyncRead + Unpin>(
    stream: &mut R,
    max: usize,
) -> Result<Option<Vec<u8>>, FramingError> {
    super::frames::read_frame(stream, max).await
}

pub(crate) fn read_greeting(frame: &[u8]) -> Result<Greeting, HandshakeError> {
    introduction(1).read(frame, End::Dialer, &SESSION)
}

/// Knows another secret than [`read_greeting`].
pub(crate) fn sample_greeting() -> Vec<u8> {
    introduction(2).greeting(End::Dialer, &SESSION)
}

pub(crate) fn sample_ticket() -> Ticket {
    Ticket {
        mesh: "my-shop".to_owned(),
        secret: MeshSecret::from_bytes([7; 32]),
        endpoint: iroh::SecretKey::from_bytes(&[3; 32]).public(),
        addresses: vec![([127, 0, 0, 1], 4711).into()],
    }
}

fn introduction(secret: u8) -> Introduction {
    Introduction {
        secret: MeshSecret::from_bytes([secret; 32]),
        trusted: false,
        name: None,
        store: "a".to_owned(),
        addresses: vec![([127, 0, 0, 1], 4711).into()],
    }
}

#[cfg(test)]
pub(crate) use super::connection::ALPN;

/// What somebody who knows this secret says first in this connection, which they have dialed.
#[cfg(test)]
pub(crate) fn greeting_of(connection: &iroh::endpoint::Connection, secret: &MeshSecret) -> Vec<u8> {
    let mut session = SessionKey::default();
    connection
        .export_keying_material(&mut session, ALPN, b"")
        .expect("a TLS session has such a key");
    let introduction = Introduction {
        secret: secret.clone(),
        store: "another".to_owned(),
        ..introduction(0)
    };
    introduction.greeting(End::Dialer, &session)
}
