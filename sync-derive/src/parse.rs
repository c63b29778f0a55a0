//! What the user wrote, with its spans. Nothing here fails early: a mistake goes to the [`Diagnostics`], and reading continues.
//!
//! Not here: rules that need more than one attribute (`validate`).

pub(crate) mod adapter;
pub(crate) mod field_type;
pub(crate) mod sqlx;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use crate::{diagnostics::Diagnostics, suggest};

/// One attribute: absent, or written. What was written may be unusable; then its mistake is reported already, and no rule that needs
/// the value may add another.
pub(crate) struct Attr<T> {
    word: Option<Ident>,
    value: Option<T>,
}

impl<T> Default for Attr<T> {
    fn default() -> Self {
        Self {
            word: None,
            value: None,
        }
    }
}

impl<T> Attr<T> {
    /// The attribute's name where it was written, if it was.
    pub(crate) fn word(&self) -> Option<&Ident> {
        self.word.as_ref()
    }

    /// The value, if it was written and usable.
    pub(crate) fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Whether it was written, usable or not.
    pub(crate) fn is_written(&self) -> bool {
        self.word.is_some()
    }

    /// Takes a misspelt attribute for this one, unless this one was written as well.
    fn presume(&mut self, misspelt: Option<Ident>) {
        if !self.is_written() {
            self.word = misspelt;
        }
    }

    fn write(&mut self, word: &Ident, value: Option<T>, diagnostics: &mut Diagnostics) {
        if self.is_written() {
            diagnostics.at(word.span(), format!("duplicate attribute `{word}`"));
            return;
        }
        self.word = Some(word.clone());
        self.value = value;
    }
}

/// A name and where it comes from: the literal, or the identifier it was derived from.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Name {
    /// The name that an identifier stands for; `r#type` stands for `type`.
    fn of(ident: &Ident) -> Self {
        Self {
            text: ident.unraw().to_string(),
            span: ident.span(),
        }
    }
}

/// The variant of a runtime enum that a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant(pub(crate) &'static str);

/// Everything inside the `#[ditto(..)]` attributes, one entry per attribute, in order.
fn ditto_items(attributes: &[Attribute], diagnostics: &mut Diagnostics) -> Vec<(Ident, Meta)> {
    let mut items = Vec::new();
    for attribute in attributes.iter().filter(|found| found.path().is_ident("ditto")) {
        let Meta::List(list) = &attribute.meta else {
            diagnostics.over(attribute, "expected `#[ditto(..)]`");
            continue;
        };
        let read = |input: ParseStream<'_>| {
            read_items(input, &mut items, diagnostics);
            Ok(())
        };
        if let Err(error) = read.parse2(list.tokens.clone()) {
            diagnostics.syntax(error);
        }
    }
    items
}

/// A mistake in one item costs that item only: reading goes on after the next comma.
fn read_items(input: ParseStream<'_>, items: &mut Vec<(Ident, Meta)>, diagnostics: &mut Diagnostics) {
    while !input.is_empty() {
        match input.parse::<Meta>() {
            Ok(meta) => match meta.path().get_ident() {
                Some(word) => items.push((word.clone(), meta)),
                None => diagnostics.over(meta.path(), "expected the name of an attribute"),
            },
            Err(error) => {
                diagnostics.syntax(error);
                skip_to_comma(input);
            }
        }
        if !input.is_empty() && !input.peek(Token![,]) {
            diagnostics.at(input.span(), "expected `,`");
            skip_to_comma(input);
        }
        if let Err(error) = input.parse::<Option<Token![,]>>() {
            diagnostics.syntax(error);
        }
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        let skipped = input.parse::<proc_macro2::TokenTree>();
        skipped.expect("the input is not empty, and every token is a token tree");
    }
}

/// An attribute that takes no value.
fn flag(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<()> {
    match meta {
        Meta::Path(_) => Some(()),
        _ => {
            let word = meta.path().to_token_stream();
            diagnostics.over(value_tokens(meta), format!("`{word}` takes no value"));
            None
        }
    }
}

/// An attribute whose value is a string.
fn string(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<Name> {
    let literal = string_literal(meta, diagnostics)?;
    Some(Name {
        text: literal.value(),
        span: literal.span(),
    })
}

/// An attribute whose value is `true` or `false`.
fn bool(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<bool> {
    if let Meta::NameValue(pair) = meta
        && let Expr::Lit(ExprLit {
            lit: Lit::Bool(literal),
            ..
        }) = ungrouped(&pair.value)
    {
        return Some(literal.value);
    }
    let word = meta.path().to_token_stream();
    let message = format!("expected `{word} = true` or `{word} = false`");
    diagnostics.over(value_tokens(meta), message);
    None
}

/// An attribute whose value is a path, written as a string.
fn path(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<Path> {
    let literal = string_literal(meta, diagnostics)?;
    match literal.parse_with(Path::parse_mod_style) {
        Ok(path) => Some(path),
        Err(_) => {
            diagnostics.at(
                literal.span(),
                format!("expected a path, found {}", literal.token()),
            );
            None
        }
    }
}

/// An attribute whose value is one of a few words.
fn choice<T: Copy>(meta: &Meta, choices: &[(&'static str, T)], diagnostics: &mut Diagnostics) -> Option<T> {
    let written = string(meta, diagnostics)?;
    let chosen = choices.iter().find(|(word, _)| *word == written.text);
    if chosen.is_none() {
        let what = format!("value of `{}`:", meta.path().to_token_stream());
        let known = choices.iter().map(|(word, _)| *word);
        diagnostics.at(written.span, suggest::unknown(&what, &written.text, known));
    }
    chosen.map(|(_, value)| *value)
}

fn string_literal(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<LitStr> {
    let value = match meta {
        Meta::NameValue(pair) => Some(ungrouped(&pair.value)),
        Meta::Path(_) | Meta::List(_) => None,
    };
    if let Some(Expr::Lit(ExprLit {
        lit: Lit::Str(literal),
        ..
    })) = value
    {
        return Some(literal.clone());
    }
    let word = meta.path().to_token_stream();
    diagnostics.over(
        value_tokens(meta),
        format!("expected a string: `{word} = \"..\"`"),
    );
    None
}

/// What stands after the name of an attribute; the name itself where nothing does.
fn value_tokens(meta: &Meta) -> TokenStream {
    match meta {
        Meta::Path(path) => path.to_token_stream(),
        Meta::NameValue(pair) => pair.value.to_token_stream(),
        Meta::List(list) if list.tokens.is_empty() => list.to_token_stream(),
        Meta::List(list) => list.tokens.clone(),
    }
}

/// An expression without the invisible group that a `macro_rules` fragment leaves around it.
fn ungrouped(expression: &Expr) -> &Expr {
    match expression {
        Expr::Group(group) => ungrouped(&group.expr),
        other => other,
    }
}

/// Reports an attribute that does not exist here. One that exists elsewhere is called misplaced, since its name is right. Returns the
/// one that was probably meant, so that it is not missed on top.
fn unknown_attribute(
    word: &Ident,
    known: &[&'static str],
    elsewhere: (&str, &[&str]),
    diagnostics: &mut Diagnostics,
) -> Option<&'static str> {
    let (place, misplaced) = elsewhere;
    let written = word.to_string();
    if misplaced.contains(&written.as_str()) {
        diagnostics.at(word.span(), format!("`{word}` is an attribute of {place}"));
        return None;
    }
    let message = suggest::unknown("attribute", &written, known.iter().copied());
    diagnostics.at(word.span(), message);
    suggest::nearest(&written, known.iter().copied())
}

/// What `derive` calls an input of the wrong shape, for messages.
fn shape_name(data: &syn::Data) -> &'static str {
    match data {
        syn::Data::Enum(_) => "an enum",
        syn::Data::Union(_) => "a union",
        syn::Data::Struct(found) => match found.fields {
            syn::Fields::Named(_) => "a struct with named fields",
            syn::Fields::Unnamed(_) => "a tuple struct",
            syn::Fields::Unit => "a unit struct",
        },
    }
}

/// The path of the runtime crate as tokens; the facade's, unless the user named another.
pub(crate) fn runtime(attribute: &Attr<Path>) -> TokenStream {
    attribute
        .value()
        .map_or_else(|| quote::quote!(::ditto_sync), Path::to_token_stream)
}
