//! What peers say to each other once each knows who the other is: [`Message`], and how it is written into a frame.
//!
//! Not here: when a message is sent (`exchange`), and how peers find and trust each other.

use loro::VersionVector;
use serde::{Deserialize, Serialize};

use crate::limits::{COLLECTION_BYTES_MAX, COLLECTIONS_MAX, FRAME_BYTES_MAX, VERSION_BYTES_MAX};

/// The first byte of each frame.
const VERSION: u8 = 1;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// How far the sender is in these collections, after which the receiver sends what is missing there. A collection that is not named is empty there.
    Versions(Vec<(String, VersionVector)>),
    /// What is new in one collection.
    Update { collection: String, update: Vec<u8> },
}

#[derive(Serialize, Deserialize)]
enum Wire<'a> {
    #[serde(borrow)]
    Versions(Vec<(&'a str, &'a [u8])>),
    Update(&'a str, &'a [u8]),
}

/// Why a frame is refused. The connection is closed with this reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes is longer than {FRAME_BYTES_MAX}")]
    TooLong(usize),
    #[error("a frame is of version {0:?}, expected {VERSION}")]
    Version(Option<u8>),
    #[error("a frame cannot be decoded")]
    Malformed,
    #[error("a frame names a collection of {0} bytes, at most {COLLECTION_BYTES_MAX} are allowed")]
    Collection(usize),
    #[error("a frame names {0} collections, at most {COLLECTIONS_MAX} are allowed")]
    Collections(usize),
    #[error("a version has {0} bytes, at most {VERSION_BYTES_MAX} are allowed")]
    VersionVector(usize),
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let versions: Vec<Vec<u8>>;
        let wire = match self {
            Self::Versions(collections) => {
                versions = collections.iter().map(|(_, version)| version.encode()).collect();
                let names = collections.iter().map(|(name, _)| name.as_str());
                Wire::Versions(names.zip(versions.iter().map(Vec::as_slice)).collect())
            }
            Self::Update { collection, update } => Wire::Update(collection, update),
        };
        postcard::to_extend(&wire, vec![VERSION]).expect("a growing buffer takes every message")
    }

    /// # Errors
    /// Whatever is no message of this version, within its limits.
    pub(crate) fn decode(frame: &[u8]) -> Result<Self, FrameError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(frame.len()));
        }
        let (&VERSION, body) = frame.split_first().ok_or(FrameError::Version(None))? else {
            return Err(FrameError::Version(frame.first().copied()));
        };
        match postcard::take_from_bytes(body) {
            Ok((wire, [])) => Self::checked(wire),
            _ => Err(FrameError::Malformed),
        }
    }

    fn checked(wire: Wire<'_>) -> Result<Self, FrameError> {
        match wire {
            Wire::Versions(collections) if collections.len() > COLLECTIONS_MAX => {
                Err(FrameError::Collections(collections.len()))
            }
            Wire::Versions(collections) => {
                let checked = collections.into_iter().map(|(name, version)| {
                    if version.len() > VERSION_BYTES_MAX {
                        return Err(FrameError::VersionVector(version.len()));
                    }
                    let version = VersionVector::decode(version).map_err(|_| FrameError::Malformed)?;
                    Ok((collection(name)?, version))
                });
                checked.collect::<Result<_, _>>().map(Self::Versions)
            }
            Wire::Update(name, update) => Ok(Self::Update {
                collection: collection(name)?,
                update: update.to_vec(),
            }),
        }
    }
}

fn collection(name: &str) -> Result<String, FrameError> {
    if name.is_empty() || name.len() > COLLECTION_BYTES_MAX || name.contains('\0') {
        return Err(FrameError::Collection(name.len()));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(writers: &[(u64, i32)]) -> VersionVector {
        let mut version = VersionVector::new();
        for (writer, operations) in writers {
            version.insert(*writer, *operations);
        }
        version
    }

    #[test]
    fn messages_come_back() {
        let messages = [
            Message::Versions(vec![("stocks".to_owned(), version(&[(1, 7), (u64::MAX - 1, 1)]))]),
            Message::Versions(Vec::new()),
            Message::Update {
                collection: "stocks".to_owned(),
                update: vec![1, 2, 3],
            },
        ];
        for message in messages {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn what_exceeds_a_limit_is_refused_by_name() {
        let name = "n".repeat(COLLECTION_BYTES_MAX + 1);
        let long = Message::Update {
            collection: name,
            update: Vec::new(),
        };
        assert_eq!(
            Message::decode(&long.encode()),
            Err(FrameError::Collection(COLLECTION_BYTES_MAX + 1))
        );
        assert_eq!(Message::decode(&[]), Err(FrameError::Version(None)));
        assert_eq!(Message::decode(&[2, 0]), Err(FrameError::Version(Some(2))));
        assert_eq!(Message::decode(&[1, 0, 0, 0]), Err(FrameError::Malformed));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn no_frame_makes_the_decoder_panic(mut frame in prop::collection::vec(any::<u8>(), 0..64), ours in any::<bool>()) {
            if ours {
                frame.insert(0, VERSION);
            }
            let _ = Message::decode(&frame);
        }

        #[test]
        fn a_frame_with_a_flipped_bit_is_no_panic(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let message = Message::Versions(vec![("stocks".to_owned(), version(&[(1, 7), (9, 1)]))]);
            let mut frame = message.encode();
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            let _ = Message::decode(&frame);
        }
    }
}
