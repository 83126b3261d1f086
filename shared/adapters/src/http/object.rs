//! A JSON object, and nothing else.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What an object's fields say. A derived struct alone would take an array too, its elements by position: six numbers in
/// brackets would be a quote.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        size: Option<f64>,
    }

    #[test]
    fn an_object_is_read_with_its_optional_fields_and_borrowed_texts() {
        let Object(Fields { name, size }) = serde_json::from_str(r#"{"name":"x","other":[1]}"#).expect("an object");
        assert!(matches!(name, Cow::Borrowed("x")) && size.is_none());
    }

    #[test]
    fn an_array_in_the_order_of_the_fields_is_no_object() {
        assert!(serde_json::from_str::<Fields<'_>>(r#"["x",1]"#).is_ok(), "what a derived struct takes");
        let error = serde_json::from_str::<Object<Fields<'_>>>(r#"["x",1]"#).err().expect("refused");
        assert!(error.to_string().contains("expected an object"), "{error}");
    }
}
