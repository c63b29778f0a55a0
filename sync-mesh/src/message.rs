//! What peers say to each other once each knows who the other is: [`Message`], and how it is written into a frame.
//!
//! Not here: when a message is sent (`exchange`), and how peers find and trust each other.

use loro::VersionVector;
use serde::{Deserialize, Serialize};

use crate::{
    data::Update,
    limits::{
        COLLECTION_BYTES_MAX, COLLECTIONS_MAX, FRAME_BYTES_MAX, SNAPSHOT_PART_BYTES, VERSION_BYTES_MAX,
    },
};

/// The first byte of each frame.
const VERSION: u8 = 1;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// The collections of which the sender takes updates; `None`: all. Comes first, and again when it changes.
    Interest(Option<Vec<String>>),
    /// How far the sender is. The receiver sends what is missing there.
    Versions {
        /// How many updates and snapshots of the receiver the sender has taken in this connection.
        received: u64,
        /// All collections are named: one that is not is empty there. Else only those that have changed.
        complete: bool,
        collections: Vec<Told>,
    },
    /// What is new in one collection.
    Update { collection: String, update: Update },
    /// All of one collection, in parts that follow each other: for somebody who is behind what was trimmed, or has asked.
    Snapshot {
        collection: String,
        part: Vec<u8>,
        last: bool,
    },
    /// The sender asks for a snapshot: it cannot use updates.
    Want { collection: String },
}

/// How far somebody is in one collection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) collection: String,
    pub(crate) version: VersionVector,
    /// Equal for two that are equally far, unless something went wrong.
    pub(crate) digest: u64,
}

#[derive(Serialize, Deserialize)]
enum Wire<'a> {
    #[serde(borrow)]
    Interest(Option<Vec<&'a str>>),
    Versions(u64, bool, #[serde(borrow)] Vec<(&'a str, &'a [u8], u64)>),
    Update(&'a str, &'a [u8]),
    Snapshot(&'a str, &'a [u8], bool),
    Want(&'a str),
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
    #[error("a part of a snapshot has {0} bytes, at most {SNAPSHOT_PART_BYTES} are allowed")]
    Part(usize),
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let versions: Vec<Vec<u8>>;
        let wire = match self {
            Self::Interest(collections) => Wire::Interest(
                collections
                    .as_ref()
                    .map(|names| names.iter().map(String::as_str).collect()),
            ),
            Self::Versions {
                received,
                complete,
                collections,
            } => {
                versions = collections.iter().map(|told| told.version.encode()).collect();
                let told = collections.iter().zip(&versions);
                let told = told.map(|(told, version)| (&*told.collection, &**version, told.digest));
                Wire::Versions(*received, *complete, told.collect())
            }
            Self::Update { collection, update } => Wire::Update(collection, &update.bytes),
            Self::Snapshot {
                collection,
                part,
                last,
            } => Wire::Snapshot(collection, part, *last),
            Self::Want { collection } => Wire::Want(collection),
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
        Ok(match wire {
            Wire::Interest(None) => Self::Interest(None),
            Wire::Interest(Some(names)) => {
                few(names.len())?;
                Self::Interest(Some(names.into_iter().map(collection).collect::<Result<_, _>>()?))
            }
            Wire::Versions(received, complete, told) => {
                few(told.len())?;
                Self::Versions {
                    received,
                    complete,
                    collections: told.into_iter().map(Told::checked).collect::<Result<_, _>>()?,
                }
            }
            Wire::Update(name, update) => Self::Update {
                collection: collection(name)?,
                update: update.to_vec().into(),
            },
            Wire::Snapshot(_, part, _) if part.len() > SNAPSHOT_PART_BYTES => {
                return Err(FrameError::Part(part.len()));
            }
            Wire::Snapshot(name, part, last) => Self::Snapshot {
                collection: collection(name)?,
                part: part.to_vec(),
                last,
            },
            Wire::Want(name) => Self::Want {
                collection: collection(name)?,
            },
        })
    }
}

impl Told {
    fn checked((name, version, digest): (&str, &[u8], u64)) -> Result<Self, FrameError> {
        if version.len() > VERSION_BYTES_MAX {
            return Err(FrameError::VersionVector(version.len()));
        }
        let version = VersionVector::decode(version).map_err(|_| FrameError::Malformed)?;
        if version.values().any(|operations| *operations < 0) {
            return Err(FrameError::Malformed);
        }
        Ok(Self {
            collection: collection(name)?,
            version,
            digest,
        })
    }
}

fn few(collections: usize) -> Result<(), FrameError> {
    if collections > COLLECTIONS_MAX {
        return Err(FrameError::Collections(collections));
    }
    Ok(())
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

    fn versions() -> Message {
        Message::Versions {
            received: 3,
            complete: true,
            collections: vec![Told {
                collection: "stocks".to_owned(),
                version: version(&[(1, 7), (u64::MAX - 1, 1)]),
                digest: 8,
            }],
        }
    }

    #[test]
    fn messages_come_back() {
        let messages = [
            Message::Interest(None),
            Message::Interest(Some(vec!["stocks".to_owned()])),
            versions(),
            Message::Update {
                collection: "stocks".to_owned(),
                update: vec![1, 2, 3].into(),
            },
            Message::Snapshot {
                collection: "stocks".to_owned(),
                part: vec![1, 2, 3],
                last: true,
            },
            Message::Want {
                collection: "stocks".to_owned(),
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
            update: Vec::new().into(),
        };
        assert_eq!(
            Message::decode(&long.encode()),
            Err(FrameError::Collection(COLLECTION_BYTES_MAX + 1))
        );
        assert_eq!(Message::decode(&[]), Err(FrameError::Version(None)));
        assert_eq!(Message::decode(&[2, 0]), Err(FrameError::Version(Some(2))));
        assert_eq!(Message::decode(&[1, 0, 0, 0, 0]), Err(FrameError::Malformed));
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
            let mut frame = versions().encode();
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            let _ = Message::decode(&frame);
        }
    }
}
