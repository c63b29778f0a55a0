//! `DittoField` for the types of `time`.
