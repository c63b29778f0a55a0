//! The rules that go beyond one attribute, for each derive in its own file. Each entry point reads as the table of contents of its rules.
//!
//! Not here: reading attributes (`parse`), tokens (`expand`).

mod adapter;
mod field_type;

pub(crate) use adapter::adapter;
pub(crate) use field_type::field_type;

use syn::Generics;

use crate::{diagnostics::Diagnostics, parse::Name};

/// A model or a field type is registered, or stored, as one concrete type: there is no moment at which a parameter would be chosen.
fn has_no_parameters(generics: &Generics, derive: &str, diagnostics: &mut Diagnostics) {
    if !generics.params.is_empty() {
        let message = format!("`{derive}` cannot be derived for a type with generics or lifetimes");
        diagnostics.over(&generics.params, message);
    }
}

/// No database and no store has an empty name, and C interfaces end names at a NUL.
fn is_a_name(word: &str, name: &Name, diagnostics: &mut Diagnostics) -> bool {
    if name.text.is_empty() {
        diagnostics.at(name.span, format!("`{word}` must not be empty"));
        return false;
    }
    if name.text.contains('\0') {
        diagnostics.at(name.span, format!("`{word}` must not contain NUL"));
        return false;
    }
    true
}
