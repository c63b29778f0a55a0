//! `DittoField` for the types of `decimal`.
