//! Names inside SQL text: every identifier of ours and of the app is quoted, whatever it contains.

use std::fmt::Write as _;

/// `name` as a quoted identifier.
pub(crate) fn quoted(name: &str) -> String {
    let mut sql = String::with_capacity(name.len() + 2);
    sql.push('"');
    for character in name.chars() {
        if character == '"' {
            sql.push('"');
        }
        sql.push(character);
    }
    sql.push('"');
    sql
}

/// The names as a comma-separated list of quoted identifiers.
pub(crate) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut sql = String::new();
    for name in names {
        let separator = if sql.is_empty() { "" } else { ", " };
        let _infallible = write!(sql, "{separator}{}", quoted(name));
    }
    sql
}

/// The names of a list that [`quoted_list`] made.
pub(crate) fn unquoted_list(sql: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name: Option<String> = None;
    let mut characters = sql.chars().peekable();
    while let Some(character) = characters.next() {
        match (&mut name, character) {
            (None, '"') => name = Some(String::new()),
            (None, _) => {}
            (Some(open), '"') if characters.peek() == Some(&'"') => {
                open.push('"');
                characters.next();
            }
            (Some(_), '"') => names.extend(name.take()),
            (Some(open), other) => open.push(other),
        }
    }
    names
}

/// Whether SQLite takes the two for the same table or column.
pub(crate) fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::{quoted, quoted_list, unquoted_list};

    #[test]
    fn a_quote_inside_a_name_is_doubled() {
        assert_eq!(quoted(r#"or"der"#), r#""or""der""#);
    }

    #[test]
    fn a_list_comes_back_as_the_names_it_was_made_of() {
        let names = ["a", r#"b"c"#, "", "d, e", "\"", "été"];
        assert_eq!(unquoted_list(&quoted_list(names)), names);
    }
}
