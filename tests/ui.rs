//! What the derives refuse, and how they say it: each case is one mistake, except those in `several`.
//!
//! The expected messages are those of the toolchain in `rust-toolchain.toml`. After a wanted change:
//! `TRYBUILD=overwrite cargo test --test ui`, and review the difference.

#[test]
fn mistakes_are_named_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*/*.rs");
}
