//! What holds for every toolchain: a case is refused with its key phrases, once each, and accepted ones are.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::case;

/// Builds every case as a program of one package, and looks at the errors.
pub(crate) fn check() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui_phrases");
    let (refused, accepted) = (case::refused(), case::accepted());
    let paths = refused.iter().map(|case| &case.path).chain(&accepted);
    write_package(&folder, paths);
    let errors = errors(&folder);
    let none = Vec::new();
    for case in &refused {
        case.assert_are_its_mistakes(errors.get(&case.name()).unwrap_or(&none));
    }
    for path in &accepted {
        let found = errors.get(&case::name(path)).unwrap_or(&none);
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
    }
}

fn write_package<'p>(folder: &Path, cases: impl Iterator<Item = &'p PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut manifest = format!(
        "[package]\nname = \"ui_phrases\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[workspace]\n\n\
         [dependencies]\nditto-sync = {{ path = {root:?}, default-features = false }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n\
         sqlx = {{ version = \"=0.9.0\", default-features = false, features = [\"runtime-tokio\", \"sqlite\", \"derive\"] }}\n"
    );
    for path in cases {
        let name = case::name(path);
        write!(manifest, "\n[[bin]]\nname = {name:?}\npath = {path:?}\n").unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

/// The errors of each program, as rustc shows them.
fn errors(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--bins", "--keep-going", "--message-format=json"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .unwrap();
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut is_any_checked = false;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        is_any_checked |= message["reason"] == "compiler-message";
        // What rustc says of the errors together has no place in the code.
        let is_error =
            message["message"]["level"] == "error" && message["message"]["spans"] != serde_json::json!([]);
        if let (true, Some(program), Some(shown)) = (
            is_error,
            message["target"]["name"].as_str(),
            message["message"]["rendered"].as_str(),
        ) {
            errors
                .entry(program.to_owned())
                .or_default()
                .push(shown.to_owned());
        }
    }
    assert!(is_any_checked, "{}", String::from_utf8_lossy(&output.stderr));
    errors
}
