//! Two devices that meet show each other that they belong to the same mesh, before anything else is read: [`greet`].
//!
//! Works on any byte stream, so that it is tested without a network.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    frames::{FramingError, read_frame, write_frame},
    secret::{End, MeshSecret, SECRET_BYTES, SessionKey},
};

/// Version of the protocol; also in its name at the TLS level.
const PROTOCOL: u16 = 1;
/// Longest greeting, in bytes: nothing bigger is read of somebody who has not shown that he belongs here.
pub(crate) const GREETING_BYTES_MAX: usize = 4096;
/// Time for both greetings.
pub(crate) const GREETING_TIME: Duration = Duration::from_secs(5);

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Greeting {
    protocol: u16,
    proof: [u8; SECRET_BYTES],
    /// The name of this life of its store.
    pub(crate) store: String,
    /// What its owner calls it.
    pub(crate) name: Option<String>,
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Who we are.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    pub(crate) secret: MeshSecret,
    /// The other side's key is proof enough: it is on the list.
    pub(crate) trusted: bool,
    pub(crate) name: Option<String>,
    pub(crate) store: String,
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Why a device is not let in, or does not let us in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The connection broke.
    #[error("the greeting could not be exchanged")]
    Framing(#[from] FramingError),
    /// It ended before the greeting.
    #[error(
        "the other side ended the connection instead of greeting: it may not know the mesh secret that we know"
    )]
    Ended,
    /// It took too long.
    #[error("the other side did not greet within {GREETING_TIME:?}")]
    TimedOut,
    /// It is no greeting.
    #[error("the greeting cannot be read")]
    Malformed,
    /// Another version of the protocol.
    #[error("the other side speaks version {0} of the protocol, this one {PROTOCOL}: update the older app")]
    Protocol(u16),
    /// It is not on the list of those that are allowed.
    #[error("the other side is not on the list of devices that are allowed")]
    NotAllowed,
    /// It does not know the secret.
    #[error("the other side does not know the secret of this mesh: join with a ticket of it")]
    Stranger,
    /// A copy of our own store.
    #[error(
        "the other side has a copy of this very store: give each device a directory of its own, and never copy one"
    )]
    Copy,
}

/// Greets, and reads the other side's greeting. The listener says nothing before the dialer has shown that it knows the secret.
///
/// # Errors
/// When the other side is not of this mesh, or is silent. Nothing of the data has been exchanged then.
pub(crate) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    end: End,
    introduction: &Introduction,
    session: &SessionKey,
) -> Result<Greeting, HandshakeError> {
    let both = async {
        match end {
            End::Dialer => {
                say(stream, end, introduction, session).await?;
                listen(stream, End::Listener, introduction, session).await
            }
            End::Listener => {
                let theirs = listen(stream, End::Dialer, introduction, session).await?;
                say(stream, end, introduction, session).await?;
                Ok(theirs)
            }
        }
    };
    tokio::time::timeout(GREETING_TIME, both)
        .await
        .map_err(|_| HandshakeError::TimedOut)?
}

async fn say<S: AsyncWrite + Unpin>(
    stream: &mut S,
    end: End,
    introduction: &Introduction,
    session: &SessionKey,
) -> Result<(), HandshakeError> {
    Ok(write_frame(stream, &introduction.greeting(end, session)).await?)
}

async fn listen<S: AsyncRead + Unpin>(
    stream: &mut S,
    end: End,
    introduction: &Introduction,
    session: &SessionKey,
) -> Result<Greeting, HandshakeError> {
    let frame = read_frame(stream, GREETING_BYTES_MAX)
        .await?
        .ok_or(HandshakeError::Ended)?;
    introduction.read(&frame, end, session)
}

impl Introduction {
    /// What we say at this end of this session.
    pub(super) fn greeting(&self, end: End, session: &SessionKey) -> Vec<u8> {
        let greeting = Greeting {
            protocol: PROTOCOL,
            proof: self.secret.proof(end, session),
            store: self.store.clone(),
            name: self.name.clone(),
            addresses: self.addresses.clone(),
        };
        postcard::to_extend(&greeting, Vec::new()).expect("a growing buffer takes every greeting")
    }

    /// Reads what the other side says at its end.
    pub(super) fn read(
        &self,
        frame: &[u8],
        end: End,
        session: &SessionKey,
    ) -> Result<Greeting, HandshakeError> {
        let Ok((greeting, [])) = postcard::take_from_bytes::<Greeting>(frame) else {
            return Err(HandshakeError::Malformed);
        };
        if greeting.protocol != PROTOCOL {
            return Err(HandshakeError::Protocol(greeting.protocol));
        }
        if !self.trusted && !self.secret.is_shown_by(greeting.proof, end, session) {
            return Err(HandshakeError::Stranger);
        }
        if greeting.store == self.store {
            return Err(HandshakeError::Copy);
        }
        Ok(greeting)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const SESSION: SessionKey = [5; 32];

    fn introduction(secret: u8, store: &str) -> Introduction {
        Introduction {
            secret: MeshSecret::from_bytes([secret; 32]),
            trusted: false,
            name: Some(format!("till {store}")),
            store: store.to_owned(),
            addresses: vec!["127.0.0.1:1".parse().expect("an address")],
        }
    }

    async fn meet(
        dialer: (Introduction, SessionKey),
        listener: (Introduction, SessionKey),
    ) -> [Result<Greeting, HandshakeError>; 2] {
        let (mut one, mut other) = tokio::io::duplex(GREETING_BYTES_MAX);
        let dial = async move { greet(&mut one, End::Dialer, &dialer.0, &dialer.1).await };
        let listen = async move { greet(&mut other, End::Listener, &listener.0, &listener.1).await };
        <[_; 2]>::from(tokio::join!(dial, listen))
    }

    #[tokio::test]
    async fn devices_of_one_mesh_let_each_other_in() {
        let [one, other] = meet((introduction(1, "a"), SESSION), (introduction(1, "b"), SESSION)).await;
        assert_eq!(one.expect("it is let in").store, "b");
        let other = other.expect("it is let in");
        assert_eq!((&*other.store, other.name.as_deref()), ("a", Some("till a")));
    }

    #[tokio::test]
    async fn a_device_on_the_list_needs_no_secret() {
        let [mut one, mut other] = [introduction(1, "a"), introduction(2, "b")];
        (one.trusted, other.trusted) = (true, true);
        let [one, other] = meet((one, SESSION), (other, SESSION)).await;
        assert!(one.is_ok() && other.is_ok());
    }

    #[tokio::test]
    async fn another_secret_is_refused_and_learns_nothing() {
        let (mut stranger, mut ours) = tokio::io::duplex(GREETING_BYTES_MAX);
        let listener =
            tokio::spawn(
                async move { greet(&mut ours, End::Listener, &introduction(1, "b"), &SESSION).await },
            );
        say(&mut stranger, End::Dialer, &introduction(2, "a"), &SESSION)
            .await
            .expect("a stranger may say what it likes");
        let refused = listener.await.expect("the listener ends");
        assert!(matches!(refused, Err(HandshakeError::Stranger)));
        let mut heard = Vec::new();
        stranger
            .read_to_end(&mut heard)
            .await
            .expect("the connection is closed");
        assert!(heard.is_empty(), "the listener has said nothing");
    }

    #[tokio::test]
    async fn a_greeting_of_another_session_is_refused() {
        let [one, other] = meet((introduction(1, "a"), [6; 32]), (introduction(1, "b"), SESSION)).await;
        assert!(matches!(other, Err(HandshakeError::Stranger)));
        assert!(matches!(one, Err(HandshakeError::Ended)));
    }

    #[tokio::test]
    async fn a_copy_of_the_store_is_refused() {
        let [_, other] = meet((introduction(1, "a"), SESSION), (introduction(1, "a"), SESSION)).await;
        assert!(matches!(other, Err(HandshakeError::Copy)));
    }

    #[tokio::test]
    async fn garbage_is_refused() {
        let garbage: [&[u8]; 3] = [&[3, 0, 0, 0, 1, 2, 3], &[255, 255, 0, 0], &[0, 0, 0, 0]];
        for bytes in garbage {
            let (mut stranger, mut ours): (DuplexStream, _) = tokio::io::duplex(GREETING_BYTES_MAX);
            stranger.write_all(bytes).await.expect("the pipe takes it");
            let refused = greet(&mut ours, End::Listener, &introduction(1, "b"), &SESSION).await;
            assert!(matches!(
                refused,
                Err(HandshakeError::Malformed | HandshakeError::Framing(FramingError::TooLong { .. }))
            ));
        }
    }
}
