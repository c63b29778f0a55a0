//! What the same struct tells sqlx. It names the columns there, and the column that sqlx reads is the one that is synced.
//!
//! Not here: mistakes in these attributes, which sqlx reports itself.

use proc_macro2::Ident;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token, punctuated::Punctuated};

use super::{Name, ungrouped};
use crate::case::sqlx::SqlxRule;

/// The attributes of a field or variant that concern its column.
#[derive(Default)]
pub(crate) struct SqlxAttributes {
    pub(crate) rename: Option<Name>,
    pub(crate) skip: Option<Ident>,
    pub(crate) flatten: Option<Ident>,
    pub(crate) json: Option<Ident>,
}

impl SqlxAttributes {
    /// Reads those of a field or variant.
    pub(crate) fn read(attributes: &[Attribute]) -> Self {
        let mut read = Self::default();
        for meta in metas(attributes) {
            let Some(word) = meta.path().get_ident().cloned() else {
                continue;
            };
            match word.to_string().as_str() {
                "rename" => {
                    read.rename = text(&meta).map(|literal| Name {
                        text: literal.value(),
                        span: literal.span(),
                    });
                }
                "skip" => read.skip = Some(word),
                "flatten" => read.flatten = Some(word),
                "json" => read.json = Some(word),
                _ => {}
            }
        }
        read
    }

    /// What sqlx calls the field or variant of this name, where its attributes say so.
    pub(crate) fn name(&self, name: &str, rename_all: Option<SqlxRule>) -> Option<String> {
        let renamed = self.rename.as_ref().map(|name| name.text.clone());
        renamed.or_else(|| Some(rename_all?.apply(name)))
    }
}

/// The `rename_all` of a struct or enum.
pub(crate) fn sqlx_rename_all(attributes: &[Attribute]) -> Option<SqlxRule> {
    let metas = metas(attributes);
    let written = metas.iter().find(|meta| meta.path().is_ident("rename_all"))?;
    SqlxRule::of(&text(written)?.value())
}

fn metas(attributes: &[Attribute]) -> Vec<Meta> {
    let lists = attributes.iter().filter(|found| found.path().is_ident("sqlx"));
    let read = lists.filter_map(|list| {
        let items = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
        items.ok()
    });
    read.flatten().collect()
}

fn text(meta: &Meta) -> Option<LitStr> {
    match meta {
        Meta::NameValue(pair) => match ungrouped(&pair.value) {
            Expr::Lit(ExprLit {
                lit: Lit::Str(literal),
                ..
            }) => Some(literal.clone()),
            _ => None,
        },
        _ => None,
    }
}
