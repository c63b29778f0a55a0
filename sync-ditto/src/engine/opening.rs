//! Opening the engine: [`open`], [`prepare`].

use std::{path::Path, sync::Arc, time::Duration};

use ditto_sync_core::{intent::ReplicaId, store::StoreId, value::Value};
use dittolive_ditto::{
    Ditto, DittoConfig,
    error::{CoreApiErrorKind, ErrorKind},
};

use super::{bookkeeping, error::OpenError, worker::Worker};

/// Attempts at a directory that is in use; the engine waits a second in each.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Opens the engine on a thread of its own, so that a caller may stop waiting at any time.
pub(super) async fn open(mut config: DittoConfig) -> Result<Ditto, OpenError> {
    let directory = config.persistence_directory.clone().unwrap_or_default();
    if config.persistence_directory.is_some() && !directory.is_absolute() {
        return Err(OpenError::RelativeDirectory(directory));
    }
    keep_bookkeeping_local(&mut config);
    let (reply, answer) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("ditto-sync open".into())
        .spawn(move || {
            // The caller may have gone; then the engine closes again.
            let _ = reply.send(open_with_patience(&config, &directory));
        })
        .map_err(OpenError::Thread)?;
    let lost = |_| OpenError::Thread(std::io::Error::other("it ended without an answer"));
    answer.await.map_err(lost)?
}

fn open_with_patience(config: &DittoConfig, directory: &Path) -> Result<Ditto, OpenError> {
    let mut attempt = 1;
    loop {
        match Ditto::open_sync(config.clone()) {
            Ok(ditto) => return Ok(ditto),
            Err(error) => {
                let locked = matches!(
                    error.kind(),
                    ErrorKind::CoreApi(CoreApiErrorKind::LockedDittoWorkingDirectory)
                );
                if !locked {
                    return Err(OpenError::Engine(error));
                }
                if attempt == ATTEMPTS {
                    return Err(OpenError::Locked(directory.to_owned()));
                }
            }
        }
        attempt += 1;
        std::thread::sleep(PAUSE);
    }
}

/// From the start: without it the engine might sync what stands there before it is told.
fn keep_bookkeeping_local(config: &mut DittoConfig) {
    let scopes = config
        .system_parameters
        .entry(bookkeeping::SCOPES.into())
        .or_insert_with(|| serde_json::json!({}));
    if let Some(scopes) = scopes.as_object_mut() {
        scopes.insert(bookkeeping::COLLECTION.into(), bookkeeping::LOCAL.into());
    }
}

/// Makes the bookkeeping ready; answers the store's id.
pub(super) async fn prepare(writer: &Worker) -> Result<StoreId, OpenError> {
    const ACTION: &str = "make its bookkeeping ready";
    let random = ReplicaId::random().map_err(|error| OpenError::Thread(std::io::Error::other(error)))?;
    let local = writer.run(ACTION, bookkeeping::keep_local);
    let (is_local, found) = local.await.map_err(OpenError::Bookkeeping)?;
    if !is_local {
        return Err(OpenError::Scopes { found: shown(&found) });
    }
    let fresh = random.to_string();
    let id = writer.run(ACTION, move |transactions| {
        bookkeeping::store_id(transactions, &fresh)
    });
    id.await.map_err(OpenError::Bookkeeping)
}

fn shown(value: &Value) -> String {
    format!("{value:?}")
}

/// Lets go of the engine, which may take a while, on a thread of its own.
pub(super) async fn release(ditto: Arc<Ditto>) {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let release = move || {
        drop(ditto);
        // Nobody may be waiting.
        let _ = reply.send(());
    };
    // Where no thread can be started the closure is dropped here, and the engine with it.
    if std::thread::Builder::new()
        .name("ditto-sync close".into())
        .spawn(release)
        .is_ok()
    {
        // It cannot end without an answer.
        let _ = answer.await;
    }
}
