//! The code of `link(..)`: what the descriptor holds, and what the compiler checks of it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::{Handled, shown_at};
use crate::parse::adapter::Link;

/// What a link names unless told otherwise: the id of the linked document.
const STORE_ID_FIELD: &str = "_id";

/// A field that links, and the constant that stands for the linked model.
pub(super) struct Linking<'a> {
    linked: &'a Handled<'a>,
    link: &'a Link,
    handle: Ident,
}

impl<'a> Linking<'a> {
    pub(super) fn of(linked: &'a Handled<'a>) -> Option<Self> {
        Some(Self {
            linked,
            link: linked.field.link.value()?,
            handle: format_ident!("__LINK_OF{}", linked.handle),
        })
    }

    /// The only place where `DittoAdapter` is demanded of the linked model: a type without it is one error, where it is named.
    ///
    /// ```text
    /// const __LINK_OF__FIELD_0: __ditto::LinkTarget = __ditto::link_target::<Stock>();
    /// ```
    pub(super) fn target(&self) -> TokenStream {
        let (handle, target) = (&self.handle, &self.link.target);
        quote_spanned! {shown_at(target)=>
            const #handle: __ditto::LinkTarget = __ditto::link_target::<#target>();
        }
    }

    /// ```text
    /// const _: () = __ditto::LinkTarget::assert_has(&__LINK_OF__FIELD_0, "code", "..");
    /// const _: () = __ditto::TypedField::assert_links(&__FIELD_0, &__LINK_OF__FIELD_0, "code");
    /// ```
    pub(super) fn checks(&self) -> TokenStream {
        let (handle, field) = (&self.handle, &self.linked.handle);
        let key = self.remote_key();
        let target = shown_at(&self.link.target);
        let named = self.link.remote_key.value().map_or(target, |name| {
            proc_macro2::Span::mixed_site().located_at(name.span)
        });
        let message = format!("the linked model has no document field `{key}`");
        let has = quote_spanned! {named=>
            const _: () = __ditto::LinkTarget::assert_has(&#handle, #key, #message);
        };
        let links = quote_spanned! {target=>
            const _: () = __ditto::TypedField::assert_links(&#field, &#handle, #key);
        };
        quote!(#has #links)
    }

    /// ```text
    /// __ditto::LinkDescriptor::new("stockId", __LINK_OF__FIELD_0.descriptor).with_remote_key("code")
    /// ```
    fn descriptor(&self) -> TokenStream {
        let (handle, name) = (&self.handle, &self.linked.field.document_name.text);
        let remote_key = self.link.remote_key.value().map(|name| {
            let key = &name.text;
            quote!(.with_remote_key(#key))
        });
        let cascade = self
            .link
            .cascade
            .value()
            .map(|cascade| quote!(.with_cascade(#cascade)));
        quote!(__ditto::LinkDescriptor::new(#name, #handle.descriptor) #remote_key #cascade)
    }

    fn remote_key(&self) -> &str {
        self.link
            .remote_key
            .value()
            .map_or(STORE_ID_FIELD, |name| &name.text)
    }
}

/// The links of a model, and what the model says of them; neither without links.
///
/// ```text
/// static __LINKS: [__ditto::LinkDescriptor; 1] = [..];
/// .with_links(&__LINKS)
/// ```
pub(super) fn descriptors(links: &[Linking<'_>]) -> (Option<TokenStream>, Option<TokenStream>) {
    if links.is_empty() {
        return (None, None);
    }
    let count = links.len();
    let links = links.iter().map(Linking::descriptor);
    let declared = quote!(static __LINKS: [__ditto::LinkDescriptor; #count] = [#(#links),*];);
    (Some(declared), Some(quote!(.with_links(&__LINKS))))
}
