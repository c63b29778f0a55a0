//! An update of a peer: what stands between it and Loro.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    ditto_sync_mesh::fuzzing::update(bytes);
});
