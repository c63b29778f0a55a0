//! Stores in directories that vanish with the test, and the bare engine beside them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ditto_sync_ditto::{
    DittoStore,
    sdk::{Ditto, DittoConfig, DittoConfigConnect, error::DittoError, logger::DittoLogger},
};
use ditto_sync_testkit::contract::store::StoreFixture;
use serde_json::Value as Json;
use tempfile::TempDir;

/// The configuration of a Ditto in this directory that talks to nobody.
pub(crate) fn config(directory: &Path) -> DittoConfig {
    DittoLogger::set_logging_enabled(false);
    let connect = DittoConfigConnect::SmallPeersOnly { private_key: None };
    DittoConfig::new("ditto-sync-tests", connect).with_persistence_directory(directory)
}

/// A store in this directory.
pub(crate) async fn open(directory: &Path) -> DittoStore {
    DittoStore::open(config(directory))
        .await
        .expect("the engine opens")
}

/// A store in a directory of its own.
pub(crate) async fn open_new() -> (TempDir, DittoStore) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let store = open(directory.path()).await;
    (directory, store)
}

/// One statement on the bare engine, as another program would make it: the rows it finds, and how many documents it changed.
///
/// It must not be cancelled: that would end the process.
pub(crate) async fn bare(
    ditto: &Ditto,
    text: &str,
    arguments: Json,
) -> Result<(Vec<Json>, usize), DittoError> {
    let answer = ditto
        .store()
        .transaction(async |transaction| -> Result<_, DittoError> {
            let result = transaction.execute((text, arguments)).await?;
            let rows = result.iter().map(|item| item.json_string());
            Ok((rows.collect::<Vec<_>>(), result.mutated_document_ids().len()))
        });
    let (rows, changed) = answer.await?;
    let rows = rows
        .iter()
        .map(|row| serde_json::from_str(row).expect("the engine writes JSON"));
    Ok((rows.collect(), changed))
}

/// Makes statements on the bare engine of a store that must succeed.
pub(crate) struct Bare(Arc<Ditto>);

impl Bare {
    pub(crate) fn of(store: &DittoStore) -> Self {
        Self(store.ditto().expect("the store is open"))
    }

    pub(crate) async fn rows(&self, text: &str, arguments: Json) -> Vec<Json> {
        let answer = bare(&self.0, text, arguments).await;
        answer.unwrap_or_else(|error| panic!("{text}: {error}")).0
    }

    pub(crate) async fn changes(&self, text: &str, arguments: Json) -> usize {
        let answer = bare(&self.0, text, arguments).await;
        answer.unwrap_or_else(|error| panic!("{text}: {error}")).1
    }

    pub(crate) async fn error(&self, text: &str, arguments: Json) -> DittoError {
        bare(&self.0, text, arguments)
            .await
            .expect_err("the engine refuses it")
    }

    pub(crate) fn ditto(&self) -> &Ditto {
        &self.0
    }
}

/// Directories by the names of stores.
#[derive(Default)]
pub(crate) struct DittoFixture(Mutex<HashMap<String, TempDir>>);

impl DittoFixture {
    fn directory(&self, name: &str) -> PathBuf {
        let mut directories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || tempfile::tempdir().expect("a directory can be made");
        directories
            .entry(name.to_owned())
            .or_insert_with(fresh)
            .path()
            .to_owned()
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
