//! The parameters of scopes and filters: where their values come from, and what does not fit.

use ditto_sync::{
    Belongs, ContextError, ContextSource, Document, FieldKind, ModelScope, RegistryError, SyncRegistry,
    prelude::*,
};

#[derive(DittoAdapter)]
#[ditto(collection = "context_sales", rename_all = "camelCase", scope(branch_id))]
#[ditto(
    filter = "total >= :least AND (is_open = true OR status IN ('late', :otherStatus)) AND deleted_at IS NULL"
)]
struct Sale {
    #[ditto(id)]
    id: String,
    branch_id: i64,
    total: f64,
    is_open: bool,
    status: String,
    deleted_at: Option<String>,
}

fn registry() -> SyncRegistry {
    SyncRegistry::new()
        .with::<Sale>()
        .context("branchId", 1)
        .context("least", 10)
        .context("otherStatus", "lost")
}

#[derive(DittoAdapter)]
#[ditto(collection = "context_shelves", scope(branchId))]
#[expect(non_snake_case, reason = "the parameter is that of `Sale`")]
struct Shelf {
    #[ditto(id)]
    id: String,
    branchId: String,
}

fn error(registry: SyncRegistry) -> ContextError {
    match registry.setup().err().expect("a context that does not fit") {
        RegistryError::Context(error) => error,
        other => panic!("{other}"),
    }
}

fn scope_of<T: DittoAdapter>(registry: SyncRegistry) -> ModelScope {
    let setup = registry.setup().expect("a context that fits");
    setup.scopes.of(T::descriptor()).clone()
}

#[test]
fn scope_and_filter_both_have_to_hold() {
    let setup = registry().setup().unwrap();
    let model = Sale::descriptor();
    let sale = |branch: i64, total: f64, is_open: bool, status: &str, deleted: Option<&str>| -> Document {
        [
            ("branchId", Value::from(branch)),
            ("total", total.into()),
            ("isOpen", is_open.into()),
            ("status", status.into()),
            ("deletedAt", deleted.into()),
        ]
        .into_iter()
        .collect()
    };
    for (document, belongs) in [
        (sale(1, 10.0, true, "new", None), true),
        (sale(2, 10.0, true, "new", None), false),
        (sale(1, 9.99, true, "new", None), false),
        (sale(1, 10.0, false, "new", None), false),
        (sale(1, 10.0, false, "late", None), true),
        (sale(1, 10.0, false, "lost", None), true),
        (sale(1, 10.0, true, "new", Some("2026-01-01")), false),
    ] {
        let expected = if belongs {
            Belongs::Here
        } else {
            Belongs::Elsewhere
        };
        assert_eq!(setup.scopes.judge(model, &document), expected, "{document:?}");
    }
}

#[test]
fn the_parameters_of_a_filter_are_parameters_of_the_context() {
    let missing = error(SyncRegistry::new().with::<Sale>().context("branchId", 1));
    assert_eq!(
        missing,
        ContextError::MissingParameter {
            name: "least".to_owned(),
            known: "branchId, least, otherStatus".to_owned(),
        }
    );
    let unknown = error(registry().context("leest", 5));
    assert_eq!(
        unknown,
        ContextError::UnknownParameter {
            name: "leest".to_owned(),
            known: "branchId, least, otherStatus".to_owned(),
        }
    );
}

#[test]
fn a_value_of_another_kind_than_its_field_would_match_nothing_and_is_refused() {
    for (name, value, field, kind) in [
        ("branchId", Value::from("1"), "branchId", FieldKind::Int),
        ("branchId", Value::Null, "branchId", FieldKind::Int),
        ("least", Value::from("10"), "total", FieldKind::Float),
        ("otherStatus", Value::from(4), "status", FieldKind::Text),
    ] {
        let error = error(registry().context(name, value.clone()));
        assert_eq!(
            error,
            ContextError::ParameterKind {
                name: name.to_owned(),
                found: value.kind_name(),
                model: "registry::context::Sale".to_owned(),
                field: field.to_owned(),
                kind,
            }
        );
    }
}

#[test]
fn a_value_comes_from_a_closure_or_a_channel_as_well() {
    let fixed = scope_of::<Sale>(registry());
    let (_branch, followed) = tokio::sync::watch::channel(Some(Value::from(1)));
    let others = SyncRegistry::new()
        .with::<Sale>()
        .context_watch("branchId", followed)
        .context_with("least", || Some(10))
        .context_with("otherStatus", || Some("lost"));
    assert_eq!(scope_of::<Sale>(others), fixed);
}

#[test]
fn a_scope_without_a_value_is_not_known_which_is_no_query_at_all() {
    let (branch, followed) = tokio::sync::watch::channel(None);
    let unknown: [SyncRegistry; 3] = [
        registry().context_later("branchId"),
        registry().context_with("branchId", || None::<i64>),
        registry().context_watch("branchId", followed),
    ];
    for registry in unknown {
        let setup = registry.with::<Sale>().setup().unwrap();
        let model = Sale::descriptor();
        let awaited = ModelScope::Awaiting(vec!["branchId".to_owned()]);
        assert_eq!(setup.scopes.of(model), &awaited);
        assert_eq!(setup.scopes.query(model), None, "nobody can ask a store for it");
        assert_eq!(setup.scopes.judge(model, &Document::new()), Belongs::Unknown);
    }
    drop(branch);
}

#[test]
fn what_a_closure_or_a_channel_gives_is_checked_at_start_too() {
    let (_branch, followed) = tokio::sync::watch::channel(Some(Value::from("one")));
    for registry in [
        registry().context_with("branchId", || Some("one")),
        registry().context_watch("branchId", followed),
        registry().override_context::<Sale>("branchId", ContextSource::provider(|| Some("one"))),
    ] {
        assert!(matches!(
            error(registry),
            ContextError::ParameterKind { found: "text", .. }
        ));
    }
}

#[test]
fn a_model_may_have_a_value_of_its_own() {
    // The same name, of another kind: without a value of its own one of them would not start.
    let both = || registry().with::<Shelf>();
    assert!(matches!(error(both()), ContextError::ParameterKind { .. }));
    let overridden = both().override_context::<Shelf>("branchId", "kigali-1");
    assert_eq!(scope_of::<Sale>(overridden.clone()), scope_of::<Sale>(registry()));
    let shelf: Document = [("branchId", Value::from("kigali-1"))].into_iter().collect();
    let judged = overridden
        .setup()
        .unwrap()
        .scopes
        .judge(Shelf::descriptor(), &shelf);
    assert_eq!(judged, Belongs::Here);
    // Of several the last one counts; and who has one of his own needs none that is shared.
    let alone = SyncRegistry::new()
        .with::<Shelf>()
        .override_context::<Shelf>("branchId", "butare")
        .override_context::<Shelf>("branchId", "kigali-1");
    assert_eq!(
        alone.setup().unwrap().scopes.judge(Shelf::descriptor(), &shelf),
        Belongs::Here
    );
}

#[test]
fn a_value_for_one_model_names_a_model_and_a_parameter_that_are_there() {
    let unknown = error(registry().override_context::<Sale>("branch", 1));
    let expected = ContextError::UnknownParameter {
        name: "branch".to_owned(),
        known: "branchId, least, otherStatus".to_owned(),
    };
    assert_eq!(unknown, expected);
    let absent = registry()
        .override_context::<Shelf>("branchId", "kigali-1")
        .setup();
    assert!(
        matches!(absent.err(), Some(RegistryError::UnknownCollection { name, .. }) if name == "context_shelves")
    );
}
