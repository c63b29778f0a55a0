//! Documents of the app as they stand in its collections, one of each model: what the example and the tests read. They are in `documents.json`, and show
//! the habits of their writers:
//!
//! | collection | what is special |
//! | --- | --- |
//! | `branches` | integers where Dart says `num`; nulls |
//! | `categories` | fields of later versions are missing |
//! | `customers` | a telephone number, which stays text; local time |
//! | `counters` | local time with microseconds beside UTC |
//! | `stocks` | integers for floats; a counter in thousandths beside the plain value; a field that no column maps |
//! | `variants` | half of the fields; two that no column maps |
//! | `transactions` | an open sale: most fields missing |
//! | `transaction_items` | amounts as integers, as floats and with all their digits |

use ditto_sync::{DittoAdapter as _, ModelDescriptor};
use serde_json::Value as Json;

use super::models::{Branch, Category, Counter, Customer, ITransaction, Stock, TransactionItem, Variant};

/// The branch all of them belong to, or are.
pub(crate) const BRANCH: &str = "b7f3c1de-0d7e-4d53-9a36-0f6e3f3f1a01";
/// The business of that branch.
pub(crate) const BUSINESS: &str = "9a1c5b0e-5d2f-4b0a-8f55-6f2f7f2b6c02";

/// Every model.
pub(crate) fn models() -> [&'static ModelDescriptor; 8] {
    [
        Branch::descriptor(),
        Category::descriptor(),
        Customer::descriptor(),
        Counter::descriptor(),
        Stock::descriptor(),
        Variant::descriptor(),
        ITransaction::descriptor(),
        TransactionItem::descriptor(),
    ]
}

/// The document of this model.
pub(crate) fn document_of(model: &ModelDescriptor) -> Json {
    let mut documents: Json = serde_json::from_str(include_str!("documents.json")).expect("the file is JSON");
    documents[model.collection()].take()
}
