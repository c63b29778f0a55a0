//! The pipeline of each derive: parse, validate, then either expand or report and fall back.

#[cfg(test)]
mod snapshots;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::{
    diagnostics::Diagnostics,
    expand, fallback,
    parse::{adapter::AdapterInput, field_type::FieldTypeInput},
    validate,
};

/// `derive(DittoAdapter)`.
pub(crate) fn adapter(input: &DeriveInput) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let input = AdapterInput::read(input, &mut diagnostics);
    validate::adapter(&input, &mut diagnostics);
    match diagnostics.into_compile_errors() {
        None => expand::adapter(&input),
        Some(mut errors) => {
            errors.extend(fallback::adapter(&input));
            errors
        }
    }
}

/// `derive(DittoField)`.
pub(crate) fn field_type(input: &DeriveInput) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let input = FieldTypeInput::read(input, &mut diagnostics);
    validate::field_type(&input, &mut diagnostics);
    match diagnostics.into_compile_errors() {
        None => expand::field_type(&input),
        Some(mut errors) => {
            errors.extend(fallback::field_type(&input));
            errors
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn adapter_mistakes(input: &DeriveInput) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        validate::adapter(&AdapterInput::read(input, &mut diagnostics), &mut diagnostics);
        diagnostics.messages()
    }

    fn field_type_mistakes(input: &DeriveInput) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        validate::field_type(&FieldTypeInput::read(input, &mut diagnostics), &mut diagnostics);
        diagnostics.messages()
    }

    #[test]
    fn a_correct_struct_has_no_mistakes_and_is_registered() {
        let input: DeriveInput = parse_quote! {
            #[ditto(collection = "stocks", table = "stock", rename_all = "camelCase", direction = "send_only")]
            #[ditto(scope(any(branch_id, r#type)), left_scope = "keep", id_field = "key", crate = "shop::sync")]
            struct Stock {
                #[ditto(id)]
                id: String,
                branch_id: String,
                r#type: Option<String>,
                #[ditto(counter, column = "qty", rename = "amount", storage = "text", default = zero)]
                quantity: i64,
                #[ditto(skip)]
                selected: bool,
            }
        };
        assert_eq!(adapter_mistakes(&input), [""; 0]);
        let code = adapter(&input).to_string();
        assert!(!code.contains("compile_error"), "{code}");
        assert!(
            code.contains("use shop :: sync :: __private as __ditto_of_Stock"),
            "{code}"
        );
        assert!(code.contains("inventory :: submit !"), "{code}");
        assert!(
            code.contains(r#"Scope :: Any (& ["branchId" , "type"])"#),
            "{code}"
        );
    }

    #[test]
    fn every_mistake_of_a_struct_is_reported_once_and_an_impl_follows() {
        let input: DeriveInput = parse_quote! {
            #[ditto(colection = "stocks", direction = "both", 5)]
            struct Stock {
                #[ditto(id, id)]
                id: Option<String>,
                #[ditto(counter, rename = "")]
                price: f64,
                #[ditto(skip, column = "x")]
                note: String,
            }
        };
        let mistakes = adapter_mistakes(&input);
        assert_eq!(mistakes.len(), 8, "{mistakes:#?}");
        let code = adapter(&input).to_string();
        assert_eq!(code.matches("compile_error").count(), mistakes.len());
        assert!(code.contains("DittoAdapter for Stock"), "{code}");
        assert!(!code.contains("inventory"), "{code}");
    }

    #[test]
    fn an_unusable_value_is_not_reported_as_missing_too() {
        let input: DeriveInput = parse_quote! {
            #[ditto(collection = 5)]
            struct Stock {
                #[ditto(id = true)]
                id: String,
            }
        };
        assert_eq!(
            adapter_mistakes(&input),
            ["expected a string: `collection = \"..\"`", "`id` takes no value"]
        );
    }

    #[test]
    fn a_wrong_shape_is_one_mistake() {
        for input in [
            parse_quote! { #[ditto(collection = "stocks")] struct Stock(String); },
            parse_quote! { #[ditto(collection = "stocks")] struct Stock; },
            parse_quote! { #[ditto(collection = "stocks")] enum Stock { A } },
            parse_quote! { #[ditto(collection = "stocks")] union Stock { a: u8 } },
        ] {
            let mistakes = adapter_mistakes(&input);
            assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
        }
    }

    #[test]
    fn columns_differ_by_more_than_case() {
        let input: DeriveInput = parse_quote! {
            #[ditto(collection = "stocks")]
            struct Stock {
                #[ditto(id)]
                id: String,
                #[ditto(column = "ID")]
                key: String,
            }
        };
        assert_eq!(
            adapter_mistakes(&input),
            ["the column `ID` is taken by the field `id`"]
        );
    }

    #[test]
    fn a_single_id_may_be_the_anchor_and_a_part_may_not() {
        let single: DeriveInput = parse_quote! {
            #[ditto(collection = "stocks", id_field = "sku")]
            struct Stock {
                #[ditto(id)]
                sku: String,
            }
        };
        assert_eq!(adapter_mistakes(&single), [""; 0]);
        let part: DeriveInput = parse_quote! {
            #[ditto(collection = "stocks", id_field = "sku")]
            struct Stock {
                #[ditto(id)]
                sku: String,
                #[ditto(id)]
                branch: String,
            }
        };
        assert_eq!(adapter_mistakes(&part).len(), 1);
    }

    #[test]
    fn columns_are_called_what_sqlx_calls_them() {
        let input: DeriveInput = parse_quote! {
            #[ditto(collection = "stocks")]
            #[sqlx(rename_all = "camelCase")]
            struct Stock {
                #[ditto(id)]
                #[sqlx(rename = "key", default)]
                id: String,
                branch_id: String,
                #[ditto(column = "unitPrice", rename = "price")]
                unit_price: i64,
                #[ditto(json)]
                #[sqlx(json(nullable))]
                tags: Option<Tags>,
                #[ditto(skip)]
                #[sqlx(skip)]
                selected: bool,
                #[ditto(skip)]
                #[sqlx(flatten)]
                more: More,
            }
        };
        let mut diagnostics = Diagnostics::default();
        let adapter = AdapterInput::read(&input, &mut diagnostics);
        validate::adapter(&adapter, &mut diagnostics);
        assert_eq!(diagnostics.messages(), [""; 0]);
        let columns: Vec<_> = adapter
            .mapped_fields()
            .map(|field| &field.column_name.text)
            .collect();
        assert_eq!(columns, ["key", "branchId", "unitPrice", "tags"]);
    }

    #[test]
    fn what_contradicts_sqlx_is_a_mistake() {
        let input: DeriveInput = parse_quote! {
            #[ditto(collection = "stocks")]
            struct Stock {
                #[ditto(id, column = "id")]
                #[sqlx(rename = "key")]
                id: String,
                #[sqlx(skip)]
                selected: bool,
                #[sqlx(flatten)]
                more: More,
                #[sqlx(json)]
                tags: Tags,
            }
        };
        assert_eq!(
            adapter_mistakes(&input),
            [
                "`#[sqlx(..)]` calls this column `key`",
                "with `skip` sqlx reads no such column; write `#[ditto(skip)]` too",
                "with `flatten` sqlx reads no such column; write `#[ditto(skip)]` too",
                "sqlx reads this column as JSON; write `#[ditto(json)]` too",
            ]
        );
    }

    #[test]
    fn variants_are_called_what_sqlx_calls_them() {
        let agreeing: DeriveInput = parse_quote! {
            #[sqlx(rename_all = "snake_case")]
            enum Status {
                PartlyPaid,
                #[sqlx(rename = "done")]
                Settled,
            }
        };
        assert_eq!(field_type_mistakes(&agreeing), [""; 0]);
        let code = field_type(&agreeing).to_string();
        assert!(
            code.contains(r#""partly_paid""#) && code.contains(r#""done""#),
            "{code}"
        );
        let contradicting: DeriveInput = parse_quote! {
            #[sqlx(rename_all = "snake_case")]
            #[ditto(rename_all = "camelCase")]
            enum Status {
                Open,
                PartlyPaid,
            }
        };
        assert_eq!(
            field_type_mistakes(&contradicting),
            ["`#[sqlx(..)]` calls this variant `partly_paid`, and here it is `partlyPaid`"]
        );
    }

    #[test]
    fn every_mistake_of_an_enum_is_reported_once_and_an_impl_follows() {
        let input: DeriveInput = parse_quote! {
            #[ditto(rename_all = "camel", collection = "x")]
            enum Status {
                Open(u8),
                #[ditto(rename = "")]
                Closed,
                #[ditto(rename = "Open")]
                Reopened,
            }
        };
        let mistakes = field_type_mistakes(&input);
        assert_eq!(mistakes.len(), 5, "{mistakes:#?}");
        assert!(field_type(&input).to_string().contains("DittoField for Status"));
    }
}
