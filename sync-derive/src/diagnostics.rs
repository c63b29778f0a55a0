//! The mistakes found so far: [`Diagnostics`]. Every one is kept with its span, so that the user sees all of them at once.
//!
//! Not here: what counts as a mistake (`parse`, `validate`).

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// Collects mistakes. Nothing returns early because of one: the next mistake is worth reporting too.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Diagnostics {
    errors: Vec<Error>,
}

impl Diagnostics {
    /// A mistake at one token.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.errors.push(Error::new(span, message));
    }

    /// A mistake that covers several tokens.
    pub(crate) fn over(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.errors.push(Error::new_spanned(tokens, message));
    }

    /// A mistake that syn found.
    pub(crate) fn syntax(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// The `compile_error!` invocations, or nothing when there was no mistake.
    pub(crate) fn into_compile_errors(self) -> Option<TokenStream> {
        let combined = self.errors.into_iter().reduce(|mut all, next| {
            all.combine(next);
            all
        })?;
        Some(combined.into_compile_error())
    }

    /// The messages, in the order in which they were found.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.errors.iter().map(Error::to_string).collect()
    }
}
