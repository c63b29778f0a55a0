//! The text of the triggers.

use crate::{
    layout::{ModelLayout, PREFIX, kind},
    schema::{
        KeyOrigin, UniqueKey,
        affinity::Affinity,
        identifier::{quoted, same_name},
    },
};

/// Most comparisons in a row. Each is a level of the expression, of which SQLite takes 1000 unless the app has lowered that
/// (<https://sqlite.org/limits.html#max_expr_depth>).
const COMPARISONS_MAX: usize = 64;

/// A trigger as `sqlite_schema` holds it.
#[derive(Debug)]
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) sql: String,
}

/// What the names of all triggers of model `number` begin with.
pub(super) fn prefix(number: i64) -> String {
    format!("{PREFIX}capture_{number}_")
}

/// Every trigger of the model.
pub(super) fn all(layout: &ModelLayout) -> Vec<Trigger> {
    let texts = Texts {
        layout,
        ids: Ids::of(layout),
    };
    let mut triggers = vec![
        texts.insert_before(),
        texts.insert_after(),
        texts.key_before(),
        texts.key_after(),
        texts.delete_before(),
    ];
    triggers.extend(texts.update_before());
    triggers
}

/// The id columns as the triggers compare them.
struct Ids {
    /// Quoted, with the collation by which the table holds ids apart.
    columns: Vec<(String, String)>,
    /// Whether `1` and `1.0` are two ids.
    typed: Vec<bool>,
}

impl Ids {
    fn of(layout: &ModelLayout) -> Self {
        let fields = layout.model.id_fields();
        let names: Vec<_> = fields.iter().map(|field| field.column()).collect();
        let key = layout.shape.key_over(&names);
        let collation = |name: &str| {
            let column = key.and_then(|key| key.columns.iter().find(|column| same_name(&column.name, name)));
            column.map_or("BINARY", |column| column.collation.as_str())
        };
        let columns = layout.id_columns.iter().zip(&names);
        Self {
            columns: columns
                .map(|(quoted_name, name)| (quoted_name.clone(), quoted(collation(name))))
                .collect(),
            typed: names.iter().map(|name| is_typed(layout, name)).collect(),
        }
    }

    /// The id of `row` (`NEW` or `OLD`) is the one in `k0..` of the table at hand. Those come first: their collation, binary, counts.
    fn are_kept_in_k(&self, row: &str) -> String {
        let columns = self.columns.iter().enumerate();
        columns
            .map(|(at, (column, _))| format!("k{at} IS {row}.{column}"))
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    /// The row `r` of the table has the id of `row`, in the eyes of the table's key. Not for NULL, which no key holds apart.
    fn match_r(&self, row: &str) -> String {
        let columns = self.columns.iter();
        columns
            .map(|(column, collation)| format!("r.{column} COLLATE {collation} = {row}.{column}"))
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    /// The row `r` of the table is the one that `row` was or will be.
    fn are_those_of_r(&self, row: &str) -> String {
        let columns = self.columns.iter();
        columns
            .map(|(column, _)| format!("r.{column} COLLATE BINARY IS {row}.{column}"))
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    fn differ(&self) -> String {
        let columns = self.columns.iter().zip(&self.typed);
        differ(columns.map(|((column, _), &typed)| (column.as_str(), typed)))
    }
}

struct Texts<'a> {
    layout: &'a ModelLayout,
    ids: Ids,
}

impl Texts<'_> {
    fn insert_before(&self) -> Trigger {
        let outbox = &self.layout.outbox;
        let same = self.ids.match_r("NEW");
        // An `R` of an earlier statement says nothing about this one, whose id may not even be known yet. Only one that this trigger adds may
        // keep the AFTER trigger from its entry: the earlier one may be in an intent already.
        let settle = format!(
            "UPDATE {outbox} SET kind = CASE WHEN {newest} AND NOT {exists} THEN '{delete}' ELSE '{update}' END \
             WHERE seq = (SELECT max(seq) FROM {outbox}) AND kind = '{replace}';",
            newest = self.newest_is_replace("NEW"),
            exists = self.exists(&same),
            delete = kind::DELETE,
            update = kind::UPDATE,
            replace = kind::REPLACE,
        );
        let mut body = vec![settle];
        let newest = format!(
            "coalesce((SELECT kind = '{}' FROM {outbox} ORDER BY seq DESC LIMIT 1), 0)",
            kind::REPLACE
        );
        let mut when = vec![newest, self.exists(&same)];
        for key in self.other_keys() {
            when.push(self.exists(&in_the_way(key)));
            body.push(self.keep_rows(&in_the_way(key), &format!(" AND NOT ({same})")));
        }
        body.push(self.keep_rows(&same, ""));
        // The body is for the rare row that meets another one: the common row pays for look-ups only.
        let when = format!("({}) AND {}", when.join(" OR "), self.unguarded("NEW"));
        self.trigger("insert_before", "BEFORE INSERT", &when, &body)
    }

    fn insert_after(&self) -> Trigger {
        let when = format!(
            "NOT {} AND {}",
            self.newest_is_replace("NEW"),
            self.unguarded("NEW")
        );
        self.trigger("insert_after", "AFTER INSERT", &when, &[self.append_insert()])
    }

    /// `None` when every mapped column belongs to the id.
    fn update_before(&self) -> Option<Trigger> {
        let layout = self.layout;
        if layout.columns.is_empty() {
            return None;
        }
        let fields = layout.model.fields().iter();
        let mut columns: Vec<_> = layout
            .columns
            .iter()
            .map(String::as_str)
            .zip(fields.map(|field| field.column()))
            .collect();
        // Numbers change most often, and are compared fastest.
        columns.sort_by_key(|(_, column)| !is_number(layout, column));
        let columns = columns
            .iter()
            .map(|(quoted, column)| (*quoted, is_typed(layout, column)));
        let when = format!(
            "NOT ({}) AND ({}) AND {}",
            self.ids.differ(),
            differ(columns),
            self.unguarded("OLD")
        );
        let event = format!("BEFORE UPDATE OF {}", layout.columns.join(", "));
        let body = [self.append_old(kind::UPDATE)];
        Some(self.trigger("update_before", &event, &when, &body))
    }

    fn key_before(&self) -> Trigger {
        let mut watched = self.watched_id_columns();
        let mut moves = vec![self.ids.differ()];
        for key in self.other_keys() {
            let columns: Vec<_> = key.columns.iter().map(|column| quoted(&column.name)).collect();
            moves.push(differ(columns.iter().map(|column| (column.as_str(), false))));
            watched.extend(columns);
            watched.extend(rowid_names(key.origin));
        }
        watched.dedup();
        let when = format!("({}) AND {}", moves.join(" OR "), self.unguarded("OLD"));
        let mut body = vec![self.append_old_moved()];
        let not_this = format!(" AND NOT ({})", self.ids.are_those_of_r("OLD"));
        let neither = format!("{not_this} AND NOT ({})", self.ids.match_r("NEW"));
        body.extend(
            self.other_keys()
                .map(|key| self.keep_rows(&in_the_way(key), &neither)),
        );
        body.push(self.keep_rows(&self.ids.match_r("NEW"), &not_this));
        let event = format!("BEFORE UPDATE OF {}", watched.join(", "));
        self.trigger("key_before", &event, &when, &body)
    }

    fn key_after(&self) -> Trigger {
        let event = format!("AFTER UPDATE OF {}", self.watched_id_columns().join(", "));
        let when = format!(
            "({}) AND NOT {} AND {}",
            self.ids.differ(),
            self.newest_is_replace("NEW"),
            self.unguarded("OLD")
        );
        self.trigger("key_after", &event, &when, &[self.append_insert()])
    }

    fn delete_before(&self) -> Trigger {
        let layout = self.layout;
        // One REPLACE writes at most one `R` for each unique key before it deletes the rows, each of which adds another.
        let window = 2 * layout.shape.unique_keys.len().max(1);
        let old: Vec<_> = self.images("OLD");
        let body = format!(
            "INSERT INTO {outbox}(kind, {columns}) VALUES (CASE WHEN EXISTS (SELECT 1 FROM {outbox} WHERE seq > (SELECT max(seq) FROM {outbox}) - {window} \
             AND kind = '{replace}' AND {same}) THEN '{replace}' ELSE '{delete}' END, {old});",
            outbox = layout.outbox,
            columns = layout.outbox_columns(),
            replace = kind::REPLACE,
            delete = kind::DELETE,
            same = self.ids.are_kept_in_k("OLD"),
            old = old.join(", "),
        );
        self.trigger("delete_before", "BEFORE DELETE", &self.unguarded("OLD"), &[body])
    }

    /// Not what is being applied right now: see the guard table.
    fn unguarded(&self, row: &str) -> String {
        format!(
            "NOT EXISTS (SELECT 1 FROM \"{PREFIX}guard\" WHERE active <> 0 AND (active < 0 OR (active = {number} AND {same})))",
            number = self.layout.number,
            same = self.ids.are_kept_in_k(row),
        )
    }

    /// The newest entry is an `R` of this id. This form costs SQLite one seek; with `max(seq)` it takes four times as long.
    fn newest_is_replace(&self, row: &str) -> String {
        format!(
            "coalesce((SELECT kind = '{}' AND {} FROM {} ORDER BY seq DESC LIMIT 1), 0)",
            kind::REPLACE,
            self.ids.are_kept_in_k(row),
            self.layout.outbox,
        )
    }

    /// The table has a row `r` like this.
    fn exists(&self, condition: &str) -> String {
        format!(
            "EXISTS (SELECT 1 FROM {} AS r WHERE {condition})",
            self.layout.table
        )
    }

    fn append_insert(&self) -> String {
        let keys: Vec<_> = (0..self.ids.columns.len()).map(|at| format!("k{at}")).collect();
        let values: Vec<_> = self
            .ids
            .columns
            .iter()
            .map(|(column, _)| format!("NEW.{column}"))
            .collect();
        let outbox = &self.layout.outbox;
        format!(
            "INSERT INTO {outbox}(kind, {}) VALUES ('{}', {});",
            keys.join(", "),
            kind::INSERT,
            values.join(", ")
        )
    }

    fn append_old(&self, kind: &str) -> String {
        let (outbox, columns) = (&self.layout.outbox, self.layout.outbox_columns());
        format!(
            "INSERT INTO {outbox}(kind, {columns}) VALUES ('{kind}', {});",
            self.images("OLD").join(", ")
        )
    }

    /// The row leaves its id, if this is not about another unique key alone.
    fn append_old_moved(&self) -> String {
        let (outbox, columns) = (&self.layout.outbox, self.layout.outbox_columns());
        format!(
            "INSERT INTO {outbox}(kind, {columns}) SELECT '{}', {} WHERE {};",
            kind::DELETE,
            self.images("OLD").join(", "),
            self.ids.differ()
        )
    }

    /// Keeps the rows `r` that are in the way.
    fn keep_rows(&self, in_the_way: &str, except: &str) -> String {
        format!(
            "INSERT INTO {}(kind, {}) SELECT '{}', {} FROM {} AS r WHERE {in_the_way}{except};",
            self.layout.outbox,
            self.layout.outbox_columns(),
            kind::REPLACE,
            self.images("r").join(", "),
            self.layout.table
        )
    }

    fn images(&self, row: &str) -> Vec<String> {
        let layout = self.layout;
        layout
            .id_columns
            .iter()
            .chain(&layout.columns)
            .map(|column| format!("{row}.{column}"))
            .collect()
    }

    /// The unique keys beside the id.
    fn other_keys(&self) -> impl Iterator<Item = &UniqueKey> {
        let names: Vec<_> = self
            .layout
            .model
            .id_fields()
            .iter()
            .map(|field| field.column())
            .collect();
        let id = self.layout.shape.key_over(&names).map(std::ptr::from_ref);
        self.layout
            .shape
            .unique_keys
            .iter()
            .filter(move |key| Some(std::ptr::from_ref(*key)) != id)
    }

    fn watched_id_columns(&self) -> Vec<String> {
        let mut watched = self.layout.id_columns.clone();
        let names: Vec<_> = self
            .layout
            .model
            .id_fields()
            .iter()
            .map(|field| field.column())
            .collect();
        let origin = self.layout.shape.key_over(&names).map(|key| key.origin);
        watched.extend(origin.into_iter().flat_map(rowid_names));
        watched
    }

    fn trigger(&self, what: &str, event: &str, when: &str, body: &[String]) -> Trigger {
        let name = format!("{}{what}", prefix(self.layout.number));
        let sql = format!(
            "CREATE TRIGGER {} {event} ON {} WHEN {when}\nBEGIN\n  {}\nEND",
            quoted(&name),
            self.layout.table,
            body.join("\n  ")
        );
        Trigger { name, sql }
    }
}

/// The row `r` holds the values that NEW is to have in these columns.
fn in_the_way(key: &UniqueKey) -> String {
    let columns = key.columns.iter().map(|column| {
        let name = quoted(&column.name);
        format!("r.{name} COLLATE {} = NEW.{name}", quoted(&column.collation))
    });
    columns.collect::<Vec<_>>().join(" AND ")
}

/// Whether OLD and NEW differ in one of these columns. The declared collation must not count: it may take `a` for `A`.
///
/// One comparison after the other, so that the first difference ends it. Many columns are compared as row values, which keep the expression flat.
fn differ<'a>(columns: impl Iterator<Item = (&'a str, bool)>) -> String {
    let sides: Vec<[String; 2]> = columns
        .flat_map(|(column, typed)| {
            let values = ["OLD", "NEW"].map(|row| format!("{row}.{column} COLLATE BINARY"));
            let types = ["OLD", "NEW"].map(|row| format!("typeof({row}.{column})"));
            [Some(values), typed.then_some(types)]
        })
        .flatten()
        .collect();
    if sides.len() > COMPARISONS_MAX {
        let [old, new] = [0, 1].map(|side| {
            let side: Vec<_> = sides.iter().map(|pair| pair[side].as_str()).collect();
            side.join(", ")
        });
        return format!("({old}) IS NOT ({new})");
    }
    let comparisons: Vec<_> = sides
        .iter()
        .map(|[old, new]| format!("{old} IS NOT {new}"))
        .collect();
    comparisons.join(" OR ")
}

fn is_typed(layout: &ModelLayout, column: &str) -> bool {
    let column = layout.shape.column(column);
    column.is_some_and(|column| column.affinity.holds_equal_values_of_two_classes())
}

fn is_number(layout: &ModelLayout, column: &str) -> bool {
    let column = layout.shape.column(column);
    column.is_some_and(|column| matches!(column.affinity, Affinity::Integer | Affinity::Real))
}

/// An `INTEGER PRIMARY KEY` can be set by three more names, for which `UPDATE OF` its own does not fire.
fn rowid_names(origin: KeyOrigin) -> Vec<String> {
    match origin {
        KeyOrigin::RowidAlias => ["rowid", "oid", "_rowid_"].map(quoted).to_vec(),
        _ => Vec::new(),
    }
}
