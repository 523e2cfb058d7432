//! JSON Schema (2020-12) of plain types, saying exactly what the decoder takes and the encoder gives.

use crate::plain::types::PlainType;
use serde_json::{Map, Value, json};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of a function's input; see [`crate::plain::decode`] for the forms.
pub(crate) fn of_input(params: &[(String, PlainType)]) -> Value {
    let named = object(params);
    let other = match params {
        [] => json!({ "type": "null" }),
        [(_, only)] => of(only),
        several => positional(several.iter().map(|(_, ty)| ty)),
    };
    json!({ "$schema": DIALECT, "anyOf": [named, other] })
}

/// The schema of a function's output; `null` where it gives nothing.
pub(crate) fn of_output(output: Option<&PlainType>) -> Value {
    let mut schema = output.map_or_else(|| json!({ "type": "null" }), of);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("$schema".to_owned(), Value::from(DIALECT));
    }
    schema
}

fn of(ty: &PlainType) -> Value {
    match ty {
        PlainType::Bool => json!({ "type": "boolean" }),
        PlainType::U8 => integer(0, u64::from(u8::MAX)),
        PlainType::U16 => integer(0, u64::from(u16::MAX)),
        PlainType::U32 => integer(0, u64::from(u32::MAX)),
        PlainType::S8 => integer(i64::from(i8::MIN), i8::MAX.unsigned_abs().into()),
        PlainType::S16 => integer(i64::from(i16::MIN), i16::MAX.unsigned_abs().into()),
        PlainType::S32 => integer(i64::from(i32::MIN), i32::MAX.unsigned_abs().into()),
        PlainType::U64 => wide(integer(0, u64::MAX), "^[0-9]{1,20}$"),
        PlainType::S64 => wide(integer(i64::MIN, i64::MAX.unsigned_abs()), "^-?[0-9]{1,19}$"),
        PlainType::F32 | PlainType::F64 => {
            json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] })
        }
        PlainType::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        PlainType::String => json!({ "type": "string" }),
        PlainType::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        PlainType::List(element) => json!({ "type": "array", "items": of(element) }),
        PlainType::Record(fields) => object(fields),
        PlainType::Tuple(types) => positional(types.iter()),
        PlainType::Variant(cases) => json!({ "oneOf": cases.iter().map(case).collect::<Vec<_>>() }),
        PlainType::Enum(names) => json!({ "enum": names }),
        PlainType::Flags(names) => json!({ "type": "array", "items": { "enum": names }, "uniqueItems": true }),
        PlainType::Option(inner) if inner.is_optional() => {
            json!({ "anyOf": [{ "type": "null" }, single("some", of(inner))] })
        }
        PlainType::Option(inner) => json!({ "anyOf": [{ "type": "null" }, of(inner)] }),
        PlainType::Result(good, bad) => json!({ "oneOf": [side("ok", good), side("err", bad)] }),
    }
}

fn integer(minimum: i64, maximum: u64) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum })
}

/// 64-bit integers may come as text, since many programs cannot write them as numbers.
fn wide(number: Value, pattern: &str) -> Value {
    json!({ "anyOf": [number, { "type": "string", "pattern": pattern }] })
}

fn object(fields: &[(String, PlainType)]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|(name, ty)| (name.clone(), of(ty))).collect();
    let required: Vec<_> = fields.iter().filter(|(_, ty)| !ty.is_optional()).map(|(name, _)| name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn positional<'a>(types: impl Iterator<Item = &'a PlainType>) -> Value {
    let items: Vec<_> = types.map(of).collect();
    json!({ "type": "array", "minItems": items.len(), "maxItems": items.len(), "prefixItems": items })
}

fn single(name: &str, schema: Value) -> Value {
    json!({ "type": "object", "properties": { name: schema }, "required": [name], "additionalProperties": false })
}

fn case((name, payload): &(String, Option<PlainType>)) -> Value {
    match payload {
        Some(payload) => single(name, of(payload)),
        None => json!({ "const": name }),
    }
}

fn side(name: &str, payload: &Option<Box<PlainType>>) -> Value {
    single(name, payload.as_ref().map_or_else(|| json!({ "type": "null" }), |payload| of(payload)))
}
