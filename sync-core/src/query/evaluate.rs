//! A query evaluated on a document, and the comparison of two values that the other renderings agree with.

use std::{cmp::Ordering, collections::BTreeMap};

use super::{Comparison, Filter, Query};
use crate::{document::Document, value::Value};

impl Query {
    /// Whether a document is one of those asked for.
    ///
    /// A parameter without a value compares with nothing, as NULL: a comparison with it is false (and its `Not` true). Ask
    /// [`missing_parameters`](Self::missing_parameters) first where that matters.
    #[must_use]
    pub fn matches(&self, document: &Document) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| self.holds(filter, document))
    }

    fn holds(&self, filter: &Filter, document: &Document) -> bool {
        match filter {
            Filter::Compare(field, comparison, operand) => {
                match (document.get(field), self.value_of(operand)) {
                    (Some(value), Some(operand)) => comparison.holds(value, operand),
                    _ => false,
                }
            }
            Filter::In(field, operands) => document.get(field).is_some_and(|value| {
                operands
                    .iter()
                    .filter_map(|operand| self.value_of(operand))
                    .any(|operand| equal(value, operand) == Some(true))
            }),
            Filter::IsNull(field) => document.get(field).is_none_or(Value::is_null),
            Filter::And(filters) => filters.iter().all(|filter| self.holds(filter, document)),
            Filter::Or(filters) => filters.iter().any(|filter| self.holds(filter, document)),
            Filter::Not(filter) => !self.holds(filter, document),
        }
    }
}

impl Comparison {
    fn holds(self, value: &Value, operand: &Value) -> bool {
        match self {
            Self::Eq => equal(value, operand) == Some(true),
            Self::Ne => equal(value, operand) == Some(false),
            Self::Lt => order(value, operand) == Some(Ordering::Less),
            Self::Le => order(value, operand).is_some_and(Ordering::is_le),
            Self::Gt => order(value, operand) == Some(Ordering::Greater),
            Self::Ge => order(value, operand).is_some_and(Ordering::is_ge),
        }
    }
}

/// Whether two values are equal; `None` where they are not comparable.
pub(super) fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::List(a), Value::List(b)) => Some(same_items(a, b)),
        (Value::Map(a), Value::Map(b)) => Some(same_entries(a, b)),
        _ => order(a, b).map(Ordering::is_eq),
    }
}

/// The order of two scalars; `None` where they are not ordered.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => order_integer_and_float(*a, *b),
        (Value::Float(a), Value::Int(b)) => order_integer_and_float(*b, *a).map(Ordering::reverse),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The order of an integer and a float by their exact values: converting either would make 2^53 and 2^53 + 1 equal.
fn order_integer_and_float(integer: i64, float: f64) -> Option<Ordering> {
    /// 2^63, the first float above every `i64`; its negative is the lowest `i64`.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= LIMIT {
        return Some(Ordering::Less);
    }
    if float < -LIMIT {
        return Some(Ordering::Greater);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number between -2^63 and 2^63, so exact"
    )]
    let whole = float.trunc() as i64;
    let fraction = float.fract();
    Some(integer.cmp(&whole).then_with(|| {
        if fraction > 0.0 {
            Ordering::Less
        } else if fraction < 0.0 {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }))
}

fn same_items(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_within(a, b))
}

fn same_entries(a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|((a_name, a), (b_name, b))| a_name == b_name && same_within(a, b))
}

/// Within a list or a map null is a value like any other.
fn same_within(a: &Value, b: &Value) -> bool {
    (a.is_null() && b.is_null()) || equal(a, b) == Some(true)
}
