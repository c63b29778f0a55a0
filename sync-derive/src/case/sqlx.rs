//! The rules of sqlx's own `rename_all`: [`SqlxRule`]. The words are those of serde, the meaning is not: sqlx takes names apart into words first,
//! so that `HTTPServer` is `http_server` and `line__2` is `line_2`.

/// How sqlx makes the name of a column of a field, or the text of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlxRule {
    Lower,
    Snake,
    Upper,
    ScreamingSnake,
    Kebab,
    Camel,
    Pascal,
}

impl SqlxRule {
    /// The rule of a word, if it is one that sqlx knows.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "lowercase" => Self::Lower,
            "snake_case" => Self::Snake,
            "UPPERCASE" => Self::Upper,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "camelCase" => Self::Camel,
            "PascalCase" => Self::Pascal,
            _ => return None,
        })
    }

    /// The name that sqlx makes of one in Rust.
    pub(crate) fn apply(self, name: &str) -> String {
        let words = words(name).into_iter();
        match self {
            Self::Lower => name.to_lowercase(),
            Self::Upper => name.to_uppercase(),
            Self::Snake => joined(words.map(str::to_lowercase), "_"),
            Self::ScreamingSnake => joined(words.map(str::to_uppercase), "_"),
            Self::Kebab => joined(words.map(str::to_lowercase), "-"),
            Self::Pascal => words.map(capitalized).collect(),
            Self::Camel => words
                .enumerate()
                .map(|(at, word)| {
                    if at == 0 {
                        word.to_lowercase()
                    } else {
                        capitalized(word)
                    }
                })
                .collect(),
        }
    }
}

/// The words of a name, as the crate `heck` finds them for sqlx: between lower and upper case, before the last capital of several, and at whatever is
/// neither letter nor digit.
fn words(name: &str) -> Vec<&str> {
    let parts = name.split(|character: char| !character.is_alphanumeric());
    parts.flat_map(words_of_part).collect()
}

fn words_of_part(part: &str) -> Vec<&str> {
    let characters: Vec<(usize, char)> = part.char_indices().collect();
    let mut words = Vec::new();
    let mut begin = 0;
    let (mut is_lower, mut is_upper) = (false, false);
    for pair in characters.windows(2) {
        let [(at, current), (next_at, next)] = [pair[0], pair[1]];
        let was_upper = is_upper;
        // A digit goes on with the case before it.
        if current.is_lowercase() || current.is_uppercase() {
            (is_lower, is_upper) = (current.is_lowercase(), current.is_uppercase());
        }
        let end = if is_lower && next.is_uppercase() {
            next_at
        } else if was_upper && current.is_uppercase() && next.is_lowercase() {
            at
        } else {
            continue;
        };
        words.push(&part[begin..end]);
        begin = end;
        (is_lower, is_upper) = (false, false);
    }
    words.push(&part[begin..]);
    words.retain(|word| !word.is_empty());
    words
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters.as_str().to_lowercase().chars()).collect()
}

fn joined(words: impl Iterator<Item = String>, separator: &str) -> String {
    words.collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_sqlx_makes_of_them() {
        let cases = [
            (SqlxRule::Snake, "HTTPServer", "http_server"),
            (SqlxRule::Snake, "line__2", "line_2"),
            (SqlxRule::Snake, "PartlyPaid", "partly_paid"),
            (SqlxRule::Camel, "branch_id", "branchId"),
            (SqlxRule::Camel, "price_1", "price1"),
            (SqlxRule::Camel, "XMLHttpRequest", "xmlHttpRequest"),
            (SqlxRule::Pascal, "branch_id", "BranchId"),
            (SqlxRule::Kebab, "unit_price", "unit-price"),
            (SqlxRule::ScreamingSnake, "unitPrice", "UNIT_PRICE"),
            (SqlxRule::Lower, "Unit_Price", "unit_price"),
            (SqlxRule::Upper, "unit_price", "UNIT_PRICE"),
            (SqlxRule::Snake, "a1B2", "a1_b2"),
        ];
        for (rule, name, expected) in cases {
            assert_eq!(rule.apply(name), expected, "{rule:?} of {name}");
        }
    }
}
