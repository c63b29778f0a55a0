//! What the documents say of tests is true: each test they name exists, and each lesson names one.
//!
//! Not here: whether a test shows what the document says it shows.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Words of a name in backquotes from which on it can only be that of a test.
const WORDS_OF_A_TEST: usize = 4;

/// All Rust files of the workspace, with their contents.
struct Tree {
    root: PathBuf,
    files: Vec<(PathBuf, String)>,
}

impl Tree {
    fn read() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for entry in fs::read_dir(&root).expect("the workspace can be read") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name == "src" || name == "tests" || name.starts_with("sync-") {
                collect(&path, &mut files);
            }
        }
        Self { root, files }
    }

    fn document(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).expect("the document can be read")
    }

    /// Whether some file has a test of this name; cases of the contract suites are tests too.
    fn has_test(&self, name: &str) -> bool {
        let declaration = [format!("fn {name}("), format!("fn {name}<")];
        self.files.iter().any(|(path, text)| {
            let in_suite = path.components().any(|part| part.as_os_str() == "contract");
            let lines: Vec<_> = text.lines().collect();
            lines.iter().enumerate().any(|(at, line)| {
                declaration.iter().any(|declaration| line.contains(declaration))
                    && (in_suite || is_marked(&lines[..at]))
            })
        })
    }

    /// A cell of tests names some, and each exists.
    fn assert_shown(&self, what: &str, tests: &str) {
        assert!(tests.contains('`'), "{what} names no test");
        let is_file = |name: &str| name.ends_with(".rs") && self.root.join(name).is_file();
        let missing: Vec<_> = mentions(tests)
            .filter(|name| !self.has_test(name) && !is_file(name))
            .collect();
        assert!(missing.is_empty(), "{what} names what is no test: {missing:?}");
    }

    /// Whether a name or path in backquotes stands for something that exists.
    fn has(&self, mention: &str) -> bool {
        if mention.contains('/') || mention.ends_with(".rs") {
            let near = [self.root.join(mention), self.root.join("tests/it").join(mention)];
            return near.iter().any(|path| path.exists());
        }
        if is_name_of_a_test(mention) {
            return self.has_test(mention);
        }
        let last = mention.rsplit("::").next().unwrap_or(mention);
        self.files.iter().any(|(_, text)| text.contains(last))
    }
}

fn collect(path: &Path, files: &mut Vec<(PathBuf, String)>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory can be read") {
            collect(&entry.expect("an entry").path(), files);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path).expect("a source file can be read");
        files.push((path.to_owned(), text));
    }
}

/// Whether the lines before a function mark it as a test.
fn is_marked(before: &[&str]) -> bool {
    let attributes = before.iter().rev().map(|line| line.trim());
    attributes
        .take_while(|line| line.starts_with('#') || line.starts_with("//"))
        .any(|line| line.contains("test]") || line.contains("test("))
}

fn is_name_of_a_test(mention: &str) -> bool {
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    mention.chars().all(letters) && mention.split('_').count() >= WORDS_OF_A_TEST
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

/// What stands in backquotes.
fn mentions(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_lesson_names_tests_that_exist_or_says_why_it_needs_none() {
    let tree = Tree::read();
    let document = tree.document("docs/lessons.md");
    let mut numbers = Vec::new();
    for row in document.lines().filter(|line| line.starts_with("| F")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let (name, guard) = (cells[0], cells[cells.len() - 1]);
        numbers.push(name[1..].parse::<usize>().expect("a number"));
        let missing: Vec<_> = mentions(guard).filter(|mention| !tree.has(mention)).collect();
        assert!(
            missing.is_empty(),
            "{name} names what does not exist: {missing:?}"
        );
        let shown = mentions(guard).any(|mention| is_name_of_a_test(mention) || mention.contains('/'));
        assert!(
            shown
                || ["by construction", "a doctest"]
                    .iter()
                    .any(|why| guard.contains(why)),
            "{name} names no test, and says not why: {guard}"
        );
    }
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
}

#[test]
fn every_test_that_the_architecture_names_exists() {
    let tree = Tree::read();
    let mut named = 0;
    for line in tree.document("ARCHITECTURE.md").lines() {
        for mention in mentions(line).filter(|mention| is_name_of_a_test(mention)) {
            named += 1;
            assert!(tree.has_test(mention), "there is no test {mention}");
        }
    }
    assert!(named > 10, "it names the test of each promise, found {named}");
}

#[test]
fn every_row_about_the_original_names_tests_that_exist() {
    let tree = Tree::read();
    let document = tree.document("docs/from-flipper.md");
    let mut shown = 0;
    for row in rows(&document, "## Every feature, knob and troubleshooting entry") {
        let [original, _, tests] = row[..] else {
            panic!("three cells: {row:?}")
        };
        if !original.starts_with("**") {
            tree.assert_shown(original, tests);
            shown += 1;
        }
    }
    assert!(shown > 50, "the table is whole, found {shown} rows");
}

#[test]
fn every_row_of_the_readme_s_features_names_tests_that_exist() {
    let tree = Tree::read();
    let document = tree.document("README.md");
    let rows = rows(&document, "## What it does, and the tests that show it");
    assert!(rows.len() > 8);
    for row in rows {
        let [feature, tests] = row[..] else {
            panic!("two cells: {row:?}")
        };
        tree.assert_shown(feature, tests);
    }
}

#[test]
fn a_name_that_is_no_test_is_noticed() {
    let tree = Tree::read();
    assert!(tree.has_test("a_name_that_is_no_test_is_noticed"));
    assert!(tree.has_test("an_orphan_waits_for_its_parent"));
    let gone = ["a_test_that_nobody", "ever_wrote"].join("_");
    assert!(!tree.has_test(&gone));
    assert!(!tree.has_test("is_name_of_a_test"), "a function is no test");
}
