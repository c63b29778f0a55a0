//! What deriving costs a debug build of the app: 30 models of 20 fields, with and without `derive(DittoAdapter)`, each built anew, taking turns.
//!
//! `cargo bench --bench derive_build`. Two crates are written below the target folder; they differ in nothing but the derive.
#![expect(clippy::print_stdout, reason = "a bench reports to its reader")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const MODELS: usize = 30;
const FIELDS: usize = 20;
const ROUNDS: usize = 7;
/// The fields of a model take turns with these; each model has an id beside.
const TYPES: [&str; 10] = [
    "String",
    "Option<String>",
    "i64",
    "Option<i64>",
    "f64",
    "Option<f64>",
    "bool",
    "Option<bool>",
    "Vec<u8>",
    "i32",
];

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("derive_build");
    write_workspace(&folder);
    let packages = ["plain", "derived"];
    // Dependencies are built here, and are in no figure.
    for package in packages {
        build(&folder, package);
    }
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (package, times) in packages.into_iter().zip(&mut times) {
            write_main(&folder.join(package), package == "derived", round);
            times.push(build(&folder, package));
        }
    }
    let [plain, derived] = times.map(median);
    println!("{MODELS} models of {FIELDS} fields, debug build of the app's crate, medians of {ROUNDS}:");
    println!("without the derive  {:>6} ms", plain.as_millis());
    println!("with the derive     {:>6} ms", derived.as_millis());
    println!(
        "the derive adds     {:>6} ms",
        derived.saturating_sub(plain).as_millis()
    );
}

fn write_workspace(folder: &Path) {
    let members = ["plain", "derived"];
    for member in members {
        fs::create_dir_all(folder.join(member).join("src")).expect("the target folder is writable");
        write_main(&folder.join(member), member == "derived", usize::MAX);
        let root = env!("CARGO_MANIFEST_DIR");
        let manifest = format!(
            "[package]\nname = \"{member}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
             [dependencies]\nditto-sync = {{ path = {root:?}, default-features = false }}\n"
        );
        fs::write(folder.join(member).join("Cargo.toml"), manifest).expect("the folder was created");
    }
    let workspace = "[workspace]\nmembers = [\"plain\", \"derived\"]\nresolver = \"3\"\n";
    fs::write(folder.join("Cargo.toml"), workspace).expect("the folder was created");
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock")).expect("the repository has a lock file");
}

/// The round is in the text, so that the crate is built anew.
fn write_main(package: &Path, derived: bool, round: usize) {
    let mut code = format!("//! Round {round}.\n#![allow(dead_code)]\n\n");
    for model in 0..MODELS {
        let (derive, attribute, id) = match derived {
            true => (
                ", ditto_sync::DittoAdapter",
                format!(
                    "#[ditto(collection = \"models_{model}\", rename_all = \"camelCase\", scope(field_0))]\n"
                ),
                "    #[ditto(id)]\n",
            ),
            false => ("", String::new(), ""),
        };
        let head = format!(
            "#[derive(Debug, Clone, PartialEq{derive})]\n{attribute}pub struct Model{model} {{\n{id}    id: String,\n"
        );
        code.push_str(&head);
        for field in 0..FIELDS {
            let counter = if derived && field == 2 {
                "    #[ditto(counter)]\n"
            } else {
                ""
            };
            let ty = TYPES[field % TYPES.len()];
            writeln!(code, "{counter}    field_{field}: {ty},").expect("a string takes all text");
        }
        code.push_str("}\n\n");
    }
    // Both link the framework, as an app does.
    code.push_str("fn main() {\n    let _ = ditto_sync::SyncRegistry::discover();\n}\n");
    fs::write(package.join("src/main.rs"), code).expect("the folder was created");
}

/// How long cargo takes. Without incremental state every build is a whole one.
fn build(folder: &Path, package: &str) -> Duration {
    let target: PathBuf = folder.join("target");
    let begin = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", package])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "0")
        .status()
        .expect("cargo runs this bench, so it is there");
    assert!(status.success(), "`{package}` does not build");
    begin.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
