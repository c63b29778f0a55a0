//! The store contract on the real engine. What peers do cannot be tested without a license.

use super::fixture::DittoFixture;

ditto_sync_testkit::store_contract!(DittoFixture::default());
