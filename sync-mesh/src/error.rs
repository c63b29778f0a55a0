//! Why a mesh store cannot be opened ([`OpenError`]), and how its failures look through the contract of stores.

use ditto_sync_core::{error::Source, store::StoreError};

use crate::{data::ShardError, disk::DiskError};

/// Why a mesh store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its directory cannot be made.
    #[error("the directory of the mesh store could not be made")]
    Directory(#[source] std::io::Error),
    /// Its file cannot be used.
    #[error("the file of the mesh store could not be opened")]
    Disk(#[from] DiskError),
    /// A document in its file cannot be read.
    #[error("a document of the mesh store could not be read")]
    Document(#[source] Source),
    /// The directory belongs to another mesh.
    #[error(
        "the directory holds a store of the mesh `{found}`, not of `{wanted}`: give each mesh a directory of its own"
    )]
    OtherMesh {
        /// What is there.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The operating system gives no random bytes.
    #[error("no keys could be made")]
    Random(#[source] std::io::Error),
    /// The network could not be opened.
    #[error("the network of the mesh store could not be opened")]
    Network(#[from] crate::net::NetworkError),
    /// The secret given is not the one that the store and its peers know.
    #[error("the store knows another secret of its mesh than the one given")]
    OtherSecret,
    /// The collections that are wanted could not be set.
    #[error("the collections of the store could not be chosen")]
    Interest(#[source] StoreError),
    /// What the store knows could not be changed.
    #[error("the secret of the mesh could not be saved")]
    Secret(#[source] StoreError),
    /// The thread that serves the store could not be started.
    #[error("the thread of the mesh store could not be started")]
    Thread(#[source] std::io::Error),
}

impl From<ShardError> for OpenError {
    fn from(error: ShardError) -> Self {
        Self::Document(error.into())
    }
}

/// Trying again may help.
pub(crate) fn unavailable<E: Into<Source>>(action: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| StoreError::Unavailable {
        action,
        source: error.into(),
    }
}

/// Trying again does not help.
pub(crate) fn failed<E: Into<Source>>(action: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| StoreError::Failed {
        action,
        source: error.into(),
    }
}
