//! "Did you mean": the known word nearest to a mistyped one, and the message that says so.
//!
//! Not here: which words are known.

/// The message for a word that is not known.
pub(crate) fn unknown<'k>(
    what: &str,
    written: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
) -> String {
    if let Some(near) = nearest(written, known.clone()) {
        return format!("unknown {what} `{written}`; did you mean `{near}`?");
    }
    let known: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
    if known.is_empty() {
        return format!("unknown {what} `{written}`");
    }
    format!("unknown {what} `{written}`; known: {}", known.join(", "))
}

/// The known word that `written` was probably meant to be.
pub(crate) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let folded = fold(written);
    known
        .into_iter()
        .map(|word| (distance(&folded, &fold(word)), word))
        .filter(|(distance, word)| *distance <= allowed(word) || is_shortened(&folded, word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many edits still pass for a slip: a third of the word, at least one.
fn allowed(word: &str) -> usize {
    (word.chars().count() / 3).max(1)
}

/// Whether `written` is the beginning of the word, as `int` is of `integer`.
fn is_shortened(written: &[char], word: &str) -> bool {
    const TELLING_CHARACTERS: usize = 3;
    written.len() >= TELLING_CHARACTERS && fold(word).starts_with(written)
}

/// Case and separators are what people confuse most, so they cost nothing.
fn fold(word: &str) -> Vec<char> {
    word.chars()
        .filter(|character| !matches!(character, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words
/// (<https://en.wikipedia.org/wiki/Damerau–Levenshtein_distance>, restricted).
fn distance(from: &[char], to: &[char]) -> usize {
    let width = to.len() + 1;
    let mut cells: Vec<usize> = (0..width).collect();
    for row in 1..=from.len() {
        cells.push(row);
        for column in 1..width {
            let at = |row: usize, column: usize| cells[row * width + column];
            let substitution = at(row - 1, column - 1) + usize::from(from[row - 1] != to[column - 1]);
            let mut best = substitution
                .min(at(row - 1, column) + 1)
                .min(at(row, column - 1) + 1);
            let swapped =
                row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1];
            if swapped {
                best = best.min(at(row - 2, column - 2) + 1);
            }
            cells.push(best);
        }
    }
    cells[from.len() * width + to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(from: &str, to: &str) -> usize {
        distance(&fold(from), &fold(to))
    }

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(edits("", ""), 0);
        assert_eq!(edits("", "id"), 2);
        assert_eq!(edits("colection", "collection"), 1);
        assert_eq!(edits("colletcion", "collection"), 1);
        assert_eq!(edits("tabel", "table"), 1);
        assert_eq!(edits("sitting", "kitten"), 3);
    }

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_is_not() {
        let known = ["collection", "table", "direction"];
        assert_eq!(
            unknown("attribute", "colection", known),
            "unknown attribute `colection`; did you mean `collection`?"
        );
        assert_eq!(
            unknown("attribute", "backup", known),
            "unknown attribute `backup`; known: `collection`, `table`, `direction`"
        );
    }

    #[test]
    fn case_and_separators_cost_nothing() {
        assert_eq!(
            nearest("sendOnly", ["bidirectional", "send_only"]),
            Some("send_only")
        );
        assert_eq!(
            nearest("camel-case", ["snake_case", "camelCase"]),
            Some("camelCase")
        );
    }

    #[test]
    fn a_shortened_word_is_suggested_whole() {
        assert_eq!(nearest("int", ["text", "integer"]), Some("integer"));
        assert_eq!(nearest("i", ["text", "integer"]), None);
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        assert_eq!(unknown("attribute", "skip", []), "unknown attribute `skip`");
    }
}
