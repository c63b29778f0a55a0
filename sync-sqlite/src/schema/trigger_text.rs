//! Which tables a trigger of the app writes, read from its text: [`unguarded`].
//!
//! A guess on the safe side: a name that stands where a written table stands counts, whatever the trigger does with it.

use ditto_sync_core::repository::Finding;

use crate::layout::ModelLayout;

/// What a trigger says to stand aside while changes from the store are applied.
const GUARD: &str = "NOT (SELECT active FROM ditto_sync_guard)";

/// The triggers that answer changes from the store by writing columns that are synced.
pub(crate) fn unguarded(layouts: &[ModelLayout]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layout in layouts {
        for trigger in layout
            .shape
            .user_triggers
            .iter()
            .filter(|trigger| !trigger.guarded)
        {
            let tokens = tokens(&trigger.sql);
            let Some(written) = written(&tokens, layouts) else {
                continue;
            };
            let has_condition = tokens
                .iter()
                .take_while(|token| *token != "begin")
                .any(|token| token == "when");
            let clause = if has_condition {
                format!("extend its condition by `AND {GUARD}`")
            } else {
                format!("add `WHEN {GUARD}` before its BEGIN")
            };
            findings.push(Finding {
                table: layout.shape.name.clone(),
                column: None,
                problem: format!(
                    "the trigger `{}` writes synced columns of `{written}` also when a change from the store is applied, which every device answers with a change of its own",
                    trigger.name
                ),
                remedy: clause,
            });
        }
    }
    findings
}

/// The first synced table that the statements of the trigger write.
fn written<'a>(tokens: &[String], layouts: &'a [ModelLayout]) -> Option<&'a str> {
    let body = tokens.iter().position(|token| token == "begin")? + 1;
    let body = &tokens[body..];
    body.iter().enumerate().find_map(|(at, token)| {
        let rest = &body[at + 1..];
        // `UPDATE OR REPLACE t`, `INSERT OR IGNORE INTO t`
        let rest = if rest.first().is_some_and(|word| word == "or") {
            rest.get(2..)?
        } else {
            rest
        };
        let name = match token.as_str() {
            "update" => rest.first(),
            "insert" | "replace" if rest.first().is_some_and(|word| word == "into") => rest.get(1),
            "delete" if rest.first().is_some_and(|word| word == "from") => rest.get(1),
            _ => None,
        }?;
        let layout = layouts
            .iter()
            .find(|layout| layout.shape.name.eq_ignore_ascii_case(name))?;
        let writes = token != "update" || sets_mapped_column(rest, layout);
        writes.then_some(layout.shape.name.as_str())
    })
}

/// Whether an `UPDATE` names a mapped column between SET and its end.
fn sets_mapped_column(update: &[String], layout: &ModelLayout) -> bool {
    let set = update
        .iter()
        .skip_while(|token| *token != "set")
        .take_while(|token| *token != "where" && *token != ";");
    let model = layout.model;
    set.into_iter().any(|token| {
        let mut fields = model.id_fields().iter().chain(model.fields());
        fields.any(|field| field.column().eq_ignore_ascii_case(token))
    })
}

/// Words and names in lower case, names without their quotes; strings and comments are left out.
fn tokens(sql: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = if rest.starts_with("--") {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (None, rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if let Some(close) = closing(first) {
            let inside = &rest[1..];
            let end = inside.find(close).unwrap_or(inside.len());
            let name = (first != '\'').then(|| inside[..end].to_lowercase());
            (name, (end + 2).min(rest.len()))
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '$'));
            let end = end.unwrap_or(rest.len());
            (Some(rest[..end].to_lowercase()), end)
        } else {
            ((first == ';').then(|| ";".to_owned()), first.len_utf8())
        };
        tokens.extend(token);
        rest = &rest[length..];
    }
    tokens
}

fn closing(open: char) -> Option<char> {
    match open {
        '"' | '`' | '\'' => Some(open),
        '[' => Some(']'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_quotes_and_strings_and_comments_say_nothing() {
        let sql = "UPDATE \"A b\" SET [x]=1 /* DELETE FROM t */ WHERE `y` = 'insert into t'; -- update t";
        let expected = ["update", "a b", "set", "x", "1", "where", "y", ";"];
        assert_eq!(tokens(sql), expected);
    }
}
