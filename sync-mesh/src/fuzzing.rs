//! Each decoder of bytes that come from others, with what has to hold whatever they are: called by the fuzz targets in `fuzz/` and by the tests of hostile input.
//! Not an API, and no part of the semver promise.
//!
//! A function panics when its decoder breaks a promise.

use std::sync::OnceLock;

use futures_util::FutureExt;
use loro::{ExportMode, LoroDoc, VersionVector};

use crate::{
    data::{Copies, Copy, Partition, Shard, ShardError, ShardKey},
    interest::Interest,
    limits::FRAME_BYTES_MAX,
    message::{Message, Told},
    net::{Ticket, fuzzing as net},
};

/// Reads frames as from a stream that ends after these bytes.
pub fn frames(bytes: &[u8]) {
    const MAX: usize = 4096;
    let mut stream = bytes;
    loop {
        let read = net::read_frame(&mut stream, MAX).now_or_never();
        match read.expect("bytes in memory are there at once") {
            Ok(Some(frame)) => assert!(frame.len() <= MAX, "longer than allowed"),
            Ok(None) => return assert!(stream.is_empty(), "the end comes at the end"),
            Err(_) => return,
        }
    }
}

/// Takes it for the greeting of somebody who does not know the secret.
pub fn greeting(frame: &[u8]) {
    assert!(
        net::read_greeting(frame).is_err(),
        "nobody gets in without a proof"
    );
}

/// Takes it for a message of a peer.
pub fn message(frame: &[u8]) {
    if let Ok(message) = Message::decode(frame) {
        let again = message.encode();
        assert!(again.len() <= FRAME_BYTES_MAX, "a message fits into a frame");
        assert_eq!(
            Message::decode(&again),
            Ok(message),
            "what is understood can be said"
        );
    }
}

/// Takes it for a ticket that somebody has pasted.
pub fn ticket(text: &str) {
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert_eq!(
            ticket.to_string().parse(),
            Ok(ticket),
            "what is read can be printed"
        );
    }
}

/// Takes it for an update of a collection. Whether Loro panicked at it.
pub fn update(bytes: &[u8]) -> bool {
    let shard = Shard::from_snapshot(&samples().snapshot, 7).expect("the sample is a snapshot");
    let before = state(&shard);
    let imported = Shard::range_of(bytes).and_then(|_| shard.import(bytes));
    match imported {
        Ok(_) => {
            drop(state(&shard));
            // It may be one that no document could be read from again; then it says so.
            let _ = shard.snapshot();
            shard.is_broken()
        }
        // The document is thrown away then, and read from the file again.
        Err(error) if checksum_is_right(bytes) => matches!(error, ShardError::Panicked),
        Err(_) => {
            assert_eq!(
                state(&shard),
                before,
                "damage is found before it changes anything"
            );
            false
        }
    }
}

/// Takes it for a snapshot of a peer. Whether Loro panicked at it.
pub fn snapshot(bytes: &[u8]) -> bool {
    match Shard::from_foreign_snapshot(bytes, 7) {
        Ok(shard) => {
            drop(state(&shard));
            let _ = shard.snapshot();
            shard.is_broken()
        }
        Err(error) => matches!(error, ShardError::Panicked),
    }
}

/// Everything that is read of a document.
fn state(shard: &Shard) -> (VersionVector, Vec<(String, u64)>) {
    let rows = shard.names().into_iter().map(|name| {
        let copies = Copies::one(Copy {
            partition: Partition::none(),
            operations: 1,
            is_taken: true,
            row: shard.row(&name),
        });
        let _ = copies.view();
        let _ = copies.carry(7);
        let digest = shard.digest(&name);
        (name.to_string(), digest)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    (shard.version(), rows)
}

/// Puts the checksum of an update or a snapshot right: it tells damage, not malice.
#[must_use]
pub fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    const SEED: u32 = u32::from_le_bytes(*b"LORO");
    let mut bytes = bytes.to_vec();
    if let Some((head, body)) = bytes.split_at_mut_checked(20) {
        head[16..].copy_from_slice(&xxhash_rust::xxh32::xxh32(body, SEED).to_le_bytes());
    }
    bytes
}

fn checksum_is_right(bytes: &[u8]) -> bool {
    with_checksum(bytes) == bytes
}

/// Something of each kind that is right, to begin with.
pub struct Samples {
    /// Two frames, as on a stream.
    pub frames: Vec<u8>,
    /// A greeting of a device that knows another secret.
    pub greeting: Vec<u8>,
    /// One message of each kind.
    pub messages: Vec<Vec<u8>>,
    /// A printed ticket.
    pub ticket: String,
    /// An update that fits [`update`].
    pub update: Vec<u8>,
    /// A document with two rows.
    pub snapshot: Vec<u8>,
}

/// See [`Samples`].
///
/// # Panics
/// Never: they can be made.
pub fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let document = LoroDoc::new();
        let proof = "a document of two rows takes writes";
        document.set_peer_id(3).expect(proof);
        for (row, quantity) in [("tone", 1), ("ttwo,i7", 2)] {
            let map = document.get_map(row);
            map.insert("~", i64::from(quantity)).expect(proof);
            map.insert("=product", "coffee").expect(proof);
            map.insert("quantity", vec![0_u8; 16]).expect(proof);
        }
        document.commit();
        let before = document.oplog_vv();
        let snapshot = document.export(ExportMode::Snapshot).expect(proof);
        document.get_map("tthree").insert("=product", 8.5).expect(proof);
        document.get_map("tone").insert("=product", "tea").expect(proof);
        document.commit();
        let update = document.export(ExportMode::updates(&before)).expect(proof);
        let branch = "b1".into();
        let partition = Partition::encode(vec![("branchId", &branch)]).expect(proof);
        let shard = || ShardKey::new("stocks", partition.clone());
        let interest = Interest::everything().partition("stocks", [("branchId", "b1")]);
        let messages = [
            Message::Interest(interest.expect(proof).collection("orders")),
            Message::Versions {
                received: 3,
                complete: true,
                shards: vec![Told {
                    shard: shard(),
                    version: document.oplog_vv(),
                    digest: 9,
                }],
            },
            Message::Update {
                shard: shard(),
                update: update.clone().into(),
            },
            Message::Snapshot {
                shard: shard(),
                part: snapshot.clone(),
                last: true,
            },
            Message::Want { shard: shard() },
        ];
        Samples {
            frames: b"\x03\0\0\0one\x04\0\0\0more".to_vec(),
            greeting: net::sample_greeting(),
            messages: messages.iter().map(Message::encode).collect(),
            ticket: net::sample_ticket().to_string(),
            update,
            snapshot,
        }
    })
}
