//! Triggers of the app on synced tables.

use ditto_sync::{DittoAdapter, SyncEvent, SyncRegistry, Way};

use crate::devices::{PATIENCE, Pair};

#[derive(DittoAdapter)]
#[ditto(collection = "notes")]
struct Note {
    #[ditto(id)]
    id: String,
    text: String,
    changed: i64,
}

const TABLES: &str =
    "CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL, changed INTEGER NOT NULL);
    CREATE TABLE ticks (n INTEGER PRIMARY KEY); INSERT INTO ticks VALUES (0);";
/// Stamps a number that is another one every time, on every device.
const STAMP: &str = "BEGIN UPDATE ticks SET n = n + 1;
    UPDATE notes SET changed = abs(random() % 1000000000000) WHERE id = NEW.id; END;";
const NOTES: &str = "SELECT quote(id), quote(text) FROM notes ORDER BY id";
const STAMPS: &str = "SELECT quote(id), quote(changed) FROM notes ORDER BY id";

fn registry() -> SyncRegistry {
    SyncRegistry::new().with::<Note>()
}

fn unguarded() -> String {
    format!("{TABLES} CREATE TRIGGER stamp AFTER UPDATE OF text ON notes {STAMP}")
}

#[tokio::test]
async fn a_guarded_trigger_stamps_local_changes_and_keeps_quiet_for_remote_ones() {
    // The guard is a table of ours: triggers that name it come after the first start.
    let pair = Pair::new(TABLES, registry).await;
    let trigger = format!(
        "CREATE TRIGGER stamp AFTER UPDATE OF text ON notes WHEN NOT (SELECT active FROM ditto_sync_guard) {STAMP}"
    );
    pair.on_left(&trigger).await;
    pair.on_right(&trigger).await;
    pair.on_left("INSERT INTO notes VALUES ('1', 'a', 0)").await;
    pair.both_hold(NOTES, &["'1','a'"]).await;
    pair.on_right("UPDATE notes SET text = 'b'").await;
    pair.both_hold(NOTES, &["'1','b'"]).await;
    pair.in_step(STAMPS).await;
    let ticks = "SELECT quote(n) FROM ticks";
    assert_eq!(
        pair.left.rows(ticks).await,
        ["0"],
        "nothing was stamped for a remote change"
    );
    assert_eq!(pair.right.rows(ticks).await, ["1"]);
    pair.close().await;
}

#[tokio::test]
async fn an_unguarded_trigger_is_reported_with_the_clause_it_lacks() {
    let pair = Pair::new(&unguarded(), registry).await;
    let warnings = pair.left.sync.status().borrow().warnings.clone();
    let [warning] = &warnings[..] else {
        panic!("one trigger, one warning: {warnings:?}");
    };
    assert_eq!(warning.table, "notes");
    assert!(warning.problem.contains("`stamp`"), "{warning}");
    assert!(
        warning
            .remedy
            .contains("WHEN NOT (SELECT active FROM ditto_sync_guard)"),
        "{warning}"
    );
    pair.close().await;
}

#[tokio::test]
async fn triggers_that_write_nothing_synced_are_no_reason_to_warn() {
    let quiet = "CREATE TABLE log (text TEXT); CREATE TRIGGER logs AFTER UPDATE ON notes BEGIN INSERT INTO log VALUES ('UPDATE notes SET text'); END;";
    let pair = Pair::new(&format!("{TABLES} {quiet}"), registry).await;
    assert_eq!(pair.left.sync.status().borrow().warnings, []);
    pair.close().await;
}

#[tokio::test]
async fn devices_whose_triggers_stamp_every_change_do_not_answer_each_other_for_ever() {
    let pair = Pair::new(&unguarded(), registry).await;
    let mut events = [pair.left.sync.events(), pair.right.sync.events()];
    pair.on_left("INSERT INTO notes VALUES ('1', 'a', 0), ('2', 'a', 0)")
        .await;
    pair.both_hold(NOTES, &["'1','a'", "'2','a'"]).await;
    pair.on_left("UPDATE notes SET text = 'b' WHERE id = '1'").await;
    // One of the two gives up on the row, and says why.
    let [left, right] = &mut events;
    let set_aside = tokio::time::timeout(PATIENCE, async {
        loop {
            let event = tokio::select! { event = left.next() => event, event = right.next() => event };
            if let Some(SyncEvent::Quarantined { way, reason, .. }) = event {
                return (way, reason);
            }
        }
    });
    let (way, reason) = set_aside.await.expect("the breaker trips");
    assert_eq!(way, Way::Outbound);
    assert!(reason.contains("ditto_sync_guard"), "{reason}");
    // Then it is quiet, what was typed has arrived, and the neighbour goes on.
    pair.both_hold(NOTES, &["'1','b'", "'2','a'"]).await;
    for device in [&pair.left, &pair.right] {
        device.sync.settled(PATIENCE).await.expect("it settles");
    }
    pair.on_right("DELETE FROM notes WHERE id = '2'; INSERT INTO notes VALUES ('3', 'c', 0)")
        .await;
    pair.both_hold(NOTES, &["'1','b'", "'3','c'"]).await;
    let writes = || pair.left.store.operations_applied() + pair.right.store.operations_applied();
    for device in [&pair.left, &pair.right] {
        device.sync.settled(PATIENCE).await.expect("it settles");
    }
    let before = writes();
    for _ in 0..3 {
        pair.left.sync.reconcile().await;
        pair.right.sync.reconcile().await;
        for device in [&pair.left, &pair.right] {
            device.sync.settled(PATIENCE).await.expect("it settles");
        }
    }
    assert_eq!(writes(), before, "the two still answer each other");
    pair.close().await;
}
