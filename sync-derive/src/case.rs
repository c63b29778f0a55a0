//! The rules of `rename_all`: [`RenameRule`]. The same words with the same meaning as in serde, so that documents written by other
//! programs can be matched by what their authors already know.

pub(crate) mod sqlx;

/// How the Rust names of fields or variants become names in documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RenameRule {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl RenameRule {
    /// Every rule under the word that the user writes.
    pub(crate) const WORDS: [(&'static str, Self); 8] = [
        ("lowercase", Self::Lower),
        ("UPPERCASE", Self::Upper),
        ("PascalCase", Self::Pascal),
        ("camelCase", Self::Camel),
        ("snake_case", Self::Snake),
        ("SCREAMING_SNAKE_CASE", Self::ScreamingSnake),
        ("kebab-case", Self::Kebab),
        ("SCREAMING-KEBAB-CASE", Self::ScreamingKebab),
    ];

    /// The document name of a field, which Rust writes in snake case.
    pub(crate) fn apply_to_field(self, field: &str) -> String {
        match self {
            Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => field.split('_').map(capitalized).collect(),
            Self::Camel => uncapitalized(&Self::Pascal.apply_to_field(field)),
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// The text of a variant, which Rust writes in Pascal case.
    pub(crate) fn apply_to_variant(self, variant: &str) -> String {
        match self {
            Self::Pascal => variant.to_owned(),
            Self::Lower => variant.to_ascii_lowercase(),
            Self::Upper => variant.to_ascii_uppercase(),
            Self::Camel => uncapitalized(variant),
            Self::Snake => words(variant, '_'),
            Self::ScreamingSnake => words(variant, '_').to_ascii_uppercase(),
            Self::Kebab => words(variant, '-'),
            Self::ScreamingKebab => words(variant, '-').to_ascii_uppercase(),
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(characters)
        .collect()
}

fn uncapitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(characters)
        .collect()
}

/// A name in Pascal case as lower-case words.
fn words(pascal: &str, separator: char) -> String {
    let mut words = String::with_capacity(pascal.len() + 4);
    for (at, character) in pascal.char_indices() {
        if at > 0 && character.is_uppercase() {
            words.push(separator);
        }
        words.push(character.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(apply: impl Fn(RenameRule) -> String) -> Vec<String> {
        RenameRule::WORDS.iter().map(|(_, rule)| apply(*rule)).collect()
    }

    #[test]
    fn fields_are_renamed_as_serde_renames_them() {
        assert_eq!(
            renamed(|rule| rule.apply_to_field("branch_id")),
            [
                "branch_id",
                "BRANCH_ID",
                "BranchId",
                "branchId",
                "branch_id",
                "BRANCH_ID",
                "branch-id",
                "BRANCH-ID"
            ]
        );
        assert_eq!(
            renamed(|rule| rule.apply_to_field("z42")),
            ["z42", "Z42", "Z42", "z42", "z42", "Z42", "z42", "Z42"]
        );
    }

    #[test]
    fn variants_are_renamed_as_serde_renames_them() {
        assert_eq!(
            renamed(|rule| rule.apply_to_variant("InStock")),
            [
                "instock", "INSTOCK", "InStock", "inStock", "in_stock", "IN_STOCK", "in-stock", "IN-STOCK"
            ]
        );
    }
}
