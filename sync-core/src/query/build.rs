//! The pleasant way to write a filter: `field("branchId").eq(param("branchId")).and(field("deletedAt").is_null())`.

use super::{Comparison, Filter, Operand, Query};
use crate::{
    descriptor::{ModelDescriptor, Scope},
    document::FieldName,
    value::Value,
};

/// A document field, to be compared. Made by [`field`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(FieldName);

/// The document field of this name. A dot in the name is part of it, not a path.
#[must_use]
pub fn field(name: impl Into<FieldName>) -> Field {
    Field(name.into())
}

/// The value of a parameter of the context.
#[must_use]
pub fn param(name: impl Into<String>) -> Operand {
    Operand::Parameter(name.into())
}

/// All of them hold. Empty: true.
#[must_use]
pub fn and(filters: impl IntoIterator<Item = Filter>) -> Filter {
    Filter::And(filters.into_iter().collect())
}

/// One of them holds. Empty: false.
#[must_use]
pub fn or(filters: impl IntoIterator<Item = Filter>) -> Filter {
    Filter::Or(filters.into_iter().collect())
}

/// It does not hold.
#[must_use]
pub fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

impl Field {
    /// Equal.
    #[must_use]
    pub fn eq(self, operand: impl Into<Operand>) -> Filter {
        self.compare(Comparison::Eq, operand)
    }

    /// Comparable and not equal; false for NULL and missing.
    #[must_use]
    pub fn ne(self, operand: impl Into<Operand>) -> Filter {
        self.compare(Comparison::Ne, operand)
    }

    /// Less.
    #[must_use]
    pub fn lt(self, operand: impl Into<Operand>) -> Filter {
        self.compare(Comparison::Lt, operand)
    }

    /// Less or equal.
    #[must_use]
    pub fn le(self, operand: impl Into<Operand>) -> Filter {
        self.compare(Comparison::Le, operand)
    }

    /// Greater.
    #[must_use]
    pub fn gt(self, operand: impl Into<Operand>) -> Filter {
        self.compare(Comparison::Gt, operand)
    }

    /// Greater or equal.
    #[must_use]
    pub fn ge(self, operand: impl Into<Operand>) -> Filter {
        self.compare(Comparison::Ge, operand)
    }

    /// Equal to one of the operands.
    #[must_use]
    pub fn is_in<O: Into<Operand>>(self, operands: impl IntoIterator<Item = O>) -> Filter {
        Filter::In(self.0, operands.into_iter().map(Into::into).collect())
    }

    /// Missing or null.
    #[must_use]
    pub fn is_null(self) -> Filter {
        Filter::IsNull(self.0)
    }

    /// Present and not null.
    #[must_use]
    pub fn is_not_null(self) -> Filter {
        not(self.is_null())
    }

    fn compare(self, comparison: Comparison, operand: impl Into<Operand>) -> Filter {
        Filter::Compare(self.0, comparison, operand.into())
    }
}

impl Filter {
    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut filters) => {
                filters.push(other);
                Self::And(filters)
            }
            first => Self::And(vec![first, other]),
        }
    }

    /// One of both holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut filters) => {
                filters.push(other);
                Self::Or(filters)
            }
            first => Self::Or(vec![first, other]),
        }
    }
}

impl<V: Into<Value>> From<V> for Operand {
    fn from(value: V) -> Self {
        Self::Literal(value.into())
    }
}

impl From<Filter> for Query {
    fn from(filter: Filter) -> Self {
        Self::new(filter)
    }
}

impl Query {
    /// The documents for which `filter` holds too.
    #[must_use]
    pub fn and(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter {
            Some(first) => first.and(filter),
            None => filter,
        });
        self
    }

    /// The query of a model's [`Scope`] and filter: each scope field equals the parameter of the same name, and the filter holds. `None`
    /// when the model has neither.
    ///
    /// A document whose scope fields are all NULL or missing is outside of every scope.
    #[must_use]
    pub fn scope(model: &ModelDescriptor) -> Option<Self> {
        let matching =
            |names: &[&'static str]| names.iter().map(|name| field(*name).eq(param(*name))).collect();
        let scope = match model.scope() {
            Scope::Everything => None,
            Scope::All(names) => Some(Filter::And(matching(names))),
            Scope::Any(names) => Some(Filter::Or(matching(names))),
        };
        let filter = match (scope, model.filter()) {
            (Some(scope), Some(filter)) => scope.and(filter),
            (scope, filter) => scope.or(filter)?,
        };
        Some(Self::new(filter))
    }
}
