//! The greeting of somebody who does not know the secret.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ditto_sync_mesh::fuzzing::greeting(bytes));
