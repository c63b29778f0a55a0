//! The code of `filter = ".."`: the filter itself, and what the compiler checks of it.

use std::collections::{BTreeSet, HashMap};

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{Handled, shown_at};
use crate::{
    filter::{Expression, Operand},
    parse::adapter::AdapterInput,
};

/// ```text
/// .with_filter(|| __ditto::Field::eq(__ditto::field("status"), __ditto::literal("open")))
/// ```
pub(super) fn with_filter(input: &AdapterInput<'_>) -> Option<TokenStream> {
    let filter = input.filter.value()?;
    let expression = expression(input, &filter.expression);
    Some(quote!(.with_filter(|| #expression)))
}

/// One per field and kind of operand, at the filter:
///
/// ```text
/// const _: () = __ditto::TypedField::assert_comparable(&__FIELD_0, __ditto::OperandKind::Text, "..");
/// ```
pub(super) fn checks(input: &AdapterInput<'_>, by_name: &HashMap<String, &Handled<'_>>) -> Vec<TokenStream> {
    let Some(filter) = input.filter.value() else {
        return Vec::new();
    };
    let span = shown_at(&filter.literal);
    let comparisons = filter.expression.comparisons();
    let compared = comparisons
        .into_iter()
        .flat_map(|(field, operands)| operands.iter().map(move |operand| (field, kind(operand))));
    let compared: BTreeSet<_> = compared.collect();
    compared
        .into_iter()
        .filter_map(|(field, kind)| Some(check(span, (field, kind), by_name.get(field)?)))
        .collect()
}

fn check(span: Span, (field, kind): (&str, &str), Handled { handle, .. }: &Handled<'_>) -> TokenStream {
    let message = match kind {
        "Text" => {
            format!("`filter` compares `{field}` with a text, and values of its type compare with no text")
        }
        "Number" => format!(
            "`filter` compares `{field}` with a number, and values of its type compare with no number"
        ),
        "Bool" => {
            format!("`filter` compares `{field}` with a bool, and values of its type compare with no bool")
        }
        _ => format!("`filter` compares `{field}`, which can only be asked whether it is null"),
    };
    let kind = format_ident!("{kind}");
    quote_spanned! {span=>
        const _: () = __ditto::TypedField::assert_comparable(&#handle, __ditto::OperandKind::#kind, #message);
    }
}

/// The variant of the runtime's `OperandKind`.
fn kind(operand: &Operand) -> &'static str {
    match operand {
        Operand::Text(_) => "Text",
        Operand::Integer(_) | Operand::Float(_) => "Number",
        Operand::Bool(_) => "Bool",
        Operand::Parameter(_) => "Parameter",
    }
}

fn expression(input: &AdapterInput<'_>, written: &Expression) -> TokenStream {
    let field = |name: &str| {
        let document = input.field(name).map(|field| &field.document_name.text);
        quote!(__ditto::field(#document))
    };
    let all = |parts: &[Expression]| {
        let parts = parts.iter().map(|part| expression(input, part));
        quote!([#(#parts),*])
    };
    match written {
        Expression::Compare(name, comparison, operand) => {
            let (field, comparison, operand) =
                (field(name), format_ident!("{comparison}"), operand_of(operand));
            quote!(__ditto::Field::#comparison(#field, #operand))
        }
        Expression::In(name, operands) => {
            let (field, operands) = (field(name), operands.iter().map(operand_of));
            quote!(__ditto::Field::is_in(#field, [#(#operands),*]))
        }
        Expression::IsNull(name) => {
            let field = field(name);
            quote!(__ditto::Field::is_null(#field))
        }
        Expression::And(parts) => {
            let parts = all(parts);
            quote!(__ditto::and(#parts))
        }
        Expression::Or(parts) => {
            let parts = all(parts);
            quote!(__ditto::or(#parts))
        }
        Expression::Not(part) => {
            let part = expression(input, part);
            quote!(__ditto::not(#part))
        }
    }
}

fn operand_of(operand: &Operand) -> TokenStream {
    match operand {
        Operand::Text(text) => quote!(__ditto::literal(#text)),
        Operand::Integer(integer) => quote!(__ditto::literal(#integer)),
        Operand::Float(float) => quote!(__ditto::literal(#float)),
        Operand::Bool(bool) => quote!(__ditto::literal(#bool)),
        Operand::Parameter(name) => quote!(__ditto::param(#name)),
    }
}
