//! The rules of `derive(DittoAdapter)`.

use proc_macro2::Span;
use syn::{Type, ext::IdentExt};

use super::{has_no_parameters, is_a_name};
use crate::{
    diagnostics::Diagnostics,
    parse::{
        Name, Variant,
        adapter::{AdapterInput, FieldInput},
    },
    suggest,
};

/// Longest name of a collection, in bytes. Ditto refuses longer ones.
const COLLECTION_BYTES_MAX: usize = 255;
/// Most parts of an id; the runtime's `MAX_ID_PARTS`.
const ID_PARTS_MAX: usize = 8;
/// What no other field may be called: Ditto keeps the document's id there.
const STORE_ID_FIELD: &str = "_id";
/// Types that are certainly no counter. Others are asked at compile time whether they hold every 64-bit integer.
const NOT_COUNTERS: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
    "usize", "String", "Vec",
];

/// Reports everything that is wrong with a struct.
pub(crate) fn adapter(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    has_no_parameters(input.generics, "DittoAdapter", diagnostics);
    the_collection_is_one_that_stores_take(input, diagnostics);
    written_names_are_names(input, diagnostics);
    if let Some(shape) = input.wrong_shape {
        fields_have_names(input, shape, diagnostics);
        return;
    }
    there_is_an_id(input, diagnostics);
    the_id_has_few_parts(input, diagnostics);
    id_fields_are_plain(input, diagnostics);
    skipped_fields_say_nothing_else(input, diagnostics);
    counters_are_integers(input, diagnostics);
    counters_are_detected(input, diagnostics);
    a_field_has_one_conversion(input, diagnostics);
    json_is_text(input, diagnostics);
    links_name_rows(input, diagnostics);
    documents_leave_the_store_its_id(input, diagnostics);
    the_anchor_is_free(input, diagnostics);
    document_names_differ(input, diagnostics);
    columns_differ(input, diagnostics);
    the_scope_names_mapped_fields(input, diagnostics);
    the_filter_names_mapped_fields(input, diagnostics);
    left_scope_has_a_scope(input, diagnostics);
    what_is_hydrated_receives(input, diagnostics);
}

/// Fields are matched with columns and document fields by name, so they need one.
fn fields_have_names(input: &AdapterInput<'_>, shape: &str, diagnostics: &mut Diagnostics) {
    let ident = input.ident;
    diagnostics.at(
        ident.span(),
        format!("`DittoAdapter` is derived for structs with named fields; `{ident}` is {shape}"),
    );
}

/// Ditto's own rule: 1 to 255 bytes, and the prefixes `__` and `system:` are its own.
fn the_collection_is_one_that_stores_take(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let ident = input.ident;
    if !input.collection.is_written() {
        diagnostics.at(
            ident.span(),
            format!("`{ident}` needs a collection: `#[ditto(collection = \"..\")]`"),
        );
    }
    let Some(name) = input.collection.value() else {
        return;
    };
    if !is_a_name("collection", name, diagnostics) {
        return;
    }
    let bytes = name.text.len();
    if bytes > COLLECTION_BYTES_MAX {
        let message =
            format!("the name of a collection has at most {COLLECTION_BYTES_MAX} bytes, found {bytes}");
        diagnostics.at(name.span, message);
    }
    for reserved in ["__", "system:"] {
        if name.text.starts_with(reserved) {
            let message = format!("collections whose name starts with `{reserved}` belong to the store");
            diagnostics.at(name.span, message);
        }
    }
}

fn written_names_are_names(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let of_struct = [("table", &input.table), ("id_field", &input.id_field)];
    let of_fields = input
        .fields
        .iter()
        .flat_map(|field| [("rename", &field.rename), ("column", &field.column)]);
    for (word, attribute) in of_struct.into_iter().chain(of_fields) {
        if let Some(name) = attribute.value() {
            is_a_name(word, name, diagnostics);
        }
    }
}

/// Without an id no row can be told from another.
fn there_is_an_id(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    if input.id_fields().next().is_none() {
        let ident = input.ident;
        diagnostics.at(
            ident.span(),
            format!(
                "`{ident}` needs an id: mark the field (or fields) of the primary key with `#[ditto(id)]`"
            ),
        );
    }
}

/// Stores bound the length of an id, and the runtime its parts.
fn the_id_has_few_parts(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    if let Some(word) = input
        .id_fields()
        .nth(ID_PARTS_MAX)
        .and_then(|field| field.id.word())
    {
        diagnostics.at(word.span(), format!("an id has at most {ID_PARTS_MAX} parts"));
    }
}

/// An id is read from every row and never changes: it cannot be left out, be NULL, have a default, count, or be ignored.
fn id_fields_are_plain(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    for field in input.id_fields() {
        let contradictions = [
            field.skip.word(),
            field.counter.word(),
            field.json.word(),
            field.default.word(),
            field.volatile.word(),
        ];
        for word in contradictions.into_iter().flatten() {
            diagnostics.at(word.span(), format!("a field of the id cannot be `{word}`"));
        }
        if field.option_argument().is_some() {
            diagnostics.over(field.ty, "a field of the id cannot be an `Option`");
        }
    }
}

/// A skipped field has no column and no document field, so nothing can be said about either.
fn skipped_fields_say_nothing_else(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let skipped = |field: &&FieldInput<'_>| field.skip.is_written() && !field.id.is_written();
    for field in input.fields.iter().filter(skipped) {
        let pointless = [
            field.rename.word(),
            field.column.word(),
            field.counter.word(),
            field.json.word(),
            field.with.word(),
            field.storage.word(),
            field.default.word(),
            field.volatile.word(),
            field.link.word(),
        ];
        for word in pointless.into_iter().flatten() {
            let message = format!("`{word}` has no meaning on a skipped field");
            diagnostics.at(word.span(), message);
        }
    }
}

/// Increments of several devices add up, so a narrower integer would overflow on an apply, and a float would not add up at all.
fn counters_are_integers(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let counters = input.other_fields().filter(|field| field.counter.is_written());
    for field in counters {
        let counted = field.option_argument().unwrap_or(field.ty);
        let is_known = last_segment(counted).is_some_and(|found| NOT_COUNTERS.contains(&found.as_str()));
        if is_known {
            let message = "a counter is an `i64`, an `Option<i64>` or a newtype of one";
            diagnostics.over(field.ty, message);
        }
    }
}

/// A change that is not detected is never sent, so its increment would be lost.
fn counters_are_detected(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let counters = input.other_fields().filter(|field| field.counter.is_written());
    for word in counters.filter_map(|field| field.volatile.word()) {
        diagnostics.at(word.span(), "a counter cannot be `volatile`");
    }
}

/// A counter is sent as an increment, `json` and `with` say how the whole value is: each excludes the others.
fn a_field_has_one_conversion(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    for field in input.other_fields() {
        let written = [field.counter.word(), field.json.word(), field.with.word()];
        let mut written = written.into_iter().flatten();
        if let Some(first) = written.next() {
            for word in written {
                diagnostics.at(
                    word.span(),
                    format!("a field cannot be both `{first}` and `{word}`"),
                );
            }
        }
    }
}

/// JSON is stored as text; another class would have to be read by code that knows of this.
fn json_is_text(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    for field in input.other_fields().filter(|field| field.json.is_written()) {
        if let Some(word) = field
            .storage
            .word()
            .filter(|_| field.storage.value() != Some(&Variant("Text")))
        {
            diagnostics.at(word.span(), "a `json` field is stored as text");
        }
    }
}

/// What a sum or a structure holds names no row. Of other types the compiler is asked.
fn links_name_rows(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    for field in input.mapped_fields() {
        let Some(word) = field.link.word() else {
            continue;
        };
        for other in [field.counter.word(), field.json.word()].into_iter().flatten() {
            let message = format!("a field cannot be both `{other}` and `{word}`");
            diagnostics.at(word.span(), message);
        }
        if let Some(remote_key) = field.link.value().and_then(|link| link.remote_key.value()) {
            is_a_name("remote_key", remote_key, diagnostics);
        }
    }
}

/// `_id` is written by the store, from the id fields.
fn documents_leave_the_store_its_id(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    for field in input.mapped_fields() {
        if field.document_name.text == STORE_ID_FIELD {
            let message = format!("the document field `{STORE_ID_FIELD}` belongs to the store");
            diagnostics.at(field.document_name.span, message);
        }
    }
    if let Some(anchor) = input
        .id_field
        .value()
        .filter(|anchor| anchor.text == STORE_ID_FIELD)
    {
        let message = format!("the document field `{STORE_ID_FIELD}` belongs to the store");
        diagnostics.at(anchor.span, message);
    }
}

/// The anchor holds the whole id and is written by inserts only. A field of a single id may be the anchor; any other would be overwritten.
/// Where no field is the id, the one in the anchor is probably it: that is reported already.
fn the_anchor_is_free(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let Some(anchor) = input.anchor() else {
        return;
    };
    let id_parts = input.id_fields().count();
    if id_parts == 0 {
        return;
    }
    for field in input.mapped_fields() {
        let may_be_anchor = field.id.is_written() && id_parts == 1;
        if field.document_name.text == anchor && !may_be_anchor {
            let message = format!(
                "the document field `{anchor}` holds the whole id; rename this one, or choose another `id_field`"
            );
            diagnostics.at(field.document_name.span, message);
        }
    }
}

/// Two fields in one document field would overwrite each other.
fn document_names_differ(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let clash = |earlier: &Name, later: &Name| earlier.text == later.text;
    names_differ(
        input,
        "document field",
        |field| &field.document_name,
        clash,
        diagnostics,
    );
}

/// Two fields in one column would overwrite each other. SQLite ignores ASCII case in column names.
fn columns_differ(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let clash = |earlier: &Name, later: &Name| earlier.text.eq_ignore_ascii_case(&later.text);
    names_differ(input, "column", |field| &field.column_name, clash, diagnostics);
}

fn names_differ<'i>(
    input: &'i AdapterInput<'i>,
    what: &str,
    name: fn(&'i FieldInput<'i>) -> &'i Name,
    clash: impl Fn(&Name, &Name) -> bool,
    diagnostics: &mut Diagnostics,
) {
    for (at, field) in input.mapped_fields().enumerate() {
        let later = name(field);
        // An empty name is reported as such.
        let mut before = input.mapped_fields().take(at);
        let earlier = before.find(|earlier| clash(name(earlier), later));
        if let Some(earlier) = earlier.filter(|_| !later.text.is_empty()) {
            let message = format!(
                "the {what} `{}` is taken by the field `{}`",
                later.text,
                earlier.name()
            );
            diagnostics.at(later.span, message);
        }
    }
}

/// A scope is judged on documents, so its fields must be in them; a field named twice is a slip for another.
fn the_scope_names_mapped_fields(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let Some(scope) = input.scope.value() else {
        return;
    };
    for (at, written) in scope.fields.iter().enumerate() {
        let name = written.unraw().to_string();
        if scope.fields[..at].iter().any(|earlier| earlier.unraw() == name) {
            diagnostics.at(written.span(), format!("`{written}` is in the scope already"));
        } else {
            the_field_tells_what_belongs_here(input, &name, written.span(), diagnostics);
        }
    }
}

/// So are the fields of a filter. Each is reported once, however often it is compared.
fn the_filter_names_mapped_fields(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let Some(filter) = input.filter.value() else {
        return;
    };
    let mut names: Vec<_> = filter
        .expression
        .comparisons()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        the_field_tells_what_belongs_here(input, name, filter.literal.span(), diagnostics);
    }
}

fn the_field_tells_what_belongs_here(
    input: &AdapterInput<'_>,
    name: &str,
    span: Span,
    diagnostics: &mut Diagnostics,
) {
    match input.field(name) {
        None => {
            let known: Vec<String> = input.mapped_fields().map(FieldInput::name).collect();
            let known = known.iter().map(String::as_str);
            diagnostics.at(span, suggest::unknown("field", name, known));
        }
        Some(field) if field.skip.is_written() => {
            diagnostics.at(span, format!("`{name}` is skipped, so no document has it"));
        }
        Some(field) if field.volatile.is_written() => {
            let message = format!("`{name}` is `volatile`, so a row would leave the scope unnoticed");
            diagnostics.at(span, message);
        }
        Some(_) => {}
    }
}

/// Without a scope or a filter no row ever leaves it.
fn left_scope_has_a_scope(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let everything_belongs = !input.scope.is_written() && !input.filter.is_written();
    if let Some(word) = input.left_scope.word().filter(|_| everything_belongs) {
        diagnostics.at(
            word.span(),
            "`left_scope` has no meaning without `scope(..)` or `filter`",
        );
    }
}

/// Documents are not fetched for a table that takes none.
fn what_is_hydrated_receives(input: &AdapterInput<'_>, diagnostics: &mut Diagnostics) {
    let only_sends = input.direction.value() == Some(&Variant("SendOnly"));
    if let Some(word) = input.hydrate_on_startup.word().filter(|_| only_sends) {
        let message = "`hydrate_on_startup` has no meaning for a model that only sends";
        diagnostics.at(word.span(), message);
    }
}

fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}
