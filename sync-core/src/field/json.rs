//! `DittoField` for the types of `json`.
