//! Where an app takes part in decisions about one model: [`DittoHooks`], and what the engine knows of it, [`Hooks`].
//!
//! Not here: when hooks are called, and what becomes of a panic in one.

use std::{fmt, marker::PhantomData};

use crate::{
    adapter::DittoAdapter, column::Image, descriptor::RowError, document::Document, id::DocumentId,
    private::DeclaresHooks, query::Query,
};

/// Decisions that an app takes about one model. Say `hooks` in the struct's `#[ditto(..)]`, and implement what you need; the rest does
/// what would happen without.
///
/// A hook is called often, and within the engine's work: it computes from its arguments, and neither blocks nor writes. A panic in one
/// counts as if the hook were absent, and is reported.
///
/// ```
/// # use ditto_sync_core as ditto_sync;
/// use ditto_sync::{
///     hooks::{DittoHooks, RemoteChange},
///     query::{Query, field},
/// };
/// # use ditto_sync::{adapter::DittoAdapter, descriptor::*, document::Document, id::*};
/// # struct Stock { quantity: i64 }
/// # static ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
/// # static MODEL: ModelDescriptor = ModelDescriptor::new("Stock", "stocks", "stocks", &ID, &[]);
/// # impl ditto_sync::__private::DeclaresHooks for Stock {}
/// # impl DittoAdapter for Stock {
/// #     fn descriptor() -> &'static ModelDescriptor { &MODEL }
/// #     fn document_id(&self) -> Result<DocumentId, IdError> { DocumentId::text("s1") }
/// #     fn to_document(&self) -> Result<Document, RowError> { Ok(Document::new()) }
/// #     fn from_document(_: &DocumentId, _: &Document) -> Result<Self, RowError> { Ok(Self { quantity: -1 }) }
/// # }
///
/// // On the struct: #[ditto(collection = "stocks", hooks)]
/// impl DittoHooks for Stock {
///     fn should_apply_remote(change: &RemoteChange<'_, Self>) -> bool {
///         change.read().is_ok_and(|stock| stock.quantity >= 0)
///     }
///
///     fn hydration_query(scope: Query) -> Query {
///         scope.and(field("archived").eq(false))
///     }
/// }
/// # let id = DocumentId::text("s1").unwrap();
/// # assert!(!Stock::should_apply_remote(&RemoteChange::new(&id, &Document::new(), None)));
/// # assert_eq!(Stock::observer_query(Query::all()), Query::all());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` says `hooks`, and has none",
    label = "`DittoHooks` is not implemented for this struct",
    note = "write `impl DittoHooks for {Self} {{}}`; each of its functions has a default"
)]
pub trait DittoHooks: DittoAdapter + DeclaresHooks {
    /// Whether the table takes this document. One that is refused stays where it is, is counted, and is asked about again when it
    /// changes; the row keeps its values meanwhile. Deletes are not asked about.
    ///
    /// Default: yes.
    #[must_use]
    fn should_apply_remote(change: &RemoteChange<'_, Self>) -> bool {
        let _ = change;
        true
    }

    /// Which documents are observed, and so belong on this device. Given is the query of the scope and filter with the values of the
    /// context; what is given back takes its place, so narrow it with [`Query::and`] rather than write another.
    ///
    /// Default: the scope.
    #[must_use]
    fn observer_query(scope: Query) -> Query {
        scope
    }

    /// Which documents a hydration fetches, by `hydrate_on_startup` or on request. Given is the query that is observed.
    ///
    /// Default: the same.
    #[must_use]
    fn hydration_query(scope: Query) -> Query {
        scope
    }

    /// A row was restored from the backup, and is committed.
    ///
    /// Default: nothing.
    fn on_backup_restored(row: &Self) {
        let _ = row;
    }
}

/// A document that is about to be applied to a table.
pub struct RemoteChange<'a, T> {
    id: &'a DocumentId,
    document: &'a Document,
    current: Option<&'a Image>,
    model: PhantomData<fn() -> T>,
}

impl<'a, T: DittoAdapter> RemoteChange<'a, T> {
    /// A document and the row that it would change, if there is one.
    #[must_use]
    pub fn new(id: &'a DocumentId, document: &'a Document, current: Option<&'a Image>) -> Self {
        Self {
            id,
            document,
            current,
            model: PhantomData,
        }
    }

    /// The document's id.
    #[must_use]
    pub fn id(&self) -> &DocumentId {
        self.id
    }

    /// The document, with the fields that the struct does not know.
    #[must_use]
    pub fn document(&self) -> &Document {
        self.document
    }

    /// The document as a value of the struct.
    ///
    /// # Errors
    /// When a field is missing without a default, or of the wrong kind; such a document goes into quarantine when it is applied.
    pub fn read(&self) -> Result<T, RowError> {
        T::from_document(self.id, self.document)
    }

    /// The row as the table holds it; `None` when there is none.
    ///
    /// # Errors
    /// When a column holds what its field cannot.
    pub fn current(&self) -> Option<Result<T, RowError>> {
        let image = self.current?;
        let document = T::descriptor().document_of(self.id, image);
        Some(document.and_then(|document| T::from_document(self.id, &document)))
    }
}

impl<T> fmt::Debug for RemoteChange<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RemoteChange")
            .field("id", &self.id)
            .field("document", &self.document)
            .field("current", &self.current)
            .finish()
    }
}

/// The hooks of one model, its type erased: what the engine calls.
#[derive(Debug, Clone, Copy)]
pub struct Hooks {
    should_apply_remote: fn(&DocumentId, &Document, Option<&Image>) -> bool,
    observer_query: fn(Query) -> Query,
    hydration_query: fn(Query) -> Query,
    on_backup_restored: fn(&DocumentId, &Document) -> Result<(), RowError>,
}

impl Hooks {
    /// The hooks of `T`.
    #[must_use]
    pub const fn of<T: DittoHooks>() -> Self {
        Self {
            should_apply_remote: should_apply_remote::<T>,
            observer_query: T::observer_query,
            hydration_query: T::hydration_query,
            on_backup_restored: on_backup_restored::<T>,
        }
    }

    /// [`DittoHooks::should_apply_remote`], with the row as the table holds it.
    #[must_use]
    pub fn should_apply_remote(&self, id: &DocumentId, document: &Document, current: Option<&Image>) -> bool {
        (self.should_apply_remote)(id, document, current)
    }

    /// [`DittoHooks::observer_query`].
    #[must_use]
    pub fn observer_query(&self, scope: Query) -> Query {
        (self.observer_query)(scope)
    }

    /// [`DittoHooks::hydration_query`].
    #[must_use]
    pub fn hydration_query(&self, scope: Query) -> Query {
        (self.hydration_query)(scope)
    }

    /// [`DittoHooks::on_backup_restored`], for the row that this document was restored as.
    ///
    /// # Errors
    /// When the document cannot be read as a row; then the hook is not called.
    pub fn on_backup_restored(&self, id: &DocumentId, document: &Document) -> Result<(), RowError> {
        (self.on_backup_restored)(id, document)
    }
}

fn should_apply_remote<T: DittoHooks>(id: &DocumentId, document: &Document, current: Option<&Image>) -> bool {
    T::should_apply_remote(&RemoteChange::new(id, document, current))
}

fn on_backup_restored<T: DittoHooks>(id: &DocumentId, document: &Document) -> Result<(), RowError> {
    T::on_backup_restored(&T::from_document(id, document)?);
    Ok(())
}
