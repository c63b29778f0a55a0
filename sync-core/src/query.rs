//! A typed filter over documents: [`Query`]. One semantics, three renderings: evaluated on a document ([`Query::matches`]), as DQL with
//! arguments ([`Query::to_dql`]), as SQL ([`Query::to_sql`]). No code edits query text.
//!
//! The semantics, which every rendering keeps:
//! - A comparison holds only between two present, comparable values: two numbers, two texts, two byte strings, two bools, two lists or two
//!   maps. Values of different kinds are neither equal nor unequal nor ordered.
//! - NULL, missing and NaN compare with nothing; only [`Filter::IsNull`] holds for NULL and missing.
//! - Numbers compare by their exact value, whether integer or float; text and bytes by bytes; `false < true`. Lists and maps are equal or
//!   not, and never ordered.
//! - A [`Operand::Parameter`] without a value is like NULL when a document is evaluated; the renderings refuse it.
//! - So every filter is true or false, never unknown, and `Not` is its plain opposite: `Not(Eq)` holds for a missing field, [`Comparison::Ne`]
//!   does not.

mod build;
mod dql;
mod error;
mod evaluate;
mod sql;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::{
    build::{Field, and, field, not, or, param},
    dql::Dql,
    error::QueryError,
    sql::Sql,
};
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
    /// The field equals one of the operands. Empty: false.
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
    /// Comparable and not equal. NULL and other kinds are not unequal to anything: use `Not(Eq)` to include them.
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

    /// The names of the parameters that the filter asks for and that have no value yet.
    #[must_use]
    pub fn missing_parameters(&self) -> BTreeSet<&str> {
        let mut asked = BTreeSet::new();
        if let Some(filter) = &self.filter {
            filter.collect_parameters(&mut asked);
        }
        asked.retain(|name| !self.parameters.contains_key(*name));
        asked
    }

    fn require_parameters(&self) -> Result<(), QueryError> {
        let missing = self.missing_parameters();
        if missing.is_empty() {
            return Ok(());
        }
        Err(QueryError::MissingParameters {
            names: missing.into_iter().map(Into::into).collect(),
        })
    }

    /// The value of an operand as a rendering needs it; `None` for null and NaN, which compare with nothing.
    fn comparable_value<'a>(
        &'a self,
        field: &str,
        operand: &'a Operand,
    ) -> Result<Option<&'a Value>, QueryError> {
        match self.value_of(operand) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Float(float)) if float.is_nan() => Ok(None),
            Some(value) => match value.validate() {
                Ok(()) => Ok(Some(value)),
                Err(reason) => Err(QueryError::Operand {
                    field: field.into(),
                    reason,
                }),
            },
        }
    }

    /// The value of an operand; `None` for a parameter without one.
    fn value_of<'a>(&'a self, operand: &'a Operand) -> Option<&'a Value> {
        match operand {
            Operand::Literal(value) => Some(value),
            Operand::Parameter(name) => self.parameters.get(name),
        }
    }
}

impl Comparison {
    /// Whether it asks for less or greater, not only for equality.
    fn needs_order(self) -> bool {
        !matches!(self, Self::Eq | Self::Ne)
    }
}

impl Filter {
    fn collect_parameters<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        let operands = match self {
            Self::Compare(_, _, operand) => std::slice::from_ref(operand),
            Self::In(_, operands) => operands,
            Self::IsNull(_) => &[],
            Self::And(filters) | Self::Or(filters) => {
                return filters.iter().for_each(|filter| filter.collect_parameters(names));
            }
            Self::Not(filter) => return filter.collect_parameters(names),
        };
        for operand in operands {
            if let Operand::Parameter(name) = operand {
                names.insert(name);
            }
        }
    }
}
