//! Values to JSON, in the forms that [`crate::plain::decode`] reads, up to a limit of bytes.

use crate::plain::number;
use crate::plain::types::PlainType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Error, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::io::Write;
use wasmtime::component::Val;

/// Why a value has no JSON here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    /// More bytes than allowed.
    #[error("the result is larger than its limit")]
    TooLarge,
    /// The value is not of the type.
    #[error("the result does not fit its type: {0}")]
    Mismatch(String),
}

/// `value` as JSON of at most `limit` bytes.
pub(crate) fn to_json(ty: &PlainType, value: &Val, limit: usize) -> Result<Vec<u8>, EncodeError> {
    let mut text = Bounded { bytes: Vec::new(), limit, overflown: false };
    match serde_json::to_writer(&mut text, &Shown(ty, value)) {
        Ok(()) => Ok(text.bytes),
        Err(_) if text.overflown => Err(EncodeError::TooLarge),
        Err(error) => Err(EncodeError::Mismatch(error.to_string())),
    }
}

/// The bytes of a `list<u8>`.
pub(crate) fn bytes_of(value: &Val) -> Option<Vec<u8>> {
    let Val::List(items) = value else { return None };
    let byte = |item: &Val| match item {
        Val::U8(byte) => Some(*byte),
        _ => None,
    };
    items.iter().map(byte).collect()
}

struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    overflown: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.limit {
            self.overflown = true;
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A value beside its type.
struct Shown<'v>(&'v PlainType, &'v Val);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (_, Val::Bool(value)) => out.serialize_bool(*value),
            (_, Val::U8(value)) => out.serialize_u8(*value),
            (_, Val::U16(value)) => out.serialize_u16(*value),
            (_, Val::U32(value)) => out.serialize_u32(*value),
            (_, Val::U64(value)) => out.serialize_u64(*value),
            (_, Val::S8(value)) => out.serialize_i8(*value),
            (_, Val::S16(value)) => out.serialize_i16(*value),
            (_, Val::S32(value)) => out.serialize_i32(*value),
            (_, Val::S64(value)) => out.serialize_i64(*value),
            (_, Val::Float32(value)) => match number::float_name(f64::from(*value)) {
                Some(name) => out.serialize_str(name),
                None => out.serialize_f32(*value),
            },
            (_, Val::Float64(value)) => match number::float_name(*value) {
                Some(name) => out.serialize_str(name),
                None => out.serialize_f64(*value),
            },
            (_, Val::Char(value)) => out.serialize_char(*value),
            (_, Val::String(text)) | (_, Val::Enum(text)) => out.serialize_str(text),
            (PlainType::Bytes, value) => {
                let bytes = bytes_of(value).ok_or_else(|| S::Error::custom("not a list of bytes"))?;
                out.serialize_str(&STANDARD.encode(bytes))
            }
            (PlainType::List(element), Val::List(items)) => {
                let mut array = out.serialize_seq(Some(items.len()))?;
                for item in items {
                    array.serialize_element(&Shown(element, item))?;
                }
                array.end()
            }
            (PlainType::Tuple(types), Val::Tuple(items)) => {
                let mut array = out.serialize_seq(Some(items.len()))?;
                for (ty, item) in types.iter().zip(items) {
                    array.serialize_element(&Shown(ty, item))?;
                }
                array.end()
            }
            (PlainType::Record(types), Val::Record(fields)) => {
                let mut object = out.serialize_map(Some(fields.len()))?;
                for ((_, ty), (name, value)) in types.iter().zip(fields) {
                    object.serialize_entry(name, &Shown(ty, value))?;
                }
                object.end()
            }
            (PlainType::Flags(_), Val::Flags(names)) => names.serialize(out),
            (PlainType::Option(_), Val::Option(None)) => out.serialize_unit(),
            (PlainType::Option(inner), Val::Option(Some(value))) if inner.is_optional() => {
                entry(out, "some", Some((inner, value)))
            }
            (PlainType::Option(inner), Val::Option(Some(value))) => Shown(inner, value).serialize(out),
            (PlainType::Variant(_), Val::Variant(name, None)) => out.serialize_str(name),
            (PlainType::Variant(cases), Val::Variant(name, Some(value))) => {
                let case = cases.iter().find(|(case, _)| case == name).and_then(|(_, payload)| payload.as_ref());
                let ty = case.ok_or_else(|| S::Error::custom("no such case"))?;
                entry(out, name, Some((ty, value)))
            }
            (PlainType::Result(good, _), Val::Result(Ok(value))) => {
                entry(out, "ok", good.as_deref().zip(value.as_deref()))
            }
            (PlainType::Result(_, bad), Val::Result(Err(value))) => {
                entry(out, "err", bad.as_deref().zip(value.as_deref()))
            }
            _ => Err(S::Error::custom("another type")),
        }
    }
}

fn entry<S: Serializer>(out: S, name: &str, value: Option<(&PlainType, &Val)>) -> Result<S::Ok, S::Error> {
    let mut object = out.serialize_map(Some(1))?;
    match value {
        Some((ty, value)) => object.serialize_entry(name, &Shown(ty, value))?,
        None => object.serialize_entry(name, &())?,
    }
    object.end()
}
