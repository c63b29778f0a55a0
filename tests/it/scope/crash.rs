//! A change of context that a crash interrupts, at whatever await.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use ditto_sync::{Coordinator, SqliteRepository, SyncConfig, SyncHandle, SyncRegistry};
use ditto_sync_testkit::Flavor;
use tokio::task::JoinHandle;

use super::fixture::{LINES, Line, Stock, World};
use crate::devices::{PATIENCE, rows, run};

/// Runs a future, and drops it half done once a number of polls is used up.
struct Fused {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    polls: Arc<AtomicUsize>,
}

impl Future for Fused {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.polls.fetch_sub(1, Ordering::Relaxed) <= 1 {
            return Poll::Ready(());
        }
        self.future.as_mut().poll(context)
    }
}

struct Till {
    repository: SqliteRepository,
    sync: SyncHandle,
    polls: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Till {
    async fn start(world: &World, branch: &str) -> Self {
        Self::start_with(world, branch, SyncConfig::adaptive()).await
    }

    async fn start_with(world: &World, branch: &str, config: SyncConfig) -> Self {
        let setup = SyncRegistry::new()
            .with::<Stock>()
            .with::<Line>()
            .context("branch", branch)
            .config(config.startup_delay(Duration::ZERO))
            .setup()
            .expect("a registry that is consistent");
        let repository = world.open("till").await;
        let prepared = Coordinator::prepare(repository.clone(), world.hub().store("till"), setup).await;
        let (sync, coordinator) = prepared.expect("the database is prepared");
        let polls = Arc::new(AtomicUsize::new(usize::MAX));
        let task = tokio::spawn(Fused {
            future: Box::pin(coordinator.run()),
            polls: Arc::clone(&polls),
        });
        Self {
            repository,
            sync,
            polls,
            task,
        }
    }

    /// Waits for the crash; a till that had nothing left to do dies of an abort.
    async fn crash(self) {
        let _ = self.sync.reconciled(PATIENCE).await;
        self.task.abort();
        let _ = self.task.await;
        self.repository.pool().close().await;
    }

    async fn shutdown(self) {
        self.sync.shutdown().await.expect("a clean shutdown");
        self.repository.pool().close().await;
    }
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_switch_leaves_nothing_behind_whichever_branch_comes_next() {
    let all = "SELECT quote(id), quote(quantity) FROM stocks ORDER BY id";
    let of = |branch: &str| {
        format!(
            "SELECT quote(id), quote(branch), quote(quantity) FROM stocks WHERE branch = '{branch}' ORDER BY id"
        )
    };
    for flavor in [Flavor::Mesh, Flavor::Ditto] {
        let world = World::with_foreign_key(flavor, "ON DELETE CASCADE").await;
        world
            .office
            .run("INSERT INTO stocks VALUES ('k', 'kigali', 'tea', 0), ('l', 'kigali', 'jug', 0), ('b', 'butare', 'cup', 0);
                  INSERT INTO lines VALUES ('kl', 'kigali', 'k'), ('ll', 'kigali', 'l'), ('bl', 'butare', 'b')")
            .await;
        world.prepare("till", "").await;
        let (mut now, mut other) = ("kigali", "butare");
        for polls in 1..60 {
            let till = Till::start(&world, now).await;
            till.sync.reconciled(PATIENCE).await.expect("the branch comes in");
            assert!(!rows(till.repository.pool(), all).await.is_empty());
            till.polls.store(polls, Ordering::Relaxed);
            run(
                till.repository.pool(),
                "UPDATE stocks SET quantity = quantity + 1",
            )
            .await;
            let _ = till.sync.set_context("branch", other).await;
            till.crash().await;
            // Back to where it was, or on to where it was going.
            if polls % 3 != 0 {
                (now, other) = (other, now);
            }
            let till = Till::start(&world, now).await;
            till.sync.reconciled(PATIENCE).await.expect("the branch comes in");
            till.sync.settled(PATIENCE).await.expect("everything is sent");
            let wrong = "SELECT quote(id) FROM stocks WHERE branch <> '{}'".replace("{}", now);
            assert_eq!(
                rows(till.repository.pool(), &wrong).await,
                Vec::<String>::new(),
                "after {polls} polls"
            );
            world
                .office
                .sync
                .settled(PATIENCE)
                .await
                .expect("the office settles");
            let expected = world.office.rows(&of(now)).await;
            let deadline = tokio::time::Instant::now() + PATIENCE;
            while rows(till.repository.pool(), &of(now)).await != world.office.rows(&of(now)).await {
                assert!(
                    tokio::time::Instant::now() < deadline,
                    "after {polls} polls: {:?} here, {expected:?} at the office",
                    rows(till.repository.pool(), &of(now)).await
                );
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            till.shutdown().await;
        }
        // Each round has changed the rows that were here once, and has deleted none anywhere.
        world.office.holds(LINES, &["'bl'", "'kl'", "'ll'"]).await;
        let counted = "SELECT quote(sum(quantity) FILTER (WHERE branch = 'kigali') / 2 + sum(quantity) FILTER (WHERE branch = 'butare')) FROM stocks";
        world.office.holds(counted, &["59"]).await;
        world.close([]).await;
    }
}

#[tokio::test]
async fn a_scope_that_was_left_half_way_is_compared_anew_also_where_the_last_comparison_was_asked_for() {
    let world = World::new(Flavor::Mesh).await;
    let of = |branch: &str| {
        let rows: Vec<_> = (0..12)
            .map(|at| format!("('{branch}{at}', '{branch}', NULL, 0)"))
            .collect();
        format!("INSERT INTO stocks VALUES {}", rows.join(", "))
    };
    world.office.run(&of("kigali")).await;
    world.office.run(&of("butare")).await;
    world.prepare("till", "").await;
    let kigali = "SELECT quote(count(*)) FROM stocks WHERE branch = 'kigali'";
    let till = Till::start_with(&world, "kigali", SyncConfig::paced()).await;
    till.sync.reconciled(PATIENCE).await.expect("the branch comes in");
    assert_eq!(rows(till.repository.pool(), kigali).await, ["12"]);
    // It has forgotten the last comparison, which is durable all the same.
    till.sync.reconcile().await;
    till.sync
        .set_context("branch", "butare")
        .await
        .expect("it is taken up");
    // Five rows go at a time: there is a moment when some are gone and some not. Were it missed, the next start would only have less to do.
    while rows(till.repository.pool(), kigali).await == ["12"] {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    till.task.abort();
    let _ = till.task.await;
    till.repository.pool().close().await;
    drop((till.sync, till.repository));
    let till = Till::start(&world, "kigali").await;
    till.sync.reconciled(PATIENCE).await.expect("the branch comes in");
    assert_eq!(rows(till.repository.pool(), kigali).await, ["12"]);
    till.shutdown().await;
    world.close([]).await;
}
