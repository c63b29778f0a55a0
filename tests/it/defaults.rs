//! Knobs of the framework that this one succeeds, at the values they had there.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use ditto_sync::{
    Clock, DittoAdapter, DocumentId, InitialFetch, Moment, Pacing, Phase, Receipt, Sleep, SqliteRepository,
    SyncConfig, SyncRegistry,
};
use tokio::sync::watch;

use crate::devices::{Device, PATIENCE, Pair};

#[derive(DittoAdapter)]
#[ditto(collection = "delayed")]
struct Row {
    #[ditto(id)]
    id: String,
}

const SCHEMA: &str = "CREATE TABLE delayed (id TEXT PRIMARY KEY NOT NULL)";
const ROWS: &str = "SELECT quote(id) FROM delayed ORDER BY id";

/// A clock that goes when told to.
#[derive(Clone)]
struct ManualClock(watch::Sender<Duration>);

impl ManualClock {
    fn advance_to(&self, now: Duration) {
        self.0.send_replace(now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment(*self.0.borrow())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + *self.0.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut now = self.0.subscribe();
        let until = *now.borrow() + duration;
        Box::pin(async move {
            // A clock that is gone never gets there; nobody waits for it any more.
            let _ = now.wait_for(|now| *now >= until).await;
        })
    }
}

#[test]
fn the_pace_and_the_delay_of_the_dart_framework_are_kept() {
    let config = SyncConfig::default();
    assert_eq!(config, SyncConfig::adaptive());
    assert_eq!(config.startup_delay_value(), Duration::from_secs(3));
    assert_eq!(config.initial_fetch(), InitialFetch::Reconcile);
    let pace = Pacing {
        rows: 5,
        pause: Duration::from_millis(100),
    };
    assert_eq!(SyncConfig::paced().pacing(), Some(pace));
}

#[tokio::test]
async fn before_the_startup_delay_is_over_everything_is_captured_and_nothing_is_exchanged() {
    let registry = || SyncRegistry::new().with::<Row>();
    let Pair {
        left,
        right,
        hub,
        directory,
        ..
    } = Pair::new(SCHEMA, registry).await;
    right.close().await;
    left.run("INSERT INTO delayed VALUES ('left')").await;
    left.sync.settled(PATIENCE).await.expect("it settles");

    let clock = ManualClock(watch::Sender::new(Duration::ZERO));
    let repository = SqliteRepository::open(directory.path().join("right.db"))
        .await
        .expect("it opens");
    let store = hub.store("right");
    let before = store.operations_applied();
    let sync = registry()
        .clock(Arc::new(clock.clone()))
        .start(repository.clone(), store.clone())
        .await
        .expect("it starts");
    let right = Device {
        name: "right",
        repository,
        sync,
        store,
    };
    right.run("INSERT INTO delayed VALUES ('right')").await;
    clock.advance_to(Duration::from_millis(2_999));
    let id = DocumentId::text("right").expect("an id");
    // The coordinator answers, so it has had its turn, and used it for nothing.
    let receipt = right.sync.receipt("delayed", &id).await.expect("it answers");
    assert_eq!(receipt, Receipt::Captured);
    assert_eq!(right.sync.status().borrow().phase, Phase::Starting);
    assert_eq!(right.store.operations_applied(), before);
    right.holds(ROWS, &["'right'"]).await;

    clock.advance_to(Duration::from_secs(3));
    right.holds(ROWS, &["'left'", "'right'"]).await;
    left.holds(ROWS, &["'left'", "'right'"]).await;
    left.close().await;
    right.close().await;
}
