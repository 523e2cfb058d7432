//! Schemas: those that are made of types, and those that guests bring, with a payload to check.

use crate::{
    plain::{
        signature::Signature,
        types::{Parts, PlainType},
    },
    told,
};
use lovage_job::{
    catalog::{BodyType, Encoding},
    schema::InputCheck,
};

/// The first byte chooses: a type that the rest spells, or a schema up to the first zero byte and a payload after it.
pub(crate) fn run(bytes: &[u8]) {
    match bytes {
        [b't', rest @ ..] => of_type(rest),
        [b's', rest @ ..] => of_guest(rest),
        _ => {}
    }
}

fn of_type(bytes: &[u8]) {
    let mut left = bytes.iter().copied();
    let mut parts = Parts::new();
    let Some(param) = read(&mut left, &mut parts) else { return };
    let result = read(&mut left, &mut parts);
    let signature = Signature { params: vec![("a".to_owned(), param)], result };
    for body in [signature.input_body(), signature.output_body()] {
        match InputCheck::new(&body) {
            Ok(check) => {
                let _whether_it_is_good = check.check(b"{\"a\":[{\"b\":null}]}");
            }
            // The types of a component may be more than a schema may be.
            Err(error) => assert!(error.to_string().contains("more than"), "{error}: {body:?}"),
        }
    }
}

/// A type from bytes, in the order in which it is written.
fn read(left: &mut impl Iterator<Item = u8>, parts: &mut Parts) -> Option<PlainType> {
    parts.enter(|parts| {
        Some(match left.next()? {
            b'b' => PlainType::Bool,
            b'8' => PlainType::U8,
            b'4' => PlainType::U32,
            b'w' => PlainType::S64,
            b'f' => PlainType::F64,
            b'c' => PlainType::Char,
            b'"' => PlainType::String,
            b'l' => PlainType::list(read(left, parts)?),
            b'o' => PlainType::Option(Box::new(read(left, parts)?)),
            b'r' => PlainType::Result(read(left, parts).map(Box::new), read(left, parts).map(Box::new)),
            b'p' => PlainType::Tuple(vec![read(left, parts)?, read(left, parts)?]),
            b'd' => PlainType::Record(vec![("a".to_owned(), read(left, parts)?), ("b".to_owned(), read(left, parts)?)]),
            b'v' => PlainType::Variant(vec![("a".to_owned(), read(left, parts)), ("b".to_owned(), None)]),
            b'e' => PlainType::Enum(vec!["a".to_owned(), "b".to_owned()]),
            b'g' => PlainType::Flags(vec!["a".to_owned(), "b".to_owned()]),
            _ => return None,
        })
    })
}

fn of_guest(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (schema, payload) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let Ok(schema) = serde_json::from_slice(schema) else { return };
    match InputCheck::new(&BodyType { encoding: Encoding::Json, schema: Some(schema) }) {
        Ok(check) => check.check(payload).map_or_else(|error| told(&error), drop),
        Err(error) => told(&error),
    }
}
