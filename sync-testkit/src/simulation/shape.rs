//! How a simulation writes rows of a model so that they say who wrote what: [`Shape`].
//!
//! Every change of an app has a *tag*. A register that it writes holds the tag, so a value names its writer. Every change of a counter has a
//! *slot*: it moves the counters of the model by one in a digit of its own (base 16, balanced), so that the sum says which changes it holds,
//! and a change that counts twice shows as a digit 2. Not here: which changes are made (`schedule`), and what must hold of them (`check`).

use ditto_sync_core::{
    column::{ColumnValue, Image},
    descriptor::ModelDescriptor,
    document::Document,
    id::{DocumentId, IdPart},
    query::{Filter, Query, field as document_field},
    scope::Scopes,
    value::Value,
};

use super::schedule::ScopeSides;

/// Bits of one digit of a counter.
const DIGIT_BITS: usize = 4;
/// Digits of one counter: their sum never overflows.
const DIGITS: usize = 15;
/// What the second side of the scope adds to a tag.
const SIDE: i64 = 1000;
/// The codes that the CHECK of a strict table refuses: divided by the first they leave the second.
const REFUSED: (i64, i64) = (5, 3);
/// How a value starts that its field does not take.
const SPOILED: &str = "spoiled by ";

/// How a simulation writes rows of a model.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) model: &'static ModelDescriptor,
    pub(crate) ids: Vec<DocumentId>,
    /// The registers that updates write; the same one twice when the model has few fields.
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// The register that says on which side of the scope a row is.
    pub(crate) side: Option<usize>,
    /// Written by inserts only: which insert made the row.
    pub(crate) born: usize,
    counters: Vec<usize>,
    /// By position of the field.
    columns: Vec<Column>,
    /// The keys of the rows that a row may refer to.
    parents: Vec<Vec<ColumnValue>>,
}

/// What a column is filled with.
#[derive(Debug, Clone)]
enum Column {
    Counter,
    /// A number, in a way that the field keeps as it is.
    Coded(Encoding),
    Constant(ColumnValue),
    /// This column of the key of another row.
    Reference(usize),
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Integer,
    Text,
    Real,
    Blob,
}

/// Why a model cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// Values of at least two fields must be able to name their writer: integers, reals, text or bytes without constraints.
    #[error(
        "`{model}` has {found} fields that can hold any integer, real, text or bytes; a simulation needs at least 2"
    )]
    FewFields {
        /// The model.
        model: &'static str,
        /// Such fields.
        found: usize,
    },
    /// No value was found that the field takes.
    #[error("a simulation knows no value for field `{field}` of `{model}`")]
    NoValue {
        /// The model.
        model: &'static str,
        /// The field.
        field: &'static str,
    },
    /// The id is neither text nor an integer, nor made of these.
    #[error("a simulation knows no ids of `{model}`")]
    NoIds {
        /// The model.
        model: &'static str,
    },
    /// A foreign key of a simulation consists of fields that are not part of the id.
    #[error("`{model}` has no field of the column `{column}`, which is to refer to a parent")]
    NoReference {
        /// The model.
        model: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The model does not travel both ways.
    #[error("`{model}` does not travel both ways, as a simulation needs it")]
    OneWay {
        /// The model.
        model: &'static str,
    },
}

impl Shape {
    pub(crate) fn new(model: &'static ModelDescriptor) -> Result<Self, ShapeError> {
        let columns = (0..model.fields().len())
            .map(|at| Column::of(model, at))
            .collect::<Result<Vec<_>, _>>()?;
        Self::with_columns(model, columns, ids(model, ["x", "y"], 1)?)
    }

    /// Rows that refer to those of `parents` by these columns.
    pub(crate) fn of_children(
        model: &'static ModelDescriptor,
        refers: &[&'static str],
        parents: &Self,
    ) -> Result<Self, ShapeError> {
        let columns = (0..model.fields().len()).map(|at| {
            let column = model.fields()[at].column();
            match refers.iter().position(|name| *name == column) {
                Some(part) => Ok(Column::Reference(part)),
                None => Column::of(model, at),
            }
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let is_field = |name: &&str| model.fields().iter().any(|field| field.column() == *name);
        if let Some(column) = refers.iter().find(|name| !is_field(name)) {
            return Err(ShapeError::NoReference {
                model: model.type_name(),
                column,
            });
        }
        let keys = parents.ids.iter().map(|id| parents.model.id_to_columns(id));
        let mut shape = Self::with_columns(model, columns, ids(model, ["u", "v", "w"], 11)?)?;
        shape.parents = keys.collect::<Result<_, _>>().map_err(|_| ShapeError::NoIds {
            model: parents.model.type_name(),
        })?;
        Ok(shape)
    }

    fn with_columns(
        model: &'static ModelDescriptor,
        columns: Vec<Column>,
        ids: Vec<DocumentId>,
    ) -> Result<Self, ShapeError> {
        if !(model.direction().sends() && model.direction().receives()) {
            return Err(ShapeError::OneWay {
                model: model.type_name(),
            });
        }
        let positions = |wanted: fn(&Column) -> bool| {
            let fields = columns.iter().enumerate();
            fields
                .filter(|(_, column)| wanted(column))
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        let registers = positions(|column| matches!(column, Column::Coded(_)));
        let counters = positions(|column| matches!(column, Column::Counter));
        let [a, .., born] = registers.as_slice() else {
            return Err(ShapeError::FewFields {
                model: model.type_name(),
                found: registers.len(),
            });
        };
        let scoped = registers.len() > 3;
        Ok(Self {
            model,
            ids,
            a: *a,
            b: if registers.len() > 2 { registers[1] } else { *a },
            side: scoped.then(|| registers[2]),
            born: *born,
            counters,
            columns,
            parents: Vec::new(),
        })
    }

    /// The registers whose writes are checked one by one.
    pub(crate) fn registers(&self) -> Vec<usize> {
        let mut registers = vec![self.a, self.b];
        registers.extend(self.side);
        registers.dedup();
        registers
    }

    /// How many changes of counters one row can tell apart.
    pub(crate) fn slots(&self) -> usize {
        self.counters.len() * DIGITS
    }

    /// A row that the change `tag` inserts.
    pub(crate) fn fresh(&self, tag: u32, slot: Option<usize>) -> Image {
        let columns = self.columns.iter().map(|column| match column {
            Column::Counter => ColumnValue::Integer(0),
            Column::Coded(encoding) => encoding.encode(tag.into()),
            Column::Constant(value) => value.clone(),
            Column::Reference(part) => self
                .parents
                .first()
                .map(|key| key[*part].clone())
                .unwrap_or_default(),
        });
        let mut image = Image::new(columns.collect());
        self.set_amounts(&mut image, &self.unit(slot));
        image
    }

    /// Lets the row refer to this parent.
    pub(crate) fn refer(&self, image: &mut Image, parent: usize) {
        for (at, column) in self.columns.iter().enumerate() {
            if let (Column::Reference(part), Some(key)) = (column, self.parents.get(parent)) {
                image.columns_mut()[at] = key[*part].clone();
            }
        }
    }

    /// Which parent the row refers to.
    pub(crate) fn parent(&self, image: &Image) -> Option<usize> {
        let parts = || self.columns.iter().enumerate();
        let refers = |key: &Vec<ColumnValue>| {
            parts().all(|(at, column)| match column {
                Column::Reference(part) => image[at] == key[*part],
                _ => true,
            })
        };
        self.parents.iter().position(refers)
    }

    /// How many rows a row can refer to.
    pub(crate) fn parents(&self) -> usize {
        self.parents.len()
    }

    /// Whether the CHECK of the strict device refuses the row.
    pub(crate) fn is_refused(&self, image: &Image) -> bool {
        self.code(image, self.b)
            .is_some_and(|code| code.rem_euclid(REFUSED.0) == REFUSED.1)
    }

    /// A value that the field of the register `at` does not take, and which change wrote it.
    pub(crate) fn spoiled(&self, at: usize, tag: u32) -> Option<Value> {
        let Column::Coded(encoding) = self.columns[at] else {
            return None;
        };
        Some(match encoding {
            Encoding::Text => Value::Int(tag.into()),
            _ => Value::Text(format!("{SPOILED}{tag}")),
        })
    }

    /// Whether another program has written into the document what a field does not take. Nothing else makes one unreadable.
    pub(crate) fn is_spoiled(&self, document: &Document) -> bool {
        let field = &self.model.fields()[self.a];
        document
            .get(field.document_name())
            .is_some_and(|value| field.to_column(value).is_err())
    }

    /// The change that wrote a value of the register `at`, readable or spoiled.
    pub(crate) fn writer(&self, at: usize, value: &Value) -> Option<u32> {
        if let Ok(column) = self.model.fields()[at].to_column(value) {
            return self.decode(at, &column).and_then(tag_of);
        }
        match value {
            Value::Text(text) => text.strip_prefix(SPOILED)?.parse().ok(),
            Value::Int(tag) => u32::try_from(*tag).ok(),
            _ => None,
        }
    }

    /// Lets the register `at` hold `code`.
    pub(crate) fn write(&self, image: &mut Image, at: usize, code: i64) {
        if let Column::Coded(encoding) = self.columns[at] {
            image.columns_mut()[at] = encoding.encode(code);
        }
    }

    /// What the register `at` holds.
    pub(crate) fn code(&self, image: &Image, at: usize) -> Option<i64> {
        self.decode(at, &image[at])
    }

    pub(crate) fn decode(&self, at: usize, column: &ColumnValue) -> Option<i64> {
        match self.columns[at] {
            Column::Coded(encoding) => encoding.decode(column),
            _ => None,
        }
    }

    /// The change that wrote the register `at`; `None` when its value names nobody.
    pub(crate) fn tag(&self, image: &Image, at: usize) -> Option<u32> {
        tag_of(self.code(image, at)?)
    }

    /// On which side of the scope the row is.
    pub(crate) fn is_on_second_side(&self, image: &Image) -> bool {
        self.side
            .and_then(|side| self.code(image, side))
            .is_some_and(|code| code >= SIDE)
    }

    /// The code of the side register, written by the change `tag`.
    pub(crate) fn side_code(tag: u32, second: bool) -> i64 {
        i64::from(tag) + if second { SIDE } else { 0 }
    }

    /// The counters of a row, as one amount.
    pub(crate) fn amounts(&self, image: &Image) -> Vec<i64> {
        let amount = |at: &usize| match &image[*at] {
            ColumnValue::Integer(amount) => *amount,
            _ => 0,
        };
        self.counters.iter().map(amount).collect()
    }

    pub(crate) fn set_amounts(&self, image: &mut Image, amounts: &[i64]) {
        for (at, amount) in self.counters.iter().zip(amounts) {
            image.columns_mut()[*at] = ColumnValue::Integer(*amount);
        }
    }

    /// The amount by which the change of this slot moves the counters.
    pub(crate) fn unit(&self, slot: Option<usize>) -> Vec<i64> {
        let mut unit = vec![0; self.counters.len()];
        if let Some(slot) = slot {
            unit[slot / DIGITS] = 1 << (DIGIT_BITS * (slot % DIGITS));
        }
        unit
    }

    /// How often the change of this slot is in the amount.
    pub(crate) fn digit(amounts: &[i64], slot: usize) -> i64 {
        let base = 1 << DIGIT_BITS;
        let mut rest = amounts[slot / DIGITS];
        for place in 0..DIGITS {
            let mut digit = rest.rem_euclid(base);
            if digit >= base / 2 {
                digit -= base;
            }
            if place == slot % DIGITS {
                return digit;
            }
            rest = (rest - digit) / base;
        }
        0
    }

    /// Lets the scope admit these sides only.
    pub(crate) fn limit(&self, scopes: &mut Scopes, sides: ScopeSides) {
        if let Some(filter) = self.filter(sides) {
            scopes.set(self.model, Query::new(filter));
        }
    }

    fn filter(&self, sides: ScopeSides) -> Option<Filter> {
        let at = self.side?;
        let field = &self.model.fields()[at];
        let mut border = self.fresh(0, None);
        self.write(&mut border, at, SIDE);
        let border = field.to_value(&border[at]).ok()?;
        let side = document_field(field.document_name());
        match sides {
            ScopeSides::First => Some(side.lt(border)),
            ScopeSides::Second => Some(side.ge(border)),
            ScopeSides::Both => None,
        }
    }
}

/// The change that a value of a register names.
pub(crate) fn tag_of(code: i64) -> Option<u32> {
    u32::try_from(code).ok().map(|code| code % (SIDE as u32))
}

impl Column {
    fn of(model: &'static ModelDescriptor, at: usize) -> Result<Self, ShapeError> {
        let field = &model.fields()[at];
        if field.is_counter() {
            return Ok(Self::Counter);
        }
        let keeps = |value: &ColumnValue| {
            let kept = field
                .canonical(value.clone())
                .is_ok_and(|canonical| canonical == *value);
            kept && model.field_value(field, value).is_ok()
        };
        let encodings = [Encoding::Integer, Encoding::Text, Encoding::Real, Encoding::Blob];
        let probes = [-2, 1, 127, SIDE, SIDE + 127];
        let any = encodings
            .into_iter()
            .find(|encoding| probes.iter().all(|code| keeps(&encoding.encode(*code))));
        if let Some(encoding) = any.filter(|_| !field.is_volatile()) {
            return Ok(Self::Coded(encoding));
        }
        let constants = [
            ColumnValue::Null,
            ColumnValue::Integer(0),
            ColumnValue::Integer(1),
            ColumnValue::Real(0.0),
            ColumnValue::Text(String::new()),
            ColumnValue::Text("0".to_owned()),
            ColumnValue::Text("2024-01-01".to_owned()),
            ColumnValue::Text("2024-01-01 00:00:00".to_owned()),
            ColumnValue::Text("null".to_owned()),
            ColumnValue::Blob(vec![0; 16]),
        ];
        let takes = |value: &ColumnValue| {
            let canonical = field.canonical(value.clone()).ok()?;
            model.field_value(field, &canonical).is_ok().then_some(canonical)
        };
        constants
            .iter()
            .find_map(takes)
            .map(Self::Constant)
            .ok_or(ShapeError::NoValue {
                model: model.type_name(),
                field: field.document_name(),
            })
    }
}

impl Encoding {
    fn encode(self, code: i64) -> ColumnValue {
        match self {
            Self::Integer => ColumnValue::Integer(code),
            // Of one length, so that the order of the text is that of the numbers.
            Self::Text => ColumnValue::Text(format!("{code:05}")),
            Self::Real => ColumnValue::Real(code as f64),
            Self::Blob => ColumnValue::Blob(code.to_be_bytes().to_vec()),
        }
    }

    fn decode(self, column: &ColumnValue) -> Option<i64> {
        match (self, column) {
            (Self::Integer, ColumnValue::Integer(code)) => Some(*code),
            (Self::Text, ColumnValue::Text(text)) => text.parse().ok(),
            (Self::Real, ColumnValue::Real(code)) => Some(*code as i64),
            (Self::Blob, ColumnValue::Blob(bytes)) => {
                Some(i64::from_be_bytes(bytes.as_slice().try_into().ok()?))
            }
            _ => None,
        }
    }
}

/// Ids with these names, or with the numbers from `first`.
fn ids<const COUNT: usize>(
    model: &'static ModelDescriptor,
    names: [&str; COUNT],
    first: i64,
) -> Result<Vec<DocumentId>, ShapeError> {
    let none = || ShapeError::NoIds {
        model: model.type_name(),
    };
    let width = model.id_fields().len();
    let valid = |id: &DocumentId| model.id_to_columns(id).is_ok();
    let of = |(name, number): (&str, i64)| {
        // Every way to make the parts text or integers; a composite id has few.
        (0..1_u32 << width.min(8)).find_map(|mask| {
            let part = |at: usize| match mask & (1 << at) {
                0 => IdPart::Text(name.into()),
                _ => IdPart::Integer(number),
            };
            DocumentId::from_parts((0..width).map(part).collect())
                .ok()
                .filter(valid)
        })
    };
    let found: Option<Vec<_>> = names.into_iter().zip(first..).map(of).collect();
    found.ok_or_else(none)
}
