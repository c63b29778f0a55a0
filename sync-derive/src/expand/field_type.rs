//! The code of `derive(DittoField)`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, Type};

use super::{in_constant, shown_at};
use crate::parse::{
    field_type::{FieldTypeInput, Shape, VariantInput},
    runtime,
};

/// The impl of a type without mistakes.
pub(crate) fn field_type(input: &FieldTypeInput<'_>) -> TokenStream {
    let items = match &input.shape {
        Shape::Newtype(inner) => newtype(input.ident, inner),
        Shape::Enum(variants) => unit_enum(input.ident, variants),
        Shape::Wrong(_) => TokenStream::new(),
    };
    in_constant(&runtime(&input.runtime), &items)
}

/// ```text
/// impl __ditto::DittoField for ProductId {
///     const KIND: __ditto::FieldKind = <String as __ditto::DittoField>::KIND;
///     ..
///     fn to_value(&self) -> __ditto::Value {
///         <String as __ditto::DittoField>::to_value(&self.0)
///     }
///     ..
/// }
/// ```
fn newtype(ident: &Ident, inner: &Type) -> TokenStream {
    // Every use carries the span of the type, so that a type without the trait is one error there.
    let inner = quote_spanned!(shown_at(inner)=> <#inner as __ditto::DittoField>);
    quote! {
        #[automatically_derived]
        impl __ditto::DittoField for #ident {
            const KIND: __ditto::FieldKind = #inner::KIND;
            const STORAGE: __ditto::Storage = #inner::STORAGE;
            const NULLABLE: ::core::primitive::bool = #inner::NULLABLE;
            const CANONICAL: ::core::primitive::bool = #inner::CANONICAL;
            const NEVER_NUMERIC: ::core::primitive::bool = #inner::NEVER_NUMERIC;

            fn to_value(&self) -> __ditto::Value {
                #inner::to_value(&self.0)
            }

            fn from_value(__value: &__ditto::Value) -> __ditto::Result<Self, __ditto::FieldError> {
                __ditto::Result::map(#inner::from_value(__value), Self)
            }

            fn to_column(&self, __storage: __ditto::Storage) -> __ditto::ColumnValue {
                #inner::to_column(&self.0, __storage)
            }

            fn from_column(__column: &__ditto::ColumnValue) -> __ditto::Result<Self, __ditto::FieldError> {
                __ditto::Result::map(#inner::from_column(__column), Self)
            }
        }
    }
}

/// ```text
/// impl __ditto::DittoField for Status {
///     const KIND: __ditto::FieldKind = __ditto::FieldKind::Text;
///     ..
///     fn to_value(&self) -> __ditto::Value {
///         __ditto::text_value(match self { Self::Open => "open", Self::Closed => "closed" })
///     }
///     fn from_value(__value: &__ditto::Value) -> __ditto::Result<Self, __ditto::FieldError> {
///         match __ditto::text_of_value(__value, "one of `open`, `closed`")? {
///             "open" => __ditto::Ok(Self::Open),
///             "closed" => __ditto::Ok(Self::Closed),
///             __other => __ditto::Err(__ditto::FieldError::content("one of `open`, `closed`", __other)),
///         }
///     }
///     ..
/// }
/// ```
fn unit_enum(ident: &Ident, variants: &[VariantInput<'_>]) -> TokenStream {
    let expected = expected(variants);
    let idents: Vec<_> = variants.iter().map(|variant| variant.ident).collect();
    let texts: Vec<_> = variants.iter().map(|variant| &variant.text.text).collect();
    quote! {
        #[automatically_derived]
        impl __ditto::DittoField for #ident {
            const KIND: __ditto::FieldKind = __ditto::FieldKind::Text;
            const STORAGE: __ditto::Storage = __ditto::Storage::Text;

            fn to_value(&self) -> __ditto::Value {
                __ditto::text_value(match self { #(Self::#idents => #texts,)* })
            }

            fn from_value(__value: &__ditto::Value) -> __ditto::Result<Self, __ditto::FieldError> {
                match __ditto::text_of_value(__value, #expected)? {
                    #(#texts => __ditto::Ok(Self::#idents),)*
                    __other => __ditto::Err(__ditto::FieldError::content(#expected, __other)),
                }
            }

            fn to_column(&self, _: __ditto::Storage) -> __ditto::ColumnValue {
                __ditto::text_column(match self { #(Self::#idents => #texts,)* })
            }

            fn from_column(__column: &__ditto::ColumnValue) -> __ditto::Result<Self, __ditto::FieldError> {
                match __ditto::text_of_column(__column, #expected)? {
                    #(#texts => __ditto::Ok(Self::#idents),)*
                    __other => __ditto::Err(__ditto::FieldError::content(#expected, __other)),
                }
            }
        }
    }
}

/// What a decode says it expected: the first few texts.
fn expected(variants: &[VariantInput<'_>]) -> String {
    const SHOWN: usize = 6;
    let shown = variants.iter().take(SHOWN);
    let mut expected: Vec<String> = shown.map(|variant| format!("`{}`", variant.text.text)).collect();
    if variants.len() > SHOWN {
        expected.push(format!("{} more", variants.len() - SHOWN));
    }
    format!("one of {}", expected.join(", "))
}
