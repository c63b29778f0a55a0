//! `DittoField` for the types of `uuid`.
