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

use crate::plain::number;
use crate::plain::types::PlainType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::fmt;
use wasmtime::component::Val;

/// The most single values of one call: each takes 40 bytes of the host's memory.
pub(crate) const VALUES_MAX: usize = 1 << 20;

/// Values that may still be made.
struct Room(Cell<usize>);

impl Room {
    fn take<E: Error>(&self, count: usize) -> Result<(), E> {
        match self.0.get().checked_sub(count) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(E::custom(format_args!(
                "more than {VALUES_MAX} single values; give large inputs to a task that takes bytes"
            ))),
        }
    }
}

/// The arguments of a function in `body`.
pub(crate) fn arguments(params: &[(String, PlainType)], body: &[u8]) -> Result<Vec<Val>, String> {
    let room = Room(Cell::new(VALUES_MAX));
    let is_blank = body.iter().all(u8::is_ascii_whitespace);
    match params {
        [] if is_blank => Ok(Vec::new()),
        _ if is_blank => Err("the input is empty, and the task takes JSON".to_owned()),
        [(name, ty)] => {
            let named = from_json(Arguments { params, room: &room }, body);
            let named_error = match named {
                Ok(values) => return Ok(values),
                Err(error) => error,
            };
            room.0.set(VALUES_MAX);
            match from_json(Plain { ty, room: &room }, body) {
                Ok(value) => Ok(vec![value]),
                // Whoever wrote an object with the parameter's name meant that form.
                Err(_) if names_only(body, name) => Err(named_error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
        _ => from_json(Arguments { params, room: &room }, body).map_err(|error| error.to_string()),
    }
}

/// `bytes` as an argument of a function that cannot be called on the fast path.
pub(crate) fn single_bytes(bytes: &[u8]) -> Result<Vec<Val>, String> {
    if bytes.len() > VALUES_MAX {
        return Err(format!("the input is larger than the {VALUES_MAX} bytes that a function of this signature takes"));
    }
    Ok(vec![byte_list(bytes)])
}

fn byte_list(bytes: &[u8]) -> Val {
    Val::List(bytes.iter().map(|byte| Val::U8(*byte)).collect())
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
        Err(E::invalid_type(serde::de::Unexpected::Unit, &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Val>, A::Error> {
        let fields = fields(self.params, self.room, map)?;
        Ok(fields.into_iter().map(|(_, value)| value).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Vec<Val>, A::Error> {
        if self.params.len() == 1 {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        positions(self.params.iter().map(|(_, ty)| ty), self.room, items)
    }
}

/// Reads one value.
struct Plain<'t> {
    ty: &'t PlainType,
    room: &'t Room,
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

    fn refuse<T, E: Error>(self, found: serde::de::Unexpected<'_>) -> Result<T, E> {
        Err(E::invalid_type(found, &self))
    }

    fn integer<E: Error>(self, value: i128, found: serde::de::Unexpected<'_>) -> Result<Val, E> {
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
            _ => self.refuse(serde::de::Unexpected::Bool(value)),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Val, E> {
        match self.inside() {
            Some(inner) => inner.visit_i64(value).map(some),
            None => self.integer(i128::from(value), serde::de::Unexpected::Signed(value)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Val, E> {
        match self.inside() {
            Some(inner) => inner.visit_u64(value).map(some),
            None => self.integer(i128::from(value), serde::de::Unexpected::Unsigned(value)),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Val, E> {
        match self.inside() {
            Some(inner) => inner.visit_f64(value).map(some),
            None => {
                number::float(self.ty, value).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Float(value), &self))
            }
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Val, E> {
        match self.ty {
            PlainType::Option(_) => Ok(Val::Option(None)),
            _ => self.refuse(serde::de::Unexpected::Unit),
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
        value.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
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
            _ => self.refuse(serde::de::Unexpected::Seq),
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
            _ => self.refuse(serde::de::Unexpected::Map),
        }
    }
}

/// Reads an object with these fields and no others, in their order.
fn fields<'de, A: MapAccess<'de>>(of: &[(String, PlainType)], room: &Room, mut map: A) -> Result<Vec<(String, Val)>, A::Error> {
    let mut read: Vec<Option<Val>> = vec![None; of.len()];
    while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
        let known = of.iter().zip(read.iter_mut()).find(|((name, _), _)| *name == *key);
        let Some(((name, ty), place)) = known else {
            let names = Names(of.iter().map(|(name, _)| name.as_str()));
            return Err(A::Error::custom(format_args!("unknown field {key:?}, expected {names}")));
        };
        if place.is_some() {
            return Err(A::Error::custom(format_args!("field {name:?} is there twice")));
        }
        *place = Some(map.next_value_seed(Plain { ty, room })?);
    }
    let filled = of.iter().zip(read).map(|((name, ty), value)| match value {
        Some(value) => Ok((name.clone(), value)),
        None if ty.is_optional() => Ok((name.clone(), Val::Option(None))),
        None => Err(A::Error::custom(format_args!("field {name:?} is missing"))),
    });
    filled.collect()
}

/// Reads an array with one item for each type.
fn positions<'de, 't, A: SeqAccess<'de>>(
    types: impl ExactSizeIterator<Item = &'t PlainType>,
    room: &Room,
    mut items: A,
) -> Result<Vec<Val>, A::Error> {
    let count = types.len();
    let mut values = Vec::with_capacity(count);
    for ty in types {
        match items.next_element_seed(Plain { ty, room })? {
            Some(value) => values.push(value),
            None => return Err(A::Error::custom(format_args!("{} items where {count} are expected", values.len()))),
        }
    }
    match items.next_element::<IgnoredAny>()? {
        Some(_) => Err(A::Error::custom(format_args!("more than the {count} items that are expected"))),
        None => Ok(values),
    }
}

fn flags<'de, A: SeqAccess<'de>>(names: &[String], mut items: A) -> Result<Vec<String>, A::Error> {
    let mut set = Vec::new();
    while let Some(item) = items.next_element::<std::borrow::Cow<'de, str>>()? {
        let Some(name) = known(names.iter().map(String::as_str), &item) else {
            let names = Names(names.iter().map(String::as_str));
            return Err(A::Error::custom(format_args!("unknown flag {item:?}, expected {names}")));
        };
        if set.contains(&name) {
            return Err(A::Error::custom(format_args!("flag {name:?} is there twice")));
        }
        set.push(name);
    }
    Ok(set)
}

/// Reads an object with exactly one of these fields; a field without a type holds `null`.
fn single<'de, 't, A: MapAccess<'de>>(
    sides: impl Iterator<Item = (&'t str, Option<&'t PlainType>)> + Clone,
    room: &Room,
    mut map: A,
) -> Result<(&'t str, Option<Val>), A::Error> {
    let names = || Names(sides.clone().map(|(name, _)| name));
    let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? else {
        return Err(A::Error::custom(format_args!("an empty object where one of {} is expected", names())));
    };
    let Some((name, ty)) = sides.clone().find(|(name, _)| *name == key) else {
        return Err(A::Error::custom(format_args!("unknown field {key:?}, expected one of {}", names())));
    };
    let value = match ty {
        Some(ty) => Some(map.next_value_seed(Plain { ty, room })?),
        None => {
            map.next_value::<()>()?;
            None
        }
    };
    match map.next_key::<IgnoredAny>()? {
        Some(_) => Err(A::Error::custom(format_args!("more than one field where one of {} is expected", names()))),
        None => Ok((name, value)),
    }
}

fn known<'n>(mut names: impl Iterator<Item = &'n str>, text: &str) -> Option<String> {
    names.find(|name| *name == text).map(str::to_owned)
}

/// Names for a message.
struct Names<I>(I);

impl<'n, I: Iterator<Item = &'n str> + Clone> fmt::Display for Names<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.clone().enumerate() {
            match place {
                0 => write!(f, "{name:?}")?,
                1..20 => write!(f, ", {name:?}")?,
                _ => return f.write_str(", …"),
            }
        }
        Ok(())
    }
}
