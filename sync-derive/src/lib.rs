//! `derive(DittoAdapter)` and `derive(DittoField)` of ditto-sync; applications use them through the facade crate `ditto-sync`.
//!
//! This file only hands over. Read in this order: `parse` (what the user wrote), `validate` (the rules), `expand` (the code),
//! `fallback` (the code when something was wrong).

mod case;
mod derive;
mod diagnostics;
mod expand;
mod fallback;
mod filter;
mod parse;
mod suggest;
mod validate;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

#[doc = include_str!("docs/ditto_adapter.md")]
#[proc_macro_derive(DittoAdapter, attributes(ditto))]
pub fn ditto_adapter(input: TokenStream) -> TokenStream {
    derive::adapter(&parse_macro_input!(input as DeriveInput)).into()
}

#[doc = include_str!("docs/ditto_field.md")]
#[proc_macro_derive(DittoField, attributes(ditto))]
pub fn ditto_field(input: TokenStream) -> TokenStream {
    derive::field_type(&parse_macro_input!(input as DeriveInput)).into()
}
