#[doc(hidden)]
use ::ditto_sync::__private as __ditto_of_Stock;
/// Other values of the context for `Stock` alone, for tests: give it to `SyncRegistry::with_adapter`.
#[allow(dead_code)]
#[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::default::Default)]
pub(crate) struct StockDittoAdapter {
    overrides: __ditto_of_Stock::Overrides,
}
const _: () = {
    use __ditto_of_Stock as __ditto;
    const __ID_0: __ditto::TypedField<String> = __ditto::typed_field::<
        String,
    >("id", "id", "id");
    const __FIELD_0: __ditto::TypedField<String> = __ditto::typed_field::<
        String,
    >("branch_id", "branchId", "branch_id");
    const __FIELD_1: __ditto::TypedField<i64> = __ditto::typed_field::<
        i64,
    >("quantity", "quantity", "quantity");
    const __FIELD_2: __ditto::TypedField<Option<Vec<String>>> = __ditto::nullable_json_field::<
        Option<Vec<String>>,
    >("tags", "tags", "tags");
    const __FIELD_3: __ditto::TypedField<Option<NaiveDateTime>> = {
        use dart_date::{
            KIND as __KIND, STORAGE as __STORAGE, from_column as __from_column,
            from_value as __from_value, to_column as __to_column, to_value as __to_value,
        };
        struct __Module;
        impl __ditto::Module for __Module {
            type Field = NaiveDateTime;
            const MODULE: __ditto::ModuleOf<NaiveDateTime> = {
                let __module = __ditto::ModuleOf {
                    kind: __KIND,
                    storage: __STORAGE,
                    to_value: __to_value,
                    from_value: __from_value,
                    to_column: __to_column,
                    from_column: __from_column,
                };
                __module
            };
        }
        __ditto::nullable_module_field::<__Module>("sold_at", "soldAt", "sold_at")
    };
    const __FIELD_4: __ditto::TypedField<Option<String>> = __ditto::typed_field::<
        Option<String>,
    >("kind", "kind", "kind");
    const __LINK_OF__FIELD_4: __ditto::LinkTarget = __ditto::link_target::<Category>();
    const _: () = __ditto::TypedField::assert_key(&__ID_0);
    const _: () = __ditto::TypedField::assert_counter(&__FIELD_1);
    const _: () = __ditto::TypedField::assert_scope(&__FIELD_0);
    const _: () = __ditto::TypedField::assert_comparable(
        &__FIELD_1,
        __ditto::OperandKind::Parameter,
        "`filter` compares `quantity`, which can only be asked whether it is null",
    );
    const _: () = __ditto::LinkTarget::assert_has(
        &__LINK_OF__FIELD_4,
        "code",
        "the linked model has no document field `code`",
    );
    const _: () = __ditto::TypedField::assert_links(
        &__FIELD_4,
        &__LINK_OF__FIELD_4,
        "code",
    );
    impl __ditto::DeclaresHooks for Stock {}
    const __HOOKS: __ditto::Hooks = __ditto::hooks::<Stock>();
    static __ID_FIELDS: [__ditto::FieldDescriptor; 1usize] = [__ID_0.descriptor];
    static __FIELDS: [__ditto::FieldDescriptor; 5usize] = [
        __FIELD_0.descriptor,
        __FIELD_1
            .descriptor
            .counter()
            .default_value(|| __ditto::TypedField::encode(
                &__FIELD_1,
                &<i64 as __ditto::Default>::default(),
            )),
        __FIELD_2.descriptor,
        __FIELD_3.descriptor,
        __FIELD_4.descriptor,
    ];
    static __LINKS: [__ditto::LinkDescriptor; 1usize] = [
        __ditto::LinkDescriptor::new("kind", __LINK_OF__FIELD_4.descriptor)
            .with_remote_key("code"),
    ];
    static __MODEL: __ditto::ModelDescriptor = __ditto::ModelDescriptor::new(
            "Stock",
            "stocks",
            "stocks",
            &__ID_FIELDS,
            &__FIELDS,
        )
        .with_anchor(__ditto::Some("id"))
        .declared_in(::core::module_path!())
        .with_direction(__ditto::Direction::SendOnly)
        .with_scope(__ditto::Scope::All(&["branchId"]), __ditto::LeftScope::Keep)
        .with_filter(|| __ditto::and([
            __ditto::not(__ditto::Field::is_null(__ditto::field("kind"))),
            __ditto::Field::ge(__ditto::field("quantity"), __ditto::param("least")),
        ]))
        .with_backup()
        .with_hooks(__HOOKS)
        .with_links(&__LINKS);
    #[automatically_derived]
    impl __ditto::DittoAdapter for Stock {
        const KNOWN_FIELDS: __ditto::Option<__ditto::KnownFields> = __ditto::Some(__ditto::KnownFields {
            ids: &__ID_FIELDS,
            fields: &__FIELDS,
            anchor: __ditto::Some("id"),
        });
        fn descriptor() -> &'static __ditto::ModelDescriptor {
            &__MODEL
        }
        fn document_id(&self) -> __ditto::Result<__ditto::DocumentId, __ditto::IdError> {
            __ditto::document_id([__ditto::TypedField::encode(&__ID_0, &self.id)])
        }
        fn to_document(&self) -> __ditto::Result<__ditto::Document, __ditto::RowError> {
            __ditto::document(
                &__MODEL,
                <Self as __ditto::DittoAdapter>::document_id(self),
                &[
                    __ditto::TypedField::encode(&__FIELD_0, &self.branch_id),
                    __ditto::TypedField::encode(&__FIELD_1, &self.quantity),
                    __ditto::TypedField::encode(&__FIELD_2, &self.tags),
                    __ditto::TypedField::encode(&__FIELD_3, &self.sold_at),
                    __ditto::TypedField::encode(&__FIELD_4, &self.kind),
                ],
            )
        }
        fn from_document(
            __id: &__ditto::DocumentId,
            __document: &__ditto::Document,
        ) -> __ditto::Result<Self, __ditto::RowError> {
            let __row = __ditto::row(&__MODEL, __id, __document)?;
            __ditto::Ok(Self {
                id: __ditto::TypedField::decode(&__ID_0, &__row.id[0usize])?,
                branch_id: __ditto::TypedField::decode(
                    &__FIELD_0,
                    &__row.fields[0usize],
                )?,
                quantity: __ditto::TypedField::decode(
                    &__FIELD_1,
                    &__row.fields[1usize],
                )?,
                tags: __ditto::TypedField::decode(&__FIELD_2, &__row.fields[2usize])?,
                sold_at: __ditto::TypedField::decode(&__FIELD_3, &__row.fields[3usize])?,
                kind: __ditto::TypedField::decode(&__FIELD_4, &__row.fields[4usize])?,
                is_selected: <bool as __ditto::Default>::default(),
            })
        }
    }
    #[allow(dead_code)]
    impl StockDittoAdapter {
        /// Nothing is overridden yet.
        #[must_use]
        pub(crate) fn new() -> Self {
            Self {
                overrides: __ditto::Default::default(),
            }
        }
        /// Takes the value of `branchId` from here: a value, or a `ContextSource` that asks a closure or follows a channel.
        #[must_use]
        pub(crate) fn override_branch_id<
            __Source: __ditto::Into<__ditto::ContextSource>,
        >(self, __source: __Source) -> Self {
            Self {
                overrides: __ditto::Overrides::with(self.overrides, "branchId", __source),
            }
        }
        /// Takes the value of `least` from here: a value, or a `ContextSource` that asks a closure or follows a channel.
        #[must_use]
        pub(crate) fn override_least<__Source: __ditto::Into<__ditto::ContextSource>>(
            self,
            __source: __Source,
        ) -> Self {
            Self {
                overrides: __ditto::Overrides::with(self.overrides, "least", __source),
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
    __ditto::inventory::submit! {
        __ditto::Registration::of:: < Stock > ()
    }
};
