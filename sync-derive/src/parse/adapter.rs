//! What the user wrote for `derive(DittoAdapter)`: [`AdapterInput`].

mod link;
mod values;

use syn::{
    Data, DeriveInput, Field, GenericArgument, Generics, Ident, Meta, Path, PathArguments, Type,
    ext::IdentExt,
};

pub(crate) use self::{
    link::Link,
    values::{FieldDefault, Scope},
};
use self::{
    link::link,
    values::{default, filter, module, scope},
};
use super::{
    Attr, Name, Variant, bool, choice, ditto_items, flag, path, shape_name, string, unknown_attribute,
};
use crate::{case::RenameRule, diagnostics::Diagnostics, filter::Filter};

/// The attributes of the struct.
const OF_STRUCT: &[&str] = &[
    "collection",
    "table",
    "rename_all",
    "direction",
    "id_field",
    "scope",
    "filter",
    "left_scope",
    "seed",
    "backup",
    "hydrate_on_startup",
    "hooks",
    "crate",
];

/// The attributes of a field.
const OF_FIELD: &[&str] = &[
    "id", "rename", "column", "skip", "counter", "json", "with", "storage", "default", "volatile", "link",
];

const DIRECTIONS: [(&str, Variant); 3] = [
    ("bidirectional", Variant("Bidirectional")),
    ("send_only", Variant("SendOnly")),
    ("receive_only", Variant("ReceiveOnly")),
];

const LEFT_SCOPES: [(&str, Variant); 2] = [("delete", Variant("Delete")), ("keep", Variant("Keep"))];

const STORAGES: [(&str, Variant); 4] = [
    ("text", Variant("Text")),
    ("integer", Variant("Integer")),
    ("real", Variant("Real")),
    ("blob", Variant("Blob")),
];

/// The word with which `id_field` says that documents have no anchor.
const NO_ANCHOR: &str = "none";

/// A struct as it was written, names resolved.
pub(crate) struct AdapterInput<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    /// What it is, where it is not a struct with named fields.
    pub(crate) wrong_shape: Option<&'static str>,
    pub(crate) collection: Attr<Name>,
    pub(crate) table: Attr<Name>,
    pub(crate) rename_all: Attr<RenameRule>,
    pub(crate) direction: Attr<Variant>,
    pub(crate) id_field: Attr<Name>,
    pub(crate) scope: Attr<Scope>,
    pub(crate) filter: Attr<Filter>,
    pub(crate) left_scope: Attr<Variant>,
    pub(crate) seed: Attr<bool>,
    pub(crate) backup: Attr<()>,
    pub(crate) hydrate_on_startup: Attr<()>,
    pub(crate) hooks: Attr<()>,
    pub(crate) runtime: Attr<Path>,
    pub(crate) fields: Vec<FieldInput<'a>>,
}

/// A field as it was written, names resolved.
pub(crate) struct FieldInput<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) id: Attr<()>,
    pub(crate) rename: Attr<Name>,
    pub(crate) column: Attr<Name>,
    pub(crate) skip: Attr<()>,
    pub(crate) counter: Attr<()>,
    pub(crate) json: Attr<()>,
    pub(crate) with: Attr<Path>,
    pub(crate) storage: Attr<Variant>,
    pub(crate) default: Attr<FieldDefault>,
    pub(crate) volatile: Attr<()>,
    pub(crate) link: Attr<Link>,
    /// Its name in documents.
    pub(crate) document_name: Name,
    /// Its column in the table.
    pub(crate) column_name: Name,
}

impl<'a> AdapterInput<'a> {
    /// Reads a struct.
    pub(crate) fn read(input: &'a DeriveInput, diagnostics: &mut Diagnostics) -> Self {
        let fields = match &input.data {
            Data::Struct(data) => data.fields.iter().filter_map(named).collect(),
            Data::Enum(_) | Data::Union(_) => Vec::new(),
        };
        let is_named =
            matches!(&input.data, Data::Struct(data) if matches!(data.fields, syn::Fields::Named(_)));
        let mut adapter = Self {
            ident: &input.ident,
            generics: &input.generics,
            wrong_shape: (!is_named).then(|| shape_name(&input.data)),
            collection: Attr::default(),
            table: Attr::default(),
            rename_all: Attr::default(),
            direction: Attr::default(),
            id_field: Attr::default(),
            scope: Attr::default(),
            filter: Attr::default(),
            left_scope: Attr::default(),
            seed: Attr::default(),
            backup: Attr::default(),
            hydrate_on_startup: Attr::default(),
            hooks: Attr::default(),
            runtime: Attr::default(),
            fields: Vec::new(),
        };
        let mut misspelt_collection = None;
        for (word, meta) in ditto_items(&input.attrs, diagnostics) {
            if adapter.read_attribute(&word, &meta, diagnostics) == Some("collection") {
                misspelt_collection = Some(word);
            }
        }
        adapter.collection.presume(misspelt_collection);
        let rename_all = adapter.rename_all.value().copied();
        adapter.fields = fields
            .into_iter()
            .map(|(field, ident)| FieldInput::read(field, ident, rename_all, diagnostics))
            .collect();
        adapter.name_self();
        adapter
    }

    /// The fields of the id, in key order.
    pub(crate) fn id_fields(&self) -> impl Iterator<Item = &FieldInput<'a>> {
        self.fields.iter().filter(|field| field.id.is_written())
    }

    /// The mapped fields that are not of the id.
    pub(crate) fn other_fields(&self) -> impl Iterator<Item = &FieldInput<'a>> {
        self.mapped_fields().filter(|field| !field.id.is_written())
    }

    /// The field of this name, `r#` or not.
    pub(crate) fn field(&self, name: &str) -> Option<&FieldInput<'a>> {
        self.fields.iter().find(|field| field.ident.unraw() == name)
    }

    /// Every field that has a column.
    pub(crate) fn mapped_fields(&self) -> impl Iterator<Item = &FieldInput<'a>> {
        self.fields.iter().filter(|field| !field.skip.is_written())
    }

    /// The document field that only inserts write.
    pub(crate) fn anchor(&self) -> Option<&str> {
        match self.id_field.value() {
            None => Some("id"),
            Some(written) if written.text == NO_ANCHOR => None,
            Some(written) => Some(&written.text),
        }
    }

    /// The paths of defaults and links are expanded outside of the impl, where `Self` has no meaning.
    fn name_self(&mut self) {
        for field in &mut self.fields {
            if let Some(FieldDefault::Function(function)) = &mut field.default.value {
                name_self(&mut function.path, self.ident);
            }
            if let Some(link) = &mut field.link.value {
                name_self(&mut link.target, self.ident);
            }
        }
    }

    /// Returns the attribute that a misspelt one was probably meant to be.
    fn read_attribute(&mut self, word: &Ident, meta: &Meta, out: &mut Diagnostics) -> Option<&'static str> {
        match word.to_string().as_str() {
            "collection" => self.collection.write(word, string(meta, out), out),
            "table" => self.table.write(word, string(meta, out), out),
            "rename_all" => self
                .rename_all
                .write(word, choice(meta, &RenameRule::WORDS, out), out),
            "direction" => self.direction.write(word, choice(meta, &DIRECTIONS, out), out),
            "id_field" => self.id_field.write(word, string(meta, out), out),
            "scope" => self.scope.write(word, scope(meta, out), out),
            "left_scope" => self.left_scope.write(word, choice(meta, &LEFT_SCOPES, out), out),
            "filter" => self.filter.write(word, filter(meta, out), out),
            "seed" => self.seed.write(word, bool(meta, out), out),
            "backup" => self.backup.write(word, flag(meta, out), out),
            "hydrate_on_startup" => self.hydrate_on_startup.write(word, flag(meta, out), out),
            "hooks" => self.hooks.write(word, flag(meta, out), out),
            "crate" => self.runtime.write(word, path(meta, out), out),
            _ => return unknown_attribute(word, OF_STRUCT, ("a field", OF_FIELD), out),
        }
        None
    }
}

impl<'a> FieldInput<'a> {
    /// Its name in Rust, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// The `T` of an `Option<T>`, as far as syntax tells.
    pub(crate) fn option_argument(&self) -> Option<&'a Type> {
        let Type::Path(path) = self.ty else {
            return None;
        };
        let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
        match &last.arguments {
            PathArguments::AngleBracketed(arguments) if arguments.args.len() == 1 => match &arguments.args[0]
            {
                GenericArgument::Type(argument) => Some(argument),
                _ => None,
            },
            _ => None,
        }
    }

    fn read(
        field: &'a Field,
        ident: &'a Ident,
        rename_all: Option<RenameRule>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let mut read = Self {
            ident,
            ty: &field.ty,
            id: Attr::default(),
            rename: Attr::default(),
            column: Attr::default(),
            skip: Attr::default(),
            counter: Attr::default(),
            json: Attr::default(),
            with: Attr::default(),
            storage: Attr::default(),
            default: Attr::default(),
            volatile: Attr::default(),
            link: Attr::default(),
            document_name: Name::of(ident),
            column_name: Name::of(ident),
        };
        let mut misspelt_id = None;
        for (word, meta) in ditto_items(&field.attrs, diagnostics) {
            if read.read_attribute(&word, &meta, diagnostics) == Some("id") {
                misspelt_id = Some(word);
            }
        }
        read.id.presume(misspelt_id);
        read.resolve_names(rename_all);
        read
    }

    /// `rename_all` is about documents only: a column is called what the table calls it, which in SQL is snake case.
    fn resolve_names(&mut self, rename_all: Option<RenameRule>) {
        if let Some(rule) = rename_all {
            self.document_name.text = rule.apply_to_field(&self.document_name.text);
        }
        if let Some(renamed) = self.rename.value() {
            self.document_name = renamed.clone();
        }
        if let Some(column) = self.column.value() {
            self.column_name = column.clone();
        }
    }

    /// Returns the attribute that a misspelt one was probably meant to be.
    fn read_attribute(&mut self, word: &Ident, meta: &Meta, out: &mut Diagnostics) -> Option<&'static str> {
        match word.to_string().as_str() {
            "id" => self.id.write(word, flag(meta, out), out),
            "rename" => self.rename.write(word, string(meta, out), out),
            "column" => self.column.write(word, string(meta, out), out),
            "skip" => self.skip.write(word, flag(meta, out), out),
            "counter" => self.counter.write(word, flag(meta, out), out),
            "json" => self.json.write(word, flag(meta, out), out),
            "with" => self.with.write(word, module(meta, out), out),
            "storage" => self.storage.write(word, choice(meta, &STORAGES, out), out),
            "default" => self.default.write(word, default(meta, out), out),
            "volatile" => self.volatile.write(word, flag(meta, out), out),
            "link" => self.link.write(word, link(meta, out), out),
            _ => return unknown_attribute(word, OF_FIELD, ("the struct", OF_STRUCT), out),
        }
        None
    }
}

fn name_self(path: &mut Path, ident: &Ident) {
    if let Some(first) = path.segments.first_mut().filter(|first| first.ident == "Self") {
        let span = first.ident.span();
        first.ident = ident.clone();
        first.ident.set_span(span);
    }
}

fn named(field: &Field) -> Option<(&Field, &Ident)> {
    Some((field, field.ident.as_ref()?))
}
