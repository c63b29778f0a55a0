//! The code of `derive(DittoAdapter)`.

mod filter;
mod link;

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Path, ext::IdentExt};

use super::{in_constant, shown_at};
use crate::parse::{
    Variant,
    adapter::{AdapterInput, FieldDefault, FieldInput},
    runtime,
};

/// A field and the constant that stands for its type.
struct Handled<'a> {
    field: &'a FieldInput<'a>,
    handle: Ident,
}

/// The impl of a struct without mistakes, and its registration.
pub(crate) fn adapter(input: &AdapterInput<'_>) -> TokenStream {
    let ids = handled("__ID_", input.id_fields());
    let fields = handled("__FIELD_", input.other_fields());
    let handles = ids.iter().chain(&fields).map(handle);
    let checks = ids.iter().map(id_check);
    let checks = checks.chain(fields.iter().filter_map(counter_check));
    let by_name = ids
        .iter()
        .chain(&fields)
        .map(|handled| (handled.field.name(), handled));
    let by_name: HashMap<String, &Handled<'_>> = by_name.collect();
    let checks = checks.chain(scope_checks(input, &by_name));
    let checks = checks.chain(filter::checks(input, &by_name));
    let links: Vec<_> = ids.iter().chain(&fields).filter_map(link::Linking::of).collect();
    let targets = links.iter().map(link::Linking::target);
    let checks = checks.chain(links.iter().map(link::Linking::checks));
    let hooks = hooks(input);
    let model = model(input, &ids, &fields, &links);
    let implementation = implementation(input, &ids, &fields);
    let ident = input.ident;
    let items = quote! {
        #(#handles)*
        #(#targets)*
        #(#checks)*
        #hooks
        #model
        #implementation
        __ditto::inventory::submit! { __ditto::Registration::of::<#ident>() }
    };
    in_constant(&runtime(&input.runtime), &items)
}

fn handled<'a>(prefix: &str, fields: impl Iterator<Item = &'a FieldInput<'a>>) -> Vec<Handled<'a>> {
    fields
        .enumerate()
        .map(|(at, field)| Handled {
            field,
            handle: format_ident!("{prefix}{at}"),
        })
        .collect()
}

/// The only place where `DittoField` is demanded of a field's type: a type without it is one error, at the type.
///
/// ```text
/// const __FIELD_0: __ditto::TypedField<String> = __ditto::typed_field::<String>("branch_id", "branchId", "branch_id");
/// ```
fn handle(Handled { field, handle }: &Handled<'_>) -> TokenStream {
    let ty = field.ty;
    let (name, document, column) = (field.name(), &field.document_name.text, &field.column_name.text);
    if let Some(path) = field.with.value() {
        return module_handle(field, path, handle);
    }
    let function = match (field.json.is_written(), field.option_argument()) {
        (false, _) => quote_spanned!(shown_at(ty)=> typed_field),
        (true, None) => quote_spanned!(shown_at(ty)=> json_field),
        (true, Some(_)) => quote_spanned!(shown_at(ty)=> nullable_json_field),
    };
    quote_spanned! {shown_at(ty)=>
        const #handle: __ditto::TypedField<#ty> = __ditto::#function::<#ty>(#name, #document, #column);
    }
}

/// The module is imported once, so that a wrong path is one error; what it lacks is named at the path too.
///
/// ```text
/// const __FIELD_0: __ditto::TypedField<DartDate> = {
///     use dart_date as __module;
///     struct __Module;
///     impl __ditto::Module for __Module {
///         type Field = DartDate;
///         const KIND: __ditto::FieldKind = __module::KIND;
///         fn to_value(__field: &DartDate) -> __ditto::Value { __module::to_value(__field) }
///         ..
///     }
///     __ditto::module_field::<__Module>("sold_at", "soldAt", "sold_at")
/// };
/// ```
fn module_handle(field: &FieldInput<'_>, path: &Path, handle: &Ident) -> TokenStream {
    let ty = field.ty;
    let (name, document, column) = (field.name(), &field.document_name.text, &field.column_name.text);
    let converted = field.option_argument().unwrap_or(ty);
    let function = match field.option_argument() {
        None => quote!(module_field),
        Some(_) => quote!(nullable_module_field),
    };
    let implementation = quote_spanned! {shown_at(path)=>
        use #path as __module;
        struct __Module;
        impl __ditto::Module for __Module {
            type Field = #converted;
            const KIND: __ditto::FieldKind = __module::KIND;
            const STORAGE: __ditto::Storage = __module::STORAGE;
            fn to_value(__field: &#converted) -> __ditto::Value {
                __module::to_value(__field)
            }
            fn from_value(__value: &__ditto::Value) -> __ditto::Result<#converted, __ditto::FieldError> {
                __module::from_value(__value)
            }
            fn to_column(__field: &#converted, __storage: __ditto::Storage) -> __ditto::ColumnValue {
                __module::to_column(__field, __storage)
            }
            fn from_column(__column: &__ditto::ColumnValue) -> __ditto::Result<#converted, __ditto::FieldError> {
                __module::from_column(__column)
            }
        }
    };
    quote! {
        const #handle: __ditto::TypedField<#ty> = {
            #implementation
            __ditto::#function::<__Module>(#name, #document, #column)
        };
    }
}

/// ```text
/// const _: () = __ditto::TypedField::assert_key(&__ID_0);
/// ```
fn id_check(Handled { field, handle }: &Handled<'_>) -> TokenStream {
    quote_spanned! {shown_at(&field.ty)=>
        const _: () = __ditto::TypedField::assert_key(&#handle);
    }
}

/// ```text
/// const _: () = __ditto::TypedField::assert_counter(&__FIELD_1);
/// ```
fn counter_check(Handled { field, handle }: &Handled<'_>) -> Option<TokenStream> {
    field.counter.is_written().then(|| {
        quote_spanned! {shown_at(&field.ty)=>
            const _: () = __ditto::TypedField::assert_counter(&#handle);
        }
    })
}

/// ```text
/// const _: () = __ditto::TypedField::assert_scope(&__FIELD_0);
/// ```
fn scope_checks(input: &AdapterInput<'_>, by_name: &HashMap<String, &Handled<'_>>) -> Vec<TokenStream> {
    let written = input.scope.value().map_or(&[][..], |scope| &scope.fields);
    let handled = written
        .iter()
        .filter_map(|name| Some((name, by_name.get(&name.unraw().to_string())?)));
    handled
        .map(|(name, Handled { handle, .. })| {
            quote_spanned! {shown_at(name)=>
                const _: () = __ditto::TypedField::assert_scope(&#handle);
            }
        })
        .collect()
}

/// ```text
/// static __ID_FIELDS: [__ditto::FieldDescriptor; 1] = [__ID_0.descriptor];
/// static __FIELDS: [__ditto::FieldDescriptor; 2] = [__FIELD_0.descriptor, __FIELD_1.descriptor.counter()];
/// static __MODEL: __ditto::ModelDescriptor =
///     __ditto::ModelDescriptor::new("Stock", "stocks", "stocks", &__ID_FIELDS, &__FIELDS)
///         .with_anchor(__ditto::Some("id"))
///         .declared_in(::core::module_path!())
///         .with_scope(__ditto::Scope::All(&["branchId"]), __ditto::LeftScope::Delete);
/// ```
fn model(
    input: &AdapterInput<'_>,
    ids: &[Handled<'_>],
    fields: &[Handled<'_>],
    links: &[link::Linking<'_>],
) -> TokenStream {
    let type_name = input.ident.unraw().to_string();
    let collection = input.collection.value().map(|name| &name.text);
    let table = input.table.value().map(|name| &name.text).or(collection);
    let (id_count, field_count) = (ids.len(), fields.len());
    let ids = ids.iter().map(descriptor);
    let fields = fields.iter().map(descriptor);
    let anchor = anchor(input);
    let direction = input.direction.value().map(|direction| {
        let direction = variant("Direction", *direction);
        quote!(.with_direction(#direction))
    });
    let scope = with_scope(input);
    let filter = filter::with_filter(input);
    let backup = input.backup.is_written().then(|| quote!(.with_backup()));
    let hydration = input.hydrate_on_startup.is_written();
    let hydration = hydration.then(|| quote!(.with_hydration()));
    let hooks = input.hooks.is_written().then(|| quote!(.with_hooks(__HOOKS)));
    let (links, with_links) = link::descriptors(links);
    let seed = (input.seed.value() == Some(&false)).then(|| quote!(.without_seeding()));
    quote! {
        static __ID_FIELDS: [__ditto::FieldDescriptor; #id_count] = [#(#ids),*];
        static __FIELDS: [__ditto::FieldDescriptor; #field_count] = [#(#fields),*];
        #links
        static __MODEL: __ditto::ModelDescriptor =
            __ditto::ModelDescriptor::new(#type_name, #collection, #table, &__ID_FIELDS, &__FIELDS)
                .with_anchor(#anchor)
                .declared_in(::core::module_path!())
                #direction
                #scope
                #filter
                #seed
                #backup
                #hydration
                #hooks
                #with_links;
    }
}

/// ```text
/// __FIELD_1.descriptor.storage(__ditto::Storage::Text).counter()
/// ```
fn descriptor(handled: &Handled<'_>) -> TokenStream {
    let Handled { field, handle } = handled;
    let storage = field.storage.value().map(|storage| {
        let storage = variant("Storage", *storage);
        quote!(.storage(#storage))
    });
    let counter = field.counter.is_written().then(|| quote!(.counter()));
    let volatile = field.volatile.is_written().then(|| quote!(.volatile()));
    let default = default(handled);
    quote!(#handle.descriptor #storage #counter #volatile #default)
}

/// ```text
/// .default_value(|| __ditto::TypedField::encode(&__FIELD_0, &<String as __ditto::Default>::default()))
/// ```
fn default(Handled { field, handle }: &Handled<'_>) -> Option<TokenStream> {
    let ty = field.ty;
    let value = match field.default.value()? {
        FieldDefault::OfType => quote_spanned!(shown_at(ty)=> <#ty as __ditto::Default>::default()),
        // The coercion names the type, so that a function of another type is refused where it is named.
        FieldDefault::Function(path) => {
            quote_spanned!(shown_at(path)=> { let __function: fn() -> #ty = #path; __function() })
        }
    };
    Some(quote!(.default_value(|| __ditto::TypedField::encode(&#handle, &#value))))
}

fn anchor(input: &AdapterInput<'_>) -> TokenStream {
    match input.anchor() {
        Some(anchor) => quote!(__ditto::Some(#anchor)),
        None => quote!(__ditto::None),
    }
}

/// The only place where `DittoHooks` is demanded of the struct: without it there is one error, at the attribute.
///
/// ```text
/// impl __ditto::DeclaresHooks for Stock {}
/// const __HOOKS: __ditto::Hooks = __ditto::hooks::<Stock>();
/// ```
fn hooks(input: &AdapterInput<'_>) -> Option<TokenStream> {
    let word = input.hooks.word()?;
    let ident = input.ident;
    let mut shown = ident.clone();
    shown.set_span(ident.span().located_at(word.span()));
    let hooks = quote_spanned!(shown_at(word)=> __ditto::hooks::<#shown>());
    Some(quote! {
        impl __ditto::DeclaresHooks for #ident {}
        const __HOOKS: __ditto::Hooks = #hooks;
    })
}

fn with_scope(input: &AdapterInput<'_>) -> Option<TokenStream> {
    let left = input.left_scope.value().copied();
    let kind = match input.scope.value() {
        // Rows leave a filter too.
        None => quote!(__ditto::Scope::Everything),
        Some(scope) => {
            let named = |name: &Ident| input.field(&name.unraw().to_string());
            let fields = scope.fields.iter().filter_map(named);
            let fields = fields.map(|field| &field.document_name.text);
            let kind = variant("Scope", Variant(if scope.any { "Any" } else { "All" }));
            quote!(#kind(&[#(#fields),*]))
        }
    };
    if !input.scope.is_written() && left.is_none() {
        return None;
    }
    let left = variant("LeftScope", left.unwrap_or(Variant("Delete")));
    Some(quote!(.with_scope(#kind, #left)))
}

/// ```text
/// impl __ditto::DittoAdapter for Stock { .. }
/// ```
fn implementation(input: &AdapterInput<'_>, ids: &[Handled<'_>], fields: &[Handled<'_>]) -> TokenStream {
    let ident = input.ident;
    let anchor = anchor(input);
    let document_id = document_id(ids);
    let to_document = to_document(fields);
    let from_document = from_document(input, ids, fields);
    quote! {
        #[automatically_derived]
        impl __ditto::DittoAdapter for #ident {
            const KNOWN_FIELDS: __ditto::Option<__ditto::KnownFields> = __ditto::Some(__ditto::KnownFields {
                ids: &__ID_FIELDS,
                fields: &__FIELDS,
                anchor: #anchor,
            });

            fn descriptor() -> &'static __ditto::ModelDescriptor {
                &__MODEL
            }
            #document_id
            #to_document
            #from_document
        }
    }
}

/// ```text
/// fn document_id(&self) -> __ditto::Result<__ditto::DocumentId, __ditto::IdError> {
///     __ditto::document_id([__ditto::TypedField::encode(&__ID_0, &self.id)])
/// }
/// ```
fn document_id(ids: &[Handled<'_>]) -> TokenStream {
    let values = ids.iter().map(encoded);
    quote! {
        fn document_id(&self) -> __ditto::Result<__ditto::DocumentId, __ditto::IdError> {
            __ditto::document_id([#(#values),*])
        }
    }
}

/// ```text
/// fn to_document(&self) -> __ditto::Result<__ditto::Document, __ditto::RowError> {
///     __ditto::document(
///         &__MODEL,
///         <Self as __ditto::DittoAdapter>::document_id(self),
///         &[__ditto::TypedField::encode(&__FIELD_0, &self.branch_id)],
///     )
/// }
/// ```
fn to_document(fields: &[Handled<'_>]) -> TokenStream {
    let values = fields.iter().map(encoded);
    quote! {
        fn to_document(&self) -> __ditto::Result<__ditto::Document, __ditto::RowError> {
            __ditto::document(
                &__MODEL,
                <Self as __ditto::DittoAdapter>::document_id(self),
                &[#(#values),*],
            )
        }
    }
}

fn encoded(Handled { field, handle }: &Handled<'_>) -> TokenStream {
    let ident = field.ident;
    quote!(__ditto::TypedField::encode(&#handle, &self.#ident))
}

/// ```text
/// fn from_document(__id: &__ditto::DocumentId, __document: &__ditto::Document) -> __ditto::Result<Self, __ditto::RowError> {
///     let __row = __ditto::row(&__MODEL, __id, __document)?;
///     __ditto::Ok(Self {
///         id: __ditto::TypedField::decode(&__ID_0, &__row.id[0])?,
///         branch_id: __ditto::TypedField::decode(&__FIELD_0, &__row.fields[0])?,
///         skipped: <u8 as __ditto::Default>::default(),
///     })
/// }
/// ```
fn from_document(input: &AdapterInput<'_>, ids: &[Handled<'_>], fields: &[Handled<'_>]) -> TokenStream {
    let ids = ids
        .iter()
        .enumerate()
        .map(|(at, id)| decoded(id, quote!(id[#at])));
    let fields = fields
        .iter()
        .enumerate()
        .map(|(at, field)| decoded(field, quote!(fields[#at])));
    let skipped = input.fields.iter().filter(|field| field.skip.is_written());
    let skipped = skipped.map(|field| {
        let (ident, ty) = (field.ident, field.ty);
        quote_spanned!(shown_at(ty)=> #ident: <#ty as __ditto::Default>::default())
    });
    let values = ids.chain(fields).chain(skipped);
    quote! {
        fn from_document(
            __id: &__ditto::DocumentId,
            __document: &__ditto::Document,
        ) -> __ditto::Result<Self, __ditto::RowError> {
            let __row = __ditto::row(&__MODEL, __id, __document)?;
            __ditto::Ok(Self { #(#values,)* })
        }
    }
}

fn decoded(Handled { field, handle }: &Handled<'_>, column: impl ToTokens) -> TokenStream {
    let ident = field.ident;
    quote!(#ident: __ditto::TypedField::decode(&#handle, &__row.#column)?)
}

fn variant(of: &str, Variant(name): Variant) -> TokenStream {
    let (of, name) = (format_ident!("{of}"), format_ident!("{name}"));
    quote!(__ditto::#of::#name)
}
