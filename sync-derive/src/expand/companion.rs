//! The companion of a model, `StockDittoAdapter` for `Stock`: the part outside of the anonymous constant, so that the user can name it, and
//! the part inside.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Ident, ext::IdentExt};

use crate::parse::adapter::{AdapterInput, Parameter};

/// The import under which the code of this model names the runtime. It stands beside the model, because the companion does.
pub(crate) fn runtime_alias(input: &AdapterInput<'_>) -> Ident {
    format_ident!("__ditto_of_{}", input.ident.unraw())
}

/// ```text
/// pub struct StockDittoAdapter {
///     overrides: __ditto_of_Stock::Overrides,
/// }
/// ```
pub(crate) fn declaration(input: &AdapterInput<'_>) -> TokenStream {
    let (visibility, companion, runtime) = (input.visibility, companion(input), runtime_alias(input));
    let model = input.ident.unraw().to_string();
    let about = format!(
        " Other values of the context for `{model}` alone, for tests: give it to `SyncRegistry::with_adapter`."
    );
    quote! {
        #[doc = #about]
        #[allow(dead_code)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::default::Default)]
        #visibility struct #companion {
            overrides: #runtime::Overrides,
        }
    }
}

/// ```text
/// impl StockDittoAdapter {
///     pub fn new() -> Self { .. }
///     pub fn override_branch_id(self, source: impl __ditto::Into<__ditto::ContextSource>) -> Self { .. }
/// }
/// impl __ditto::Companion for StockDittoAdapter { .. }
/// ```
pub(crate) fn implementation(input: &AdapterInput<'_>, parameters: &[Parameter]) -> TokenStream {
    let (visibility, companion, model) = (input.visibility, companion(input), input.ident);
    let overrides = parameters.iter().map(|parameter| an_override(input, parameter));
    quote! {
        #[allow(dead_code)]
        impl #companion {
            /// Nothing is overridden yet.
            #[must_use]
            #visibility fn new() -> Self {
                Self { overrides: __ditto::Default::default() }
            }
            #(#overrides)*
        }

        #[automatically_derived]
        impl __ditto::Companion for #companion {
            type Model = #model;

            fn into_overrides(self) -> __ditto::Overrides {
                self.overrides
            }
        }
    }
}

fn an_override(input: &AdapterInput<'_>, Parameter { name, rust_name }: &Parameter) -> TokenStream {
    let visibility = input.visibility;
    let method = format_ident!("override_{rust_name}");
    let about = format!(
        " Takes the value of `{name}` from here: a value, or a `ContextSource` that asks a closure or follows a channel."
    );
    quote! {
        #[doc = #about]
        #[must_use]
        #visibility fn #method<__Source: __ditto::Into<__ditto::ContextSource>>(self, __source: __Source) -> Self {
            Self { overrides: __ditto::Overrides::with(self.overrides, #name, __source) }
        }
    }
}

fn companion(input: &AdapterInput<'_>) -> Ident {
    let name = format_ident!("{}DittoAdapter", input.ident.unraw());
    Ident::new(&name.to_string(), input.ident.span())
}
