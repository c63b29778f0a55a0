//! The boolean expression of `filter = ".."`: [`Filter`], read from its text.
//!
//! Not here: whether its fields exist (`validate`) and hold what they are compared with (the compiler, by what `expand` asserts).

mod token;

use syn::LitStr;

use self::token::{Token, tokens};

/// Deepest nesting of parentheses and `NOT`: enough for any person, and no stack overflows.
const DEPTH_MAX: usize = 64;

/// Words that SQL knows and a filter does not.
const UNSUPPORTED: &[&str] = &["like", "between", "glob", "regexp", "exists", "match"];

/// A filter and where it was written.
pub(crate) struct Filter {
    pub(crate) expression: Expression,
    pub(crate) literal: LitStr,
}

/// What has to hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// The field compares so with the operand; the comparison is a function of the runtime's `Field`.
    Compare(String, &'static str, Operand),
    /// The field equals one of the operands.
    In(String, Vec<Operand>),
    /// The field is null or missing.
    IsNull(String),
    /// All hold.
    And(Vec<Expression>),
    /// One holds.
    Or(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Parameter(String),
}

impl Filter {
    /// Reads an expression; the message says what was expected and what was found.
    pub(crate) fn read(literal: &LitStr) -> Result<Self, String> {
        let mut reader = Reader {
            tokens: tokens(&literal.value())?,
            at: 0,
            depth: 0,
        };
        let expression = reader.alternatives()?;
        match reader.peek() {
            None => Ok(Self {
                expression,
                literal: literal.clone(),
            }),
            Some(token) => Err(format!(
                "expected `AND`, `OR` or the end of the filter, found {token}"
            )),
        }
    }
}

impl Expression {
    /// Every comparison of a field: its name, and the operands; none where it is asked whether it is null.
    pub(crate) fn comparisons(&self) -> Vec<(&str, &[Operand])> {
        match self {
            Self::Compare(field, _, operand) => vec![(field, std::slice::from_ref(operand))],
            Self::In(field, operands) => vec![(field, operands)],
            Self::IsNull(field) => vec![(field, &[])],
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::comparisons).collect(),
            Self::Not(part) => part.comparisons(),
        }
    }
}

/// Recursive descent: `OR` binds weaker than `AND`, `AND` weaker than `NOT`, as in SQL.
struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn alternatives(&mut self) -> Result<Expression, String> {
        let first = self.conjunction()?;
        let mut parts = vec![first];
        while self.takes_word("or") {
            parts.push(self.conjunction()?);
        }
        Ok(alone_or(parts, Expression::Or))
    }

    fn conjunction(&mut self) -> Result<Expression, String> {
        let first = self.part()?;
        let mut parts = vec![first];
        while self.takes_word("and") {
            parts.push(self.part()?);
        }
        Ok(alone_or(parts, Expression::And))
    }

    fn part(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("the filter is nested more than {DEPTH_MAX} levels deep"));
        }
        let part = if self.takes_word("not") {
            Expression::Not(Box::new(self.part()?))
        } else if self.takes("(") {
            let inside = self.alternatives()?;
            self.expect(")")?;
            inside
        } else {
            self.predicate()?
        };
        self.depth -= 1;
        Ok(part)
    }

    fn predicate(&mut self) -> Result<Expression, String> {
        let field = match self.next() {
            Some(Token::Word(word)) if !is_keyword(&word) => word,
            found => return Err(expected("the name of a field", found.as_ref())),
        };
        if self.takes_word("is") {
            let negated = self.takes_word("not");
            if !self.takes_word("null") {
                return Err(expected("`NULL`", self.peek()));
            }
            return Ok(negated_if(negated, Expression::IsNull(field)));
        }
        let negated = self.takes_word("not");
        if self.takes_word("in") {
            let operands = self.list()?;
            return Ok(negated_if(negated, Expression::In(field, operands)));
        }
        if let Some(Token::Word(word)) = self.peek()
            && UNSUPPORTED.contains(&word.to_lowercase().as_str())
        {
            return Err(format!(
                "`{}` is not part of filters: they have `=`, `<>`, `<`, `<=`, `>`, `>=`, `IN` and `IS NULL`",
                word.to_uppercase()
            ));
        }
        if negated {
            return Err(expected("`IN`", self.peek()));
        }
        let comparison = self.comparison(&field)?;
        Ok(Expression::Compare(field, comparison, self.operand()?))
    }

    fn comparison(&mut self, field: &str) -> Result<&'static str, String> {
        let found = self.next();
        let symbol = match &found {
            Some(Token::Symbol(symbol)) => *symbol,
            _ => "",
        };
        Ok(match symbol {
            "=" | "==" => "eq",
            "!=" | "<>" => "ne",
            "<" => "lt",
            "<=" => "le",
            ">" => "gt",
            ">=" => "ge",
            _ => return Err(expected(&format!("a comparison after `{field}`"), found.as_ref())),
        })
    }

    fn list(&mut self) -> Result<Vec<Operand>, String> {
        self.expect("(")?;
        let mut operands = vec![self.operand()?];
        while self.takes(",") {
            operands.push(self.operand()?);
        }
        self.expect(")")?;
        Ok(operands)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Operand::Text(text)),
            Some(Token::Integer(integer)) => Ok(Operand::Integer(integer)),
            Some(Token::Float(float)) => Ok(Operand::Float(float)),
            Some(Token::Parameter(name)) => Ok(Operand::Parameter(name)),
            Some(Token::Word(word)) => match word.to_lowercase().as_str() {
                "true" => Ok(Operand::Bool(true)),
                "false" => Ok(Operand::Bool(false)),
                "null" => Err("nothing compares with `NULL`: write `IS NULL` or `IS NOT NULL`".to_owned()),
                _ => Err(format!(
                    "a field is compared with a literal or a `:parameter`, found `{word}`; text stands in single quotes"
                )),
            },
            found => Err(expected("a literal or a `:parameter`", found.as_ref())),
        }
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.takes(symbol) {
            return Ok(());
        }
        Err(expected(&format!("`{symbol}`"), self.peek()))
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }
}

fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 8] = ["and", "or", "not", "in", "is", "null", "true", "false"];
    KEYWORDS.contains(&word.to_lowercase().as_str())
}

fn alone_or(mut parts: Vec<Expression>, several: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => several(parts),
    }
}

fn negated_if(negated: bool, expression: Expression) -> Expression {
    if negated {
        Expression::Not(Box::new(expression))
    } else {
        expression
    }
}

fn expected(what: &str, found: Option<&Token>) -> String {
    match found {
        Some(token) => format!("expected {what}, found {token}"),
        None => format!("expected {what}, found the end of the filter"),
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn read(text: &str) -> Result<Expression, String> {
        Filter::read(&LitStr::new(text, Span::call_site())).map(|filter| filter.expression)
    }

    fn compare(field: &str, comparison: &'static str, operand: Operand) -> Expression {
        Expression::Compare(field.to_owned(), comparison, operand)
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tightest() {
        let a = || compare("a", "eq", Operand::Integer(1));
        let b = || compare("b", "lt", Operand::Float(-2.5));
        let c = || compare("c", "ne", Operand::Text("it's".to_owned()));
        assert_eq!(
            read("not a = 1 and b < -2.5 or c <> 'it''s'"),
            Ok(Expression::Or(vec![
                Expression::And(vec![Expression::Not(Box::new(a())), b()]),
                c()
            ]))
        );
        assert_eq!(
            read("a == 1 AND (b < -25e-1 OR c != 'it''s')"),
            Ok(Expression::And(vec![a(), Expression::Or(vec![b(), c()])]))
        );
    }

    #[test]
    fn lists_nulls_bools_and_parameters_are_read() {
        let parameter = |name: &str| Operand::Parameter(name.to_owned());
        assert_eq!(
            read("a IN (1, :two) AND b NOT IN (true) AND c IS NULL AND d is not null AND e >= :minAmount"),
            Ok(Expression::And(vec![
                Expression::In("a".to_owned(), vec![Operand::Integer(1), parameter("two")]),
                Expression::Not(Box::new(Expression::In(
                    "b".to_owned(),
                    vec![Operand::Bool(true)]
                ))),
                Expression::IsNull("c".to_owned()),
                Expression::Not(Box::new(Expression::IsNull("d".to_owned()))),
                compare("e", "ge", parameter("minAmount")),
            ]))
        );
    }

    #[test]
    fn a_mistake_says_what_was_expected_and_what_was_found() {
        for (text, message) in [
            ("", "expected the name of a field, found the end of the filter"),
            (
                "a",
                "expected a comparison after `a`, found the end of the filter",
            ),
            (
                "a = ",
                "expected a literal or a `:parameter`, found the end of the filter",
            ),
            (
                "a = 1 b = 2",
                "expected `AND`, `OR` or the end of the filter, found `b`",
            ),
            ("(a = 1", "expected `)`, found the end of the filter"),
            ("a IN 1", "expected `(`, found `1`"),
            ("a IN ()", "expected a literal or a `:parameter`, found `)`"),
            ("5 = a", "expected the name of a field, found `5`"),
            ("a not 5", "expected `IN`, found `5`"),
            ("a is 5", "expected `NULL`, found `5`"),
            (
                "a = NULL",
                "nothing compares with `NULL`: write `IS NULL` or `IS NOT NULL`",
            ),
            ("a = 'x", "the text `'x` has no closing quote"),
            (
                "a = 99999999999999999999",
                "`99999999999999999999` is not a 64-bit integer",
            ),
            ("a = 1e999", "`1e999` is not a finite number"),
            ("a ? 1", "unexpected `?`"),
            ("a = :", "expected the name of a parameter after `:`"),
        ] {
            assert_eq!(read(text), Err(message.to_owned()), "{text}");
        }
        assert!(
            read("a LIKE 'x%'").is_err_and(|message| message.starts_with("`LIKE` is not part of filters"))
        );
        assert!(read("a = b").is_err_and(|message| message.contains("text stands in single quotes")));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}a = 1{}", "(".repeat(depth), ")".repeat(depth));
        assert!(read(&nested(DEPTH_MAX - 1)).is_ok());
        assert!(read(&nested(100_000)).is_err_and(|message| message.contains("64 levels")));
    }
}
