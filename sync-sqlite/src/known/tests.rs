//! The known set, and its log on a real database.

use std::collections::BTreeMap;

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::*;
use crate::native::Native;

#[test]
fn a_change_replaces_and_a_forgotten_id_is_gone() {
    let mut known = Known::default();
    let write = |hash| KnownWrite {
        model: 0,
        id: 1 << 100,
        hash,
    };
    known.merge(write(Some(7)));
    known.merge(write(Some(8)));
    assert_eq!(known.get(1 << 100).map(content_key), Some(8));
    known.merge(write(None));
    assert!(!known.contains(1 << 100));
}

#[test]
fn a_kept_row_agrees_with_nothing_and_is_not_forgotten() {
    let mut known = Known::default();
    known.merge(KnownWrite {
        model: 0,
        id: 7,
        hash: Some(KEPT),
    });
    assert_eq!(known.get(7), None);
    assert!(known.contains(7) && known.is_kept(7));
}

fn load(native: &Native<'_>) -> Known {
    let (mut known, mut after) = (Known::default(), None);
    loop {
        after = known.load_slice(native, "log", after).unwrap();
        if after.is_none() {
            return known;
        }
    }
}

fn number(native: &Native<'_>, sql: &str) -> i64 {
    let mut select = native.prepare(sql).unwrap();
    select.step().unwrap();
    select.column_i64(0)
}

/// Ids are spread over the range as hashes are.
fn id(number: u64) -> u128 {
    u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(number)
}

#[tokio::test]
async fn a_log_holds_what_was_written_and_does_not_grow_without_end() {
    let options = SqliteConnectOptions::new().in_memory(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let native = Native::lock(&mut connection).await.unwrap();
    native
        .execute("CREATE TABLE log(no INTEGER PRIMARY KEY, entries BLOB NOT NULL)")
        .unwrap();
    let (mut known, mut model) = (Known::default(), BTreeMap::new());
    let mut random = fastrand::Rng::with_seed(7);
    let mut most = 0;
    for round in 0..3000_u64 {
        let count = if random.u8(..) == 0 {
            5000
        } else {
            random.usize(1..40)
        };
        let writes: Vec<_> = (0..count)
            .map(|_| KnownWrite {
                model: 0,
                id: id(random.u64(..6000)),
                hash: (random.u8(..) > 60).then(|| u128::from(random.u64(..5))),
            })
            .collect();
        let step = known.rewrite_some(&native, "log", writes.len()).unwrap();
        append(&native, "log", &writes).unwrap();
        for write in writes {
            known.merge(write);
            match write.hash {
                Some(hash) => model.insert(write.id, hash),
                None => model.remove(&write.id),
            };
        }
        known.take_step(step);
        if round % 500 == 0 {
            // A process that ends forgets how far it was with writing the log anew.
            known = load(&native);
            assert_eq!(known.hashes.iter().collect::<BTreeMap<_, _>>(), model);
        }
        let entries = number(&native, "SELECT sum(length(entries)) / 32 FROM log");
        assert_eq!(
            usize::try_from(entries),
            Ok(known.log.entries),
            "the log is counted"
        );
        most = most.max(entries);
    }
    assert_eq!(load(&native).hashes.iter().collect::<BTreeMap<_, _>>(), model);
    assert!(most < 50_000, "{most} entries for {} that count", model.len());
    assert!(
        number(&native, "SELECT min(no) FROM log") > 1,
        "what was overtaken is dropped"
    );
}

#[tokio::test]
async fn a_damaged_chunk_is_an_error() {
    let options = SqliteConnectOptions::new().in_memory(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let native = Native::lock(&mut connection).await.unwrap();
    native
        .execute("CREATE TABLE log(no INTEGER PRIMARY KEY, entries BLOB NOT NULL); INSERT INTO log(entries) VALUES (zeroblob(33))")
        .unwrap();
    assert!(Known::default().load_slice(&native, "log", None).is_err());
}
