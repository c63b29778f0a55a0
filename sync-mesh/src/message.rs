//! What peers say to each other once each knows who the other is: [`Message`], and how it is written into a frame.
//!
//! Not here: when a message is sent (`exchange`), and how peers find and trust each other.

use loro::VersionVector;
use serde::{Deserialize, Serialize};

use crate::{
    data::{ShardKey, Update},
    interest::{Interest, InterestError},
    limits::{
        COLLECTION_BYTES_MAX, FRAME_BYTES_MAX, PARTITION_BYTES_MAX, SHARDS_NAMED_MAX, SNAPSHOT_PART_BYTES,
        VERSION_BYTES_MAX,
    },
};

/// The first byte of each frame.
const VERSION: u8 = 2;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// What the sender takes updates of. Comes first, and again when it changes.
    Interest(Interest),
    /// How far the sender is. The receiver sends what is missing there.
    Versions {
        /// How many updates and snapshots of the receiver the sender has taken in this connection.
        received: u64,
        /// All documents are named: one that is not is empty there. Else only those that have changed.
        complete: bool,
        shards: Vec<Told>,
    },
    /// What is new in one document.
    Update { shard: ShardKey, update: Update },
    /// All of one document, in parts that follow each other: for somebody who is behind what was trimmed, or has asked.
    Snapshot {
        shard: ShardKey,
        part: Vec<u8>,
        last: bool,
    },
    /// The sender asks for a snapshot: it cannot use updates.
    Want { shard: ShardKey },
}

/// How far somebody is in one document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) shard: ShardKey,
    pub(crate) version: VersionVector,
    /// Equal for two that are equally far, unless something went wrong.
    pub(crate) digest: u64,
}

/// A collection and a partition of it.
type Name<'a> = (&'a str, &'a [u8]);

#[derive(Serialize, Deserialize)]
enum Wire<'a> {
    #[serde(borrow)]
    Interest(&'a [u8]),
    Versions(u64, bool, #[serde(borrow)] Vec<(Name<'a>, &'a [u8], u64)>),
    Update(#[serde(borrow)] Name<'a>, &'a [u8]),
    Snapshot(#[serde(borrow)] Name<'a>, &'a [u8], bool),
    #[serde(borrow)]
    Want(Name<'a>),
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
    #[error("a frame names a partition of {0} bytes that is none, at most {PARTITION_BYTES_MAX} are allowed")]
    Partition(usize),
    #[error("a frame names {0} documents, at most {SHARDS_NAMED_MAX} are allowed")]
    Shards(usize),
    #[error(transparent)]
    Interest(#[from] InterestError),
    #[error("a version has {0} bytes, at most {VERSION_BYTES_MAX} are allowed")]
    VersionVector(usize),
    #[error("a part of a snapshot has {0} bytes, at most {SNAPSHOT_PART_BYTES} are allowed")]
    Part(usize),
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (versions, interest): (Vec<Vec<u8>>, Vec<u8>);
        let wire = match self {
            Self::Interest(told) => {
                interest = told.encode();
                Wire::Interest(&interest)
            }
            Self::Versions {
                received,
                complete,
                shards,
            } => {
                versions = shards.iter().map(|told| told.version.encode()).collect();
                let told = shards.iter().zip(&versions);
                let told = told.map(|(told, version)| (name(&told.shard), &**version, told.digest));
                Wire::Versions(*received, *complete, told.collect())
            }
            Self::Update { shard, update } => Wire::Update(name(shard), &update.bytes),
            Self::Snapshot { shard, part, last } => Wire::Snapshot(name(shard), part, *last),
            Self::Want { shard } => Wire::Want(name(shard)),
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
            Wire::Interest(told) => Self::Interest(Interest::decode(told)?),
            Wire::Versions(received, complete, told) => {
                few(told.len())?;
                Self::Versions {
                    received,
                    complete,
                    shards: told.into_iter().map(Told::checked).collect::<Result<_, _>>()?,
                }
            }
            Wire::Update(name, update) => Self::Update {
                shard: shard(name)?,
                update: update.to_vec().into(),
            },
            Wire::Snapshot(_, part, _) if part.len() > SNAPSHOT_PART_BYTES => {
                return Err(FrameError::Part(part.len()));
            }
            Wire::Snapshot(name, part, last) => Self::Snapshot {
                shard: shard(name)?,
                part: part.to_vec(),
                last,
            },
            Wire::Want(name) => Self::Want { shard: shard(name)? },
        })
    }
}

impl Told {
    fn checked((name, version, digest): (Name<'_>, &[u8], u64)) -> Result<Self, FrameError> {
        if version.len() > VERSION_BYTES_MAX {
            return Err(FrameError::VersionVector(version.len()));
        }
        let version = VersionVector::decode(version).map_err(|_| FrameError::Malformed)?;
        if version.values().any(|operations| *operations < 0) {
            return Err(FrameError::Malformed);
        }
        Ok(Self {
            shard: shard(name)?,
            version,
            digest,
        })
    }
}

fn few(shards: usize) -> Result<(), FrameError> {
    if shards > SHARDS_NAMED_MAX {
        return Err(FrameError::Shards(shards));
    }
    Ok(())
}

fn name(shard: &ShardKey) -> Name<'_> {
    (&shard.collection, shard.partition.as_bytes())
}

fn shard((collection, partition): Name<'_>) -> Result<ShardKey, FrameError> {
    let refused = || match ShardKey::checked(collection, &[]) {
        None => FrameError::Collection(collection.len()),
        Some(_) => FrameError::Partition(partition.len()),
    };
    ShardKey::checked(collection, partition).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Partition;

    fn version(writers: &[(u64, i32)]) -> VersionVector {
        let mut version = VersionVector::new();
        for (writer, operations) in writers {
            version.insert(*writer, *operations);
        }
        version
    }

    fn parted() -> ShardKey {
        let branch = "b1".into();
        let partition = Partition::encode(vec![("branchId", &branch)]);
        ShardKey::new("stocks", partition.expect("text parts rows"))
    }

    fn versions() -> Message {
        Message::Versions {
            received: 3,
            complete: true,
            shards: vec![Told {
                shard: parted(),
                version: version(&[(1, 7), (u64::MAX - 1, 1)]),
                digest: 8,
            }],
        }
    }

    #[test]
    fn messages_come_back() {
        let messages = [
            Message::Interest(Interest::everything()),
            Message::Interest(Interest::nothing().collection("stocks")),
            versions(),
            Message::Update {
                shard: parted(),
                update: vec![1, 2, 3].into(),
            },
            Message::Snapshot {
                shard: parted(),
                part: vec![1, 2, 3],
                last: true,
            },
            Message::Want { shard: parted() },
        ];
        for message in messages {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn what_exceeds_a_limit_is_refused_by_name() {
        let name = "n".repeat(COLLECTION_BYTES_MAX + 1);
        let long = Message::Update {
            shard: ShardKey::whole(name),
            update: Vec::new().into(),
        };
        assert_eq!(
            Message::decode(&long.encode()),
            Err(FrameError::Collection(COLLECTION_BYTES_MAX + 1))
        );
        assert_eq!(Message::decode(&[]), Err(FrameError::Version(None)));
        assert_eq!(Message::decode(&[1, 0]), Err(FrameError::Version(Some(1))));
        assert_eq!(
            Message::decode(&[VERSION, 0, 0, 0, 0]),
            Err(FrameError::Malformed)
        );
        let wire = Wire::Want(("stocks", &[7; 9]));
        let frame = postcard::to_extend(&wire, vec![VERSION]).expect("it fits");
        assert_eq!(Message::decode(&frame), Err(FrameError::Partition(9)));
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
