//! What a column's declared type does to the values written to it (<https://sqlite.org/datatype3.html>, section 3).

use ditto_sync_core::field::Storage;

/// What SQLite tries to turn a value into when it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// Numbers become text.
    Text,
    /// Text that looks like a number becomes one; whole reals become integers.
    Numeric,
    /// As numeric, but declared for integers.
    Integer,
    /// As numeric, but integers become reals.
    Real,
    /// Nothing is changed.
    None,
}

impl Affinity {
    /// The affinity of a column declared with this type. `ANY` means nothing special outside of STRICT tables.
    pub(crate) fn of(declared: &str, strict: bool) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if strict && declared == "ANY" {
            Self::None
        } else if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || declared.is_empty() {
            Self::None
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// Whether two values that compare as equal may be of different classes in such a column: `1` and `1.0`.
    pub(crate) fn holds_equal_values_of_two_classes(self) -> bool {
        matches!(self, Self::None | Self::Numeric)
    }

    /// Its name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Numeric => "NUMERIC",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::None => "BLOB",
        }
    }
}

/// Whether values of class `storage` come back from a column declared as `declared` as they were written. Text that is `never_numeric` never looks like a
/// number: a date, say.
pub(crate) fn keeps(storage: Storage, never_numeric: bool, declared: &str, strict: bool) -> bool {
    if strict {
        return strict_type_admits(storage, declared);
    }
    let affinity = Affinity::of(declared, false);
    match storage {
        Storage::Text => match affinity {
            Affinity::Text | Affinity::None => true,
            Affinity::Numeric | Affinity::Integer | Affinity::Real => never_numeric,
        },
        Storage::Integer => matches!(affinity, Affinity::Integer | Affinity::Numeric | Affinity::None),
        // A whole real becomes an integer in a NUMERIC column; reading a float field takes it back.
        Storage::Real => matches!(affinity, Affinity::Real | Affinity::Numeric | Affinity::None),
        // No affinity ever converts a blob.
        Storage::Blob => true,
        Storage::Any => affinity == Affinity::None,
    }
}

/// STRICT tables refuse what does not fit, instead of keeping it as it is.
fn strict_type_admits(storage: Storage, declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    let admitted: &[&str] = match storage {
        Storage::Text => &["TEXT", "ANY"],
        Storage::Integer => &["INT", "INTEGER", "ANY"],
        Storage::Real => &["REAL", "ANY"],
        Storage::Blob => &["BLOB", "ANY"],
        Storage::Any => &["ANY"],
    };
    admitted.contains(&declared.as_str())
}

#[cfg(test)]
mod tests {
    use ditto_sync_core::field::Storage;

    use super::{Affinity, keeps};

    #[test]
    fn affinity_follows_the_rules_of_the_manual_in_their_order() {
        let cases = [
            ("CHARINT", Affinity::Integer),
            ("NVARCHAR(20)", Affinity::Text),
            ("", Affinity::None),
            ("BLOB", Affinity::None),
            ("DOUBLE PRECISION", Affinity::Real),
            ("FLOATING POINT", Affinity::Integer),
            ("DECIMAL(10,2)", Affinity::Numeric),
            ("DATETIME", Affinity::Numeric),
            ("ANY", Affinity::Numeric),
        ];
        for (declared, affinity) in cases {
            assert_eq!(Affinity::of(declared, false), affinity, "{declared}");
        }
        assert_eq!(Affinity::of("any", true), Affinity::None);
    }

    #[test]
    fn text_is_kept_by_text_and_untyped_columns_and_dates_by_numeric_ones_too() {
        assert!(keeps(Storage::Text, false, "VARCHAR(10)", false));
        assert!(keeps(Storage::Text, false, "", false));
        assert!(keeps(Storage::Text, true, "TIMESTAMP", false));
        assert!(!keeps(Storage::Text, false, "TIMESTAMP", false));
        assert!(!keeps(Storage::Text, false, "DECIMAL(10,2)", false));
        assert!(!keeps(Storage::Text, false, "INTEGER", false));
        assert!(!keeps(Storage::Text, false, "BLOB", true));
    }

    #[test]
    fn numbers_and_blobs_are_kept_where_nothing_converts_them() {
        assert!(keeps(Storage::Integer, false, "BOOLEAN", false));
        assert!(!keeps(Storage::Integer, false, "TEXT", false));
        assert!(!keeps(Storage::Integer, false, "REAL", false));
        assert!(keeps(Storage::Real, false, "NUMERIC(10,2)", false));
        assert!(!keeps(Storage::Real, false, "TEXT", false));
        assert!(keeps(Storage::Blob, false, "TEXT", false));
        assert!(!keeps(Storage::Blob, false, "TEXT", true));
        assert!(!keeps(Storage::Any, false, "NUMERIC", false));
    }
}
