//! How processes on one machine find each other without a ticket or a network service: a directory with one file for each that is alive. See [`meet`].
//!
//! A file only says where somebody listens: who is let in is decided by the greeting. It is written anew while its writer lives; one that is old is not believed, and
//! removed when it is very old.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use data_encoding::HEXLOWER;
use iroh::EndpointId;
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    secret::{MeshSecret, TAG_BYTES},
};

/// How often the own file is written and those of others are read.
const PAUSE: Duration = Duration::from_secs(1);
/// A file that was not written for so long is of nobody alive.
const ALIVE: Duration = Duration::from_secs(10);
/// A file that was not written for so long is removed.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4096;
/// Most files that are looked at.
const FILES_MAX: usize = 1024;
const EXTENSION: &str = "peer";

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Card {
    /// The same for all who know the secret, and says nothing of it.
    mesh: [u8; TAG_BYTES],
    device: [u8; 32],
    addresses: Vec<SocketAddr>,
}

impl Card {
    pub(super) fn new(secret: &MeshSecret, device: EndpointId, addresses: Vec<SocketAddr>) -> Self {
        Self {
            mesh: secret.tag(),
            device: *device.as_bytes(),
            addresses,
        }
    }

    fn file(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.{EXTENSION}", HEXLOWER.encode(&self.device)))
    }
}

/// Shows where we are and looks for others, until it is dropped.
pub(super) async fn meet(
    shared: &Shared,
    directory: &Path,
    mut found: impl FnMut(EndpointId, &[SocketAddr]),
) {
    loop {
        let introduction = shared.introduction();
        let ours = Card::new(&introduction.secret, shared.endpoint.id(), introduction.addresses);
        if let Err(error) = show(directory, &ours).await {
            tracing::warn!(%error, directory = %directory.display(), "this process could not be made known to others on the machine");
        }
        match look(directory, SystemTime::now()).await {
            Ok(cards) => {
                for card in cards {
                    let known = EndpointId::from_bytes(&card.device).ok();
                    let Some(device) = known.filter(|device| *device != shared.endpoint.id()) else {
                        continue;
                    };
                    if card.mesh == ours.mesh || shared.is_listed(device) {
                        found(device, &card.addresses);
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "other processes on the machine could not be looked for"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Removes our file: we are gone.
pub(super) async fn leave(directory: &Path, device: EndpointId) {
    let file = directory.join(format!("{}.{EXTENSION}", HEXLOWER.encode(device.as_bytes())));
    // It becomes old by itself.
    let _ = tokio::fs::remove_file(file).await;
}

/// Writes our file, at once for those who read it.
async fn show(directory: &Path, card: &Card) -> io::Result<()> {
    tokio::fs::create_dir_all(directory).await?;
    let bytes = postcard::to_extend(card, Vec::new()).expect("a growing buffer takes every card");
    let file = card.file(directory);
    let fresh = file.with_extension("new");
    tokio::fs::write(&fresh, bytes).await?;
    tokio::fs::rename(fresh, file).await
}

/// The cards of all who were alive at `now`.
async fn look(directory: &Path, now: SystemTime) -> io::Result<Vec<Card>> {
    let mut cards = Vec::new();
    let mut entries = tokio::fs::read_dir(directory).await?;
    let mut seen = 0;
    while let Some(entry) = entries.next_entry().await?
        && seen < FILES_MAX
    {
        seen += 1;
        let file = entry.path();
        if file.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        // It may be gone meanwhile.
        let Ok(metadata) = entry.metadata().await else {
            continue;
        };
        let age = metadata
            .modified()
            .ok()
            .and_then(|written| now.duration_since(written).ok());
        if age.is_some_and(|age| age > FORGOTTEN) {
            let _ = tokio::fs::remove_file(&file).await;
        }
        if age.is_some_and(|age| age > ALIVE) || metadata.len() > FILE_BYTES_MAX {
            continue;
        }
        let Ok(bytes) = tokio::fs::read(&file).await else {
            continue;
        };
        if let Ok((card, [])) = postcard::take_from_bytes::<Card>(&bytes) {
            cards.push(card);
        }
    }
    Ok(cards)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(key: u8) -> Card {
        let device = iroh::SecretKey::from_bytes(&[key; 32]).public();
        let address = "127.0.0.1:4711".parse().expect("an address");
        Card::new(&MeshSecret::from_bytes([1; 32]), device, vec![address])
    }

    #[tokio::test]
    async fn who_is_alive_is_found_and_who_is_gone_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        for key in [1, 2] {
            show(directory.path(), &card(key))
                .await
                .expect("it can be written");
        }
        std::fs::write(directory.path().join("x.peer"), b"garbage").expect("it can be written");
        let now = SystemTime::now();
        let mut found = look(directory.path(), now).await.expect("it can be read");
        found.sort_by_key(|card| card.device != self::card(1).device);
        assert_eq!(found, [card(1), card(2)]);
        leave(
            directory.path(),
            EndpointId::from_bytes(&card(1).device).expect("a key"),
        )
        .await;
        assert_eq!(
            look(directory.path(), now).await.expect("it can be read"),
            [card(2)]
        );
        let later = now + ALIVE + Duration::from_secs(2);
        assert_eq!(look(directory.path(), later).await.expect("it can be read"), []);
        let much_later = now + FORGOTTEN + Duration::from_secs(2);
        look(directory.path(), much_later).await.expect("it can be read");
        assert_eq!(
            std::fs::read_dir(directory.path())
                .expect("it can be read")
                .count(),
            0
        );
    }
}
