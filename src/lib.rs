//! Keeps an app's own SQLite tables and a peer-to-peer document store in step, both ways, in real time, from one
//! `#[derive(DittoAdapter)]` per struct. The app keeps writing plain SQL.
//!
//! This crate only gathers, each name listed by hand: the contracts and the engine are in `ditto-sync-core`, the derives in
//! `ditto-sync-derive`, the SQLite side in `ditto-sync-sqlite` (feature `sqlite`), the embedded mesh in `ditto-sync-mesh` (feature `mesh`; with `mdns` its devices find each other in a local network), the Ditto store in
//! `ditto-sync-ditto` (feature `ditto`), the memory store and the contract suites in `ditto-sync-testkit` (feature `testkit`).
//!
//! Start with [`DittoAdapter`], [`SyncRegistry`] and [`SyncHandle`].

pub use ditto_sync_core::{
    adapter::{Companion, DittoAdapter, Registration},
    audit::{AuditError, AuditReport, Difference, DifferenceKind},
    backup::{BackupError, BackupOptions, BackupOutcome, BackupReport, BackupRow},
    breaker::MassChangeLimit,
    clock::{Clock, Moment, Sleep, SystemClock},
    column::{ColumnValue, Image},
    config::{InitialFetch, Pacing, SyncConfig},
    coordinator::{
        AwaitStoredError, BackupPull, Changes, Coordinator, Edit, EventStream, HeldChange, HoldError,
        HydrationReport, ModelError, PauseError, ReconcileError, RecordError, SettleError, Setup,
        ShutdownError, SyncError, SyncHandle, Watch,
    },
    descriptor::{
        Direction, FieldDescriptor, LeftScope, LinkDescriptor, Linked, ModelDescriptor, RowError, Scope,
    },
    document::{Document, FieldName},
    error::ErrorKind,
    explain::{ConflictReport, Explanation, HistoryEvent, Receipt},
    field::{DittoField, FieldError, FieldKind, Storage},
    hooks::{DittoHooks, Hooks, RemoteChange},
    id::{DocumentId, IdError, IdPart},
    live::{ListenError, Origin, RowChange},
    merge::{Conflict, ConflictKind, FieldConflict},
    models,
    quarantine::{Content, QuarantineRecord},
    query::{Comparison, Filter, Operand, Query, QueryError, field, param},
    registry::{RegistryError, StartError, SyncRegistry},
    repository::{Finding, Repository, RepositoryError, Way},
    scope::{Belongs, ContextError, ContextSource, ModelScope, Scopes},
    seeding::{SeedFailure, SeedReport, SeededCollection},
    status::{CollectionStatus, Phase, SyncEvent, SyncStatus},
    store::{DocumentStore, Observation, Overwritten, OverwrittenField, StoreError, StoreId, StoreSlot},
    value::{Value, ValueError},
};
pub use ditto_sync_derive::{DittoAdapter, DittoField};
#[cfg(feature = "ditto")]
pub use ditto_sync_ditto::{
    DittoObservation, DittoStore, OpenError as DittoOpenError, PeerReach, Reach, route_logs_to_tracing,
    sdk as ditto_sdk,
};
#[cfg(feature = "mesh")]
pub use ditto_sync_mesh::{
    EndpointId, Interest, JoinError, MeshBuilder, MeshObservation, MeshSecret, MeshStore,
    OpenError as MeshOpenError, PartitionError, Peer, PeerCollection, RelayUrlParseError, Ticket,
    TicketError,
};
#[cfg(feature = "sqlite")]
pub use ditto_sync_sqlite::{SqliteRepository, WriteTransaction};

#[doc(hidden)]
pub use ditto_sync_core::private as __private;

/// Typed filters: [`field`] begins one.
pub mod query {
    pub use ditto_sync_core::query::{
        Comparison, Field, Filter, Operand, Query, QueryError, and, field, not, or, param,
    };
}

/// The memory store, the simulated network and the contract suites, for tests of your own models.
#[cfg(feature = "testkit")]
pub use ditto_sync_testkit as testkit;

/// What an application needs, for one `use ditto_sync::prelude::*`.
pub mod prelude {
    #[cfg(feature = "ditto")]
    pub use crate::DittoStore;
    #[cfg(feature = "sqlite")]
    pub use crate::SqliteRepository;
    pub use crate::{
        DittoAdapter, DittoField, DittoHooks, Document, DocumentId, Phase, RemoteChange, StoreSlot,
        SyncConfig, SyncEvent, SyncHandle, SyncRegistry, SyncStatus, Value,
    };
    #[cfg(feature = "mesh")]
    pub use crate::{MeshStore, Ticket};
}

/// The code of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;

/// The code of docs/from-flipper.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-flipper.md")]
struct FromFlipperDoctests;

/// The code of docs/receipt-numbers.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../docs/receipt-numbers.md")]
struct ReceiptNumbersDoctests;
