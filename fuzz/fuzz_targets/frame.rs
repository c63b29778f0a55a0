//! Frames on a stream.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ditto_sync_mesh::fuzzing::frames(bytes));
