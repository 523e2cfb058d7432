//! Reads one value of a plain type from JSON.

use crate::plain::number;
use crate::plain::parts::{Names, Room, fields, flags, known, positions, single};
use crate::plain::types::PlainType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use std::fmt;
use wasmtime::component::Val;

/// Reads one value.
pub(crate) struct Plain<'t> {
    pub(crate) ty: &'t PlainType,
    pub(crate) room: &'t Room,
}

impl<'de> DeserializeSeed<'de> for Plain<'_> {
    type Value = Val;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Val, D::Error> {
        self.room.take(1)?;
        input.deserialize_any(self)
    }
}

impl<'t> Plain<'t> {
    /// The value's type where it may stand in place of this option.
    fn inside(&self) -> Option<Plain<'t>> {
        match self.ty {
            PlainType::Option(inner) if !inner.is_optional() => Some(Plain { ty: inner, room: self.room }),
            _ => None,
        }
    }

    fn refuse<T, E: Error>(self, found: Unexpected<'_>) -> Result<T, E> {
        Err(E::invalid_type(found, &self))
    }

    fn integer<E: Error>(self, value: i128, found: Unexpected<'_>) -> Result<Val, E> {
        let number = number::integer(self.ty, value).or_else(|| number::widened(self.ty, value));
        match number {
            Some(number) => Ok(number),
            None => Err(E::invalid_value(found, &self)),
        }
    }
}

fn some(value: Val) -> Val {
    Val::Option(Some(Box::new(value)))
}

impl<'de> Visitor<'de> for Plain<'_> {
    type Value = Val;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty {
            PlainType::Bool => f.write_str("true or false"),
            PlainType::Char => f.write_str("text of one character"),
            PlainType::String => f.write_str("text"),
            PlainType::Bytes => f.write_str("base64 text"),
            PlainType::List(_) => f.write_str("an array"),
            PlainType::Record(fields) => {
                write!(f, "an object with the fields {}", Names(fields.iter().map(|(name, _)| name.as_str())))
            }
            PlainType::Tuple(types) => write!(f, "an array of {} items", types.len()),
            PlainType::Variant(cases) => {
                write!(f, "one of the cases {}", Names(cases.iter().map(|(name, _)| name.as_str())))
            }
            PlainType::Enum(names) => write!(f, "one of {}", Names(names.iter().map(String::as_str))),
            PlainType::Flags(names) => write!(f, "an array of {}", Names(names.iter().map(String::as_str))),
            PlainType::Option(inner) if inner.is_optional() => f.write_str("null or {\"some\": …}"),
            PlainType::Option(inner) => {
                f.write_str("null or ")?;
                Plain { ty: inner, room: self.room }.expecting(f)
            }
            PlainType::Result(..) => f.write_str("{\"ok\": …} or {\"err\": …}"),
            number => f.write_str(number::expected(number).unwrap_or("a number")),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Val, E> {
        match (self.inside(), self.ty) {
            (Some(inner), _) => inner.visit_bool(value).map(some),
            (None, PlainType::Bool) => Ok(Val::Bool(value)),
            _ => self.refuse(Unexpected::Bool(value)),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Val, E> {
        match self.inside() {
            Some(inner) => inner.visit_i64(value).map(some),
            None => self.integer(i128::from(value), Unexpected::Signed(value)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Val, E> {
        match self.inside() {
            Some(inner) => inner.visit_u64(value).map(some),
            None => self.integer(i128::from(value), Unexpected::Unsigned(value)),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Val, E> {
        match self.inside() {
            Some(inner) => inner.visit_f64(value).map(some),
            None => number::float(self.ty, value).ok_or_else(|| E::invalid_value(Unexpected::Float(value), &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Val, E> {
        match self.ty {
            PlainType::Option(_) => Ok(Val::Option(None)),
            _ => self.refuse(Unexpected::Unit),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Val, E> {
        if let Some(inner) = self.inside() {
            return inner.visit_str(text).map(some);
        }
        let mut chars = text.chars();
        let value = match self.ty {
            PlainType::String => Some(Val::String(text.to_owned())),
            PlainType::Char => chars.next().filter(|_| chars.next().is_none()).map(Val::Char),
            PlainType::Enum(names) => known(names.iter().map(String::as_str), text).map(Val::Enum),
            PlainType::Variant(cases) => {
                let plain = cases.iter().filter(|(_, payload)| payload.is_none());
                known(plain.map(|(name, _)| name.as_str()), text).map(|name| Val::Variant(name, None))
            }
            PlainType::Bytes => {
                self.room.take(text.len() / 4 * 3)?;
                STANDARD.decode(text).ok().map(|bytes| byte_list(&bytes))
            }
            number => number::decimal(number, text).or_else(|| number::named_float(number, text)),
        };
        value.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Val, A::Error> {
        if let Some(inner) = self.inside() {
            return inner.visit_seq(items).map(some);
        }
        match self.ty {
            PlainType::List(element) => {
                let mut list = Vec::new();
                while let Some(item) = items.next_element_seed(Plain { ty: element, room: self.room })? {
                    list.push(item);
                }
                Ok(Val::List(list))
            }
            PlainType::Tuple(types) => positions(types.iter(), self.room, items).map(Val::Tuple),
            PlainType::Flags(names) => flags(names, items).map(Val::Flags),
            _ => self.refuse(Unexpected::Seq),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Val, A::Error> {
        if let Some(inner) = self.inside() {
            return inner.visit_map(map).map(some);
        }
        let room = self.room;
        match self.ty {
            PlainType::Record(of) => fields(of, room, map).map(Val::Record),
            PlainType::Variant(cases) => {
                let payloads = cases.iter().map(|(name, payload)| (name.as_str(), payload.as_ref()));
                let (name, payload) = single(payloads, room, map)?;
                Ok(Val::Variant(name.to_owned(), payload.map(Box::new)))
            }
            PlainType::Result(good, bad) => {
                let sides = [("ok", good.as_deref()), ("err", bad.as_deref())];
                let (name, payload) = single(sides.into_iter(), room, map)?;
                let payload = payload.map(Box::new);
                Ok(Val::Result(if name == "ok" { Ok(payload) } else { Err(payload) }))
            }
            PlainType::Option(inner) => {
                let (_, value) = single([("some", Some(inner.as_ref()))].into_iter(), room, map)?;
                Ok(Val::Option(value.map(Box::new)))
            }
            _ => self.refuse(Unexpected::Map),
        }
    }
}

/// `bytes` as single values.
pub(crate) fn byte_list(bytes: &[u8]) -> Val {
    Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect())
}
