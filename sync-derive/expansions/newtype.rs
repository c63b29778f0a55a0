const _: () = {
    use ::ditto_sync::__private as __ditto;
    #[automatically_derived]
    impl __ditto::DittoField for ProductId {
        const KIND: __ditto::FieldKind = <String as __ditto::DittoField>::KIND;
        const STORAGE: __ditto::Storage = <String as __ditto::DittoField>::STORAGE;
        const NULLABLE: ::core::primitive::bool = <String as __ditto::DittoField>::NULLABLE;
        const CANONICAL: ::core::primitive::bool = <String as __ditto::DittoField>::CANONICAL;
        const NEVER_NUMERIC: ::core::primitive::bool = <String as __ditto::DittoField>::NEVER_NUMERIC;
        fn to_value(&self) -> __ditto::Value {
            <String as __ditto::DittoField>::to_value(&self.0)
        }
        fn from_value(
            __value: &__ditto::Value,
        ) -> __ditto::Result<Self, __ditto::FieldError> {
            __ditto::Result::map(
                <String as __ditto::DittoField>::from_value(__value),
                Self,
            )
        }
        fn to_column(&self, __storage: __ditto::Storage) -> __ditto::ColumnValue {
            <String as __ditto::DittoField>::to_column(&self.0, __storage)
        }
        fn from_column(
            __column: &__ditto::ColumnValue,
        ) -> __ditto::Result<Self, __ditto::FieldError> {
            __ditto::Result::map(
                <String as __ditto::DittoField>::from_column(__column),
                Self,
            )
        }
    }
};
