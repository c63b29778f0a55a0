//! What is generated when something was wrong: an impl that fits the trait, so that one mistake is one error and not one at every use.
//!
//! It never runs, since the crate does not compile; it is not registered either.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Generics, Ident, WhereClause, WherePredicate, parse_quote};

use crate::{
    expand::in_constant,
    parse::{adapter::AdapterInput, field_type::FieldTypeInput, runtime},
};

/// An impl of `DittoAdapter` for whatever the input is.
pub(crate) fn adapter(input: &AdapterInput<'_>) -> TokenStream {
    let (header, ident) = (generics(input.generics), input.ident);
    let (parameters, arguments, _) = input.generics.split_for_impl();
    let items = quote! {
        // Hooks may be there, whether or not the attribute that names them was readable.
        #[automatically_derived]
        impl #parameters __ditto::DeclaresHooks for #ident #arguments #header {}

        #[automatically_derived]
        impl #parameters __ditto::DittoAdapter for #ident #arguments #header {
            fn descriptor() -> &'static __ditto::ModelDescriptor {
                ::core::unreachable!()
            }

            fn document_id(&self) -> __ditto::Result<__ditto::DocumentId, __ditto::IdError> {
                ::core::unreachable!()
            }

            fn to_document(&self) -> __ditto::Result<__ditto::Document, __ditto::RowError> {
                ::core::unreachable!()
            }

            fn from_document(
                _: &__ditto::DocumentId,
                _: &__ditto::Document,
            ) -> __ditto::Result<Self, __ditto::RowError> {
                ::core::unreachable!()
            }
        }
    };
    in_constant(&runtime(&input.runtime), &items)
}

/// An impl of `DittoField` for whatever the input is. It claims to be an id and a counter, so that no check of a struct adds an error.
pub(crate) fn field_type(input: &FieldTypeInput<'_>) -> TokenStream {
    let (header, ident): (_, &Ident) = (generics(input.generics), input.ident);
    let (parameters, arguments, _) = input.generics.split_for_impl();
    let items = quote! {
        #[automatically_derived]
        impl #parameters __ditto::DittoField for #ident #arguments #header {
            const KIND: __ditto::FieldKind = __ditto::FieldKind::Int;
            const STORAGE: __ditto::Storage = __ditto::Storage::Any;
            const CANONICAL: ::core::primitive::bool = true;

            fn to_value(&self) -> __ditto::Value {
                ::core::unreachable!()
            }

            fn from_value(_: &__ditto::Value) -> __ditto::Result<Self, __ditto::FieldError> {
                ::core::unreachable!()
            }

            fn to_column(&self, _: __ditto::Storage) -> __ditto::ColumnValue {
                ::core::unreachable!()
            }

            fn from_column(_: &__ditto::ColumnValue) -> __ditto::Result<Self, __ditto::FieldError> {
                ::core::unreachable!()
            }
        }
    };
    in_constant(&runtime(&input.runtime), &items)
}

/// The where clause of a generic input, with what the traits demand of `Self`. Without parameters such a bound would be trivial, and
/// an error where it does not hold.
fn generics(generics: &Generics) -> Option<WhereClause> {
    let mut clause = generics.where_clause.clone();
    if !generics.params.is_empty() {
        let bound: WherePredicate =
            parse_quote!(Self: __ditto::Sized + __ditto::Send + __ditto::Sync + 'static);
        clause
            .get_or_insert_with(|| parse_quote!(where))
            .predicates
            .push(bound);
    }
    clause
}
