//! The values of attributes that only `derive(DittoAdapter)` has.

use syn::{
    Expr, ExprPath, Ident, Meta, Path, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
    punctuated::Punctuated,
    token::Paren,
};

use crate::{
    diagnostics::Diagnostics,
    filter::Filter,
    parse::{string_literal, ungrouped, value_tokens},
};

/// The fields of `scope(..)`.
pub(crate) struct Scope {
    /// Whether one match is enough.
    pub(crate) any: bool,
    pub(crate) fields: Vec<Ident>,
}

/// What stands for a missing document field.
pub(crate) enum FieldDefault {
    /// The type's `Default`.
    OfType,
    /// What this function returns.
    Function(ExprPath),
}

/// `default` or `default = path::of::function`.
pub(super) fn default(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<FieldDefault> {
    let value = match meta {
        Meta::Path(_) => return Some(FieldDefault::OfType),
        Meta::NameValue(pair) => Some(ungrouped(&pair.value)),
        Meta::List(_) => None,
    };
    if let Some(Expr::Path(path)) = value {
        return Some(FieldDefault::Function(path.clone()));
    }
    diagnostics.over(
        value_tokens(meta),
        "expected `default` or the path of a function: `default = function`",
    );
    None
}

/// `with = path::of::module`.
pub(super) fn module(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<Path> {
    if let Meta::NameValue(pair) = meta
        && let Expr::Path(ExprPath {
            qself: None, path, ..
        }) = ungrouped(&pair.value)
        && path.segments.iter().all(|segment| segment.arguments.is_none())
    {
        return Some(path.clone());
    }
    diagnostics.over(
        value_tokens(meta),
        "expected the path of a module: `with = module`",
    );
    None
}

/// `scope(field, ..)` or `scope(any(field, ..))`.
pub(super) fn scope(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<Scope> {
    const EXPECTED: &str = "expected the names of fields: `scope(field, ..)` or `scope(any(field, ..))`";
    let Meta::List(list) = meta else {
        diagnostics.over(meta, EXPECTED);
        return None;
    };
    match read_scope.parse2(list.tokens.clone()) {
        Ok(scope) if !scope.fields.is_empty() => Some(scope),
        _ => {
            diagnostics.over(meta, EXPECTED);
            None
        }
    }
}

/// `filter = "boolean expression"`.
pub(super) fn filter(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<Filter> {
    let literal = string_literal(meta, diagnostics)?;
    match Filter::read(&literal) {
        Ok(filter) => Some(filter),
        Err(message) => {
            diagnostics.at(literal.span(), message);
            None
        }
    }
}

fn read_scope(input: ParseStream<'_>) -> syn::Result<Scope> {
    // A field may be called `any`; only with parentheses is it the word.
    let is_any = input.peek(Ident) && input.peek2(Paren) && input.fork().parse::<Ident>()? == "any";
    if !is_any {
        return Ok(Scope {
            any: false,
            fields: read_names(input)?,
        });
    }
    input.parse::<Ident>()?;
    let inside;
    syn::parenthesized!(inside in input);
    input.parse::<Option<Token![,]>>()?;
    Ok(Scope {
        any: true,
        fields: read_names(&inside)?,
    })
}

fn read_names(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(input, Ident::parse_any)?;
    Ok(names.into_iter().collect())
}
