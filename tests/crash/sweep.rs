//! The same history again and again, crashed at hook 1, at hook 2, and so on until a device gets through: no side of any call is left out.

use ditto_sync_testkit::{Flavor, LinkConfig};
use tokio::sync::Notify;

use crate::{
    app::{App, Side},
    hooks::Hooks,
    oracle::{PATIENCE, Survivor},
    schedules::{Stage, block_on, prepare_crashing},
};

/// Transactions of each app before the left coordinator starts, and again while it runs.
const TRANSACTIONS: usize = 5;
/// Crashes at every so many hooks, so that the sweep fits into a test run; 1 leaves none out.
const STRIDE: &str = "DITTO_SYNC_CRASH_STRIDE";
const STRIDE_DEFAULT: usize = 6;
/// More hooks than any run passes.
const HOOKS_MAX: u64 = 10_000;
/// The last hooks depend on timing: so many runs in a row have to get through before the sweep ends.
const THROUGH: u32 = 3;

/// Runs the history with a crash of the left device at hook `target`; whether the hook was reached.
async fn crash_at(flavor: Flavor, target: u64) -> bool {
    let stage = Stage::new(flavor, target, LinkConfig::perfect()).await;
    let mut apps = Vec::new();
    for side in Side::BOTH {
        let mut app = App::open(side, &stage.path(side), 11).await;
        write(&mut app).await;
        apps.push(app);
    }
    let right = Survivor::start(Side::Right, &stage.path(Side::Right), &stage.hub).await;
    let (hooks, written) = (Hooks::at(target), Notify::new());
    // The apps write on whether or not the coordinator has crashed.
    let history = async {
        for app in &mut apps {
            write(app).await;
        }
        right.settle().await;
        for app in &mut apps {
            write(app).await;
        }
        written.notify_one();
    };
    let life = async {
        let (handle, coordinator) = prepare_crashing(&stage, Side::Left, &hooks).await;
        let end = async {
            written.notified().await;
            handle.settled(PATIENCE).await.expect("the left settles");
            handle.shutdown().await.expect("a clean shutdown");
        };
        tokio::join!(coordinator.run(), end);
    };
    let left = async {
        tokio::select! {
            biased;
            () = hooks.crashed() => true,
            () = life => false,
        }
    };
    let (crashed, ()) = tokio::join!(left, history);
    for app in apps {
        app.close().await;
    }
    let left = Survivor::start(Side::Left, &stage.path(Side::Left), &stage.hub).await;
    stage.check_these(left, right).await;
    crashed
}

async fn write(app: &mut App) {
    for _ in 0..TRANSACTIONS {
        app.transact().await;
    }
}

fn sweep(flavor: Flavor, test: &str) {
    let stride = std::env::var(STRIDE).map_or(STRIDE_DEFAULT, |stride| stride.parse().expect("a number"));
    let (mut crashes, mut through) = (0, 0);
    for target in (1..HOOKS_MAX).step_by(stride) {
        let again =
            format!("{STRIDE}={stride} cargo test --test crash -- --exact sweep::{test} (hook {target})");
        if block_on(crash_at(flavor, target), &again) {
            (crashes, through) = (crashes + 1, 0);
        } else {
            through += 1;
        }
        if through == THROUGH {
            assert!(
                crashes > 100 / stride,
                "{crashes} crashes: the hooks are not where they should be"
            );
            return;
        }
    }
    panic!("after {crashes} crashes the coordinator still does not get through");
}

#[test]
fn a_crash_at_any_hook_loses_nothing_on_a_ditto_like_store() {
    sweep(
        Flavor::Ditto,
        "a_crash_at_any_hook_loses_nothing_on_a_ditto_like_store",
    );
}

#[test]
fn a_crash_at_any_hook_loses_nothing_on_a_mesh_like_store() {
    sweep(
        Flavor::Mesh,
        "a_crash_at_any_hook_loses_nothing_on_a_mesh_like_store",
    );
}
