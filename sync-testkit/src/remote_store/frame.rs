//! Frames on a connection: four bytes of length (little endian), then the value in postcard.

use std::io::{Error, ErrorKind, Result};

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest frame in bytes: more than any batch of a test, and little enough that a wrong length cannot exhaust the memory.
const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Sends one value. Not cancellation safe: a frame that was begun has to be ended.
pub(super) async fn send<T: Serialize>(sink: &mut (impl AsyncWrite + Unpin), value: &T) -> Result<()> {
    let mut bytes = postcard::to_extend(value, vec![0; 4]).map_err(invalid)?;
    let length = bytes.len() - 4;
    if length > FRAME_BYTES_MAX {
        return Err(too_long(length));
    }
    let header = u32::try_from(length).map_err(invalid)?.to_le_bytes();
    bytes[..4].copy_from_slice(&header);
    sink.write_all(&bytes).await
}

/// Receives one value. Not cancellation safe.
///
/// Fails when the connection ends, or when what comes is no frame.
pub(super) async fn receive<T: DeserializeOwned>(source: &mut (impl AsyncRead + Unpin)) -> Result<T> {
    let mut header = [0; 4];
    source.read_exact(&mut header).await?;
    let length = usize::try_from(u32::from_le_bytes(header)).map_err(invalid)?;
    if length > FRAME_BYTES_MAX {
        return Err(too_long(length));
    }
    let mut bytes = vec![0; length];
    source.read_exact(&mut bytes).await?;
    postcard::from_bytes(&bytes).map_err(invalid)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

fn too_long(length: usize) -> Error {
    Error::new(
        ErrorKind::InvalidData,
        format!("a frame has at most {FRAME_BYTES_MAX} bytes, found {length}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_arrives_as_it_was_sent() {
        let (mut one, mut other) = tokio::io::duplex(7);
        let sent = vec!["one".to_owned(), "x".repeat(100)];
        let copy = sent.clone();
        let sender = tokio::spawn(async move { send(&mut one, &copy).await });
        assert_eq!(receive::<Vec<String>>(&mut other).await.unwrap(), sent);
        sender.await.unwrap().unwrap();
        assert!(
            receive::<Vec<String>>(&mut other).await.is_err(),
            "the connection has ended"
        );
    }

    #[tokio::test]
    async fn a_frame_that_claims_to_be_huge_is_refused() {
        let mut bytes: &[u8] = &u32::MAX.to_le_bytes();
        let error = receive::<u8>(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}
