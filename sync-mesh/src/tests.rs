//! The store contract suite on this store, with peers on a wire in memory; and stores that meet over real QUIC on loopback.

mod exchanging;
mod hostile;
mod pacing;
mod parting;
mod quic;
mod random;
mod reporting;
mod restoring;
mod strangers;
mod wire;

mod contract {
    ditto_sync_testkit::store_contract!(super::wire::Meshes::new(&ditto_sync_testkit::models::STOCK));
}

/// With a document for each branch.
mod parted_contract {
    ditto_sync_testkit::store_contract!(super::wire::Meshes::new(
        &ditto_sync_testkit::models::BRANCH_STOCK
    ));
}
