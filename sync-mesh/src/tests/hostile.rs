//! Bytes that nobody of ours has written: every decoder, and a store that runs, take more than 300,000 of them without a panic and without a change.

use ditto_sync_core::{query::Query, store::DocumentStore};
use ditto_sync_testkit::models::STOCK;
use tokio::sync::mpsc;

use super::quic::{has, insert};
use crate::{
    MeshStore,
    data::ShardKey,
    fuzzing::{self, Samples, samples},
    link::carry,
    message::Message,
};

/// Damages what was right: flipped bits, other bytes, a piece lost, doubled or invented, or nothing but noise.
fn damaged(right: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = right.to_vec();
    let at = |random: &mut fastrand::Rng, bytes: &[u8]| random.usize(..=bytes.len());
    for _ in 0..random.usize(1..4) {
        let (one, other) = (at(random, &bytes), at(random, &bytes));
        let (start, end) = (one.min(other), one.max(other));
        match random.u32(..8) {
            0 | 1 if start < bytes.len() => bytes[start] ^= 1 << random.u32(..8),
            2 if start < bytes.len() => {
                bytes[start] = *random.choice(&[0, 1, 127, 128, 255]).expect("some");
            }
            3 => bytes.truncate(start),
            4 => drop(bytes.drain(start..end.min(start + 16))),
            5 => {
                let piece = bytes[start..end.min(start + 64)].to_vec();
                drop(bytes.splice(start..start, piece));
            }
            6 => {
                let length = random.usize(..32);
                let noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
                drop(bytes.splice(start..start, noise));
            }
            _ if random.u32(..8) == 0 => bytes.iter_mut().for_each(|byte| *byte = random.u8(..)),
            _ => {}
        }
    }
    bytes
}

/// Gives a decoder so many cases, made of what was right.
fn attack(cases: u64, right: &[&[u8]], decode: impl Fn(&[u8])) {
    let mut random = fastrand::Rng::with_seed(cases);
    for _ in 0..cases {
        let right = random.choice(right).expect("there is a sample");
        decode(&damaged(right, &mut random));
    }
}

fn messages() -> Vec<&'static [u8]> {
    samples().messages.iter().map(Vec::as_slice).collect()
}

#[test]
fn what_is_right_is_taken_so_that_the_attacks_begin_near_to_it() {
    let Samples {
        frames,
        greeting,
        messages,
        ticket,
        update,
        snapshot,
    } = samples();
    fuzzing::frames(frames);
    fuzzing::greeting(greeting);
    for message in messages {
        assert!(Message::decode(message).is_ok());
        fuzzing::message(message);
    }
    assert!(ticket.parse::<crate::Ticket>().is_ok());
    fuzzing::ticket(ticket);
    assert_eq!(fuzzing::with_checksum(update), *update, "the checksum is Loro's");
    fuzzing::update(update);
    fuzzing::snapshot(snapshot);
}

#[test]
fn no_bytes_make_the_decoder_of_frames_panic() {
    attack(60_000, &[&samples().frames], fuzzing::frames);
}

#[test]
fn no_bytes_are_taken_for_the_greeting_of_a_friend() {
    attack(60_000, &[&samples().greeting], fuzzing::greeting);
}

#[test]
fn no_bytes_make_the_decoder_of_messages_panic() {
    attack(120_000, &messages(), fuzzing::message);
}

#[test]
fn no_text_makes_the_parser_of_tickets_panic() {
    attack(60_000, &[samples().ticket.as_bytes()], |bytes| {
        fuzzing::ticket(&String::from_utf8_lossy(bytes));
    });
}

#[test]
fn no_damaged_update_changes_a_document_or_makes_it_panic() {
    attack(4_000, &[&samples().update], |bytes| {
        fuzzing::update(bytes);
    });
}

#[test]
fn no_damaged_snapshot_makes_a_document_panic() {
    attack(4_000, &[&samples().snapshot], |bytes| {
        fuzzing::snapshot(bytes);
    });
}

#[test]
fn what_a_member_forges_may_make_loro_panic_but_does_not_end_the_process() {
    // Few, and always the same: among more there are some at which Loro asks for more memory than there is, and that nobody can catch.
    let panics = std::cell::Cell::new(0);
    let count = |panicked: bool| panics.set(panics.get() + u32::from(panicked));
    attack(1_000, &[&samples().update], |bytes| {
        count(fuzzing::update(&fuzzing::with_checksum(bytes)));
    });
    attack(1_000, &[&samples().snapshot], |bytes| {
        count(fuzzing::snapshot(&fuzzing::with_checksum(bytes)));
    });
    assert!(panics.get() > 0, "the guard was not needed");
}

#[test]
fn names_that_abort_loro_when_they_are_asked_for_are_never_asked_for() {
    // Of the same length as a name of ours, so that the rest of the update stays right.
    for name in ["/hree", "t\0ree", "tth//", "\0\0\0\0\0", "🤝:"] {
        let mut update = samples().update.clone();
        let ours = b"three";
        let at = update.windows(ours.len()).position(|bytes| bytes == ours);
        let at = at.expect("names are in clear");
        update[at..at + name.len().min(5)].copy_from_slice(&name.as_bytes()[..name.len().min(5)]);
        fuzzing::update(&fuzzing::with_checksum(&update));
    }
}

/// A store of its own, without a network.
async fn store(directory: &tempfile::TempDir) -> MeshStore {
    let builder = MeshStore::builder("tests").directory(directory.path()).offline();
    builder.open().await.expect("a store opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_closes_connections_of_hostile_peers_with_a_reason_and_stays_as_it_is() {
    const CONNECTIONS: usize = 3_000;
    let directory = tempfile::tempdir().expect("a directory");
    let store = store(&directory).await;
    insert(&store, "ours", 1).await;
    let before = store
        .fetch(&STOCK, &[super::quic::id("ours")])
        .await
        .expect("it answers");
    let mut random = fastrand::Rng::with_seed(1);
    let mut refused = 0;
    for number in 0..CONNECTIONS {
        let (to_store, incoming) = mpsc::channel(4);
        let (outgoing, mut from_store) = mpsc::channel(4);
        // Not an update or a snapshot that is right: it may be merged, as it comes from somebody who knows the secret.
        let right = *random.choice(&messages()[..2]).expect("some");
        let frame = match number % 3 {
            0 => damaged(right, &mut random),
            1 => (0..random.usize(..64)).map(|_| random.u8(..)).collect(),
            _ => broken_update(&mut random),
        };
        let expected = Message::decode(&frame).is_err() || number % 3 == 2;
        let sending = async move {
            let _ = to_store.send(frame).await;
            drop(to_store);
            while from_store.recv().await.is_some() {}
        };
        let (outcome, ()) = tokio::join!(carry(store.engine(), [1; 32], incoming, outgoing), sending);
        match outcome {
            Err(reason) => {
                refused += 1;
                assert!(!reason.to_string().is_empty());
            }
            Ok(()) => assert!(!expected, "it was not refused"),
        }
    }
    assert!(refused > CONNECTIONS / 2, "{refused} were refused");
    let after = store
        .fetch(&STOCK, &[super::quic::id("ours")])
        .await
        .expect("it answers");
    assert_eq!(before, after);
    let scan = store.scan(&STOCK, &Query::all()).await.expect("it answers");
    assert_eq!(scan.ids.len(), 1);
    insert(&store, "more", 2).await;
    assert!(has(&store, "more").await);
    store.close().await;
}

/// A message that is right, with an update that is not.
fn broken_update(random: &mut fastrand::Rng) -> Vec<u8> {
    let right = &samples().update;
    let update = loop {
        let update = damaged(right, random);
        if loro::LoroDoc::decode_import_blob_meta(&update, true).is_err() {
            break update;
        }
    };
    let shard = ShardKey::whole("stocks");
    let update = update.into();
    Message::Update { shard, update }.encode()
}
