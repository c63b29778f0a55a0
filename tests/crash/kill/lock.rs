//! The lock that keeps a second coordinator out does not outlive the process that holds it.

use std::time::Duration;

use ditto_sync::{Repository, RepositoryError, SqliteRepository};
use ditto_sync_testkit::{Flavor, LinkConfig};

use super::{device, plan::Trap, process::DeviceProcess, serve};
use crate::{app::Side, oracle::PATIENCE, schedules::Stage, tables::registry};

#[tokio::test]
async fn a_killed_process_leaves_no_stale_lock() {
    let stage = Stage::new(Flavor::Ditto, 1, LinkConfig::perfect()).await;
    let server = serve(&stage, &Trap::default()).await;
    let file = stage.path(Side::Left);
    let process = DeviceProcess::start(Side::Left, &file, server.address(), 1);
    // Its app starts when its coordinator has the lock.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !device::journal_beside(&file).exists() {
        assert!(tokio::time::Instant::now() < deadline, "the device never starts");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let models = registry().setup().expect("the models").models;
    let repository = SqliteRepository::open(&file).await.expect("the database opens");
    let refused = repository.prepare(&models).await;
    assert!(
        matches!(refused, Err(RepositoryError::InUse { .. })),
        "{refused:?}"
    );
    process.kill();
    repository
        .prepare(&models)
        .await
        .expect("the lock is free at once");
    repository.close().await;
    server.shutdown().await;
    stage.check().await;
}
