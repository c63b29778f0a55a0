//! One coordinator per database: [`CoordinatorLock`], a locked file beside the database.
//!
//! The operating system releases it when the process ends, however it ends, so it is never stale. Not here: who may write, which everyone may.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use ditto_sync_core::repository::RepositoryError;

/// The right to be the coordinator of a database, until dropped.
#[derive(Debug)]
pub(crate) struct CoordinatorLock {
    file: File,
}

impl CoordinatorLock {
    /// Takes the lock of `database`, without waiting. The lock file is made beside it and stays there: removing it could remove the lock that
    /// another process has just taken.
    ///
    /// # Errors
    /// [`RepositoryError::InUse`] when it is taken, by this process or another.
    pub(crate) fn take(database: &str) -> Result<Self, RepositoryError> {
        let action = "lock the database for this coordinator";
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path_beside(database))
            .map_err(|error| match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    RepositoryError::ReadOnly {
                        path: database.to_owned(),
                    }
                }
                io::ErrorKind::StorageFull => RepositoryError::Full {
                    action,
                    source: error.into(),
                },
                _ => RepositoryError::Failed {
                    action,
                    source: error.into(),
                },
            })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(RepositoryError::InUse {
                path: database.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(RepositoryError::Failed {
                action,
                source: error.into(),
            }),
        }
    }
}

impl Drop for CoordinatorLock {
    fn drop(&mut self) {
        // Closing releases it too, but not while a child process that inherited the file is alive.
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the coordinator lock goes with its file");
        }
    }
}

fn path_beside(database: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push("-ditto-sync-lock");
    Path::new(&name).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_released() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("app.db");
        let database = database.to_str().unwrap();
        for _ in 0..2 {
            let lock = CoordinatorLock::take(database).unwrap();
            let error = CoordinatorLock::take(database).unwrap_err();
            assert!(
                matches!(&error, RepositoryError::InUse { path } if path == database),
                "{error:?}"
            );
            drop(lock);
        }
    }

    #[test]
    fn a_missing_directory_is_told() {
        let error = CoordinatorLock::take("/nonexistent/app.db").unwrap_err();
        assert!(matches!(error, RepositoryError::Failed { .. }), "{error:?}");
    }
}
