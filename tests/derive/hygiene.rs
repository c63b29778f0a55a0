//! Whatever the user calls things, generated code means its own.
//!
//! Each item below shadows a name that careless generated code would use.

#![expect(dead_code, unused_macros, reason = "the decoys exist to be ignored")]

use ::core::option::Option as StdOption;
use ::std::{string::String as StdString, vec::Vec as StdVec};

struct Option;
struct Result;
struct Some;
struct None;
struct Ok;
struct Err;
struct String;
struct Vec;
struct Box;
struct Default;
struct Clone;
struct Send;
struct Sync;
struct Sized;
struct DittoField;
struct DittoAdapter;
struct DittoHooks;
struct Hooks;
struct LinkTarget;
struct Document;
struct DocumentId;
struct ModelDescriptor;
struct Value;
struct Registration;
struct Storage;
struct Scope;
#[expect(non_camel_case_types, reason = "it shadows the primitive")]
struct bool;
#[expect(non_camel_case_types, reason = "it shadows the primitive")]
struct str;
mod core {}
mod std {}
mod inventory {}
mod ditto_sync {}
mod ditto_sync_core {}
mod __private {}
const MODEL: () = ();
const FIELDS: () = ();

/// Methods that would win over the ones meant, if code called `value.to_value()`.
trait Hijacker {
    fn to_value(self) -> !
    where
        Self: ::core::marker::Sized,
    {
        panic!("a method of the user was called")
    }
    fn encode(self) -> !
    where
        Self: ::core::marker::Sized,
    {
        panic!("a method of the user was called")
    }
    fn decode(self) -> !
    where
        Self: ::core::marker::Sized,
    {
        panic!("a method of the user was called")
    }
    fn document_id(self) -> !
    where
        Self: ::core::marker::Sized,
    {
        panic!("a method of the user was called")
    }
    fn map(self) -> !
    where
        Self: ::core::marker::Sized,
    {
        panic!("a method of the user was called")
    }
}

impl<T> Hijacker for T {}

macro_rules! submit {
    ($($tokens:tt)*) => {
        compile_error!("a macro of the user was called");
    };
}
macro_rules! assert {
    ($($tokens:tt)*) => {
        compile_error!("a macro of the user was called");
    };
}

#[derive(Debug, PartialEq, ::ditto_sync::DittoAdapter)]
#[ditto(
    collection = "hygiene",
    scope(branch),
    left_scope = "keep",
    seed = false,
    hooks
)]
#[ditto(filter = "branch <> 'x' AND (count IN (1, :more) OR NOT text IS NULL)")]
struct Shadowed {
    #[ditto(id)]
    id: StdString,
    #[ditto(counter)]
    count: i64,
    #[ditto(default)]
    text: StdOption<StdString>,
    row: StdVec<u8>,
    #[ditto(default)]
    branch: StdString,
    #[ditto(json)]
    list: StdVec<u8>,
    #[ditto(with = modules)]
    module: i64,
    state: State,
    wrapped: Wrapped,
    #[ditto(link(Shadowed))]
    link: StdString,
    #[ditto(skip)]
    document: u64,
}

impl ::ditto_sync::DittoHooks for Shadowed {}

/// A conversion whose signatures name the decoys nowhere.
mod modules {
    use ::ditto_sync::{ColumnValue, DittoField, FieldError, FieldKind, Storage, Value};

    pub(super) const KIND: FieldKind = <i64 as DittoField>::KIND;
    pub(super) const STORAGE: Storage = <i64 as DittoField>::STORAGE;

    pub(super) fn to_value(number: &i64) -> Value {
        DittoField::to_value(number)
    }
    pub(super) fn from_value(value: &Value) -> ::core::result::Result<i64, FieldError> {
        DittoField::from_value(value)
    }
    pub(super) fn to_column(number: &i64, storage: Storage) -> ColumnValue {
        DittoField::to_column(number, storage)
    }
    pub(super) fn from_column(column: &ColumnValue) -> ::core::result::Result<i64, FieldError> {
        DittoField::from_column(column)
    }
}

#[derive(Debug, PartialEq, ::ditto_sync::DittoField)]
enum State {
    Some,
    None,
    Ok,
    Err,
}

#[derive(Debug, PartialEq, ::ditto_sync::DittoField)]
struct Wrapped(StdOption<i32>);

#[test]
fn names_of_the_user_are_never_meant() {
    use ::ditto_sync::DittoAdapter;

    for state in [State::Some, State::None, State::Ok, State::Err] {
        let shadowed = Shadowed {
            id: "a".into(),
            count: 1,
            text: StdOption::None,
            row: [1, 2].into(),
            branch: "b".into(),
            list: [3].into(),
            module: 4,
            state,
            wrapped: Wrapped(StdOption::Some(3)),
            link: "a".into(),
            document: 0,
        };
        let id = DittoAdapter::document_id(&shadowed).unwrap();
        let document = DittoAdapter::to_document(&shadowed).unwrap();
        let read = <Shadowed as DittoAdapter>::from_document(&id, &document).unwrap();
        assert_eq!(read, shadowed);
    }
}

/// The value and the type of a field may come from a `macro_rules` fragment, which leaves an invisible group around them.
macro_rules! model {
    ($name:ident, $collection:literal, $ty:ty, $default:expr) => {
        #[derive(Debug, PartialEq, ::ditto_sync::DittoAdapter)]
        #[ditto(collection = $collection)]
        struct $name {
            #[ditto(id)]
            id: StdString,
            #[ditto(default = $default)]
            field: $ty,
        }
    };
}

fn nine() -> i64 {
    9
}

model!(FromMacro, "hygiene_from_macro", i64, nine);

#[test]
fn models_may_be_written_by_macros() {
    use ::ditto_sync::DittoAdapter;

    let model = <FromMacro as DittoAdapter>::descriptor();
    assert_eq!(model.collection(), "hygiene_from_macro");
    assert_eq!(model.fields()[0].document_name(), "field");
    let id = ::ditto_sync_core::id::DocumentId::text("a").unwrap();
    let document = ::ditto_sync_core::document::Document::new();
    let read = <FromMacro as DittoAdapter>::from_document(&id, &document).unwrap();
    assert_eq!(read.field, 9);
}
