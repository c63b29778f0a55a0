//! The constraints that a table may declare: [`ForeignKey`] and UNIQUE, and the checks made of them.

use std::{collections::BTreeSet, fmt, sync::Arc};

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    id::DocumentId,
    repository::RowRef,
};

use super::durable::Durable;

/// A reference from rows of one model to the id of another. NULL in any of its columns refers to nothing.
#[derive(Debug, Clone, Copy)]
pub struct ForeignKey {
    /// The model whose rows refer.
    pub child: &'static ModelDescriptor,
    /// Its columns, in the order of the parent's id fields.
    pub columns: &'static [&'static str],
    /// The model referred to.
    pub parent: &'static ModelDescriptor,
    /// What happens to the children of a row that is deleted.
    pub on_delete: OnDelete,
}

/// What happens to the children of a row that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// The delete is refused while there are children.
    Restrict,
    /// They are deleted too, and captured.
    Cascade,
}

/// All constraints of a database.
#[derive(Debug, Clone, Default)]
pub(super) struct Constraints {
    pub(super) foreign_keys: Vec<ForeignKey>,
    pub(super) unique: Vec<(&'static ModelDescriptor, &'static [&'static str])>,
    pub(super) checks: Vec<Check>,
}

/// A condition that each row of a table fulfils.
#[derive(Clone)]
pub(super) struct Check {
    pub(super) model: &'static ModelDescriptor,
    pub(super) name: &'static str,
    pub(super) holds: Arc<dyn Fn(&Image) -> bool + Send + Sync>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CHECK {} of {}", self.name, self.model.table())
    }
}

/// What a write would violate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The row refers to a parent that does not exist.
    #[error("`{columns}` refers to no row of `{parent}`")]
    NoParent {
        /// The referring columns.
        columns: String,
        /// The parent's table.
        parent: &'static str,
    },
    /// The row does not fulfil a condition of its table.
    #[error("CHECK constraint failed: {name}")]
    Check {
        /// The name of the condition.
        name: &'static str,
    },
    /// Rows of another table refer to the row.
    #[error("rows of `{child}` refer to it")]
    HasChildren {
        /// The children's table.
        child: &'static str,
    },
    /// Another row has the same values.
    #[error("row {by} has the same `{columns}`")]
    NotUnique {
        /// The columns.
        columns: String,
        /// The row that stands in the way.
        by: DocumentId,
    },
}

impl Durable {
    /// Whether `image` may be the row `id`.
    pub(super) fn check(
        &self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        image: &Image,
    ) -> Result<(), Violation> {
        let mut checks = self
            .constraints
            .checks
            .iter()
            .filter(|check| same(check.model, model));
        if let Some(check) = checks.find(|check| !(check.holds)(image)) {
            return Err(Violation::Check { name: check.name });
        }
        for key in self.keys_of(model) {
            let missing = key.parent_of(id, image).is_some_and(|parent| {
                let itself = same(key.parent, model) && parent == *id;
                !itself && !self.exists(key.parent, &parent)
            });
            if missing {
                return Err(Violation::NoParent {
                    columns: key.columns.join(", "),
                    parent: key.parent.table(),
                });
            }
        }
        match self.standing_in_the_way(model, id, image).into_iter().next() {
            Some((columns, by)) => Err(Violation::NotUnique { columns, by }),
            None => Ok(()),
        }
    }

    /// The other rows that hold the same values in columns declared UNIQUE.
    pub(super) fn standing_in_the_way(
        &self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
        image: &Image,
    ) -> Vec<(String, DocumentId)> {
        let mut found = Vec::new();
        let Some(table) = self.tables.get(model.collection()) else {
            return found;
        };
        for (_, columns) in self.constraints.unique.iter().filter(|(of, _)| same(of, model)) {
            let values = columns_of(model, id, image, columns);
            if values.iter().any(ColumnValue::is_null) {
                continue;
            }
            for (other, row) in &table.rows {
                if other != id && columns_of(model, other, row, columns) == values {
                    found.push((columns.join(", "), other.clone()));
                }
            }
        }
        found
    }

    /// The rows that go with `id` when it is deleted, without itself, children first.
    pub(super) fn cascade_of(
        &self,
        model: &'static ModelDescriptor,
        id: &DocumentId,
    ) -> Result<Vec<RowRef>, Violation> {
        let mut going = BTreeSet::from([(model.collection(), id.clone())]);
        let mut order = Vec::new();
        let mut open = vec![RowRef {
            model,
            id: id.clone(),
        }];
        let mut restricted = Vec::new();
        while let Some(row) = open.pop() {
            for (key, child) in self.children_of(&row) {
                if key.on_delete == OnDelete::Restrict {
                    restricted.push(child);
                } else if going.insert((child.model.collection(), child.id.clone())) {
                    order.push(child.clone());
                    open.push(child);
                }
            }
        }
        // A child that restricts one parent may go by the cascade of another.
        match restricted
            .into_iter()
            .find(|child| !going.contains(&(child.model.collection(), child.id.clone())))
        {
            Some(child) => Err(Violation::HasChildren {
                child: child.model.table(),
            }),
            None => {
                order.reverse();
                Ok(order)
            }
        }
    }

    /// How many generations of parents a model has: what is inserted first has the fewest.
    pub(super) fn depth(&self, model: &'static ModelDescriptor) -> usize {
        // A cycle of references between tables has no order; the bound ends the walk.
        self.depth_within(model, self.tables.len())
    }

    fn depth_within(&self, model: &'static ModelDescriptor, bound: usize) -> usize {
        let parents = self
            .keys_of(model)
            .map(|key| key.parent)
            .filter(|parent| !same(parent, model));
        match bound.checked_sub(1) {
            Some(bound) => parents
                .map(|parent| 1 + self.depth_within(parent, bound))
                .max()
                .unwrap_or(0),
            None => 0,
        }
    }

    fn children_of<'a>(&'a self, parent: &RowRef) -> Vec<(&'a ForeignKey, RowRef)> {
        let keys = self
            .constraints
            .foreign_keys
            .iter()
            .filter(|key| same(key.parent, parent.model));
        let mut children = Vec::new();
        for key in keys {
            let Some(table) = self.tables.get(key.child.collection()) else {
                continue;
            };
            for (id, row) in &table.rows {
                if key
                    .parent_of(id, row)
                    .is_some_and(|referred| referred == parent.id)
                {
                    children.push((
                        key,
                        RowRef {
                            model: key.child,
                            id: id.clone(),
                        },
                    ));
                }
            }
        }
        children
    }

    fn keys_of(&self, model: &'static ModelDescriptor) -> impl Iterator<Item = &ForeignKey> {
        self.constraints
            .foreign_keys
            .iter()
            .filter(move |key| same(key.child, model))
    }

    fn exists(&self, model: &'static ModelDescriptor, id: &DocumentId) -> bool {
        self.tables
            .get(model.collection())
            .is_some_and(|table| table.rows.contains_key(id))
    }
}

impl ForeignKey {
    /// The row that `image` refers to.
    fn parent_of(&self, id: &DocumentId, image: &Image) -> Option<DocumentId> {
        let columns = columns_of(self.child, id, image, self.columns);
        if columns.iter().any(ColumnValue::is_null) {
            return None;
        }
        self.parent.id_from_columns(&columns).ok()
    }
}

fn same(one: &ModelDescriptor, other: &ModelDescriptor) -> bool {
    one.collection() == other.collection()
}

/// The values of named columns, of the id or not.
fn columns_of(model: &ModelDescriptor, id: &DocumentId, image: &Image, names: &[&str]) -> Vec<ColumnValue> {
    let keys = model.id_to_columns(id).unwrap_or_default();
    let value = |name: &&str| {
        let field = model.fields().iter().position(|field| field.column() == *name);
        let key = model.id_fields().iter().position(|field| field.column() == *name);
        match (field, key) {
            (Some(at), _) => image[at].clone(),
            (None, Some(at)) => keys.get(at).cloned().unwrap_or_default(),
            (None, None) => ColumnValue::Null,
        }
    };
    names.iter().map(value).collect()
}
