//! Schedules of crashes in one process: the coordinator is dropped at a counted hook and started again on the same file, while both apps write on.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ditto_sync::{Coordinator, SqliteRepository, SyncHandle};
use ditto_sync_testkit::{Fault, Flavor, LinkConfig, MemoryConfig, MemoryHub, MemoryStore};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::{
    app::{App, Side, run},
    crashing::{Care, CrashingRepository, CrashingStore},
    hooks::{Hooks, take_places},
    oracle::{Survivor, check},
    tables::{registry, schema},
};

/// Random schedules of each flavor.
const SCHEDULES: u64 = 60;
/// Transactions of each app in one schedule.
const TRANSACTIONS: usize = 24;
/// Another number of them.
const COUNT: &str = "DITTO_SYNC_CRASH_SCHEDULES";
/// Names one seed, to run only that.
pub(crate) const SEED: &str = "DITTO_SYNC_CRASH_SEED";

/// Two files and the network between their stores.
pub(crate) struct Stage {
    pub(crate) hub: MemoryHub,
    care: Care,
    directory: TempDir,
    wire: tokio::task::JoinHandle<()>,
}

impl Stage {
    pub(crate) async fn new(flavor: Flavor, seed: u64, link: LinkConfig) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for side in Side::BOTH {
            make_tables(&directory.path().join(side.name())).await;
        }
        let hub = MemoryHub::new(MemoryConfig::new(flavor).with_seed(seed));
        for side in Side::BOTH {
            let _made = hub.store(side.name());
        }
        let network = hub.network();
        network.connect_all(link);
        let wire = tokio::spawn(async move { network.run().await });
        Self {
            hub,
            care: Care::Sound,
            directory,
            wire,
        }
    }

    fn with_care(mut self, care: Care) -> Self {
        self.care = care;
        self
    }

    pub(crate) fn path(&self, side: Side) -> PathBuf {
        self.directory.path().join(side.name())
    }

    /// Starts both devices without hooks, and checks all that has to be true in the end.
    pub(crate) async fn check(self) {
        for side in Side::BOTH {
            self.hub.store(side.name()).clear_faults();
        }
        let left = Survivor::start(Side::Left, &self.path(Side::Left), &self.hub).await;
        let right = Survivor::start(Side::Right, &self.path(Side::Right), &self.hub).await;
        self.check_these(left, right).await;
    }

    /// Checks devices that run already.
    pub(crate) async fn check_these(self, left: Survivor, right: Survivor) {
        check(&self.hub, left, right).await;
        self.hub.network().shutdown();
        self.wire.await.expect("the wire ends");
    }
}

async fn make_tables(path: &Path) {
    let repository = SqliteRepository::open(path).await.expect("the database opens");
    let mut connection = repository.pool().acquire().await.expect("a connection");
    run(&mut connection, &schema()).await;
    drop(connection);
    repository.pool().close().await;
}

/// A coordinator whose every call is a hook, on a repository opened anew.
pub(crate) async fn prepare_crashing(
    stage: &Stage,
    side: Side,
    hooks: &Hooks,
) -> (
    SyncHandle,
    Coordinator<CrashingRepository<SqliteRepository>, CrashingStore<MemoryStore>>,
) {
    let repository = SqliteRepository::open(stage.path(side))
        .await
        .expect("the database opens");
    let repository = CrashingRepository::new(repository, hooks.clone(), stage.care);
    let store = CrashingStore::new(stage.hub.store(side.name()), hooks.clone());
    let setup = registry().setup().expect("a sound registry");
    Coordinator::prepare(repository, store, setup)
        .await
        .expect("whatever crashed, the next coordinator starts")
}

/// Runs a coordinator until it crashes, or until `enough`; dropped then, as it stands. Whether it crashed.
async fn live_once(stage: &Stage, side: Side, hooks: &Hooks, enough: &Notify) -> bool {
    let life = async {
        let (handle, coordinator) = prepare_crashing(stage, side, hooks).await;
        coordinator.run().await;
        panic!(
            "the coordinator stopped by itself: {:#?}",
            handle.status().borrow()
        );
    };
    tokio::select! {
        biased;
        () = hooks.crashed() => true,
        () = enough.notified() => false,
        () = life => unreachable!("a life ends by a crash"),
    }
}

/// One life after the other, each to the next hook of `plan`; how many ended there.
async fn live(stage: &Stage, side: Side, plan: Plan, enough: &Notify) -> usize {
    let mut crashes = 0;
    let store = stage.hub.store(side.name());
    let mut random = fastrand::Rng::with_seed(plan.faults_seed);
    store.set_fault_hook(move |_| plan.trouble.fault(&mut random));
    for (target, lost) in plan.lives {
        let hooks = Hooks::at(target);
        if !live_once(stage, side, &hooks, enough).await {
            return crashes;
        }
        crashes += 1;
        if plan.trouble == Trouble::StoreForgets {
            stage.hub.lose_newest_writes(side.name(), lost);
            // Only what no peer has got can be lost.
            stage.hub.network().partition("left", "right");
        }
    }
    live_once(stage, side, &Hooks::never(), enough).await;
    crashes
}

/// The app of one device, which sometimes pulls the plug of the network.
async fn write(stage: &Stage, side: Side, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut app = App::open(side, &stage.path(side), random.u64(..)).await;
    for _ in 0..TRANSACTIONS {
        app.transact().await;
        match random.u32(..10) {
            0 => stage.hub.network().partition("left", "right"),
            1 | 2 => stage.hub.network().heal_all(),
            _ => {}
        }
        // For variety only: so that some changes meet a busy coordinator and some an idle one.
        tokio::time::sleep(Duration::from_micros(random.u64(..6000))).await;
    }
    app.close().await;
}

/// One device: its app, and its coordinator's lives.
async fn device(stage: Arc<Stage>, side: Side, plan: Plan, seed: u64) -> usize {
    let enough = Notify::new();
    let app = async {
        write(&stage, side, seed).await;
        enough.notify_one();
    };
    let ((), crashes) = tokio::join!(app, live(&stage, side, plan, &enough));
    crashes
}

/// What happens to one device.
struct Plan {
    /// The hook at which each life ends, and how many of its newest writes a store may forget then.
    lives: Vec<(u64, usize)>,
    trouble: Trouble,
    faults_seed: u64,
}

/// What else goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// The store is out of reach at times, or does what it is asked and fails to say so.
    StoreFails,
    /// With each crash the store loses its newest writes, as an engine does that does not sync each commit (Ditto flavor).
    StoreForgets,
}

impl Plan {
    /// Lives of random length: many short ones, so that the start is crashed too.
    fn random(random: &mut fastrand::Rng) -> Self {
        let lives = (0..6).map(|_| {
            let target = match random.u32(..3) {
                0 => random.u64(1..40),
                1 => random.u64(1..120),
                _ => random.u64(40..300),
            };
            (target, random.usize(..4))
        });
        Self {
            lives: lives.collect(),
            trouble: [Trouble::None, Trouble::StoreFails, Trouble::StoreForgets][random.usize(..3)],
            faults_seed: random.u64(..),
        }
    }
}

impl Trouble {
    fn fault(self, random: &mut fastrand::Rng) -> Option<Fault> {
        if self != Self::StoreFails || random.u32(..40) > 0 {
            return None;
        }
        Some([Fault::Unavailable, Fault::UnknownOutcome][random.usize(..2)])
    }
}

async fn run_schedule(flavor: Flavor, seed: u64, care: Care) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let link = match random.u32(..3) {
        0 => LinkConfig::perfect(),
        1 => LinkConfig::perfect().with_jitter(Duration::from_millis(5)),
        _ => LinkConfig::perfect()
            .with_jitter(Duration::from_millis(3))
            .with_drop(50),
    };
    let stage = Arc::new(Stage::new(flavor, seed, link).await.with_care(care));
    let devices = Side::BOTH.map(|side| {
        let (plan, seed) = (Plan::random(&mut random), random.u64(..));
        tokio::spawn(device(Arc::clone(&stage), side, plan, seed))
    });
    let mut crashes = 0;
    for device in devices {
        crashes += device.await.expect("the device ends well");
    }
    Arc::into_inner(stage)
        .expect("the devices are gone")
        .check()
        .await;
    crashes
}

/// Runs one schedule on a runtime of its own; `again` tells how to repeat it, should it fail.
pub(crate) fn block_on<T>(schedule: impl Future<Output = T>, again: &str) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(schedule)));
    let places = take_places();
    outcome.unwrap_or_else(|_| {
        panic!("a schedule failed after crashes {places:?}; its plan again (the timing differs): {again}")
    })
}

fn run_schedules(flavor: Flavor, test: &str) {
    let number = |name| {
        let told = std::env::var(name).ok();
        told.map(|told| told.parse::<u64>().expect("a number"))
    };
    let seeds = match number(SEED) {
        Some(seed) => seed..seed + 1,
        None => 0..number(COUNT).unwrap_or(SCHEDULES),
    };
    let (mut crashes, count) = (0, seeds.end - seeds.start);
    for seed in seeds {
        let again = format!("{SEED}={seed} cargo test --test crash -- --exact schedules::{test}");
        crashes += block_on(run_schedule(flavor, seed, Care::Sound), &again);
    }
    assert!(
        crashes as u64 >= count,
        "{crashes} crashes in {count} schedules are too few"
    );
}

#[test]
fn random_crashes_lose_nothing_on_a_ditto_like_store() {
    run_schedules(Flavor::Ditto, "random_crashes_lose_nothing_on_a_ditto_like_store");
}

#[test]
fn random_crashes_lose_nothing_on_a_mesh_like_store() {
    run_schedules(Flavor::Mesh, "random_crashes_lose_nothing_on_a_mesh_like_store");
}

#[test]
fn schedules_find_a_repository_that_forgets_changes() {
    let found = (0..SCHEDULES).any(|seed| {
        let schedule = || block_on(run_schedule(Flavor::Ditto, seed, Care::Forgetful), "as expected");
        catch_unwind(schedule).is_err()
    });
    assert!(found, "no schedule notices that changes are lost");
}
