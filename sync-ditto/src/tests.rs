//! Tests of what needs no engine. CBOR is written and read by another library than the SDK's, which must make no difference.

mod id_class;
mod refusal;
mod statement;
mod wire;

use ditto_sync_core::id::{DocumentId, IdPart};

fn text_id(text: &str) -> DocumentId {
    DocumentId::text(text).expect("ids of the tests are valid")
}

fn composite(text: &str, number: i64) -> DocumentId {
    DocumentId::from_parts(vec![IdPart::Text(text.into()), IdPart::Integer(number)])
        .expect("ids of the tests are valid")
}
