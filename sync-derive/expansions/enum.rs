const _: () = {
    use ::ditto_sync::__private as __ditto;
    #[automatically_derived]
    impl __ditto::DittoField for Status {
        const KIND: __ditto::FieldKind = __ditto::FieldKind::Text;
        const STORAGE: __ditto::Storage = __ditto::Storage::Text;
        fn to_value(&self) -> __ditto::Value {
            __ditto::text_value(
                match self {
                    Self::Open => "open",
                    Self::PartlyPaid => "partly_paid",
                },
            )
        }
        fn from_value(
            __value: &__ditto::Value,
        ) -> __ditto::Result<Self, __ditto::FieldError> {
            match __ditto::text_of_value(__value, "one of `open`, `partly_paid`")? {
                "open" => __ditto::Ok(Self::Open),
                "partly_paid" => __ditto::Ok(Self::PartlyPaid),
                __other => {
                    __ditto::Err(
                        __ditto::FieldError::content(
                            "one of `open`, `partly_paid`",
                            __other,
                        ),
                    )
                }
            }
        }
        fn to_column(&self, _: __ditto::Storage) -> __ditto::ColumnValue {
            __ditto::text_column(
                match self {
                    Self::Open => "open",
                    Self::PartlyPaid => "partly_paid",
                },
            )
        }
        fn from_column(
            __column: &__ditto::ColumnValue,
        ) -> __ditto::Result<Self, __ditto::FieldError> {
            match __ditto::text_of_column(__column, "one of `open`, `partly_paid`")? {
                "open" => __ditto::Ok(Self::Open),
                "partly_paid" => __ditto::Ok(Self::PartlyPaid),
                __other => {
                    __ditto::Err(
                        __ditto::FieldError::content(
                            "one of `open`, `partly_paid`",
                            __other,
                        ),
                    )
                }
            }
        }
    }
};
