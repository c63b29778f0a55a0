//! A query as DQL, the query language of Ditto (<https://docs.ditto.live/dql>): text with named arguments, never with values in it.
//!
//! DQL knows NULL and MISSING beside true and false, compares values of different types, and takes `id IS NOT NULL` for true where `id` is
//! missing. So every comparison is guarded by presence, and by the type of its operand where the type matters: each part of the text is
//! true or false, and `NOT` is the plain opposite.

use std::collections::BTreeMap;

use super::{Comparison, Filter, Operand, Query, QueryError};
use crate::value::Value;

/// Most operands of one `IN`: its cost grows faster than its length, so longer lists are split.
const IN_CHUNK: usize = 100;
/// Longest name of a collection in bytes; the engine aborts the process at longer ones.
const MAX_COLLECTION_BYTES: usize = 255;
/// Every document has an `_id`, so this is never true; an empty `IN` and an empty `OR` need such a text.
const NEVER: &str = "(`_id` IS MISSING)";
/// The opposite of [`NEVER`].
const ALWAYS: &str = "(`_id` IS NOT MISSING)";

/// A DQL text and the values of its arguments (`:p0`, `:p1`, ..).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dql {
    /// The text.
    pub text: String,
    /// The arguments, by name without the colon.
    pub arguments: BTreeMap<String, Value>,
}

impl Query {
    /// The query as `SELECT * FROM .. WHERE ..` over a collection.
    ///
    /// # Errors
    /// When a parameter has no value, an operand is none that a document can hold, or a name cannot be written in DQL.
    pub fn to_dql(&self, collection: &str) -> Result<Dql, QueryError> {
        if collection.is_empty() || collection.len() > MAX_COLLECTION_BYTES {
            return Err(QueryError::Name {
                name: collection.into(),
                reason: "a collection's name has 1 to 255 bytes",
            });
        }
        let mut text = format!("SELECT * FROM {}", quoted(collection)?);
        let Some(condition) = self.to_dql_where()? else {
            return Ok(Dql {
                text,
                arguments: BTreeMap::new(),
            });
        };
        text.push_str(" WHERE ");
        text.push_str(&condition.text);
        Ok(Dql {
            text,
            arguments: condition.arguments,
        })
    }

    /// Only the condition, in parentheses, to be joined with others; `None` when the query has no filter. Its arguments are named `p0`,
    /// `p1` and so on.
    ///
    /// # Errors
    /// As [`to_dql`](Self::to_dql).
    pub fn to_dql_where(&self) -> Result<Option<Dql>, QueryError> {
        self.require_parameters()?;
        let Some(filter) = self.filter() else {
            return Ok(None);
        };
        let mut rendering = Rendering {
            query: self,
            arguments: BTreeMap::new(),
        };
        let text = rendering.filter(filter)?;
        Ok(Some(Dql {
            text,
            arguments: rendering.arguments,
        }))
    }
}

struct Rendering<'a> {
    query: &'a Query,
    arguments: BTreeMap<String, Value>,
}

impl Rendering<'_> {
    fn filter(&mut self, filter: &Filter) -> Result<String, QueryError> {
        match filter {
            Filter::Compare(field, comparison, operand) => self.compare(field, *comparison, operand),
            Filter::In(field, operands) => self.is_in(field, operands),
            Filter::IsNull(field) => {
                let field = quoted(field)?;
                Ok(format!("({field} IS MISSING OR {field} IS NULL)"))
            }
            Filter::And(filters) => self.joined(filters, " AND ", ALWAYS),
            Filter::Or(filters) => self.joined(filters, " OR ", NEVER),
            Filter::Not(filter) => Ok(format!("(NOT {})", self.filter(filter)?)),
        }
    }

    fn joined(&mut self, filters: &[Filter], word: &str, empty: &str) -> Result<String, QueryError> {
        let parts: Vec<_> = filters
            .iter()
            .map(|filter| self.filter(filter))
            .collect::<Result<_, _>>()?;
        Ok(if parts.is_empty() {
            empty.into()
        } else {
            format!("({})", parts.join(word))
        })
    }

    fn compare(
        &mut self,
        field: &str,
        comparison: Comparison,
        operand: &Operand,
    ) -> Result<String, QueryError> {
        let name = quoted(field)?;
        let Some(value) = self.query.comparable_value(field, operand)? else {
            return Ok(NEVER.into());
        };
        if comparison.needs_order() && matches!(value, Value::List(_) | Value::Map(_)) {
            return Ok(NEVER.into());
        }
        // Equality across types is false by itself, so only the other comparisons need to ask for the type.
        let type_guard = if comparison == Comparison::Eq {
            String::new()
        } else {
            format!("{} AND ", self.type_test(&name, value))
        };
        let argument = self.argument(value.clone());
        let operator = match comparison {
            Comparison::Eq => "=",
            Comparison::Ne => "!=",
            Comparison::Lt => "<",
            Comparison::Le => "<=",
            Comparison::Gt => ">",
            Comparison::Ge => ">=",
        };
        Ok(format!(
            "({} AND {type_guard}{name} {operator} {argument})",
            present(&name)
        ))
    }

    fn is_in(&mut self, field: &str, operands: &[Operand]) -> Result<String, QueryError> {
        let name = quoted(field)?;
        let mut values = Vec::with_capacity(operands.len());
        for operand in operands {
            values.extend(self.query.comparable_value(field, operand)?.cloned());
        }
        if values.is_empty() {
            return Ok(NEVER.into());
        }
        let mut parts = Vec::new();
        for values in by_type(values) {
            parts.extend(
                values
                    .chunks(IN_CHUNK)
                    .map(|chunk| format!("{name} IN {}", self.argument(Value::List(chunk.to_vec())))),
            );
        }
        Ok(format!("({} AND ({}))", present(&name), parts.join(" OR ")))
    }

    /// Whether the field is of the operand's type. Ditto has predicates for three types, and names for all.
    fn type_test(&mut self, name: &str, value: &Value) -> String {
        let type_name = match value {
            Value::Null => "null",
            Value::Bool(_) => return format!("is_boolean({name})"),
            Value::Int(_) | Value::Float(_) => return format!("is_number({name})"),
            Value::Text(_) => return format!("is_string({name})"),
            Value::Bytes(_) => "binary",
            Value::List(_) => "array",
            Value::Map(_) => "object",
        };
        format!("type({name}) = {}", self.argument(type_name.into()))
    }

    fn argument(&mut self, value: Value) -> String {
        let name = format!("p{}", self.arguments.len());
        let placeholder = format!(":{name}");
        self.arguments.insert(name, value);
        placeholder
    }
}

/// The values in lists of one type each: the engine finds nothing at all with a list of several types. Types count within lists and maps too,
/// so each of these stands alone.
fn by_type(values: Vec<Value>) -> Vec<Vec<Value>> {
    let mut lists: Vec<Vec<Value>> = Vec::new();
    for value in values {
        let fitting = lists.iter_mut().find(|list| match (&list[0], &value) {
            (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => true,
            (Value::List(_) | Value::Map(_), _) => false,
            (first, value) => std::mem::discriminant(first) == std::mem::discriminant(value),
        });
        match fitting {
            Some(list) => list.push(value),
            None => lists.push(vec![value]),
        }
    }
    lists
}

fn present(name: &str) -> String {
    format!("{name} IS NOT MISSING AND {name} IS NOT NULL")
}

fn quoted(name: &str) -> Result<String, QueryError> {
    if name.contains('\0') {
        return Err(QueryError::Name {
            name: name.replace('\0', "\\0"),
            reason: "it has a NUL character",
        });
    }
    Ok(format!("`{}`", name.replace('`', "``")))
}
