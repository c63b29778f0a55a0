//! What the tables of docs/from-flipper.md and the README say of tests is true: each row names some, and each named one exists.
//!
//! Not here: whether a test shows what the row says.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below the folders that hold tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(root()).expect("the workspace can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name == "src" || name == "tests" || name.starts_with("sync-")) {
            collect(&path, &mut sources);
        }
    }
    sources
}

fn collect(path: &Path, sources: &mut Vec<(PathBuf, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder can be read") {
            collect(&entry.expect("an entry").path(), sources);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).expect("a source file can be read");
        sources.push((path.to_owned(), text));
    }
}

/// Whether there is a test of this name: a function under a test attribute, or a case of a contract suite.
fn is_test(sources: &[(PathBuf, String)], name: &str) -> bool {
    let declarations = [format!("fn {name}("), format!("fn {name}<")];
    sources.iter().any(|(path, text)| {
        let in_suite = path.components().any(|part| part.as_os_str() == "contract");
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        lines.iter().enumerate().any(|(at, line)| {
            let mut attributes = lines[..at]
                .iter()
                .rev()
                .take_while(|line| line.starts_with(['#', '/']));
            declarations.iter().any(|declaration| line.contains(declaration))
                && (in_suite || attributes.any(|line| line.starts_with("#[") && line.contains("test")))
        })
    })
}

/// The rows of the table under a heading, as cells.
fn rows<'a>(document: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let after = document.split(heading).nth(1).expect("the heading is there");
    let section = after.split("\n## ").next().expect("a section");
    let table = section.lines().filter(|line| line.starts_with('|')).skip(2);
    table
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// What of a cell is named in backquotes, and is neither a test nor a file.
fn missing<'a>(sources: &[(PathBuf, String)], cell: &'a str) -> Vec<&'a str> {
    let is_file = |name: &str| name.ends_with(".rs") && root().join(name).is_file();
    let named = cell.split('`').skip(1).step_by(2);
    named
        .filter(|name| !is_test(sources, name) && !is_file(name))
        .collect()
}

#[test]
fn every_row_about_the_original_names_tests_that_exist() {
    let sources = sources();
    let document = fs::read_to_string(root().join("docs/from-flipper.md")).expect("the document is there");
    let mut shown = 0;
    for row in rows(&document, "## Every feature, knob and troubleshooting entry") {
        let [original, _, tests] = row[..] else {
            panic!("three cells: {row:?}")
        };
        if original.starts_with("**") {
            continue;
        }
        assert!(tests.contains('`'), "{original} names no test");
        assert_eq!(
            missing(&sources, tests),
            Vec::<&str>::new(),
            "{original} names what is no test"
        );
        shown += 1;
    }
    assert!(shown > 50, "the table is whole, found {shown} rows");
}

#[test]
fn every_row_of_the_readme_s_features_names_tests_that_exist() {
    let sources = sources();
    let document = fs::read_to_string(root().join("README.md")).expect("the document is there");
    let rows = rows(&document, "## What it does, and the tests that show it");
    assert!(rows.len() > 8);
    for row in rows {
        let [feature, tests] = row[..] else {
            panic!("two cells: {row:?}")
        };
        assert!(tests.contains('`'), "{feature} names no test");
        assert_eq!(
            missing(&sources, tests),
            Vec::<&str>::new(),
            "{feature} names what is no test"
        );
    }
}

#[test]
fn a_name_that_stands_for_no_test_is_noticed() {
    let sources = sources();
    assert!(is_test(&sources, "a_name_that_stands_for_no_test_is_noticed"));
    assert!(
        is_test(&sources, "an_orphan_waits_for_its_parent"),
        "a case of a suite is a test"
    );
    let cell = ["`", "nobody_ever_wrote", "_this`, `sources`, `tests/nowhere.rs`"].concat();
    assert_eq!(missing(&sources, &cell).len(), 3);
}
