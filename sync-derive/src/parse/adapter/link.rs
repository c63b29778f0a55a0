//! `link(Model, remote_key = "..", cascade = ..)`: [`Link`].

use syn::{
    Ident, Meta, Path, Token,
    parse::{ParseStream, Parser},
};

use crate::{
    diagnostics::Diagnostics,
    parse::{Attr, Name, bool, read_items, string, unknown_attribute, value_tokens},
};

/// What may be said of a link.
const OF_LINK: &[&str] = &["remote_key", "cascade"];
const EXPECTED: &str = "expected the linked model: `link(Model)`";

/// The model that a field links to, and how.
pub(crate) struct Link {
    pub(crate) target: Path,
    pub(crate) remote_key: Attr<Name>,
    pub(crate) cascade: Attr<bool>,
}

/// `link(Model)`, perhaps with more.
pub(super) fn link(meta: &Meta, diagnostics: &mut Diagnostics) -> Option<Link> {
    let mut items = Vec::new();
    let read = |input: ParseStream<'_>| {
        let target = read_target(input)?;
        read_items(input, &mut items, diagnostics);
        Ok(target)
    };
    let target = match meta {
        Meta::List(list) => read.parse2(list.tokens.clone()).ok(),
        Meta::Path(_) | Meta::NameValue(_) => None,
    };
    let Some(target) = target else {
        diagnostics.over(value_tokens(meta), EXPECTED);
        return None;
    };
    let mut link = Link {
        target,
        remote_key: Attr::default(),
        cascade: Attr::default(),
    };
    for (word, meta) in items {
        link.read_attribute(&word, &meta, diagnostics);
    }
    Some(link)
}

impl Link {
    fn read_attribute(&mut self, word: &Ident, meta: &Meta, out: &mut Diagnostics) {
        match word.to_string().as_str() {
            "remote_key" => self.remote_key.write(word, string(meta, out), out),
            "cascade" => self.cascade.write(word, bool(meta, out), out),
            _ => {
                unknown_attribute(word, OF_LINK, ("a field", &[]), out);
            }
        }
    }
}

/// The model comes first. Where an attribute does, it is missing: everything inside is then one mistake, so nothing may be left unread.
fn read_target(input: ParseStream<'_>) -> syn::Result<Path> {
    let ahead = input.fork();
    let is_target = ahead.parse::<Path>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,]));
    if !is_target {
        return Err(input.error(EXPECTED));
    }
    let target = input.parse()?;
    input.parse::<Option<Token![,]>>()?;
    Ok(target)
}
