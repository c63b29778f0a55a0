//! When something is sent: the first change at once, what follows soon after together; confirmations soon, and not too often.

use std::time::Duration;

use ditto_sync_core::{
    id::DocumentId,
    intent::{Action, BatchId, Expect, Intent, Operation, Record, ReplicaId, Undo},
    store::WriteOutcome,
    value::Value,
};
use ditto_sync_testkit::models::STOCK;
use loro::VersionVector;
use tokio::time::Instant;

use crate::{
    data::ShardKey,
    exchange::{Exchange, LinkId},
    limits::{CONFIRM_DELAY, CONFIRM_PAUSE, PUSH_PAUSE},
    message::Message,
    replica::Replica,
};

const LINK: LinkId = LinkId(1);

async fn insert(replica: &mut Replica, sequence: u64) {
    let name = format!("s{sequence}");
    let id = DocumentId::text(&name).expect("a short id");
    let document = [
        ("id", Value::from(name)),
        ("branchId", "b".into()),
        ("quantity", 1.into()),
    ];
    let intent = Intent {
        batch: BatchId {
            replica: ReplicaId::from_bytes([1; 16]),
            sequence,
        },
        operations: vec![Operation {
            model: &STOCK,
            id,
            expect: Expect::Absent,
            action: Action::Insert(document.into_iter().collect()),
            record: Record {
                covers: None,
                sent: None,
                undo: Undo::Seed,
            },
        }],
    };
    let outcome = replica.write(&intent).await.expect("it is taken");
    assert_eq!(outcome, WriteOutcome::Applied);
}

fn said(exchange: &mut Exchange, replica: &Replica, now: Instant) -> Vec<Message> {
    let mut said = Vec::new();
    while let Some(message) = exchange.next(LINK, replica, now).expect("it can be said") {
        said.push(message);
    }
    said
}

#[tokio::test]
async fn the_first_change_goes_at_once_and_those_that_follow_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut replica = Replica::open(&directory.path().join("one"), "tests")
        .await
        .expect("it opens");
    let mut exchange = Exchange::new([1; 32]);
    exchange.connect(LINK, [2; 32]);
    let start = Instant::now();
    insert(&mut replica, 1).await;
    let first = said(&mut exchange, &replica, start);
    assert!(
        matches!(
            &first[..],
            [Message::Interest(_), Message::Versions { complete: true, .. }]
        ),
        "nothing of the data before the peer has told how far it is: {first:?}"
    );
    let empty = Message::Versions {
        received: 0,
        complete: true,
        shards: Vec::new(),
    };
    exchange
        .receive(LINK, empty, &mut replica)
        .await
        .expect("it is taken");
    assert!(matches!(
        &said(&mut exchange, &replica, start)[..],
        [Message::Update { .. }]
    ));
    for sequence in 2..12 {
        insert(&mut replica, sequence).await;
        assert_eq!(said(&mut exchange, &replica, start), [], "it is too early");
    }
    assert_eq!(exchange.due(), Some(start + PUSH_PAUSE));
    let together = said(&mut exchange, &replica, start + PUSH_PAUSE);
    assert!(matches!(&together[..], [Message::Update { .. }]), "{together:?}");
    assert_eq!(exchange.due(), None);
    let later = start + 10 * PUSH_PAUSE;
    assert_eq!(said(&mut exchange, &replica, later), [], "there is nothing more");
    insert(&mut replica, 12).await;
    assert!(matches!(
        &said(&mut exchange, &replica, later)[..],
        [Message::Update { .. }]
    ));
}

#[tokio::test]
async fn what_was_taken_is_confirmed_soon_and_then_not_too_often() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = Replica::open(&directory.path().join("one"), "tests")
        .await
        .expect("it opens");
    let mut replica = Replica::open(&directory.path().join("two"), "tests")
        .await
        .expect("it opens");
    let mut exchange = Exchange::new([1; 32]);
    exchange.connect(LINK, [2; 32]);
    let start = Instant::now();
    said(&mut exchange, &replica, start);
    let mut version = VersionVector::new();
    let mut take = async |sequence: u64, exchange: &mut Exchange, replica: &mut Replica| {
        insert(&mut writer, sequence).await;
        let chunk = writer
            .chunk(&ShardKey::whole("stocks"), &version, (1000, 1_000_000))
            .expect("it can be exported");
        let chunk = chunk.expect("there is something new");
        version.merge(&chunk.end);
        let update = Message::Update {
            shard: ShardKey::whole("stocks"),
            update: chunk.update.into(),
        };
        exchange
            .receive(LINK, update, replica)
            .await
            .expect("it is taken");
    };
    take(1, &mut exchange, &mut replica).await;
    let soon = start + CONFIRM_PAUSE;
    assert_eq!(said(&mut exchange, &replica, soon), [], "first it is shown here");
    let soon = soon + CONFIRM_DELAY;
    assert_eq!(exchange.due(), Some(soon));
    let confirmation = said(&mut exchange, &replica, soon);
    assert!(matches!(
        &confirmation[..],
        [Message::Versions {
            received: 1,
            complete: false,
            ..
        }]
    ));
    for sequence in 2..5 {
        take(sequence, &mut exchange, &mut replica).await;
    }
    assert_eq!(said(&mut exchange, &replica, soon + Duration::from_millis(1)), []);
    assert_eq!(exchange.due(), Some(soon + CONFIRM_PAUSE));
    let confirmation = said(&mut exchange, &replica, soon + CONFIRM_PAUSE);
    assert!(matches!(
        &confirmation[..],
        [Message::Versions {
            received: 4,
            complete: false,
            ..
        }]
    ));
}
