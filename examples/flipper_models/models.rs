//! Eight models of the point-of-sale app Flipper, as a Rust app would have them: field for field the documents that its generated adapters write.
//!
//! Dart's `String?` is `Option<String>`, `int` is `i64`, `double` and `num` are `f64`, which takes integers too, and `DateTime` is [`DartDate`]. Where Dart's
//! generator filters by the branch whenever there is a `branchId`, `scope(branch_id)` says so.

mod dart_date;
mod transaction;
mod transaction_item;
mod variant;

use ditto_sync::DittoAdapter;

use self::dart_date::DartDate;
pub(crate) use self::{transaction::ITransaction, transaction_item::TransactionItem, variant::Variant};

/// A branch of a business. It has no `branchId`, so the generated adapter takes all of them; here the business is the scope.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "branches", rename_all = "camelCase", scope(business_id))]
pub(crate) struct Branch {
    #[ditto(id)]
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) server_id: Option<i64>,
    pub(crate) location: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) business_id: Option<String>,
    pub(crate) latitude: Option<f64>,
    pub(crate) longitude: Option<f64>,
    pub(crate) is_default: Option<bool>,
    pub(crate) is_online: Option<bool>,
    pub(crate) active: Option<bool>,
    pub(crate) deleted_at: Option<DartDate>,
    pub(crate) updated_at: Option<DartDate>,
}

/// A group of articles.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "categories", rename_all = "camelCase", scope(branch_id))]
pub(crate) struct Category {
    #[ditto(id)]
    pub(crate) id: String,
    pub(crate) active: Option<bool>,
    /// False where a document lacks it, as Dart declares it.
    #[ditto(default)]
    pub(crate) focused: bool,
    pub(crate) name: Option<String>,
    pub(crate) branch_id: Option<String>,
    pub(crate) deleted_at: Option<DartDate>,
    pub(crate) last_touched: Option<DartDate>,
}

/// Somebody who buys.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "customers", rename_all = "camelCase", scope(branch_id))]
pub(crate) struct Customer {
    #[ditto(id)]
    pub(crate) id: String,
    pub(crate) cust_nm: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) tel_no: Option<String>,
    pub(crate) adrs: Option<String>,
    pub(crate) branch_id: Option<String>,
    pub(crate) updated_at: Option<DartDate>,
    pub(crate) cust_no: Option<String>,
    pub(crate) cust_tin: Option<String>,
    pub(crate) regr_nm: Option<String>,
    pub(crate) regr_id: Option<String>,
    pub(crate) modr_nm: Option<String>,
    pub(crate) modr_id: Option<String>,
    pub(crate) ebm_synced: Option<bool>,
    pub(crate) bhf_id: Option<String>,
    pub(crate) use_yn: Option<String>,
    pub(crate) customer_type: Option<String>,
}

/// The receipt numbers that were given out last. Devices that share a row give numbers twice while they are offline: `docs/receipt-numbers.md`.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "counters", rename_all = "camelCase", scope(branch_id))]
pub(crate) struct Counter {
    #[ditto(id)]
    pub(crate) id: String,
    pub(crate) business_id: Option<String>,
    pub(crate) branch_id: Option<String>,
    pub(crate) receipt_type: Option<String>,
    pub(crate) tot_rcpt_no: Option<i64>,
    pub(crate) cur_rcpt_no: Option<i64>,
    pub(crate) invc_no: Option<i64>,
    pub(crate) last_touched: Option<DartDate>,
    pub(crate) created_at: Option<DartDate>,
    pub(crate) bhf_id: String,
}

/// How much of an article there is.
#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "stocks", rename_all = "camelCase", scope(branch_id))]
pub(crate) struct Stock {
    #[ditto(id)]
    pub(crate) id: String,
    pub(crate) tin: Option<i64>,
    pub(crate) bhf_id: Option<String>,
    pub(crate) branch_id: String,
    /// A plain value, which two tills that sell at once overwrite each other. Kept up for tills that know nothing else.
    pub(crate) current_stock: Option<f64>,
    /// The quantity in thousandths, which adds up. Documents of older tills lack it.
    #[ditto(counter)]
    pub(crate) current_stock_milli: Option<i64>,
    pub(crate) low_stock: Option<f64>,
    pub(crate) can_tracking_stock: Option<bool>,
    pub(crate) show_low_stock_alert: Option<bool>,
    pub(crate) active: Option<bool>,
    pub(crate) value: Option<f64>,
    pub(crate) rsd_qty: Option<f64>,
    pub(crate) last_touched: Option<DartDate>,
    pub(crate) ebm_synced: Option<bool>,
    pub(crate) initial_stock: Option<f64>,
}
