//! The parameters of scopes and filters.

use ditto_sync::{Document, FieldKind, RegistryError, SyncRegistry, prelude::*};

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

fn error(registry: SyncRegistry) -> RegistryError {
    registry.setup().err().expect("a context that does not fit")
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
        assert_eq!(setup.scopes.admits(model, &document), belongs, "{document:?}");
    }
}

#[test]
fn the_parameters_of_a_filter_are_parameters_of_the_context() {
    let missing = error(SyncRegistry::new().with::<Sale>().context("branchId", 1));
    assert_eq!(
        missing,
        RegistryError::MissingParameter {
            name: "least".to_owned(),
            known: "branchId, least, otherStatus".to_owned(),
        }
    );
    let unknown = error(registry().context("leest", 5));
    assert_eq!(
        unknown,
        RegistryError::UnknownParameter {
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
            RegistryError::ParameterKind {
                name: name.to_owned(),
                found: value.kind_name(),
                model: "registry::context::Sale".to_owned(),
                field: field.to_owned(),
                kind,
            }
        );
    }
}
