//! A few models for tests, written by hand as the derive would: [`STOCK`], [`BRANCH_STOCK`], [`ORDER_LINE`], [`READING`],
//! [`ANYTHING`], [`SIMULATED`], [`SIMULATED_KEPT`], [`SIMULATED_CHILD`].

use ditto_sync_core::{
    descriptor::{FieldDescriptor, LeftScope, ModelDescriptor, Scope},
    value::Value,
};

/// A stock level: a text id, a counter, nullable fields.
///
/// `id` text; `branchId` text; `product` text or null; `quantity` counter; `price` float or null; `note` text or null.
pub static STOCK: ModelDescriptor =
    ModelDescriptor::new("Stock", "stocks", "stocks", &STOCK_ID, &STOCK_FIELDS);

/// The same table, of one branch on each device: the scope is `branchId`.
pub static BRANCH_STOCK: ModelDescriptor =
    ModelDescriptor::new("Stock", "stocks", "stocks", &STOCK_ID, &STOCK_FIELDS)
        .with_scope(Scope::All(&["branchId"]), LeftScope::Delete);

static STOCK_ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
static STOCK_FIELDS: [FieldDescriptor; 5] = [
    FieldDescriptor::of::<String>("branch_id", "branchId", "branch_id"),
    FieldDescriptor::of::<Option<String>>("product", "product", "product"),
    FieldDescriptor::of::<i64>("quantity", "quantity", "quantity").counter(),
    FieldDescriptor::of::<Option<f64>>("price", "price", "price"),
    FieldDescriptor::of::<Option<String>>("note", "note", "note"),
];

/// A line of an order: a composite id of text and integer.
///
/// `orderId` text and `line` integer make the id; `product` text; `amount` integer; `packed` bool.
pub static ORDER_LINE: ModelDescriptor = ModelDescriptor::new(
    "OrderLine",
    "orderLines",
    "order_lines",
    &ORDER_LINE_ID,
    &ORDER_LINE_FIELDS,
);

static ORDER_LINE_ID: [FieldDescriptor; 2] = [
    FieldDescriptor::of::<String>("order_id", "orderId", "order_id"),
    FieldDescriptor::of::<i64>("line", "line", "line"),
];
static ORDER_LINE_FIELDS: [FieldDescriptor; 3] = [
    FieldDescriptor::of::<String>("product", "product", "product"),
    FieldDescriptor::of::<i64>("amount", "amount", "amount"),
    FieldDescriptor::of::<bool>("packed", "packed", "packed"),
];

/// A reading of a meter: an integer id, bytes.
///
/// `id` integer; `value` float; `raw` bytes or null.
pub static READING: ModelDescriptor =
    ModelDescriptor::new("Reading", "readings", "readings", &READING_ID, &READING_FIELDS);

static READING_ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<i64>("id", "id", "id")];
static READING_FIELDS: [FieldDescriptor; 2] = [
    FieldDescriptor::of::<f64>("value", "value", "value"),
    FieldDescriptor::of::<Option<Vec<u8>>>("raw", "raw", "raw"),
];

/// A document with a field of any kind.
///
/// `id` text; `value` anything.
pub static ANYTHING: ModelDescriptor = ModelDescriptor::new(
    "Anything",
    "anythings",
    "anythings",
    &ANYTHING_ID,
    &ANYTHING_FIELDS,
);

static ANYTHING_ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
static ANYTHING_FIELDS: [FieldDescriptor; 1] =
    [FieldDescriptor::of::<Option<Value>>("value", "value", "value")];

/// A model in which a simulation sees most: four registers, and enough counters to tell many increments apart.
///
/// `id` text; `a`, `b`, `side`, `born` integers; `n0` to `n3` counters.
pub static SIMULATED: ModelDescriptor = ModelDescriptor::new(
    "Simulated",
    "simulated",
    "simulated",
    &SIMULATED_ID,
    &SIMULATED_FIELDS,
);

static SIMULATED_ID: [FieldDescriptor; 1] = [FieldDescriptor::of::<String>("id", "id", "id")];
static SIMULATED_FIELDS: [FieldDescriptor; 8] = [
    FieldDescriptor::of::<i64>("a", "a", "a"),
    FieldDescriptor::of::<i64>("b", "b", "b"),
    FieldDescriptor::of::<i64>("side", "side", "side"),
    FieldDescriptor::of::<i64>("born", "born", "born"),
    FieldDescriptor::of::<i64>("n0", "n0", "n0").counter(),
    FieldDescriptor::of::<i64>("n1", "n1", "n1").counter(),
    FieldDescriptor::of::<i64>("n2", "n2", "n2").counter(),
    FieldDescriptor::of::<i64>("n3", "n3", "n3").counter(),
];

/// [`SIMULATED`] with other names, whose rows stay in the table when they leave the scope.
pub static SIMULATED_KEPT: ModelDescriptor = ModelDescriptor::new(
    "SimulatedKept",
    "simulatedKept",
    "simulated_kept",
    &SIMULATED_ID,
    &SIMULATED_FIELDS,
)
.with_scope(Scope::Everything, LeftScope::Keep);

/// Rows that refer to those of [`SIMULATED`].
///
/// `id` text; `a`, `b`, `side`, `born` integers; `parent` text; `n0` and `n1` counters.
pub static SIMULATED_CHILD: ModelDescriptor = ModelDescriptor::new(
    "SimulatedChild",
    "simulatedChildren",
    "simulated_children",
    &SIMULATED_ID,
    &SIMULATED_CHILD_FIELDS,
);

static SIMULATED_CHILD_FIELDS: [FieldDescriptor; 7] = [
    FieldDescriptor::of::<i64>("a", "a", "a"),
    FieldDescriptor::of::<i64>("b", "b", "b"),
    FieldDescriptor::of::<i64>("side", "side", "side"),
    FieldDescriptor::of::<i64>("born", "born", "born"),
    FieldDescriptor::of::<String>("parent", "parent", "parent"),
    FieldDescriptor::of::<i64>("n0", "n0", "n0").counter(),
    FieldDescriptor::of::<i64>("n1", "n1", "n1").counter(),
];
