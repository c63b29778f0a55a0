//! The tokens of a filter: [`tokens`].

use std::{fmt, iter::Peekable, str::CharIndices};

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A keyword or the name of a field.
    Word(String),
    /// `:name`.
    Parameter(String),
    /// `'text'`, with `''` for a quote.
    Text(String),
    Integer(i64),
    Float(f64),
    /// An operator, a parenthesis or a comma.
    Symbol(&'static str),
}

/// The longer ones first, so that `<=` is not `<`.
const SYMBOLS: [&str; 11] = ["<=", ">=", "<>", "!=", "==", "=", "<", ">", "(", ")", ","];

/// The tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first)?;
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// The token at the beginning of `rest`, and its length in bytes.
fn token(rest: &str, first: char) -> Result<(Token, usize), String> {
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        return Ok((Token::Symbol(symbol), symbol.len()));
    }
    match first {
        '\'' => quoted(rest),
        ':' => match word_length(&rest[1..]) {
            0 => Err("expected the name of a parameter after `:`".to_owned()),
            length => Ok((Token::Parameter(rest[1..=length].to_owned()), length + 1)),
        },
        '-' | '+' | '.' | '0'..='9' => number(rest),
        _ => match word_length(rest) {
            0 => Err(format!("unexpected `{first}`")),
            length => Ok((Token::Word(rest[..length].to_owned()), length)),
        },
    }
}

/// The length of the identifier at the beginning; zero where none begins.
fn word_length(text: &str) -> usize {
    let begins = |character: char| character == '_' || character.is_alphabetic();
    if !text.starts_with(begins) {
        return 0;
    }
    let ends = |character: char| !(character == '_' || character.is_alphanumeric());
    text.find(ends).unwrap_or(text.len())
}

fn quoted(rest: &str) -> Result<(Token, usize), String> {
    let mut text = String::new();
    let mut characters: Peekable<CharIndices<'_>> = rest.char_indices().peekable();
    characters.next();
    while let Some((at, character)) = characters.next() {
        if character != '\'' {
            text.push(character);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            text.push('\'');
        } else {
            return Ok((Token::Text(text), at + 1));
        }
    }
    Err(format!("the text `{rest}` has no closing quote"))
}

fn number(rest: &str) -> Result<(Token, usize), String> {
    let mut before = ' ';
    let length = rest
        .char_indices()
        .find(|&(at, character)| {
            let is_sign = matches!(character, '-' | '+') && (at == 0 || matches!(before, 'e' | 'E'));
            before = character;
            !(is_sign || character == '.' || character.is_alphanumeric())
        })
        .map_or(rest.len(), |(at, _)| at);
    let written = &rest[..length];
    let digits = written.trim_start_matches(['-', '+']);
    if !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit()) {
        return match written.parse() {
            Ok(integer) => Ok((Token::Integer(integer), length)),
            Err(_) => Err(format!("`{written}` is not a 64-bit integer")),
        };
    }
    match written.parse::<f64>() {
        Ok(float) if float.is_finite() => Ok((Token::Float(float), length)),
        Ok(_) => Err(format!("`{written}` is not a finite number")),
        Err(_) => Err(format!("`{written}` is not a number")),
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Parameter(name) => write!(f, "`:{name}`"),
            Self::Text(text) => write!(f, "`'{text}'`"),
            Self::Integer(integer) => write!(f, "`{integer}`"),
            Self::Float(float) => write!(f, "`{float}`"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
        }
    }
}
