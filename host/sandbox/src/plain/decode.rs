//! JSON to arguments, straight from text to the engine's values.
//!
//! The forms of a function's input:
//! - no parameters: nothing at all, `null`, `{}` or `[]`;
//! - one parameter: an object with exactly that parameter's name, or the bare value;
//! - several: an object by name, or an array by position.
//!
//! Optional parameters and record fields may be left out. `option` is the value or `null`, an option of an option
//! `{"some": …}` or `null`; `variant` is `"case"` or `{"case": …}`; `result` is `{"ok": …}` or `{"err": …}`; `flags`
//! are an array of names; `list<u8>` inside a bigger signature is base64 text.

use crate::plain::parts::{Names, Room, fields, positions};
use crate::plain::types::PlainType;
use crate::plain::value::{Plain, byte_list};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use std::fmt;
use wasmtime::component::Val;

/// The most single values of one call: each takes 40 bytes of the host's memory.
pub(crate) const VALUES_MAX: usize = 1 << 20;

/// The arguments of a function in `body`.
pub(crate) fn arguments(params: &[(String, PlainType)], body: &[u8]) -> Result<Vec<Val>, String> {
    let is_blank = body.iter().all(u8::is_ascii_whitespace);
    match params {
        [] if is_blank => Ok(Vec::new()),
        _ if is_blank => Err("the input is empty, and the task takes JSON".to_owned()),
        [(name, ty)] => {
            let named = from_json(Arguments { params, room: &Room::new() }, body);
            let named_error = match named {
                Ok(values) => return Ok(values),
                Err(error) => error,
            };
            match from_json(Plain { ty, room: &Room::new() }, body) {
                Ok(value) => Ok(vec![value]),
                // Whoever wrote an object with the parameter's name meant that form.
                Err(_) if names_only(body, name) => Err(named_error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
        _ => from_json(Arguments { params, room: &Room::new() }, body).map_err(|error| error.to_string()),
    }
}

/// `bytes` as an argument of a function that cannot be called on the fast path.
pub(crate) fn single_bytes(bytes: &[u8]) -> Result<Vec<Val>, String> {
    if bytes.len() > VALUES_MAX {
        return Err(format!("the input is larger than the {VALUES_MAX} bytes that a function of this signature takes"));
    }
    Ok(vec![byte_list(bytes)])
}

fn from_json<'de, S: DeserializeSeed<'de>>(seed: S, body: &'de [u8]) -> serde_json::Result<S::Value> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = seed.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn names_only(body: &[u8], name: &str) -> bool {
    let object: Result<std::collections::BTreeMap<&str, IgnoredAny>, _> = serde_json::from_slice(body);
    object.is_ok_and(|object| object.len() == 1 && object.contains_key(name))
}

/// Reads all arguments.
struct Arguments<'t> {
    params: &'t [(String, PlainType)],
    room: &'t Room,
}

impl<'de> DeserializeSeed<'de> for Arguments<'_> {
    type Value = Vec<Val>;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Vec<Val>, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Arguments<'_> {
    type Value = Vec<Val>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.params {
            [] => f.write_str("nothing, null or {}, since the task takes no input"),
            params => write!(f, "an object with the fields {}", Names(params.iter().map(|(name, _)| name.as_str()))),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<Val>, E> {
        if self.params.is_empty() {
            return Ok(Vec::new());
        }
        Err(E::invalid_type(Unexpected::Unit, &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Val>, A::Error> {
        let fields = fields(self.params, self.room, map)?;
        Ok(fields.into_iter().map(|(_, value)| value).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Vec<Val>, A::Error> {
        if self.params.len() == 1 {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        positions(self.params.iter().map(|(_, ty)| ty), self.room, items)
    }
}
