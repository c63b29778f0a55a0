//! What the derives refuse, and how they say it: each case is one mistake, except those in `several`.
//!
//! The expected messages are those of the toolchain in `rust-toolchain.toml`. After a wanted change:
//! `TRYBUILD=overwrite cargo test --test ui`, and review the difference. Every case ends with a line `// mistake: ..` for each error that it has to
//! give. With another toolchain, whose words around ours may differ, only those are asked for; `DITTO_SYNC_UI=phrases` does so with this one.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod case;
mod phrases;

use std::{env, fs, path::Path, process::Command};

#[test]
fn mistakes_are_named_where_they_are() {
    if env::var_os("DITTO_SYNC_UI").is_some_and(|value| value == "phrases") || !is_pinned_toolchain() {
        phrases::check();
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*/*.rs");
}

#[test]
fn each_mistake_is_one_error() {
    for case in case::refused() {
        let expected = fs::read_to_string(case.path.with_extension("stderr")).unwrap();
        // An error begins at the first column; what belongs to it is indented, empty, or a note.
        let errors: Vec<String> = expected
            .split("\nerror")
            .map(|error| error.strip_prefix("error").unwrap_or(error).to_owned())
            .collect();
        case.assert_are_its_mistakes(&errors);
    }
}

/// Whether `rustc` is the one that `rust-toolchain.toml` names.
fn is_pinned_toolchain() -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pinned = fs::read_to_string(root.join("rust-toolchain.toml")).unwrap();
    let pinned = pinned
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .expect("the toolchain file names a channel")
        .trim_matches('"');
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    version.split(' ').nth(1) == Some(pinned)
}
