//! Links the stub that the engine of the npm package needs, where the environment says so. Only tests of this repository do: see
//! `scripts/fetch-ditto-engine`.

fn main() {
    const STUB: &str = "DITTO_SYNC_ENGINE_STUB";
    println!("cargo::rerun-if-env-changed={STUB}");
    if std::env::var_os("CARGO_FEATURE_ENGINE").is_none() {
        return;
    }
    if let Some(folder) = std::env::var_os(STUB) {
        println!("cargo::rustc-link-search=native={}", folder.to_string_lossy());
        println!("cargo::rustc-link-lib=dylib=ditto_sync_stub");
    }
}
