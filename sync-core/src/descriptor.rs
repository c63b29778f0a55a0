//! What the engine knows of a model, as plain static data: the collection, the table, the fields and how each converts.
//!
//! `derive(DittoAdapter)` writes these; nothing here reads a struct, a table or a store.

mod field;
mod link;
mod row_error;

use std::{cmp::Ordering, iter::Peekable, sync::OnceLock};

pub(crate) use self::link::{STORE_ID_FIELD, is_key};
pub use self::{
    field::FieldDescriptor,
    link::{LinkDescriptor, Linked},
    row_error::RowError,
};
use crate::{
    column::{ColumnValue, Image},
    document::{Document, FieldName},
    field::FieldError,
    hash::ContentHash,
    hooks::Hooks,
    id::{DocumentId, IdPart},
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
    anchor_place: OnceLock<usize>,
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
            anchor_place: OnceLock::new(),
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
            order.sort_by_key(|&at| self.fields[at].document_name());
            order
        })
    }

    /// Whether `document` is a husk: what a delete left behind of a concurrent edit. A husk is absent.
    #[must_use]
    pub fn is_husk(&self, document: &Document) -> bool {
        let anchor = self.anchor.filter(|_| !off(Rule::Husk));
        anchor.is_some_and(|anchor| {
            let value = document.get_near(self.anchor_place(), anchor);
            value.is_none_or(Value::is_null)
        })
    }

    /// Where the anchor stands in a document that has exactly the fields of a row.
    fn anchor_place(&self) -> usize {
        *self.anchor_place.get_or_init(|| {
            let fields = self.fields.iter().chain(self.id_fields);
            let before = fields.filter(|field| Some(field.document_name()) < self.anchor);
            before.count()
        })
    }

    /// The id of a row from its id columns.
    ///
    /// # Errors
    /// When a column cannot be read as its field, or the id is out of bounds.
    pub fn id_from_columns(&self, columns: &[ColumnValue]) -> Result<DocumentId, RowError> {
        if let ([field], [ColumnValue::Text(text)]) = (self.id_fields, columns)
            && field.keeps_text()
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

    /// The id of a row whose only id column holds this text; `None` where that takes a conversion, or makes no id: ask
    /// [`id_from_columns`](Self::id_from_columns) then.
    #[must_use]
    pub fn id_from_text(&self, text: &str) -> Option<DocumentId> {
        match self.id_fields {
            [field] if field.keeps_text() => DocumentId::text(text).ok(),
            _ => None,
        }
    }

    /// The id columns of the row that `id` names.
    ///
    /// # Errors
    /// When a part is not of its field's type or not in its canonical form, or their number differs.
    pub fn id_to_columns(&self, id: &DocumentId) -> Result<Vec<ColumnValue>, RowError> {
        let mut columns = Vec::new();
        self.put_id_columns(id, &mut columns).map(|()| columns)
    }

    /// The same in place of what `columns` holds, whose room is used again: for loops.
    ///
    /// # Errors
    /// As [`id_to_columns`](Self::id_to_columns); then `columns` holds nothing of use.
    pub fn put_id_columns(&self, id: &DocumentId, columns: &mut Vec<ColumnValue>) -> Result<(), RowError> {
        if id.parts().len() != self.id_fields.len() {
            return Err(RowError::IdParts {
                expected: self.id_fields.len(),
                found: id.parts().len(),
            });
        }
        if let ([field], [IdPart::Text(text)]) = (self.id_fields, id.parts())
            && field.keeps_text()
            && field.is_canonical()
        {
            if let [ColumnValue::Text(column)] = columns.as_mut_slice() {
                column.clear();
                column.push_str(text);
            } else {
                columns.clear();
                columns.push(ColumnValue::Text(text.to_string()));
            }
            return Ok(());
        }
        columns.clear();
        for (field, part) in self.id_fields.iter().zip(id.parts()) {
            let column = field.id_column(&part.to_value());
            columns.push(column.map_err(|reason| RowError::field(field, reason))?);
        }
        Ok(())
    }

    /// The canonical form of a row as the table holds it.
    ///
    /// # Errors
    /// When a column holds what its field cannot; names the field.
    pub fn canonical(&self, image: Image) -> Result<Image, RowError> {
        let mut image = image;
        for (field, column) in self.fields.iter().zip(image.columns_mut()) {
            if !field.has_canonical(column) {
                *column = field
                    .canonical(std::mem::take(column))
                    .map_err(|reason| RowError::field(field, reason))?;
            }
        }
        Ok(image)
    }

    /// The row that `document` stands for, canonical.
    ///
    /// # Errors
    /// When a field is missing or of the wrong kind; names the field.
    pub fn image_of(&self, document: &Document) -> Result<Image, RowError> {
        let columns = self.fields.iter();
        let columns = columns.map(|field| field.column_of(document.get(field.document_name())));
        Ok(Image::new(columns.collect::<Result<_, _>>()?))
    }

    /// The row that a document stands for which has a hash as one, with the texts taken out of it where they need no conversion.
    pub(crate) fn take_image(&self, document: &mut Document) -> Result<Image, RowError> {
        let mut columns = vec![ColumnValue::Null; self.fields.len()];
        let mut values = document.iter_mut().peekable();
        // Both sides are sorted by name.
        for &at in self.hash_order() {
            let field = &self.fields[at];
            while values
                .next_if(|(name, _)| *name < field.document_name())
                .is_some()
            {}
            let value = values.next_if(|(name, _)| *name == field.document_name());
            columns[at] = match value.map(|(_, value)| value) {
                Some(value) if field.keeps(value) => kept(std::mem::take(value)),
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
        self.document_with(id, |at| self.field_value(&self.fields[at], &image[at]))
    }

    /// The same with the texts taken out of the row, where they need no conversion.
    pub(crate) fn take_document(&self, id: &DocumentId, image: &mut Image) -> Result<Document, RowError> {
        self.document_with(id, |at| self.take_field_value(at, image))
    }

    fn document_with(
        &self,
        id: &DocumentId,
        mut value_at: impl FnMut(usize) -> Result<Value, RowError>,
    ) -> Result<Document, RowError> {
        let mut document = Document::with_capacity(self.fields.len() + self.id_fields.len() + 1);
        // In the order of their names, so that each is put behind the others.
        for &at in self.hash_order() {
            let name = self.fields[at].document_name();
            document.set(FieldName::new_static(name), value_at(at)?);
        }
        for (field, part) in self.id_fields.iter().zip(id.parts()) {
            document.set(FieldName::new_static(field.document_name()), part.to_value());
        }
        // Mostly the one id field is the anchor, and holds the same.
        let is_anchor = |anchor: &&str| {
            id.parts().len() == 1 && self.id_fields.len() == 1 && self.id_fields[0].document_name() == *anchor
        };
        if let Some(anchor) = self.anchor.filter(|anchor| !is_anchor(anchor)) {
            document.set(FieldName::new_static(anchor), id.to_value());
        }
        Ok(document)
    }

    /// One column as the document value that is sent.
    ///
    /// # Errors
    /// When the column cannot be converted, or the value is one that no store takes.
    pub fn field_value(&self, field: &FieldDescriptor, column: &ColumnValue) -> Result<Value, RowError> {
        sendable(field, field.to_value(column))
    }

    /// The same of the column at this position, taken out of the row.
    pub(crate) fn take_field_value(&self, at: usize, image: &mut Image) -> Result<Value, RowError> {
        let field = &self.fields[at];
        sendable(field, field.value_from(image.take(at)))
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

/// The value, if stores take it.
fn sendable(field: &FieldDescriptor, value: Result<Value, FieldError>) -> Result<Value, RowError> {
    let value = value.and_then(|value| value.validate().map(|()| value).map_err(FieldError::Value));
    value.map_err(|reason| RowError::field(field, reason))
}

/// The value of this name among fields sorted by name, of which those before it are passed over.
pub(crate) fn next_of<'d>(
    fields: &mut Peekable<impl Iterator<Item = (&'d FieldName, &'d Value)>>,
    name: &str,
) -> Option<&'d Value> {
    // Mostly the next field is the one, and to find that out is cheaper than to find out the order.
    if let Some((_, value)) = fields.next_if(|(field, _)| field.as_str() == name) {
        return Some(value);
    }
    while let Some((field, _)) = fields.peek() {
        match field.as_str().cmp(name) {
            Ordering::Less => drop(fields.next()),
            Ordering::Equal => return fields.next().map(|(_, value)| value),
            Ordering::Greater => return None,
        }
    }
    None
}

/// The column of a value that [is the same there](FieldDescriptor::keeps).
fn kept(value: Value) -> ColumnValue {
    match value {
        Value::Text(text) => ColumnValue::Text(text),
        Value::Int(integer) => ColumnValue::Integer(integer),
        Value::Float(float) => ColumnValue::Real(float),
        Value::Null => ColumnValue::Null,
        Value::Bool(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => {
            unreachable!("such values are converted")
        }
    }
}
