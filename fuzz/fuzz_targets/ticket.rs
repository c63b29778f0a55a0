//! A ticket that somebody pastes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ditto_sync_mesh::fuzzing::ticket(&String::from_utf8_lossy(bytes)));
