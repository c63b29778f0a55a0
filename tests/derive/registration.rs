//! Deriving is enough to be found.

use ditto_sync::prelude::*;
use ditto_sync_core::adapter::registered;

mod inner {
    use ditto_sync::prelude::*;

    #[derive(DittoAdapter)]
    #[ditto(collection = "registration_inner")]
    struct Private {
        #[ditto(id)]
        id: String,
    }
}

#[test]
fn models_are_found_wherever_they_are_declared() {
    #[derive(DittoAdapter)]
    #[ditto(collection = "registration_local")]
    struct Local {
        #[ditto(id)]
        id: String,
    }
    let collections: Vec<_> = registered().iter().map(|model| model.collection()).collect();
    assert!(collections.contains(&"registration_inner"), "{collections:?}");
    assert!(collections.contains(&"registration_local"), "{collections:?}");
    assert!(collections.is_sorted(), "{collections:?}");
}

#[test]
fn a_registration_is_the_descriptor_of_the_type() {
    #[derive(DittoAdapter)]
    #[ditto(collection = "registration_same")]
    struct Same {
        #[ditto(id)]
        id: String,
    }
    let found: Vec<_> = registered()
        .into_iter()
        .filter(|model| model.collection() == "registration_same")
        .collect();
    assert_eq!(found.len(), 1);
    assert!(std::ptr::eq(found[0], Same::descriptor()));
}
