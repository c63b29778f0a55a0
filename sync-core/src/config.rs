//! How a coordinator behaves: [`SyncConfig`] and its presets.

use std::time::Duration;

use crate::{breaker::MassChangeLimit, limits};

/// How a coordinator behaves.
///
/// ```
/// use std::time::Duration;
/// use ditto_sync_core::config::SyncConfig;
///
/// let config = SyncConfig::adaptive().startup_delay(Duration::ZERO);
/// assert_eq!(config.pacing(), None);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SyncConfig {
    startup_delay: Duration,
    initial_fetch: InitialFetch,
    pacing: Option<Pacing>,
    seeding: bool,
    start_paused: bool,
    mass_changes: Option<MassChangeLimit>,
    /// By collection, for those that differ.
    mass_changes_of: Vec<(String, Option<MassChangeLimit>)>,
}

/// What happens at start with what changed in the store while the app was down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitialFetch {
    /// From the cursor, or by comparing hashes, apply what changed and nothing else.
    #[default]
    Reconcile,
}

/// A fixed pace: so many rows, then a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// Rows per batch.
    pub rows: usize,
    /// Pause after each batch.
    pub pause: Duration,
}

impl SyncConfig {
    /// The default: send and apply at once when idle, grow transactions under load.
    #[must_use]
    pub fn adaptive() -> Self {
        Self {
            startup_delay: limits::STARTUP_DELAY,
            initial_fetch: InitialFetch::Reconcile,
            pacing: None,
            seeding: true,
            start_paused: false,
            mass_changes: Some(MassChangeLimit::default()),
            mass_changes_of: Vec::new(),
        }
    }

    /// The pace of the Dart framework: 5 rows, then 100 ms.
    #[must_use]
    pub fn paced() -> Self {
        Self {
            pacing: Some(Pacing {
                rows: 5,
                pause: Duration::from_millis(100),
            }),
            ..Self::adaptive()
        }
    }

    /// How long to wait before anything is exchanged, so that the app can start undisturbed. 3 s by default.
    #[must_use]
    pub fn startup_delay(mut self, delay: Duration) -> Self {
        self.startup_delay = delay;
        self
    }

    /// Whether rows that no store has met yet are sent, as seeds. On by default.
    #[must_use]
    pub fn seeding(mut self, on: bool) -> Self {
        self.seeding = on;
        self
    }

    /// Whether it starts paused: the database is checked, changes are captured from then on, and nothing is exchanged before
    /// [`resume`](crate::coordinator::SyncHandle::resume), after which there is no startup delay. Off by default.
    #[must_use]
    pub fn start_paused(mut self, on: bool) -> Self {
        self.start_paused = on;
        self
    }

    /// Whether it starts paused.
    #[must_use]
    pub fn starts_paused(&self) -> bool {
        self.start_paused
    }

    /// From how many changes of one table on, within a while, [`SyncHandle::approve_mass_change`](crate::coordinator::SyncHandle::approve_mass_change) is
    /// waited for; `None`: never. By default from deletes of more than half of a table of at least 100 synced rows on.
    #[must_use]
    pub fn mass_change_limit(mut self, limit: impl Into<Option<MassChangeLimit>>) -> Self {
        self.mass_changes = limit.into();
        self
    }

    /// The same for one collection, whatever holds for the others.
    #[must_use]
    pub fn mass_change_limit_of(
        mut self,
        collection: impl Into<String>,
        limit: impl Into<Option<MassChangeLimit>>,
    ) -> Self {
        self.mass_changes_of.push((collection.into(), limit.into()));
        self
    }

    /// What limits the changes of a collection, if anything does.
    #[must_use]
    pub fn mass_change_limit_for(&self, collection: &str) -> Option<MassChangeLimit> {
        let own = self
            .mass_changes_of
            .iter()
            .rev()
            .find(|(name, _)| name == collection);
        own.map_or(self.mass_changes, |(_, limit)| *limit)
    }

    /// The wait before anything is exchanged.
    #[must_use]
    pub fn startup_delay_value(&self) -> Duration {
        self.startup_delay
    }

    /// What happens at start.
    #[must_use]
    pub fn initial_fetch(&self) -> InitialFetch {
        self.initial_fetch
    }

    /// The fixed pace, if there is one.
    #[must_use]
    pub fn pacing(&self) -> Option<Pacing> {
        self.pacing
    }

    /// Whether rows that no store has met yet are sent.
    #[must_use]
    pub fn seeds(&self) -> bool {
        self.seeding
    }
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self::adaptive()
    }
}
