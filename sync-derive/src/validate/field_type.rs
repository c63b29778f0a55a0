//! The rules of `derive(DittoField)`.

use super::{has_no_parameters, is_a_name};
use crate::{
    diagnostics::Diagnostics,
    parse::field_type::{FieldTypeInput, Shape, VariantInput},
};

/// Reports everything that is wrong with a type.
pub(crate) fn field_type(input: &FieldTypeInput<'_>, diagnostics: &mut Diagnostics) {
    has_no_parameters(input.generics, "DittoField", diagnostics);
    match &input.shape {
        Shape::Newtype(_) => only_variants_are_renamed(input, diagnostics),
        Shape::Enum(variants) => {
            there_is_a_variant(input, variants, diagnostics);
            variants_are_units(variants, diagnostics);
            texts_are_names(variants, diagnostics);
            texts_differ(variants, diagnostics);
            sqlx_knows_the_texts(variants, diagnostics);
        }
        Shape::Wrong(shape) => the_shape_has_one_value(input, shape, diagnostics),
    }
}

/// A field is one column, so its type holds one value.
fn the_shape_has_one_value(input: &FieldTypeInput<'_>, shape: &str, diagnostics: &mut Diagnostics) {
    let ident = input.ident;
    diagnostics.at(
        ident.span(),
        format!("`DittoField` is derived for newtypes and unit enums; `{ident}` is {shape}"),
    );
}

/// A newtype has the values of its inner type: there is nothing to rename.
fn only_variants_are_renamed(input: &FieldTypeInput<'_>, diagnostics: &mut Diagnostics) {
    if let Some(word) = input.rename_all.word() {
        diagnostics.at(word.span(), "`rename_all` has no meaning on a newtype");
    }
}

/// An enum without variants has no value, so no row could ever be read.
fn there_is_a_variant(
    input: &FieldTypeInput<'_>,
    variants: &[VariantInput<'_>],
    diagnostics: &mut Diagnostics,
) {
    if variants.is_empty() {
        let ident = input.ident;
        diagnostics.at(ident.span(), format!("`{ident}` needs a variant"));
    }
}

/// A variant is stored as its text alone; what it carried would be lost.
fn variants_are_units(variants: &[VariantInput<'_>], diagnostics: &mut Diagnostics) {
    for variant in variants {
        if !variant.fields.is_empty() {
            let message = format!(
                "a variant is stored as its name, so `{}` cannot have fields",
                variant.ident
            );
            diagnostics.over(variant.fields, message);
        }
    }
}

fn texts_are_names(variants: &[VariantInput<'_>], diagnostics: &mut Diagnostics) {
    for variant in variants {
        is_a_name("rename", &variant.text, diagnostics);
    }
}

/// The column has one text, which sqlx must know when it reads the row.
fn sqlx_knows_the_texts(variants: &[VariantInput<'_>], diagnostics: &mut Diagnostics) {
    for variant in variants {
        if let Some(sqlx_text) = &variant.sqlx_text {
            let message = format!(
                "`#[sqlx(..)]` calls this variant `{sqlx_text}`, and here it is `{}`",
                variant.text.text
            );
            diagnostics.at(variant.text.span, message);
        }
    }
}

/// Two variants with one text could not be told apart when read.
fn texts_differ(variants: &[VariantInput<'_>], diagnostics: &mut Diagnostics) {
    for (at, variant) in variants.iter().enumerate() {
        let text = &variant.text.text;
        let earlier = variants[..at].iter().find(|earlier| earlier.text.text == *text);
        if let Some(earlier) = earlier.filter(|_| !text.is_empty()) {
            let message = format!("the text `{text}` is taken by the variant `{}`", earlier.ident);
            diagnostics.at(variant.text.span, message);
        }
    }
}
