//! Only adapters are models.

struct Stock;

ditto_sync::models!(pub MODELS: Stock);

fn main() {}

// mistake: `Stock` is not a `DittoAdapter`
