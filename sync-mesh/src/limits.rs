//! Every limit of the mesh, with its unit and its reason.

/// Most operations of one intent: such a batch stays in Loro's cache of decoded rows (2048) while it is checked and then written.
pub const INTENT_OPERATIONS_MAX: usize = 1000;
/// Largest document, in bytes of its names and values. Far below what Loro takes, so that one document never fills a frame of the protocol.
pub const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest name of a collection, in bytes.
pub const COLLECTION_BYTES_MAX: usize = 255;
/// Longest name of a root container, in bytes. Snapshots of documents with a root name of 65,536 bytes or more cannot be loaded again; an escaped id has at
/// most three times the bytes of the id, so whatever is longer was not written by us.
pub const ROOT_NAME_BYTES_MAX: usize = 1024;
