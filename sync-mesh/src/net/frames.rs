//! Frames on a byte stream: a length of four bytes, little-endian, and as many bytes.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes made room for at a time, so that a length that lies costs nothing.
const ROOM: usize = 64 * 1024;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[from] std::io::Error),
    /// The frame is too long.
    #[error("a frame of {length} bytes is announced, at most {max} are allowed")]
    TooLong {
        /// What was announced, in bytes.
        length: usize,
        /// What is allowed, in bytes.
        max: usize,
    },
}

/// The next frame; `None` at the end of the stream. Not cancellation safe: a stream that was left inside of a frame is of no use any more.
pub(crate) async fn read_frame<R: AsyncRead + Unpin>(
    stream: &mut R,
    max: usize,
) -> Result<Option<Vec<u8>>, FramingError> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = u32::from_le_bytes(length) as usize;
    if length > max {
        return Err(FramingError::TooLong { length, max });
    }
    let mut frame = Vec::with_capacity(length.min(ROOM));
    while frame.len() < length {
        let start = frame.len();
        frame.resize(length.min(start + ROOM), 0);
        stream.read_exact(&mut frame[start..]).await?;
    }
    Ok(Some(frame))
}

/// Writes one frame. Not cancellation safe.
pub(crate) async fn write_frame<W: AsyncWrite + Unpin>(
    stream: &mut W,
    frame: &[u8],
) -> Result<(), FramingError> {
    let length = u32::try_from(frame.len()).map_err(|_| FramingError::TooLong {
        length: frame.len(),
        max: u32::MAX as usize,
    })?;
    stream.write_all(&length.to_le_bytes()).await?;
    stream.write_all(frame).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_until_the_end() {
        let (mut one, mut other) = tokio::io::duplex(100);
        let long = vec![7; 3 * ROOM];
        let sent = long.clone();
        tokio::spawn(async move {
            for frame in [&[][..], &[1, 2], &sent] {
                write_frame(&mut one, frame).await.expect("the pipe takes it");
            }
        });
        for frame in [&[][..], &[1, 2], &long] {
            assert_eq!(
                read_frame(&mut other, long.len())
                    .await
                    .expect("a frame")
                    .as_deref(),
                Some(frame)
            );
        }
        assert_eq!(read_frame(&mut other, 10).await.expect("the end"), None);
    }

    #[tokio::test]
    async fn a_length_over_the_limit_and_a_torn_frame_are_errors() {
        let mut long: &[u8] = &[255, 255, 255, 127, 1];
        let error = read_frame(&mut long, 1000).await.expect_err("it is too long");
        assert!(matches!(error, FramingError::TooLong { max: 1000, .. }));
        for mut torn in [&[4_u8, 0][..], &[4, 0, 0, 0, 1]] {
            let error = read_frame(&mut torn, 1000).await.expect_err("it is torn");
            assert!(matches!(error, FramingError::Broken(_)));
        }
    }
}
