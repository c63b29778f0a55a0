//! What the user wrote for `derive(DittoField)`: [`FieldTypeInput`].

use syn::{Data, DataEnum, DeriveInput, Fields, Generics, Ident, Path, Type};

use super::{
    Attr, Name, choice, ditto_items, path, shape_name,
    sqlx::{SqlxAttributes, sqlx_rename_all},
    string, unknown_attribute,
};
use crate::{
    case::{RenameRule, sqlx::SqlxRule},
    diagnostics::Diagnostics,
};

const OF_TYPE: &[&str] = &["rename_all", "crate"];
const OF_VARIANT: &[&str] = &["rename"];

/// A newtype or an enum as it was written.
pub(crate) struct FieldTypeInput<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) rename_all: Attr<RenameRule>,
    pub(crate) runtime: Attr<Path>,
    pub(crate) shape: Shape<'a>,
}

/// What can be a field type, and what cannot.
pub(crate) enum Shape<'a> {
    /// A tuple struct around one type.
    Newtype(&'a Type),
    /// An enum.
    Enum(Vec<VariantInput<'a>>),
    /// Anything else, by its name.
    Wrong(&'static str),
}

/// A variant as it was written, its text resolved.
pub(crate) struct VariantInput<'a> {
    pub(crate) ident: &'a Ident,
    /// Fields it must not have.
    pub(crate) fields: &'a Fields,
    /// The text that stands for it.
    pub(crate) text: Name,
    /// The text by which sqlx knows it, where it was told one and we another.
    pub(crate) sqlx_text: Option<String>,
}

impl<'a> FieldTypeInput<'a> {
    /// Reads a type.
    pub(crate) fn read(input: &'a DeriveInput, out: &mut Diagnostics) -> Self {
        let mut rename_all = Attr::default();
        let mut runtime = Attr::default();
        for (word, meta) in ditto_items(&input.attrs, out) {
            match word.to_string().as_str() {
                "rename_all" => rename_all.write(&word, choice(&meta, &RenameRule::WORDS, out), out),
                "crate" => runtime.write(&word, path(&meta, out), out),
                _ => {
                    unknown_attribute(&word, OF_TYPE, ("a variant", OF_VARIANT), out);
                }
            }
        }
        let shape = Shape::read(input, &rename_all, out);
        Self {
            ident: &input.ident,
            generics: &input.generics,
            rename_all,
            runtime,
            shape,
        }
    }
}

impl<'a> Shape<'a> {
    fn read(input: &'a DeriveInput, rename_all: &Attr<RenameRule>, out: &mut Diagnostics) -> Self {
        match &input.data {
            Data::Struct(found) => match &found.fields {
                Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                    let inner = &fields.unnamed[0];
                    for (word, _) in ditto_items(&inner.attrs, out) {
                        unknown_attribute(&word, &[], ("the type", OF_TYPE), out);
                    }
                    Self::Newtype(&inner.ty)
                }
                _ => Self::Wrong(shape_name(&input.data)),
            },
            Data::Enum(found) => Self::Enum(read_variants(
                found,
                rename_all,
                sqlx_rename_all(&input.attrs),
                out,
            )),
            Data::Union(_) => Self::Wrong(shape_name(&input.data)),
        }
    }
}

fn read_variants<'a>(
    found: &'a DataEnum,
    rename_all: &Attr<RenameRule>,
    sqlx_rule: Option<SqlxRule>,
    out: &mut Diagnostics,
) -> Vec<VariantInput<'a>> {
    let mut variants = Vec::with_capacity(found.variants.len());
    for variant in &found.variants {
        let mut rename = Attr::default();
        for (word, meta) in ditto_items(&variant.attrs, out) {
            match word.to_string().as_str() {
                "rename" => rename.write(&word, string(&meta, out), out),
                _ => {
                    unknown_attribute(&word, OF_VARIANT, ("the enum", OF_TYPE), out);
                }
            }
        }
        let sqlx_text = SqlxAttributes::read(&variant.attrs).name(&variant.ident.to_string(), sqlx_rule);
        let mut text = Name::of(&variant.ident);
        if let Some(rule) = rename_all.value() {
            text.text = rule.apply_to_variant(&text.text);
        }
        if let Some(sqlx_text) = sqlx_text.as_ref().filter(|_| !rename_all.is_written()) {
            text.text.clone_from(sqlx_text);
        }
        let text = rename.value().cloned().unwrap_or(text);
        variants.push(VariantInput {
            ident: &variant.ident,
            fields: &variant.fields,
            sqlx_text: sqlx_text.filter(|sqlx_text| *sqlx_text != text.text),
            text,
        });
    }
    variants
}
