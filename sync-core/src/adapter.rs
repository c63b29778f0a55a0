//! What a user's struct implements, through `derive(DittoAdapter)`: [`DittoAdapter`]; and how a binary finds all of them:
//! [`registered`].
//!
//! The engine itself never sees a struct: it works on rows and documents through the [`ModelDescriptor`].

use crate::{
    descriptor::{ModelDescriptor, RowError},
    document::Document,
    id::{DocumentId, IdError},
    private::KnownFields,
};

/// A struct that is kept in step with a collection. Implemented by `#[derive(DittoAdapter)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `DittoAdapter`",
    label = "this type has no collection",
    note = "write `#[derive(DittoAdapter)]` and `#[ditto(collection = \"..\")]` on the struct"
)]
pub trait DittoAdapter: Sized + Send + Sync + 'static {
    /// What links are checked against when they are compiled; only the derive says so.
    #[doc(hidden)]
    const KNOWN_FIELDS: Option<KnownFields> = None;

    /// What the engine knows of the model.
    fn descriptor() -> &'static ModelDescriptor;

    /// The id of this value's document.
    ///
    /// # Errors
    /// When the id fields are out of bounds (empty, or longer than [`MAX_ID_BYTES`](crate::id::MAX_ID_BYTES)).
    fn document_id(&self) -> Result<DocumentId, IdError>;

    /// This value as a whole document: id fields, anchor and all mapped fields.
    ///
    /// # Errors
    /// When the id is out of bounds, or a field holds what no store takes (NaN).
    fn to_document(&self) -> Result<Document, RowError>;

    /// The value that a document stands for. Fields that the struct skips take their `Default`.
    ///
    /// # Errors
    /// When a field is missing without a declared default, or of the wrong kind; names the field. Nothing is ever invented.
    fn from_document(id: &DocumentId, document: &Document) -> Result<Self, RowError>;
}

/// An adapter that was linked into the binary; submitted by the derive, collected by [`inventory`].
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    descriptor: fn() -> &'static ModelDescriptor,
}

impl Registration {
    /// The registration of `T`.
    #[must_use]
    pub const fn of<T: DittoAdapter>() -> Self {
        Self {
            descriptor: T::descriptor,
        }
    }

    /// The registered model.
    #[must_use]
    pub fn descriptor(&self) -> &'static ModelDescriptor {
        (self.descriptor)()
    }
}

inventory::collect!(Registration);

/// Lists the models of a crate, for [`SyncRegistry::with_all`](crate::registry::SyncRegistry::with_all): a crate of which nothing is
/// referenced is not linked, so its models are not discovered.
///
/// ```text
/// ditto_sync::models!(
///     /// The models of the till.
///     pub MODELS: Stock, Sale, Customer
/// );
/// ```
#[macro_export]
macro_rules! models {
    ($(#[$attribute:meta])* $visibility:vis $name:ident: $($model:ty),+ $(,)?) => {
        $(#[$attribute])*
        $visibility static $name: &[$crate::adapter::Registration] =
            &[$($crate::adapter::Registration::of::<$model>()),+];
    };
}

/// Every adapter linked into this binary, in the order of their collections' names.
#[must_use]
pub fn registered() -> Vec<&'static ModelDescriptor> {
    let mut models: Vec<_> = inventory::iter::<Registration>
        .into_iter()
        .map(Registration::descriptor)
        .collect();
    models.sort_by_key(|model| (model.collection(), model.type_name()));
    models
}
