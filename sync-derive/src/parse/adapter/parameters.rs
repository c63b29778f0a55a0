//! The parameters of the context that a model asks for: [`Parameter`].

use std::collections::HashSet;

use proc_macro2::Span;

use super::AdapterInput;
use crate::filter::Operand;

/// A parameter, and what its override is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// Its name in the context.
    pub(crate) name: String,
    /// Its name in Rust: that of the scope field, or the snake case of the name in the filter.
    pub(crate) rust_name: String,
}

impl AdapterInput<'_> {
    /// Each parameter once: those of the scope, then those of the filter.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let scope = self.scope.value().map_or(&[][..], |scope| &scope.fields);
        let of_scope = scope.iter().filter_map(|name| {
            let field = self.field(&syn::ext::IdentExt::unraw(name).to_string())?;
            Some(Parameter {
                name: field.document_name.text.clone(),
                rust_name: field.name(),
            })
        });
        let of_filter = self.filter_parameters().map(|name| Parameter {
            name: name.to_owned(),
            rust_name: snake_case(name),
        });
        let mut seen = HashSet::new();
        of_scope
            .chain(of_filter)
            .filter(|parameter| seen.insert(parameter.name.clone()))
            .collect()
    }

    /// Where the filter is written.
    pub(crate) fn filter_span(&self) -> Option<Span> {
        self.filter.value().map(|filter| filter.literal.span())
    }

    fn filter_parameters(&self) -> impl Iterator<Item = &str> {
        let comparisons = self.filter.value().map(|filter| filter.expression.comparisons());
        let operands = comparisons
            .into_iter()
            .flatten()
            .flat_map(|(_, operands)| operands);
        operands.filter_map(|operand| match operand {
            Operand::Parameter(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// `branchId` and `BranchId` are `branch_id` in Rust.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for character in name.chars() {
        if character.is_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = character.is_lowercase() || character.is_numeric();
        snake.extend(character.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, parse_quote};

    use super::*;
    use crate::diagnostics::Diagnostics;

    #[test]
    fn each_parameter_is_named_once_and_as_rust_would() {
        let input: DeriveInput = parse_quote! {
            #[ditto(collection = "stocks", rename_all = "camelCase", scope(branch_id, r#type))]
            #[ditto(filter = "branch_id = :branchId AND price >= :leastPrice OR price IN (:a1B, 2)")]
            struct Stock {
                #[ditto(id)]
                id: String,
                branch_id: String,
                r#type: String,
                price: i64,
            }
        };
        let mut diagnostics = Diagnostics::default();
        let parameters = AdapterInput::read(&input, &mut diagnostics).parameters();
        assert_eq!(diagnostics.messages(), [""; 0]);
        let names: Vec<_> = parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter.rust_name.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("branchId", "branch_id"),
                ("type", "type"),
                ("leastPrice", "least_price"),
                ("a1B", "a1_b")
            ]
        );
    }
}
