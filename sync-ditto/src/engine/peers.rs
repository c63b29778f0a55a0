//! How far a batch has got beyond this device, as Ditto tells in `system:data_sync_info`: [`Reach`].
//!
//! What is kept here lives no longer than the process: commit numbers are known only after a commit, so they cannot be part of it.

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    sync::{Mutex, PoisonError},
};

use ditto_sync_core::{document::Document, intent::BatchId, value::Value};

use super::{error::EngineError, transaction::Transactions};
use crate::{limits::COMMITS_REMEMBERED, wire::Incoming};

/// How far a batch has got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reach {
    /// The peers that Ditto is or was in touch with.
    pub peers: Vec<PeerReach>,
}

/// What one peer has of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerReach {
    /// The peer's key, as the presence graph names it.
    pub key: String,
    /// It is a Ditto server.
    pub is_server: bool,
    /// There is a session with it.
    pub is_connected: bool,
    /// It has confirmed the batch. What a peer does not subscribe to it confirms, too.
    pub holds_batch: bool,
}

impl Reach {
    /// Whether some Ditto server has confirmed the batch.
    #[must_use]
    pub fn is_in_the_cloud(&self) -> bool {
        self.peers.iter().any(|peer| peer.is_server && peer.holds_batch)
    }

    /// How many other devices have confirmed the batch.
    #[must_use]
    pub fn devices(&self) -> usize {
        let devices = self
            .peers
            .iter()
            .filter(|peer| !peer.is_server && peer.holds_batch);
        devices.count()
    }
}

/// The commit numbers of the newest batches.
#[derive(Debug, Default)]
pub(super) struct Commits(Mutex<VecDeque<(BatchId, NonZeroU64)>>);

impl Commits {
    pub(super) fn note(&self, batch: BatchId, commit: Option<NonZeroU64>) {
        let Some(commit) = commit else {
            return;
        };
        let mut commits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if commits.len() == COMMITS_REMEMBERED {
            commits.pop_front();
        }
        commits.push_back((batch, commit));
    }

    pub(super) fn of(&self, batch: BatchId) -> Option<NonZeroU64> {
        let commits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        commits
            .iter()
            .find(|(known, _)| *known == batch)
            .map(|(_, commit)| *commit)
    }
}

/// Asks how far a commit has got.
pub(super) fn reach(transactions: &Transactions, commit: NonZeroU64) -> Result<Reach, EngineError> {
    transactions.read(async |call| {
        let result = call
            .execute_text("SELECT * FROM system:data_sync_info".into())
            .await?;
        let mut peers = Vec::with_capacity(result.item_count());
        for item in result.iter() {
            if let Incoming(Value::Map(fields)) = super::transaction::decoded(&item.cbor_data())? {
                peers.extend(peer_of(&fields.into_iter().collect(), commit));
            }
        }
        Ok(Reach { peers })
    })
}

/// One row of `system:data_sync_info`: <https://docs.ditto.live/sdk/latest/sync/monitoring-sync-status>.
fn peer_of(row: &Document, commit: NonZeroU64) -> Option<PeerReach> {
    let Some(Value::Text(key)) = row.get("_id") else {
        return None;
    };
    let documents = match row.get("documents") {
        Some(Value::Map(documents)) => documents.clone(),
        _ => Default::default(),
    };
    let synced = match documents.get("synced_up_to_local_commit_id") {
        Some(Value::Int(synced)) => u64::try_from(*synced).unwrap_or_default(),
        _ => 0,
    };
    Some(PeerReach {
        key: key.clone(),
        is_server: row.get("is_ditto_server") == Some(&Value::Bool(true)),
        is_connected: documents.get("sync_session_status") == Some(&"Connected".into()),
        holds_batch: synced >= commit.get(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_engine_says_what_a_peer_has() {
        let documents = |status: &str, synced: i64| {
            Value::Map(
                [
                    ("sync_session_status".to_owned(), status.into()),
                    ("synced_up_to_local_commit_id".to_owned(), Value::Int(synced)),
                ]
                .into(),
            )
        };
        let row = |key: &str, server: bool, documents: Value| {
            Document::from_iter([
                ("_id", key.into()),
                ("is_ditto_server", Value::Bool(server)),
                ("documents", documents),
            ])
        };
        let commit = NonZeroU64::new(7).unwrap();
        let rows = [
            row("cloud", true, documents("Connected", 7)),
            row("till", false, documents("Not Connected", 6)),
            row("new", false, Value::Null),
            Document::new(),
        ];
        let peers: Vec<_> = rows.iter().filter_map(|row| peer_of(row, commit)).collect();
        let told: Vec<_> = peers
            .iter()
            .map(|peer| {
                (
                    peer.key.as_str(),
                    peer.is_server,
                    peer.is_connected,
                    peer.holds_batch,
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("cloud", true, true, true),
                ("till", false, false, false),
                ("new", false, false, false)
            ]
        );
        let reach = Reach { peers };
        assert!(reach.is_in_the_cloud());
        assert_eq!(reach.devices(), 0);
    }
}
