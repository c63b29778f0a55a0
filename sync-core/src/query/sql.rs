//! A query as an SQL condition over the table of a model: text with `?` placeholders, and their column values.
//!
//! SQLite compares by the column's affinity and collation, orders any two storage classes, and has a third truth value. So every
//! comparison asks for the storage class first and names the collation: each part is true or false, as for the document that the row
//! stands for. Rows are compared as they are stored: one that other code wrote in a form the field itself does not write (a date in
//! another format) may be missed.

use super::{Comparison, Filter, Operand, Query, QueryError, evaluate::equal};
use crate::{
    column::ColumnValue,
    descriptor::{FieldDescriptor, ModelDescriptor},
    field::{FieldKind, Storage},
    value::Value,
};

const NEVER: &str = "0";
const ALWAYS: &str = "1";

/// A condition for `WHERE` and the values of its placeholders.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sql {
    /// The condition, without the word `WHERE`. Never empty.
    pub clause: String,
    /// The values of the `?` placeholders, in order.
    pub arguments: Vec<ColumnValue>,
}

impl Query {
    /// The condition that a row of `model`'s table fulfils when its document matches.
    ///
    /// # Errors
    /// When a parameter has no value, an operand is none that a document can hold, the model has no such field, or the field's column
    /// form does not allow the comparison: dates, decimals and other converted types can only be tested for equality, JSON only for null.
    pub fn to_sql(&self, model: &ModelDescriptor) -> Result<Sql, QueryError> {
        self.require_parameters()?;
        let mut rendering = Rendering {
            query: self,
            model,
            sql: Sql::default(),
        };
        match self.filter() {
            Some(filter) => rendering.filter(filter)?,
            None => rendering.push(ALWAYS),
        }
        Ok(rendering.sql)
    }
}

/// How a field's column stands to its document values.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// The number itself.
    Number,
    /// 0 or 1.
    Bool,
    /// The text itself.
    Text,
    /// The bytes themselves.
    Bytes,
    /// The value itself, whatever it is.
    Any,
    /// What the field's conversion makes of it: equal where the values are, but in no useful order.
    Converted,
    /// No comparison of columns agrees with the one of values.
    Opaque,
}

impl Form {
    fn of(field: &FieldDescriptor) -> Self {
        match (field.kind(), field.storage_class()) {
            (FieldKind::Int | FieldKind::Float, storage) if storage != Storage::Text => Self::Number,
            (FieldKind::Bool, storage) if storage != Storage::Text => Self::Bool,
            (FieldKind::Text, Storage::Text | Storage::Any) if field.is_canonical() => Self::Text,
            (FieldKind::Bytes, Storage::Blob | Storage::Any) if field.is_canonical() => Self::Bytes,
            (FieldKind::Any, _) => Self::Any,
            (FieldKind::Json, _) => Self::Opaque,
            _ => Self::Converted,
        }
    }

    /// The column value that `value` is in this form; `None` where a column never holds it.
    fn column(self, field: &FieldDescriptor, value: &Value) -> Option<ColumnValue> {
        match (self, value) {
            (Self::Number | Self::Any, Value::Int(integer)) => Some(ColumnValue::Integer(*integer)),
            (Self::Number | Self::Any, Value::Float(float)) => Some(ColumnValue::Real(*float)),
            (Self::Bool, Value::Bool(bool)) => Some(ColumnValue::Integer((*bool).into())),
            (Self::Text | Self::Any, Value::Text(text)) => Some(ColumnValue::Text(text.clone())),
            (Self::Bytes | Self::Any, Value::Bytes(bytes)) => Some(ColumnValue::Blob(bytes.clone())),
            (Self::Converted, value) => converted(field, value),
            _ => None,
        }
    }
}

/// What the field writes for `value`. Nothing where the field's own form of the value is another one: a document made from a row never
/// holds `value` then, for example a date with an offset in a field of UTC dates.
fn converted(field: &FieldDescriptor, value: &Value) -> Option<ColumnValue> {
    // `1` and `1.0` are equal, but a conversion takes one of them only.
    let twin = match value {
        Value::Int(integer) => {
            #[expect(clippy::cast_precision_loss, reason = "compared with the original below")]
            let float = Value::Float(*integer as f64);
            Some(float)
        }
        Value::Float(float) => {
            #[expect(clippy::cast_possible_truncation, reason = "compared with the original below")]
            let integer = Value::Int(*float as i64);
            Some(integer)
        }
        _ => None,
    };
    [Some(value), twin.as_ref()]
        .into_iter()
        .flatten()
        .find_map(|candidate| {
            let column = field.to_column(candidate).ok()?;
            let back = field.to_value(&column).ok()?;
            (equal(&back, value) == Some(true)).then_some(column)
        })
}

struct Rendering<'a> {
    query: &'a Query,
    model: &'a ModelDescriptor,
    sql: Sql,
}

impl Rendering<'_> {
    fn filter(&mut self, filter: &Filter) -> Result<(), QueryError> {
        match filter {
            Filter::Compare(name, comparison, operand) => self.compare(name, *comparison, operand),
            Filter::In(name, operands) => self.is_in(name, operands),
            Filter::IsNull(name) => self.is_null(name),
            Filter::And(filters) => self.joined(filters, " AND ", ALWAYS),
            Filter::Or(filters) => self.joined(filters, " OR ", NEVER),
            Filter::Not(filter) => {
                self.push("(NOT ");
                self.filter(filter)?;
                self.push(")");
                Ok(())
            }
        }
    }

    fn joined(&mut self, filters: &[Filter], word: &str, empty: &str) -> Result<(), QueryError> {
        if filters.is_empty() {
            self.push(empty);
            return Ok(());
        }
        for (at, filter) in filters.iter().enumerate() {
            self.push(if at == 0 { "(" } else { word });
            self.filter(filter)?;
        }
        self.push(")");
        Ok(())
    }

    fn compare(&mut self, name: &str, comparison: Comparison, operand: &Operand) -> Result<(), QueryError> {
        let field = self.field(name)?;
        let form = comparable_form(field)?;
        let Some(value) = self.query.comparable_value(name, operand)? else {
            self.push(NEVER);
            return Ok(());
        };
        if form == Form::Converted {
            return self.compare_converted(field, comparison, value);
        }
        match form.column(field, value) {
            Some(column) => self.guarded(field, comparison, column),
            None => self.push(NEVER),
        }
        Ok(())
    }

    fn compare_converted(
        &mut self,
        field: &FieldDescriptor,
        comparison: Comparison,
        value: &Value,
    ) -> Result<(), QueryError> {
        if comparison.needs_order() {
            return Err(QueryError::NotOrdered {
                field: field.document_name().into(),
                kind: field.kind(),
            });
        }
        match (comparison, converted(field, value)) {
            (Comparison::Eq, Some(column)) => self.guarded(field, Comparison::Eq, column),
            (Comparison::Ne, converted) if is_of_kind(value, field.kind()) => {
                let column = identifier(field.column());
                self.push(&format!("({column} IS NOT NULL"));
                if let Some(converted) = converted {
                    self.push(" AND NOT ");
                    self.guarded(field, Comparison::Eq, converted);
                }
                self.push(")");
            }
            _ => self.push(NEVER),
        }
        Ok(())
    }

    fn is_in(&mut self, name: &str, operands: &[Operand]) -> Result<(), QueryError> {
        let field = self.field(name)?;
        let form = comparable_form(field)?;
        let mut columns = Vec::with_capacity(operands.len());
        for operand in operands {
            if let Some(value) = self.query.comparable_value(name, operand)? {
                columns.extend(form.column(field, value));
            }
        }
        let mut word = "(";
        for guard in CLASS_GUARDS {
            let (of_class, rest): (Vec<_>, Vec<_>) = columns
                .into_iter()
                .partition(|column| class_guard(column) == guard);
            columns = rest;
            if of_class.is_empty() {
                continue;
            }
            let column = identifier(field.column());
            let places = vec!["?"; of_class.len()].join(", ");
            self.push(&format!(
                "{word}(typeof({column}) {guard} AND {column} COLLATE BINARY IN ({places}))"
            ));
            self.sql.arguments.extend(of_class);
            word = " OR ";
        }
        self.push(if word == "(" { NEVER } else { ")" });
        Ok(())
    }

    fn is_null(&mut self, name: &str) -> Result<(), QueryError> {
        let field = self.field(name)?;
        let column = identifier(field.column());
        if field.kind() != FieldKind::Json {
            self.push(&format!("({column} IS NULL)"));
            return Ok(());
        }
        // JSON has a null of its own, which a document does not tell from NULL, and blanks around it mean nothing.
        self.push(&format!(
            "({column} IS NULL OR (typeof({column}) = 'text' AND trim({column}, ?) COLLATE BINARY = ?))"
        ));
        let texts = [" \t\n\r", "null"].map(|text| ColumnValue::Text(text.into()));
        self.sql.arguments.extend(texts);
        Ok(())
    }

    /// A comparison with a column value of the same storage class.
    fn guarded(&mut self, field: &FieldDescriptor, comparison: Comparison, operand: ColumnValue) {
        let column = identifier(field.column());
        let guard = class_guard(&operand);
        // A plus takes the column's affinity away: it would make a number of the operand `'5'`, and numbers sort before texts. Equality
        // within one class does not need it, and can use an index.
        let (bare, operator) = match comparison {
            Comparison::Eq => ("", "="),
            Comparison::Ne => ("", "<>"),
            Comparison::Lt => ("+", "<"),
            Comparison::Le => ("+", "<="),
            Comparison::Gt => ("+", ">"),
            Comparison::Ge => ("+", ">="),
        };
        self.push(&format!(
            "(typeof({column}) {guard} AND {bare}{column} COLLATE BINARY {operator} ?)"
        ));
        self.sql.arguments.push(operand);
    }

    /// The field whose column holds the document field `name`. The anchor of a single id is that id's column.
    fn field(&self, name: &str) -> Result<&'static FieldDescriptor, QueryError> {
        let ids = self.model.id_fields();
        let fields = self.model.fields();
        if let ([id], Some(anchor)) = (ids, self.model.anchor())
            && anchor == name
        {
            return Ok(id);
        }
        let mut all = ids.iter().chain(fields);
        all.find(|field| field.document_name() == name)
            .ok_or_else(|| QueryError::UnknownField {
                model: self.model.type_name(),
                field: name.into(),
                known: ids
                    .iter()
                    .chain(fields)
                    .map(|field| field.document_name().into())
                    .collect(),
            })
    }

    fn push(&mut self, text: &str) {
        self.sql.clause.push_str(text);
    }
}

fn comparable_form(field: &FieldDescriptor) -> Result<Form, QueryError> {
    match Form::of(field) {
        Form::Opaque => Err(QueryError::NotComparable {
            field: field.document_name().into(),
            kind: field.kind(),
        }),
        form => Ok(form),
    }
}

/// Whether a field of `kind` holds values that are comparable with `value`.
fn is_of_kind(value: &Value, kind: FieldKind) -> bool {
    matches!(
        (kind, value),
        (FieldKind::Bool, Value::Bool(_))
            | (FieldKind::Int | FieldKind::Float, Value::Int(_) | Value::Float(_))
            | (FieldKind::Text, Value::Text(_))
            | (FieldKind::Bytes, Value::Bytes(_))
    )
}

const CLASS_GUARDS: [&str; 4] = ["IN ('integer', 'real')", "= 'text'", "= 'blob'", "= 'null'"];

fn class_guard(column: &ColumnValue) -> &'static str {
    CLASS_GUARDS[match column {
        ColumnValue::Integer(_) | ColumnValue::Real(_) => 0,
        ColumnValue::Text(_) => 1,
        ColumnValue::Blob(_) => 2,
        ColumnValue::Null => 3,
    }]
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
