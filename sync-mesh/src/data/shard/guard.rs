//! Keeps the process alive when Loro panics at what a peer has sent: [`guarded`].
//!
//! Updates and snapshots come from devices that know the secret, and damage is found by their checksum; but whoever knows the secret can make bytes with a right checksum
//! at which Loro panics (measured: times that run backwards). A document in which that happened panics again when it is dropped, and during unwinding that would
//! abort the process. In programs compiled with `panic = "abort"` nothing helps.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loro::LoroDoc;

use super::ShardError;

/// Carries out what may panic because of bytes of a peer. After a panic the document must not be used any more.
///
/// # Errors
/// Those of `action`, and [`ShardError::Panicked`].
pub(super) fn guarded<T>(
    document: &LoroDoc,
    action: impl FnOnce() -> Result<T, ShardError>,
) -> Result<T, ShardError> {
    // A handle that outlives the unwinding, so that the document is not dropped by it.
    let kept = document.clone();
    catch_unwind(AssertUnwindSafe(action)).unwrap_or_else(|_| {
        // Nor later: its locks are poisoned.
        std::mem::forget(kept);
        Err(ShardError::Panicked)
    })
}
