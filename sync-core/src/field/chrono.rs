//! `DittoField` for the types of `chrono`.
