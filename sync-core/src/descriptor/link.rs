//! How rows of one model name rows of another: [`LinkDescriptor`].
//!
//! Not here: in which order links are followed, and how far.

use std::fmt;

use super::ModelDescriptor;
use crate::{
    document::Document,
    field::FieldKind,
    id::DocumentId,
    query::{Query, field},
};

/// The name under which a link means the id of the linked document, whatever its fields are called.
pub(crate) const STORE_ID_FIELD: &str = "_id";

/// A field whose value names rows of another model. A backup that is restored follows it.
#[derive(Clone, Copy)]
pub struct LinkDescriptor {
    field: &'static str,
    target: fn() -> &'static ModelDescriptor,
    remote_key: &'static str,
    cascade: bool,
}

/// What a link of one document leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Linked {
    /// The document of this id.
    Document(DocumentId),
    /// The documents that this query finds.
    Documents(Query),
}

impl LinkDescriptor {
    /// The document field `field` holds the id of a document of `target`; the links of that document are followed too.
    #[must_use]
    pub const fn new(field: &'static str, target: fn() -> &'static ModelDescriptor) -> Self {
        Self {
            field,
            target,
            remote_key: STORE_ID_FIELD,
            cascade: true,
        }
    }

    /// The field holds what this document field of the target holds. `_id` is its id.
    #[must_use]
    pub const fn with_remote_key(mut self, remote_key: &'static str) -> Self {
        self.remote_key = remote_key;
        self
    }

    /// Whether the links of the linked documents are followed too.
    #[must_use]
    pub const fn with_cascade(mut self, cascade: bool) -> Self {
        self.cascade = cascade;
        self
    }

    /// The document name of the field that links.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The model that it links to.
    #[must_use]
    pub fn target(&self) -> &'static ModelDescriptor {
        (self.target)()
    }

    /// The document field of the target that it is compared with; `_id` is its id.
    #[must_use]
    pub fn remote_key(&self) -> &'static str {
        self.remote_key
    }

    /// Whether the links of the linked documents are followed too.
    #[must_use]
    pub fn cascades(&self) -> bool {
        self.cascade
    }

    /// What the link of this document leads to; nothing where the field is missing, NULL, or no id.
    #[must_use]
    pub fn follow(&self, document: &Document) -> Option<Linked> {
        let value = document.get(self.field).filter(|value| !value.is_null())?;
        if self.names_the_id() {
            return DocumentId::from_values(vec![value.clone()])
                .ok()
                .map(Linked::Document);
        }
        let found = field(self.remote_key).eq(value.clone());
        Some(Linked::Documents(Query::new(found)))
    }

    /// Whether the target has what the link names. The derive has asked already; this is for adapters written by hand.
    pub(crate) fn is_possible(&self) -> bool {
        let target = self.target();
        let fields = target.fields().iter().chain(target.id_fields());
        if self.names_the_id() {
            return target.id_fields().len() == 1;
        }
        fields
            .into_iter()
            .any(|field| field.document_name() == self.remote_key && is_key(field.kind()))
    }

    /// The anchor and the field of a single id hold the id, so looking it up is the same and cheaper.
    fn names_the_id(&self) -> bool {
        let target = self.target();
        let is_only_field = matches!(target.id_fields(), [only] if only.document_name() == self.remote_key);
        self.remote_key == STORE_ID_FIELD || target.anchor() == Some(self.remote_key) || is_only_field
    }
}

impl fmt::Debug for LinkDescriptor {
    /// Names the target only: models may link in circles.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LinkDescriptor")
            .field("field", &self.field)
            .field("target", &self.target().type_name())
            .field("remote_key", &self.remote_key)
            .field("cascade", &self.cascade)
            .finish()
    }
}

/// Whether values of this kind name rows.
pub(crate) const fn is_key(kind: FieldKind) -> bool {
    matches!(kind, FieldKind::Text | FieldKind::Int | FieldKind::Any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{descriptor::FieldDescriptor, value::Value};

    static ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
    static FIELDS: [FieldDescriptor; 2] = [
        FieldDescriptor::of::<String>("code", "code", "code"),
        FieldDescriptor::of::<f64>("price", "price", "price"),
    ];
    static TARGET: ModelDescriptor = ModelDescriptor::new("Stock", "stocks", "stocks", &ID, &FIELDS);

    fn target() -> &'static ModelDescriptor {
        &TARGET
    }

    fn variant(value: impl Into<Value>) -> Document {
        let mut document = Document::new();
        document.set("stockId", value.into());
        document
    }

    #[test]
    fn a_link_leads_to_the_document_of_the_id_however_that_is_called() {
        let expected = Linked::Document(DocumentId::text("s1").unwrap());
        for key in ["_id", "id"] {
            let link = LinkDescriptor::new("stockId", target).with_remote_key(key);
            assert_eq!(link.follow(&variant("s1")), Some(expected.clone()));
            assert!(link.is_possible());
        }
    }

    #[test]
    fn a_link_by_another_field_is_a_query() {
        let link = LinkDescriptor::new("stockId", target).with_remote_key("code");
        let expected = Query::new(field("code").eq("c1"));
        assert_eq!(link.follow(&variant("c1")), Some(Linked::Documents(expected)));
    }

    #[test]
    fn a_link_that_holds_nothing_leads_nowhere() {
        let link = LinkDescriptor::new("stockId", target);
        for document in [Document::new(), variant(Value::Null), variant(""), variant(1.5)] {
            assert_eq!(link.follow(&document), None, "{document:?}");
        }
    }

    #[test]
    fn a_link_by_a_field_that_is_none_or_no_key_is_impossible() {
        for key in ["sku", "price"] {
            let link = LinkDescriptor::new("stockId", target).with_remote_key(key);
            assert!(!link.is_possible(), "{key}");
        }
    }
}
