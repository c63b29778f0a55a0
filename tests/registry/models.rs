//! Naming models, choosing among them, and saying what is wrong with the choice.

use ditto_sync::{RegistryError, SyncRegistry, prelude::*};

macro_rules! model {
    ($name:ident, $collection:literal, $table:literal) => {
        #[derive(DittoAdapter)]
        #[ditto(collection = $collection, table = $table)]
        pub(super) struct $name {
            #[ditto(id)]
            id: String,
        }
    };
}

mod shop {
    use super::*;

    model!(Stock, "models_stock", "models_stock");
    model!(Sale, "models_sale", "models_sale");
    ditto_sync::models!(
        /// What the shop sells.
        pub(super) MODELS: Stock, Sale
    );
}

mod store_room {
    use super::*;

    model!(Stock, "models_stock", "models_shelf");
    model!(Shelf, "models_shelf", "MODELS_SALE");
}

fn shop() -> SyncRegistry {
    SyncRegistry::new().with_all(shop::MODELS)
}

fn error(registry: SyncRegistry) -> RegistryError {
    registry.setup().err().expect("a registry that is not consistent")
}

#[test]
fn a_crate_lists_its_models_once() {
    assert_eq!(shop().collections(), ["models_stock", "models_sale"]);
    let twice = shop().with::<shop::Stock>().with_all(shop::MODELS);
    assert_eq!(twice.collections(), ["models_stock", "models_sale"]);
}

#[test]
fn models_are_chosen_and_left_out_by_collection() {
    assert_eq!(shop().only(["models_sale"]).collections(), ["models_sale"]);
    assert_eq!(shop().without(["models_sale"]).collections(), ["models_stock"]);
    let discovered = SyncRegistry::new()
        .with_all(shop::MODELS)
        .only(vec!["models_stock".to_owned()]);
    assert!(discovered.setup().is_ok());
}

#[test]
fn a_collection_that_no_model_has_cannot_be_chosen() {
    for registry in [shop().only(["models_stok"]), shop().without(["models_stok"])] {
        let error = error(registry.with::<store_room::Shelf>());
        let RegistryError::UnknownCollection { name, known } = &error else {
            panic!("{error}")
        };
        assert_eq!(
            (name.as_str(), known.as_str()),
            ("models_stok", "models_sale, models_stock")
        );
    }
}

#[test]
fn every_missing_and_every_unexpected_collection_is_named() {
    assert!(
        shop()
            .expect_collections(["models_sale", "models_stock"])
            .setup()
            .is_ok()
    );
    let error = error(shop().expect_collections(["models_stock", "b", "a"]));
    assert_eq!(
        error,
        RegistryError::Collections {
            missing: vec!["a".to_owned(), "b".to_owned()],
            unexpected: vec!["models_sale".to_owned()],
        }
    );
    assert_eq!(
        error.to_string(),
        "the collections are not those expected; missing: `a`, `b`; unexpected: `models_sale`"
    );
}

#[test]
fn an_empty_registry_lacks_everything_expected() {
    let error = error(SyncRegistry::new().expect_collections(["models_stock"]));
    assert!(
        error
            .to_string()
            .contains("missing: `models_stock`; unexpected: none"),
        "{error}"
    );
}

#[test]
fn two_types_of_one_collection_are_both_named_with_their_modules() {
    let error = error(shop().with::<store_room::Stock>()).to_string();
    assert!(error.contains("registry::models::shop::Stock"), "{error}");
    assert!(error.contains("registry::models::store_room::Stock"), "{error}");
    assert!(error.contains("the same collection `models_stock`"), "{error}");
}

#[test]
fn two_types_of_one_table_are_both_named_whatever_the_case() {
    let error = error(shop().with::<store_room::Shelf>()).to_string();
    assert!(
        error.contains("shop::Sale") && error.contains("store_room::Shelf"),
        "{error}"
    );
    assert!(error.contains("the same table `MODELS_SALE`"), "{error}");
}
