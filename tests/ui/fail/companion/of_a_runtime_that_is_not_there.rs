//! A wrong path to the runtime is one error, though companion and model name it.

#[derive(ditto_sync::DittoAdapter)]
#[ditto(collection = "stocks", scope(branch_id), crate = "ditto_sync::nowhere")]
struct Stock {
    #[ditto(id)]
    id: String,
    branch_id: String,
}

fn main() {
    let _ = StockDittoAdapter::new().override_branch_id("kigali-1");
}

// mistake: nowhere
