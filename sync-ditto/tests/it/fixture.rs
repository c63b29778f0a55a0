//! Stores in directories that vanish with the test.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ditto_sync_ditto::DittoStore;
use ditto_sync_testkit::contract::store::StoreFixture;
use ditto_sync_ditto::sdk::{DittoConfig, DittoConfigConnect, logger::DittoLogger};
use tempfile::TempDir;

/// The configuration of a Ditto in this directory that talks to nobody.
pub(crate) fn config(directory: &Path) -> DittoConfig {
    DittoLogger::set_logging_enabled(false);
    let connect = DittoConfigConnect::SmallPeersOnly { private_key: None };
    DittoConfig::new("ditto-sync-tests", connect).with_persistence_directory(directory)
}

/// A store in this directory.
pub(crate) async fn open(directory: &Path) -> DittoStore {
    DittoStore::open(config(directory)).await.expect("the engine opens")
}

/// Directories by the names of stores.
#[derive(Default)]
pub(crate) struct DittoFixture(Mutex<HashMap<String, TempDir>>);

impl DittoFixture {
    fn directory(&self, name: &str) -> PathBuf {
        let mut directories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || tempfile::tempdir().expect("a directory can be made");
        directories.entry(name.to_owned()).or_insert_with(fresh).path().to_owned()
    }
}

impl StoreFixture for DittoFixture {
    type Store = DittoStore;

    async fn open(&self, name: &str) -> DittoStore {
        open(&self.directory(name)).await
    }

    async fn reopen(&self, name: &str, store: DittoStore) -> DittoStore {
        store.close().await;
        open(&self.directory(name)).await
    }
}
