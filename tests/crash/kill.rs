//! Devices in processes of their own, killed with SIGKILL wherever they are: at random times, and inside calls of the store. The stores live on in this
//! process, as those of real devices live on in their files.

mod device;
mod lock;
mod plan;
mod process;

use std::{collections::BTreeSet, path::Path};

use ditto_sync::SqliteRepository;
use ditto_sync_testkit::{
    Flavor, LinkConfig,
    remote_store::{StoreServer, WriteMoment},
};

use self::{
    plan::{Plan, Trap},
    process::DeviceProcess,
};
use crate::{
    app::Side,
    oracle::select,
    schedules::{SEED, Stage, block_on},
    tables::registry,
};

/// How many kills in all, of both flavors and both devices.
const KILLS: &str = "DITTO_SYNC_KILLS";
const KILLS_DEFAULT: usize = 120;

/// Starts and kills one device again and again; how many were killed inside a write.
async fn kill_again_and_again(
    stage: &Stage,
    side: Side,
    (server, trap): (&StoreServer, &Trap),
    (kills, seed): (usize, u64),
) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut inside = 0;
    for _ in 0..kills {
        match random.u32(..4) {
            0 => stage.hub.network().partition("left", "right"),
            1 | 2 => stage.hub.network().heal_all(),
            _ => {}
        }
        let plan = Plan::random(&mut random);
        let process = DeviceProcess::start(side, &stage.path(side), server.address(), random.u64(..));
        inside += usize::from(trap.run(side.name(), process, plan).await);
    }
    inside
}

async fn kill_both(flavor: Flavor, seed: u64) {
    let kills: usize = std::env::var(KILLS).map_or(KILLS_DEFAULT, |kills| kills.parse().expect("a number"));
    let kills = kills.div_ceil(4);
    let stage = Stage::new(flavor, seed, LinkConfig::perfect()).await;
    let trap = Trap::default();
    let server = serve(&stage, &trap).await;
    let lives = |side| kill_again_and_again(&stage, side, (&server, &trap), (kills, seed ^ side as u64));
    let (left, right) = tokio::join!(lives(Side::Left), lives(Side::Right));
    assert!(
        left + right > kills / 4,
        "{} of {} kills inside a write are too few",
        left + right,
        kills * 2
    );
    server.shutdown().await;
    for side in Side::BOTH {
        compare_journals(&stage.path(side)).await;
    }
    stage.check().await;
}

async fn serve(stage: &Stage, trap: &Trap) -> StoreServer {
    let models = registry().setup().expect("the models").models;
    let trap = trap.clone();
    let witness = move |name: &str, moment: WriteMoment| trap.witness(name, moment);
    StoreServer::start(stage.hub.clone(), models, witness)
        .await
        .expect("a server")
}

/// What the app was told is committed is in the file, and nothing is that it did not want to commit.
async fn compare_journals(file: &Path) {
    let repository = SqliteRepository::open(file).await.expect("the database opens");
    let committed = select(repository.pool(), "SELECT number || '' FROM journal").await;
    let committed: BTreeSet<String> = committed.into_iter().collect();
    repository.pool().close().await;
    let journal = std::fs::read_to_string(device::journal_beside(file)).expect("the journal");
    let noted = |what: &str| -> BTreeSet<String> {
        let lines = journal.lines().filter_map(|line| line.strip_prefix(what));
        lines.map(str::to_owned).collect()
    };
    let (wanted, done) = (noted("will "), noted("done "));
    assert!(
        done.len() > 10,
        "{} transactions: the devices did nothing",
        done.len()
    );
    let lost: Vec<_> = done.difference(&committed).collect();
    assert!(lost.is_empty(), "{}: lost {lost:?}", file.display());
    let invented: Vec<_> = committed.difference(&wanted).collect();
    assert!(invented.is_empty(), "{}: invented {invented:?}", file.display());
}

fn kill(flavor: Flavor, test: &str) {
    let seed = std::env::var(SEED).map_or(7, |seed| seed.parse().expect("a seed is a number"));
    let again = format!("{SEED}={seed} cargo test --test crash -- --exact kill::{test}");
    block_on(kill_both(flavor, seed), &again);
}

#[test]
fn killed_devices_lose_nothing_on_a_ditto_like_store() {
    kill(Flavor::Ditto, "killed_devices_lose_nothing_on_a_ditto_like_store");
}

#[test]
fn killed_devices_lose_nothing_on_a_mesh_like_store() {
    kill(Flavor::Mesh, "killed_devices_lose_nothing_on_a_mesh_like_store");
}
