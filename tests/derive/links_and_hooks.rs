//! `link`, `hooks`, `backup`, `hydrate_on_startup`: what the derive tells the engine.

use ditto_sync::{Linked, Query, RegistryError, field, prelude::*};

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(
    collection = "linked_stocks",
    rename_all = "camelCase",
    backup,
    hydrate_on_startup,
    hooks
)]
struct Stock {
    #[ditto(id)]
    id: String,
    bar_code: Option<String>,
    #[ditto(counter)]
    quantity: i64,
    #[ditto(link(Self))]
    parent_id: Option<String>,
}

impl DittoHooks for Stock {
    fn should_apply_remote(change: &RemoteChange<'_, Self>) -> bool {
        let before = change
            .current()
            .map_or(0, |row| row.map_or(i64::MAX, |row| row.quantity));
        change.read().is_ok_and(|stock| stock.quantity >= before)
    }

    fn hydration_query(scope: Query) -> Query {
        scope.and(field("quantity").gt(0))
    }

    fn on_backup_restored(row: &Self) {
        assert_eq!(row.id, "s1");
        panic!("the hook was called");
    }
}

#[derive(Debug, Clone, PartialEq, DittoAdapter)]
#[ditto(collection = "linked_variants", rename_all = "camelCase")]
struct Variant {
    #[ditto(id, link(Stock, cascade = false))]
    stock_id: String,
    #[ditto(id)]
    number: i64,
    #[ditto(link(Stock, remote_key = "barCode"))]
    code: Option<String>,
}

fn stock(quantity: i64) -> Stock {
    Stock {
        id: "s1".to_owned(),
        bar_code: None,
        quantity,
        parent_id: None,
    }
}

#[test]
fn links_say_what_they_lead_to() {
    let [of_id, of_code] = Variant::descriptor().links() else {
        panic!("two fields link");
    };
    assert_eq!(
        (of_id.field(), of_id.remote_key(), of_id.cascades()),
        ("stockId", "_id", false)
    );
    assert_eq!(
        (of_code.field(), of_code.remote_key(), of_code.cascades()),
        ("code", "barCode", true)
    );
    assert!(std::ptr::eq(of_id.target(), Stock::descriptor()));
    let variant = Variant {
        stock_id: "s1".to_owned(),
        number: 1,
        code: Some("c1".to_owned()),
    };
    let document = variant.to_document().unwrap();
    let id = DocumentId::text("s1").unwrap();
    assert_eq!(of_id.follow(&document), Some(Linked::Document(id)));
    let by_code = Query::new(field("barCode").eq("c1"));
    assert_eq!(of_code.follow(&document), Some(Linked::Documents(by_code)));
}

#[test]
fn a_model_may_link_to_itself() {
    let [link] = Stock::descriptor().links() else {
        panic!("one field links");
    };
    assert!(std::ptr::eq(link.target(), Stock::descriptor()));
    assert!(format!("{link:?}").contains("Stock"));
}

#[test]
fn flags_reach_the_descriptor() {
    let (stock, variant) = (Stock::descriptor(), Variant::descriptor());
    assert!(stock.is_backed_up() && stock.hydrates_on_startup() && stock.hooks().is_some());
    assert!(!variant.is_backed_up() && !variant.hydrates_on_startup() && variant.hooks().is_none());
}

#[test]
fn hooks_see_the_document_and_the_row() {
    let hooks = Stock::descriptor().hooks().unwrap();
    let (id, document) = (stock(2).document_id().unwrap(), stock(2).to_document().unwrap());
    let image = |quantity| {
        let document = stock(quantity).to_document().unwrap();
        Stock::descriptor().image_of(&document).unwrap()
    };
    assert!(hooks.should_apply_remote(&id, &document, None));
    assert!(hooks.should_apply_remote(&id, &document, Some(&image(2))));
    assert!(!hooks.should_apply_remote(&id, &document, Some(&image(3))));
}

#[test]
fn hooks_narrow_queries_and_default_to_the_given_ones() {
    let hooks = Stock::descriptor().hooks().unwrap();
    let scope = Query::new(field("branchId").eq("a"));
    assert_eq!(hooks.observer_query(scope.clone()), scope);
    let hydrated = hooks.hydration_query(scope.clone());
    assert_eq!(hydrated, scope.and(field("quantity").gt(0)));
    assert_eq!(
        hooks.hydration_query(Query::all()),
        Query::new(field("quantity").gt(0))
    );
}

#[test]
#[should_panic(expected = "the hook was called")]
fn a_restored_row_is_handed_over_typed() {
    let hooks = Stock::descriptor().hooks().unwrap();
    let (id, document) = (stock(2).document_id().unwrap(), stock(2).to_document().unwrap());
    let _ = hooks.on_backup_restored(&id, &document);
}

#[test]
fn a_document_that_is_no_row_is_not_handed_over() {
    let hooks = Stock::descriptor().hooks().unwrap();
    let (id, mut document) = (stock(2).document_id().unwrap(), stock(2).to_document().unwrap());
    document.set("quantity", "many");
    assert!(hooks.on_backup_restored(&id, &document).is_err());
}

mod by_hand {
    use ditto_sync::{
        DittoAdapter, Document, DocumentId, FieldDescriptor, IdError, LinkDescriptor, ModelDescriptor,
        RowError,
    };

    /// An adapter that the compiler knows no fields of.
    #[derive(Debug)]
    pub(super) struct Leaf;

    static ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
    static LINKS: [LinkDescriptor; 1] =
        [LinkDescriptor::new("id", super::Stock::descriptor_of).with_remote_key("sku")];
    static MODEL: ModelDescriptor =
        ModelDescriptor::new("Leaf", "leaves", "leaves", &ID, &[]).with_links(&LINKS);

    impl DittoAdapter for Leaf {
        fn descriptor() -> &'static ModelDescriptor {
            &MODEL
        }
        fn document_id(&self) -> Result<DocumentId, IdError> {
            DocumentId::text("leaf")
        }
        fn to_document(&self) -> Result<Document, RowError> {
            Ok(Document::new())
        }
        fn from_document(_: &DocumentId, _: &Document) -> Result<Self, RowError> {
            Ok(Self)
        }
    }
}

impl Stock {
    fn descriptor_of() -> &'static ditto_sync::ModelDescriptor {
        <Self as DittoAdapter>::descriptor()
    }
}

#[derive(DittoAdapter)]
#[ditto(collection = "linked_to_leaf")]
struct Branch {
    #[ditto(id)]
    id: String,
    #[ditto(link(by_hand::Leaf))]
    leaf: Option<String>,
}

#[test]
fn links_of_adapters_written_by_hand_are_checked_at_start() {
    let error = SyncRegistry::new().with::<by_hand::Leaf>().setup().err().unwrap();
    assert!(matches!(error, RegistryError::Link { .. }), "{error}");
    assert!(error.to_string().contains("known are: id, barCode"), "{error}");
    assert!(SyncRegistry::new().with::<Branch>().setup().is_ok());
}
