//! The whole code of both derives for a reader, in `expansions/`: a change of the generated code shows in a review.
//!
//! After a wanted change: `DITTO_SYNC_SNAPSHOTS=overwrite cargo test -p ditto-sync-derive snapshots`.

use std::{env, fs, path::Path};

use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_quote};

use super::{adapter, field_type};

#[track_caller]
fn assert_is_snapshot(name: &str, code: TokenStream) {
    let file = syn::parse2(code).expect("the derives generate items");
    let code = prettyplease::unparse(&file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("expansions")
        .join(format!("{name}.rs"));
    if env::var_os("DITTO_SYNC_SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        fs::write(&path, &code).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected.replace("\r\n", "\n") == code,
        "the generated code is not that of {}; after a wanted change run \
         `DITTO_SYNC_SNAPSHOTS=overwrite cargo test -p ditto-sync-derive snapshots`.\n{code}",
        path.display()
    );
}

#[test]
fn a_model_with_most_attributes() {
    let input: DeriveInput = parse_quote! {
        #[ditto(collection = "stocks", rename_all = "camelCase", direction = "send_only")]
        #[ditto(scope(branch_id), filter = "NOT kind IS NULL AND quantity >= :least", left_scope = "keep")]
        #[ditto(backup, hooks)]
        pub(crate) struct Stock {
            #[ditto(id)]
            id: String,
            branch_id: String,
            #[ditto(counter, default)]
            quantity: i64,
            #[ditto(json)]
            tags: Option<Vec<String>>,
            #[ditto(with = dart_date)]
            sold_at: Option<NaiveDateTime>,
            #[ditto(link(Category, remote_key = "code"))]
            kind: Option<String>,
            #[ditto(skip)]
            is_selected: bool,
        }
    };
    assert_is_snapshot("model", adapter(&input));
}

#[test]
fn a_model_with_a_mistake() {
    let input: DeriveInput = parse_quote! {
        #[ditto(colection = "stocks", scope(branch_id))]
        struct Stock {
            #[ditto(id)]
            id: String,
            branch_id: String,
        }
    };
    assert_is_snapshot("model_with_a_mistake", adapter(&input));
}

#[test]
fn an_enum() {
    let input: DeriveInput = parse_quote! {
        #[ditto(rename_all = "snake_case")]
        enum Status {
            Open,
            PartlyPaid,
        }
    };
    assert_is_snapshot("enum", field_type(&input));
}

#[test]
fn a_newtype() {
    let input: DeriveInput = parse_quote! {
        struct ProductId(String);
    };
    assert_is_snapshot("newtype", field_type(&input));
}
