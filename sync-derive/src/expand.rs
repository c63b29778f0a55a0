//! The generated code, for each derive in its own file. It cannot fail: what could be wrong was reported before.
//!
//! Every path goes through the runtime's `__private` module, under one alias within an anonymous constant, so nothing that the user
//! declares can be meant instead, and a wrong `crate = ".."` is one error where it was written. Traits are called by their full path,
//! never as methods.

mod adapter;
pub(crate) mod companion;
mod field_type;

pub(crate) use adapter::adapter;
pub(crate) use field_type::field_type;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;

use crate::parse::{adapter::AdapterInput, runtime};

/// ```text
/// const _: () = {
///     use ::ditto_sync::__private as __ditto;
///     ..
/// };
/// ```
pub(crate) fn in_constant(runtime: &TokenStream, items: &TokenStream) -> TokenStream {
    quote! {
        const _: () = {
            use #runtime::__private as __ditto;
            #items
        };
    }
}

/// As [`in_constant`], for a model: the import stands outside, beside the companion, which names the runtime too.
///
/// ```text
/// use ::ditto_sync::__private as __ditto_of_Stock;
/// pub struct StockDittoAdapter { .. }
/// const _: () = {
///     use __ditto_of_Stock as __ditto;
///     ..
/// };
/// ```
pub(crate) fn beside_companion(input: &AdapterInput<'_>, items: &TokenStream) -> TokenStream {
    let runtime = runtime(&input.runtime);
    let alias = companion::runtime_alias(input);
    let companion = companion::declaration(input);
    quote! {
        #[doc(hidden)]
        use #runtime::__private as #alias;
        #companion
        const _: () = {
            use #alias as __ditto;
            #items
        };
    }
}

/// Generated code at the place of the user's tokens: errors are shown there, and the user's lints still know it as generated.
fn shown_at(tokens: &impl Spanned) -> Span {
    Span::mixed_site().located_at(tokens.span())
}
