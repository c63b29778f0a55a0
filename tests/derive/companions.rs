//! `StockDittoAdapter`, generated beside `Stock`.

use ditto_sync::{Companion, ContextSource, Query, RegistryError, field, prelude::*};

mod models {
    use ditto_sync::prelude::*;

    #[derive(Debug, DittoAdapter)]
    #[ditto(collection = "companion_stocks", rename_all = "camelCase", scope(branch_id))]
    #[ditto(filter = "price >= :leastPrice AND branch_id <> :branchId OR r_type = :type")]
    pub(crate) struct Stock {
        #[ditto(id)]
        pub(crate) id: String,
        pub(crate) branch_id: String,
        pub(crate) price: i64,
        pub(crate) r_type: String,
    }

    #[derive(Debug, DittoAdapter)]
    #[ditto(collection = "companion_raw", scope(r#type))]
    pub(crate) struct r#Raw {
        #[ditto(id)]
        pub(crate) r#fn: String,
        pub(crate) r#type: i64,
    }

    #[derive(Debug, DittoAdapter)]
    #[ditto(collection = "companion_shared", rename_all = "camelCase", scope(branch_id))]
    pub(crate) struct Sale {
        #[ditto(id)]
        pub(crate) id: String,
        pub(crate) branch_id: String,
    }
}

use models::{RawDittoAdapter, Sale, SaleDittoAdapter, Stock, StockDittoAdapter};

fn scope_of<T: DittoAdapter>(registry: SyncRegistry) -> Query {
    let setup = registry.setup().expect("the registry is whole");
    let query = setup.scopes.query(T::descriptor());
    query.expect("the scope is known")
}

fn branch(query: &Query) -> Option<&Value> {
    query.parameters().get("branchId")
}

#[test]
fn a_companion_overrides_the_context_of_its_model_alone() {
    let registry = SyncRegistry::new()
        .with::<Sale>()
        .context("branchId", "shared")
        .with_adapter(
            StockDittoAdapter::new()
                .override_branch_id("mine")
                .override_least_price(10)
                .override_type("a"),
        );
    let stock = scope_of::<Stock>(registry.clone());
    assert_eq!(branch(&stock), Some(&"mine".into()));
    assert_eq!(stock.parameters().get("leastPrice"), Some(&10.into()));
    assert_eq!(branch(&scope_of::<Sale>(registry)), Some(&"shared".into()));
}

#[test]
fn a_provider_is_asked_at_start() {
    let asked = ContextSource::provider(|| Some("asked"));
    let registry = SyncRegistry::new().with_adapter(SaleDittoAdapter::new().override_branch_id(asked));
    assert_eq!(branch(&scope_of::<Sale>(registry)), Some(&"asked".into()));
}

#[test]
fn the_last_override_counts_and_instances_are_apart() {
    let first = SaleDittoAdapter::new().override_branch_id("a");
    let second = first.clone().override_branch_id("b");
    for (adapter, expected) in [(first, "a"), (second, "b")] {
        let registry = SyncRegistry::new().with_adapter(adapter);
        assert_eq!(branch(&scope_of::<Sale>(registry)), Some(&expected.into()));
    }
}

#[test]
fn a_companion_without_overrides_registers_its_model() {
    let registry = SyncRegistry::new().with_adapter(SaleDittoAdapter::default());
    assert_eq!(registry.collections(), ["companion_shared"]);
    let missing = registry.setup().err().unwrap();
    assert!(matches!(missing, RegistryError::Context(_)), "{missing}");
}

#[test]
fn raw_names_are_what_they_stand_for() {
    let registry = SyncRegistry::new().with_adapter(RawDittoAdapter::new().override_type(7));
    let query = scope_of::<<RawDittoAdapter as Companion>::Model>(registry);
    assert_eq!(
        query,
        Query::new(ditto_sync::Filter::And(vec![
            field("type").eq(ditto_sync::param("type"))
        ]))
        .with("type", 7)
    );
}
