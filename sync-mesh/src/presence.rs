//! How far other devices are, for whoever asks at any time: [`Presence`].

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use crate::exchange::Device;

/// How far a device is in one collection, as far as it has told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCollection {
    /// The collection.
    pub collection: String,
    /// Changes that are here and that it has not confirmed to hold. A field of a document that was written counts as one.
    pub behind: u64,
    /// Changes that it holds and that are not here.
    pub ahead: u64,
}

/// Of each collection, how many changes a device is behind and ahead.
type Counts = BTreeMap<String, (u64, u64)>;

/// What the engine knows of others.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    devices: Mutex<HashMap<Device, Counts>>,
}

impl Presence {
    pub(crate) fn of(&self, device: &Device) -> Vec<PeerCollection> {
        let devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let collections = devices.get(device).into_iter().flatten();
        collections
            .map(|(collection, (behind, ahead))| PeerCollection {
                collection: collection.clone(),
                behind: *behind,
                ahead: *ahead,
            })
            .collect()
    }

    pub(crate) fn set(&self, devices: HashMap<Device, Counts>) {
        *self.devices.lock().unwrap_or_else(PoisonError::into_inner) = devices;
    }
}
