//! The .NET names of types, for error texts that quote the original.

/// Returns the .NET name of a type, such as `String` or `Int32`.
///
/// Other types keep their Rust name, without path and generic parameters.
pub(crate) fn type_name<T>() -> &'static str {
    original_name(std::any::type_name::<T>())
}

fn original_name(name: &'static str) -> &'static str {
    if let Some(inner) = name.strip_prefix("core::option::Option<").and_then(|inner| inner.strip_suffix('>')) {
        return match original_name(inner) {
            // .NET value types are nullable only as `Nullable<T>`.
            "Boolean" | "Char" | "SByte" | "Int16" | "Int32" | "Int64" | "Int128" | "Byte" | "UInt16" | "UInt32"
            | "UInt64" | "UInt128" | "Single" | "Double" => "Nullable`1",
            inner => inner,
        };
    }
    let path = name.split('<').next().unwrap_or(name);
    match path.rsplit("::").next().unwrap_or(path) {
        "bool" => "Boolean",
        "char" => "Char",
        "i8" => "SByte",
        "i16" => "Int16",
        "i32" => "Int32",
        "i64" | "isize" => "Int64",
        "i128" => "Int128",
        "u8" => "Byte",
        "u16" => "UInt16",
        "u32" => "UInt32",
        "u64" | "usize" => "UInt64",
        "u128" => "UInt128",
        "f32" => "Single",
        "f64" => "Double",
        "str" | "&str" => "String",
        "Vec" => "List`1",
        "HashMap" | "BTreeMap" => "Dictionary`2",
        "Bytes" => "Byte[]",
        "AnyValue" | "RawValue" | "Value" | "()" => "Object",
        "Timestamp" => "DateTimeOffset",
        own => own,
    }
}

#[cfg(test)]
mod tests {
    use super::type_name;

    struct Order<T>(#[allow(dead_code, reason = "only its name counts")] T);

    #[test]
    fn types_have_the_names_of_the_original() {
        assert_eq!(type_name::<String>(), "String");
        assert_eq!(type_name::<Option<String>>(), "String");
        assert_eq!(type_name::<i32>(), "Int32");
        assert_eq!(type_name::<Option<i32>>(), "Nullable`1");
        assert_eq!(type_name::<f64>(), "Double");
        assert_eq!(type_name::<Vec<Option<u8>>>(), "List`1");
        assert_eq!(type_name::<std::collections::HashMap<String, i32>>(), "Dictionary`2");
        assert_eq!(type_name::<signalhub_protocol::AnyValue>(), "Object");
        assert_eq!(type_name::<()>(), "Object");
        assert_eq!(type_name::<Order<String>>(), "Order");
    }
}
