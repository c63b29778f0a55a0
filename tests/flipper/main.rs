//! Coming from Flipper: its models and documents, what its docs claim, and the table in docs/from-flipper.md. The models are those of the example.

#[path = "../../examples/till_day/day.rs"]
mod day;
#[path = "../../examples/flipper_models/documents.rs"]
mod documents;
#[path = "../../examples/flipper_models/flipper_till.rs"]
mod flipper_till;
#[path = "../../examples/flipper_models/models.rs"]
mod models;

mod documentation;
mod random_documents;
mod reading;
mod round_trip;
mod selling;
mod till;
mod till_day;
