//! The pipeline of each derive: parse, validate, then either expand or report and fall back.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::{
    diagnostics::Diagnostics,
    expand, fallback,
    parse::{adapter::AdapterInput, field_type::FieldTypeInput},
    validate,
};

/// `derive(DittoAdapter)`.
pub(crate) fn adapter(input: &DeriveInput) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let input = AdapterInput::read(input, &mut diagnostics);
    validate::adapter(&input, &mut diagnostics);
    match diagnostics.into_compile_errors() {
        None => expand::adapter(&input),
        Some(mut errors) => {
            errors.extend(fallback::adapter(&input));
            errors
        }
    }
}

/// `derive(DittoField)`.
pub(crate) fn field_type(input: &DeriveInput) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let input = FieldTypeInput::read(input, &mut diagnostics);
    validate::field_type(&input, &mut diagnostics);
    match diagnostics.into_compile_errors() {
        None => expand::field_type(&input),
        Some(mut errors) => {
            errors.extend(fallback::field_type(&input));
            errors
        }
    }
}
