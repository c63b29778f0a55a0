//! What the engine knows of a model, as plain static data: the collection, the table, the fields and how each converts.
//!
//! `derive(DittoAdapter)` writes these; nothing here reads a struct, a table or a store.

mod link;

use std::sync::OnceLock;

pub use self::link::{LinkDescriptor, Linked};
pub(crate) use self::link::{STORE_ID_FIELD, is_key};
use crate::{
    column::{ColumnValue, Image},
    document::Document,
    field::{
        DittoField, FieldError, FieldKind, Storage,
        conversion::{Conversion, OfType},
    },
    hash::ContentHash,
    hooks::Hooks,
    id::{DocumentId, IdError, IdPart},
    query::Filter,
    rules::{Rule, off},
    value::Value,
};

/// Which way a model's changes travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Local changes go out, remote changes come in.
    #[default]
    Bidirectional,
    /// Local changes go out; nothing comes in.
    SendOnly,
    /// Remote changes come in; nothing goes out.
    ReceiveOnly,
}

impl Direction {
    /// Whether local changes go out.
    #[must_use]
    pub fn sends(self) -> bool {
        self != Self::ReceiveOnly
    }

    /// Whether remote changes come in.
    #[must_use]
    pub fn receives(self) -> bool {
        self != Self::SendOnly
    }
}

/// Which scope fields must match the context for a row to belong on this device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// No scope: every document of the collection.
    #[default]
    Everything,
    /// All of these fields match (document names).
    All(&'static [&'static str]),
    /// At least one of these fields matches (document names).
    Any(&'static [&'static str]),
}

/// What becomes of a row whose document leaves the scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LeftScope {
    /// The row is removed from this device; nothing is propagated.
    #[default]
    Delete,
    /// The row stays, and is forgotten by the framework.
    Keep,
}

type ToValue = fn(&ColumnValue) -> Result<Value, FieldError>;
type ToColumn = fn(&Value, Storage) -> Result<ColumnValue, FieldError>;

/// One mapped field: its three names, its kind and its two conversions.
#[derive(Debug, Clone, Copy)]
pub struct FieldDescriptor {
    name: &'static str,
    document: &'static str,
    column: &'static str,
    kind: FieldKind,
    storage: Storage,
    nullable: bool,
    counter: bool,
    volatile: bool,
    /// Whether every column value of the right class is already canonical, so that no conversion is needed to hash it.
    canonical: bool,
    never_numeric: bool,
    text_as_it_is: bool,
    default: Option<fn() -> Value>,
    to_value: ToValue,
    to_column: ToColumn,
}

impl FieldDescriptor {
    /// A field of Rust type `T`: its name in the struct, in the document and in the table.
    #[must_use]
    pub const fn of<T: DittoField>(name: &'static str, document: &'static str, column: &'static str) -> Self {
        Self::converted::<OfType<T>>(name, document, column)
    }

    /// A field with this conversion.
    pub(crate) const fn converted<C: Conversion>(
        name: &'static str,
        document: &'static str,
        column: &'static str,
    ) -> Self {
        Self {
            name,
            document,
            column,
            kind: C::KIND,
            storage: C::STORAGE,
            nullable: C::NULLABLE,
            counter: false,
            volatile: false,
            canonical: C::CANONICAL,
            never_numeric: C::NEVER_NUMERIC,
            text_as_it_is: C::TEXT_AS_IT_IS,
            default: None,
            to_value: C::to_value,
            to_column: C::to_column,
        }
    }

    /// Another storage class than the type's own.
    #[must_use]
    pub const fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Marks the field as a counter: local changes are sent as increments.
    #[must_use]
    pub const fn counter(mut self) -> Self {
        self.counter = true;
        self
    }

    /// Excludes the field from change detection.
    #[must_use]
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// The value that stands for a missing document field.
    #[must_use]
    pub const fn default_value(mut self, default: fn() -> Value) -> Self {
        self.default = Some(default);
        self
    }

    /// The field's name in the Rust struct, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The field's name in documents.
    #[must_use]
    pub const fn document_name(&self) -> &'static str {
        self.document
    }

    /// The column's name in the table.
    #[must_use]
    pub fn column(&self) -> &'static str {
        self.column
    }

    /// What kind of document value it holds.
    #[must_use]
    pub const fn kind(&self) -> FieldKind {
        self.kind
    }

    /// The storage class its column values are written in.
    #[must_use]
    pub fn storage_class(&self) -> Storage {
        self.storage
    }

    /// Whether NULL is a value of the field.
    #[must_use]
    pub fn is_nullable(&self) -> bool {
        self.nullable
    }

    /// Whether it is a counter.
    #[must_use]
    pub fn is_counter(&self) -> bool {
        self.counter
    }

    /// Whether a column of NUMERIC affinity keeps its text as it is.
    #[must_use]
    pub fn is_never_numeric(&self) -> bool {
        self.never_numeric
    }

    /// Whether it is excluded from change detection.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// Whether every column value of the right class is already canonical: then columns sort as the document values do.
    pub(crate) fn is_canonical(&self) -> bool {
        self.canonical
    }

    /// Whether a text is the same in document and column.
    pub(crate) fn keeps_text(&self) -> bool {
        self.text_as_it_is
    }

    /// Column to document value.
    ///
    /// # Errors
    /// When the column holds what the field's type cannot.
    pub fn to_value(&self, column: &ColumnValue) -> Result<Value, FieldError> {
        match column {
            ColumnValue::Text(text) if self.text_as_it_is => Ok(Value::Text(text.clone())),
            column => (self.to_value)(column),
        }
    }

    /// Document value to column, canonical: equal values always become the same column value.
    ///
    /// # Errors
    /// When the value is not one of the field's type.
    pub fn to_column(&self, value: &Value) -> Result<ColumnValue, FieldError> {
        match value {
            Value::Text(text) if self.text_as_it_is => Ok(ColumnValue::Text(text.clone())),
            value => (self.to_column)(value, self.storage),
        }
    }

    /// An id part to its column. Another spelling than the field's own (a UUID in capitals) is refused: the row would name another
    /// document than the one it came from.
    fn id_column(&self, part: &Value) -> Result<ColumnValue, FieldError> {
        let column = self.to_column(part)?;
        if self.canonical || self.to_value(&column)? == *part {
            return Ok(column);
        }
        let found = match part {
            Value::Text(text) => text.clone(),
            other => other.kind_name().into(),
        };
        Err(FieldError::content("an id as its field writes it", found))
    }

    /// The column value that a missing document field stands for.
    ///
    /// # Errors
    /// When the field has no default and cannot be NULL.
    pub fn missing(&self) -> Result<ColumnValue, FieldError> {
        match self.default {
            Some(default) => self.to_column(&default()),
            None if self.nullable => Ok(ColumnValue::Null),
            None => Err(FieldError::Missing),
        }
    }

    /// The column of this field in the row that a document stands for, which has `value` or nothing of this name.
    pub(crate) fn column_of(&self, value: Option<&Value>) -> Result<ColumnValue, RowError> {
        let column = match value {
            Some(Value::Null) if !self.nullable && self.default.is_some() => self.missing(),
            // A row made of a value that no store takes could never be sent again.
            Some(value) => match value.validate() {
                Ok(()) => self.to_column(value),
                Err(reason) => Err(FieldError::Value(reason)),
            },
            None => self.missing(),
        };
        column.map_err(|reason| RowError::field(self, reason))
    }

    /// A column as this field would write it: what is compared and hashed.
    ///
    /// # Errors
    /// When the column holds what the field's type cannot.
    pub fn canonical(&self, column: ColumnValue) -> Result<ColumnValue, FieldError> {
        if self.canonical && self.storage.admits(&column, self.nullable) {
            return Ok(column);
        }
        self.to_column(&self.to_value(&column)?)
    }
}

/// A model: one collection, one table, their fields. Written by the derive as a `static`.
#[derive(Debug)]
pub struct ModelDescriptor {
    type_name: &'static str,
    collection: &'static str,
    table: &'static str,
    id_fields: &'static [FieldDescriptor],
    fields: &'static [FieldDescriptor],
    direction: Direction,
    anchor: Option<&'static str>,
    scope: Scope,
    left_scope: LeftScope,
    filter: Option<fn() -> Filter>,
    seeded: bool,
    backed_up: bool,
    hydrated: bool,
    hooks: Option<Hooks>,
    links: &'static [LinkDescriptor],
    module: &'static str,
    hash_order: OnceLock<Box<[usize]>>,
}

impl ModelDescriptor {
    /// A bidirectional model without scope, whose anchor field is `id`. `id_fields` are in key order, `fields` are all others.
    #[must_use]
    pub const fn new(
        type_name: &'static str,
        collection: &'static str,
        table: &'static str,
        id_fields: &'static [FieldDescriptor],
        fields: &'static [FieldDescriptor],
    ) -> Self {
        Self {
            type_name,
            collection,
            table,
            id_fields,
            fields,
            direction: Direction::Bidirectional,
            anchor: Some("id"),
            scope: Scope::Everything,
            left_scope: LeftScope::Delete,
            filter: None,
            seeded: true,
            backed_up: false,
            hydrated: false,
            hooks: None,
            links: &[],
            module: "",
            hash_order: OnceLock::new(),
        }
    }

    /// Which way changes travel.
    #[must_use]
    pub const fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// The anchor field, or none for foreign documents without one.
    #[must_use]
    pub const fn with_anchor(mut self, anchor: Option<&'static str>) -> Self {
        self.anchor = anchor;
        self
    }

    /// The scope, and what becomes of rows that leave it.
    #[must_use]
    pub const fn with_scope(mut self, scope: Scope, left_scope: LeftScope) -> Self {
        self.scope = scope;
        self.left_scope = left_scope;
        self
    }

    /// A condition on documents beside the scope; its parameters are parameters of the context.
    #[must_use]
    pub const fn with_filter(mut self, filter: fn() -> Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Rows that no store has met are not sent before they change.
    #[must_use]
    pub const fn without_seeding(mut self) -> Self {
        self.seeded = false;
        self
    }

    /// A pull of all backups restores it.
    #[must_use]
    pub const fn with_backup(mut self) -> Self {
        self.backed_up = true;
        self
    }

    /// Each start fetches its documents.
    #[must_use]
    pub const fn with_hydration(mut self) -> Self {
        self.hydrated = true;
        self
    }

    /// The decisions that the app takes.
    #[must_use]
    pub const fn with_hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// The fields that name rows of other models.
    #[must_use]
    pub const fn with_links(mut self, links: &'static [LinkDescriptor]) -> Self {
        self.links = links;
        self
    }

    /// The path of the Rust module that declares the type, for messages.
    #[must_use]
    pub const fn declared_in(mut self, module: &'static str) -> Self {
        self.module = module;
        self
    }

    /// The Rust type's name, for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// The Rust type's name with the path of its module, where that is known.
    #[must_use]
    pub fn type_path(&self) -> String {
        match self.module {
            "" => self.type_name.to_owned(),
            module => format!("{module}::{}", self.type_name),
        }
    }

    /// The collection's name.
    #[must_use]
    pub fn collection(&self) -> &'static str {
        self.collection
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &'static str {
        self.table
    }

    /// The id fields, in key order.
    #[must_use]
    pub fn id_fields(&self) -> &'static [FieldDescriptor] {
        self.id_fields
    }

    /// All other mapped fields, in declared order. An [`Image`] has one column for each.
    #[must_use]
    pub fn fields(&self) -> &'static [FieldDescriptor] {
        self.fields
    }

    /// Which way changes travel.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The document field that only inserts write; a document without it is a husk and counts as absent.
    #[must_use]
    pub fn anchor(&self) -> Option<&'static str> {
        self.anchor
    }

    /// The scope fields.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The condition on documents beside the scope.
    #[must_use]
    pub fn filter(&self) -> Option<Filter> {
        self.filter.map(|filter| filter())
    }

    /// Whether rows that no store has met are sent as seeds.
    #[must_use]
    pub fn seeds(&self) -> bool {
        self.seeded
    }

    /// Whether a pull of all backups restores it.
    #[must_use]
    pub fn is_backed_up(&self) -> bool {
        self.backed_up
    }

    /// Whether each start fetches its documents.
    #[must_use]
    pub fn hydrates_on_startup(&self) -> bool {
        self.hydrated
    }

    /// The decisions that the app takes.
    #[must_use]
    pub fn hooks(&self) -> Option<&Hooks> {
        self.hooks.as_ref()
    }

    /// The fields that name rows of other models, in declared order.
    #[must_use]
    pub fn links(&self) -> &'static [LinkDescriptor] {
        self.links
    }

    /// What becomes of rows that leave the scope.
    #[must_use]
    pub fn left_scope(&self) -> LeftScope {
        self.left_scope
    }

    /// Positions of `fields` sorted by document name: the order of declaration does not change a hash.
    pub fn hash_order(&self) -> &[usize] {
        self.hash_order.get_or_init(|| {
            let mut order: Box<[usize]> = (0..self.fields.len()).collect();
            order.sort_by_key(|&at| self.fields[at].document);
            order
        })
    }

    /// Whether `document` is a husk: what a delete left behind of a concurrent edit. A husk is absent.
    #[must_use]
    pub fn is_husk(&self, document: &Document) -> bool {
        let anchor = self.anchor.filter(|_| !off(Rule::Husk));
        anchor.is_some_and(|anchor| document.get(anchor).is_none_or(Value::is_null))
    }

    /// The id of a row from its id columns.
    ///
    /// # Errors
    /// When a column cannot be read as its field, or the id is out of bounds.
    pub fn id_from_columns(&self, columns: &[ColumnValue]) -> Result<DocumentId, RowError> {
        if let ([field], [ColumnValue::Text(text)]) = (self.id_fields, columns)
            && field.text_as_it_is
        {
            // What most ids are.
            return DocumentId::text(text.as_str()).map_err(RowError::Id);
        }
        let mut values = Vec::with_capacity(self.id_fields.len());
        for (field, column) in self.id_fields.iter().zip(columns) {
            values.push(
                field
                    .to_value(column)
                    .map_err(|reason| RowError::field(field, reason))?,
            );
        }
        DocumentId::from_values(values).map_err(RowError::Id)
    }

    /// The id columns of the row that `id` names.
    ///
    /// # Errors
    /// When a part is not of its field's type or not in its canonical form, or their number differs.
    pub fn id_to_columns(&self, id: &DocumentId) -> Result<Vec<ColumnValue>, RowError> {
        if id.parts().len() != self.id_fields.len() {
            return Err(RowError::IdParts {
                expected: self.id_fields.len(),
                found: id.parts().len(),
            });
        }
        if let ([field], [IdPart::Text(text)]) = (self.id_fields, id.parts())
            && field.text_as_it_is
            && field.canonical
        {
            return Ok(vec![ColumnValue::Text(text.to_string())]);
        }
        let pairs = self.id_fields.iter().zip(id.parts());
        pairs
            .map(|(field, part)| {
                field
                    .id_column(&part.to_value())
                    .map_err(|reason| RowError::field(field, reason))
            })
            .collect()
    }

    /// The canonical form of a row as the table holds it.
    ///
    /// # Errors
    /// When a column holds what its field cannot; names the field.
    pub fn canonical(&self, image: Image) -> Result<Image, RowError> {
        let pairs = self.fields.iter().zip(image.into_columns());
        let columns = pairs.map(|(field, column)| {
            field
                .canonical(column)
                .map_err(|reason| RowError::field(field, reason))
        });
        Ok(Image::new(columns.collect::<Result<_, _>>()?))
    }

    /// The row that `document` stands for, canonical.
    ///
    /// # Errors
    /// When a field is missing or of the wrong kind; names the field.
    pub fn image_of(&self, document: &Document) -> Result<Image, RowError> {
        let columns = self.fields.iter();
        let columns = columns.map(|field| field.column_of(document.get(field.document)));
        Ok(Image::new(columns.collect::<Result<_, _>>()?))
    }

    /// The row that a document stands for which has a hash as one, with the texts taken out of it where they need no conversion.
    pub(crate) fn take_image(&self, document: &mut Document) -> Result<Image, RowError> {
        let mut columns = vec![ColumnValue::Null; self.fields.len()];
        let mut values = document.iter_mut().peekable();
        // Both sides are sorted by name.
        for &at in self.hash_order() {
            let field = &self.fields[at];
            while values.next_if(|(name, _)| *name < field.document).is_some() {}
            let value = values.next_if(|(name, _)| *name == field.document);
            columns[at] = match value.map(|(_, value)| value) {
                Some(Value::Text(text)) if field.text_as_it_is => ColumnValue::Text(std::mem::take(text)),
                value => field.column_of(value.as_deref())?,
            };
        }
        Ok(Image::new(columns))
    }

    /// The whole document of a row, as an insert writes it: id fields, anchor and all mapped fields.
    ///
    /// # Errors
    /// When a column cannot be converted, or a value is one that no store takes; names the field.
    pub fn document_of(&self, id: &DocumentId, image: &Image) -> Result<Document, RowError> {
        let mut document = Document::with_capacity(self.fields.len() + self.id_fields.len() + 1);
        // In the order of their names, so that each is put behind the others.
        for &at in self.hash_order() {
            let field = &self.fields[at];
            document.set(field.document, self.field_value(field, &image[at])?);
        }
        for (field, part) in self.id_fields.iter().zip(id.parts()) {
            document.set(field.document, part.to_value());
        }
        if let Some(anchor) = self.anchor {
            document.set(anchor, id.to_value());
        }
        Ok(document)
    }

    /// One column as the document value that is sent.
    ///
    /// # Errors
    /// When the column cannot be converted, or the value is one that no store takes.
    pub fn field_value(&self, field: &FieldDescriptor, column: &ColumnValue) -> Result<Value, RowError> {
        let value = field
            .to_value(column)
            .map_err(|reason| RowError::field(field, reason))?;
        value
            .validate()
            .map_err(|reason| RowError::field(field, FieldError::Value(reason)))?;
        Ok(value)
    }

    /// What a store compares with [`Expect`](crate::intent::Expect): the hash of a document's mapped fields, `None` when it is
    /// absent or a husk.
    ///
    /// # Errors
    /// When the document cannot be read as a row.
    pub fn hash_of(&self, document: Option<&Document>) -> Result<Option<ContentHash>, RowError> {
        match document {
            Some(document) if !self.is_husk(document) => ContentHash::of_row(self, document).map(Some),
            _ => Ok(None),
        }
    }
}

/// Why a row or a document of a model cannot be converted. Always permanent: the record is quarantined.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// A field is missing, or holds what its type cannot.
    #[error("field `{field}`: {reason}")]
    Field {
        /// The document name of the field.
        field: &'static str,
        /// What is wrong with it.
        reason: FieldError,
    },
    /// A hook of the app panicked.
    #[error("the hook `{hook}` panicked: {reason}")]
    Hook {
        /// The hook.
        hook: &'static str,
        /// What it said.
        reason: String,
    },
    /// The id is out of bounds.
    #[error("id: {0}")]
    Id(IdError),
    /// The id has another number of parts than the model.
    #[error("the id has {found} parts, the model has {expected}")]
    IdParts {
        /// Parts in the model.
        expected: usize,
        /// Parts in the id.
        found: usize,
    },
}

impl RowError {
    fn field(field: &FieldDescriptor, reason: FieldError) -> Self {
        Self::Field {
            field: field.document,
            reason,
        }
    }
}
