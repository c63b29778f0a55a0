::core::compile_error! {
    "unknown attribute `colection`; did you mean `collection`?"
}
#[doc(hidden)]
use ::ditto_sync::__private as __ditto_of_Stock;
/// Other values of the context for `Stock` alone, for tests: give it to `SyncRegistry::with_adapter`.
#[allow(dead_code)]
#[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::default::Default)]
struct StockDittoAdapter {
    overrides: __ditto_of_Stock::Overrides,
}
const _: () = {
    use __ditto_of_Stock as __ditto;
    #[allow(dead_code)]
    impl StockDittoAdapter {
        /// Nothing is overridden yet.
        #[must_use]
        fn new() -> Self {
            Self {
                overrides: __ditto::Default::default(),
            }
        }
        /// Takes the value of `branch_id` from here: a value, or a `ContextSource` that asks a closure or follows a channel.
        #[must_use]
        fn override_branch_id<__Source: __ditto::Into<__ditto::ContextSource>>(
            self,
            __source: __Source,
        ) -> Self {
            Self {
                overrides: __ditto::Overrides::with(
                    self.overrides,
                    "branch_id",
                    __source,
                ),
            }
        }
        /// Takes the value of `id` from here: a value, or a `ContextSource` that asks a closure or follows a channel.
        #[must_use]
        fn override_id<__Source: __ditto::Into<__ditto::ContextSource>>(
            self,
            __source: __Source,
        ) -> Self {
            Self {
                overrides: __ditto::Overrides::with(self.overrides, "id", __source),
            }
        }
    }
    #[automatically_derived]
    impl __ditto::Companion for StockDittoAdapter {
        type Model = Stock;
        fn into_overrides(self) -> __ditto::Overrides {
            self.overrides
        }
    }
    #[automatically_derived]
    impl __ditto::DeclaresHooks for Stock {}
    #[automatically_derived]
    impl __ditto::DittoAdapter for Stock {
        fn descriptor() -> &'static __ditto::ModelDescriptor {
            ::core::unreachable!()
        }
        fn document_id(&self) -> __ditto::Result<__ditto::DocumentId, __ditto::IdError> {
            ::core::unreachable!()
        }
        fn to_document(&self) -> __ditto::Result<__ditto::Document, __ditto::RowError> {
            ::core::unreachable!()
        }
        fn from_document(
            _: &__ditto::DocumentId,
            _: &__ditto::Document,
        ) -> __ditto::Result<Self, __ditto::RowError> {
            ::core::unreachable!()
        }
    }
};
