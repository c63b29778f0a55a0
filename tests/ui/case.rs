//! The cases as files: [`Case`].

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A case that is refused, and the key phrase of each of its mistakes.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) path: PathBuf,
    mistakes: Vec<String>,
}

impl Case {
    fn read(path: PathBuf) -> Self {
        let code = fs::read_to_string(&path).unwrap();
        let mistakes = code.lines().filter_map(|line| line.strip_prefix("// mistake: "));
        let mistakes: Vec<_> = mistakes.map(str::to_owned).collect();
        assert!(
            !mistakes.is_empty(),
            "{}: end the case with `// mistake: <key phrase of the error>`, a line for each error",
            path.display()
        );
        Self { path, mistakes }
    }

    /// `fail_link_no_model` of `fail/link/no_model.rs`.
    pub(crate) fn name(&self) -> String {
        name(&self.path)
    }

    /// Each mistake is one of the errors, and there are no others.
    #[track_caller]
    pub(crate) fn assert_are_its_mistakes(&self, errors: &[String]) {
        let mut left: Vec<&String> = errors.iter().collect();
        for mistake in &self.mistakes {
            let found = left.iter().position(|error| error.contains(mistake));
            let Some(found) = found else {
                panic!("{}: no error says `{mistake}`: {errors:#?}", self.path.display());
            };
            left.remove(found);
        }
        assert!(
            left.is_empty(),
            "{}: errors of no mistake: {left:#?}",
            self.path.display()
        );
    }
}

/// The cases that are refused.
pub(crate) fn refused() -> Vec<Case> {
    let themes = entries(&folder("fail"));
    let paths = themes.iter().flat_map(|theme| entries(theme));
    let cases: Vec<_> = paths.filter(|path| is_case(path)).map(Case::read).collect();
    assert!(!cases.is_empty());
    cases
}

/// The cases that are accepted.
pub(crate) fn accepted() -> Vec<PathBuf> {
    let paths = entries(&folder("pass"));
    paths.into_iter().filter(|path| is_case(path)).collect()
}

/// The name of a case as a program.
pub(crate) fn name(path: &Path) -> String {
    let parts: Vec<_> = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let after = parts.iter().rposition(|part| part == "ui").unwrap();
    parts[after + 1..].join("_")
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui").join(name)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn is_case(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}
