//! A small evaluator of exactly the DQL that the core writes, with the measured semantics of NULL and MISSING. Where Ditto's behaviour is
//! not known it does the worst: values of different types have an order, and the type predicates are unknown for NULL and MISSING.

use std::{cmp::Ordering, collections::BTreeMap};

use ditto_sync_core::{document::Document, query::Dql, value::Value};

/// Whether the condition of `dql` holds for `document`; `None` is DQL's unknown.
///
/// # Panics
/// When the text is not of the grammar, or an argument is missing or left over.
pub(crate) fn evaluate(dql: &Dql, document: &Document) -> Option<bool> {
    let mut parser = Parser {
        tokens: tokens(&dql.text),
        at: 0,
        arguments: &dql.arguments,
        document,
        used: Vec::new(),
    };
    let result = parser.or();
    assert_eq!(parser.at, parser.tokens.len(), "tokens left over in {}", dql.text);
    parser.used.sort();
    parser.used.dedup();
    assert_eq!(
        parser.used.len(),
        dql.arguments.len(),
        "arguments left over in {}",
        dql.text
    );
    result.truth()
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Argument(String),
    Sign(&'static str),
}

fn tokens(text: &str) -> Vec<Token> {
    const SIGNS: [&str; 8] = ["<=", ">=", "!=", "<", ">", "=", "(", ")"];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '`' {
            let (name, length) = quoted(&rest[1..]);
            tokens.push(Token::Quoted(name));
            length + 1
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            sign.len()
        } else {
            let name = rest.strip_prefix(':').unwrap_or(rest);
            let end = name
                .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                .unwrap_or(name.len());
            assert!(
                end > 0 && !name.starts_with(|first: char| first.is_ascii_digit()),
                "at {rest}"
            );
            let word = name[..end].to_owned();
            let length = rest.len() - name.len() + end;
            tokens.push(if first == ':' {
                Token::Argument(word)
            } else {
                Token::Word(word)
            });
            length
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The name after an opening backtick, and its length with the closing one.
fn quoted(text: &str) -> (String, usize) {
    let mut name = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '`' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '`').is_some() {
            name.push('`');
        } else {
            return (name, at + 1);
        }
    }
    panic!("an open backtick in {text}");
}

/// `None` is MISSING.
type Item = Option<Value>;

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    arguments: &'a BTreeMap<String, Value>,
    document: &'a Document,
    used: Vec<String>,
}

/// What a part of the text is worth: a value, or a truth.
enum Worth {
    Item(Item),
    Truth(Option<bool>),
}

impl Worth {
    fn truth(self) -> Option<bool> {
        match self {
            Self::Truth(truth) => truth,
            Self::Item(item) => panic!("{item:?} is not a truth"),
        }
    }

    fn item(self) -> Item {
        match self {
            Self::Item(item) => item,
            Self::Truth(truth) => panic!("{truth:?} is not a value"),
        }
    }
}

impl Parser<'_> {
    fn or(&mut self) -> Worth {
        let mut left = self.and();
        while self.take_word("OR") {
            let right = self.and().truth();
            left = Worth::Truth(match (left.truth(), right) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            });
        }
        left
    }

    fn and(&mut self) -> Worth {
        let mut left = self.not();
        while self.take_word("AND") {
            let right = self.not().truth();
            left = Worth::Truth(match (left.truth(), right) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            });
        }
        left
    }

    fn not(&mut self) -> Worth {
        if self.take_word("NOT") {
            return Worth::Truth(self.not().truth().map(|truth| !truth));
        }
        self.is()
    }

    fn is(&mut self) -> Worth {
        let left = self.comparison();
        if !self.take_word("IS") {
            return left;
        }
        let negated = self.take_word("NOT");
        let item = left.item();
        let found = if self.take_word("MISSING") {
            item.is_none()
        } else {
            assert!(self.take_word("NULL"));
            // Measured: `IS NOT NULL` is true for a missing field.
            item == Some(Value::Null)
        };
        Worth::Truth(Some(found != negated))
    }

    fn comparison(&mut self) -> Worth {
        let left = self.primary();
        if self.take_word("IN") {
            let (item, list) = (left.item(), self.primary().item());
            let Some(Value::List(list)) = list else {
                panic!("IN needs a list");
            };
            // Measured: a list of several types finds nothing.
            let of_one_type = list.windows(2).all(|pair| {
                rank(&pair[0]) == rank(&pair[1]) && !matches!(pair[0], Value::List(_) | Value::Map(_))
            });
            let truth = item
                .filter(|item| !item.is_null())
                .map(|item| of_one_type && list.iter().any(|element| order(&item, element).is_eq()));
            return Worth::Truth(truth);
        }
        let Some(Token::Sign(sign @ ("<" | "<=" | ">" | ">=" | "=" | "!="))) =
            self.tokens.get(self.at).cloned()
        else {
            return left;
        };
        self.at += 1;
        let (left, right) = (left.item(), self.primary().item());
        let (Some(left), Some(right)) = (left, right) else {
            return Worth::Truth(None);
        };
        if left.is_null() || right.is_null() {
            return Worth::Truth(None);
        }
        let order = order(&left, &right);
        Worth::Truth(Some(match sign {
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            ">=" => order.is_ge(),
            "=" => order.is_eq(),
            _ => order.is_ne(),
        }))
    }

    fn primary(&mut self) -> Worth {
        let token = self.tokens[self.at].clone();
        self.at += 1;
        match token {
            Token::Sign("(") => {
                let inner = self.or();
                self.close();
                inner
            }
            Token::Quoted(name) if name == "_id" => Worth::Item(Some("the id".into())),
            Token::Quoted(name) => Worth::Item(self.document.get(&name).cloned()),
            Token::Argument(name) => {
                let value = self.arguments.get(&name).expect("every argument is given");
                self.used.push(name);
                Worth::Item(Some(value.clone()))
            }
            Token::Word(function) => {
                assert_eq!(self.tokens[self.at], Token::Sign("("), "after {function}");
                self.at += 1;
                let item = self.or().item();
                self.close();
                call(&function, item.filter(|item| !item.is_null()).as_ref())
            }
            Token::Sign(sign) => panic!("unexpected {sign}"),
        }
    }

    fn close(&mut self) {
        assert_eq!(self.tokens[self.at], Token::Sign(")"));
        self.at += 1;
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.tokens.get(self.at) == Some(&Token::Word(word.into()));
        self.at += usize::from(found);
        found
    }
}

fn call(function: &str, item: Option<&Value>) -> Worth {
    let type_name = item.map(|item| RANKED_TYPES[rank(item)]);
    if function == "type" {
        return Worth::Item(type_name.map(Into::into));
    }
    let wanted = match function {
        "is_boolean" => "boolean",
        "is_number" => "number",
        "is_string" => "string",
        other => panic!("DQL has no function {other}"),
    };
    Worth::Truth(type_name.map(|name| name == wanted))
}

const RANKED_TYPES: [&str; 7] = ["null", "boolean", "number", "string", "binary", "array", "object"];

fn rank(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Int(_) | Value::Float(_) => 2,
        Value::Text(_) => 3,
        Value::Bytes(_) => 4,
        Value::List(_) => 5,
        Value::Map(_) => 6,
    }
}

/// An order of everything: types by rank, numbers by value.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            let ((a_whole, a_rest), (b_whole, b_rest)) = (exact(a), exact(b));
            a_whole.cmp(&b_whole).then(a_rest.total_cmp(&b_rest))
        }
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::List(a), Value::List(b)) => {
            let items = a.iter().zip(b).map(|(a, b)| order(a, b));
            first_difference(items, a.len().cmp(&b.len()))
        }
        (Value::Map(a), Value::Map(b)) => {
            let entries = a
                .iter()
                .zip(b)
                .map(|((a_name, a), (b_name, b))| a_name.cmp(b_name).then_with(|| order(a, b)));
            first_difference(entries, a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>, end: Ordering) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(end)
}

/// A number as something that sorts by its exact value: its whole part, saturated where no integer reaches, and the rest.
fn exact(value: &Value) -> (i128, f64) {
    match value {
        Value::Int(integer) => (i128::from(*integer), 0.0),
        Value::Float(float) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "saturates, and the rest then tells floats apart"
            )]
            let integer = float.trunc() as i128;
            let saturated = integer == i128::MAX || integer == i128::MIN;
            // Adding zero makes a zero of a negative zero.
            (integer, if saturated { *float } else { float.fract() + 0.0 })
        }
        other => panic!("{other:?} is not a number"),
    }
}
