//! The composite forms of JSON: records, tuples, flags, and objects with exactly one field.

use crate::plain::decode::VALUES_MAX;
use crate::plain::types::PlainType;
use crate::plain::value::Plain;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use wasmtime::component::Val;

/// Values that may still be made.
pub(crate) struct Room(Cell<usize>);

impl Room {
    pub(crate) fn new() -> Self {
        Self(Cell::new(VALUES_MAX))
    }

    pub(crate) fn take<E: Error>(&self, count: usize) -> Result<(), E> {
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

/// Reads an object with these fields and no others, in their order.
pub(crate) fn fields<'de, A: MapAccess<'de>>(
    of: &[(String, PlainType)],
    room: &Room,
    mut map: A,
) -> Result<Vec<(String, Val)>, A::Error> {
    let mut read: Vec<Option<Val>> = vec![None; of.len()];
    while let Some(key) = map.next_key::<Cow<'de, str>>()? {
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
pub(crate) fn positions<'de, 't, A: SeqAccess<'de>>(
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

pub(crate) fn flags<'de, A: SeqAccess<'de>>(names: &[String], mut items: A) -> Result<Vec<String>, A::Error> {
    let mut set = Vec::new();
    while let Some(item) = items.next_element::<Cow<'de, str>>()? {
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
pub(crate) fn single<'de, 't, A: MapAccess<'de>>(
    sides: impl Iterator<Item = (&'t str, Option<&'t PlainType>)> + Clone,
    room: &Room,
    mut map: A,
) -> Result<(&'t str, Option<Val>), A::Error> {
    let names = || Names(sides.clone().map(|(name, _)| name));
    let Some(key) = map.next_key::<Cow<'de, str>>()? else {
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

pub(crate) fn known<'n>(mut names: impl Iterator<Item = &'n str>, text: &str) -> Option<String> {
    names.find(|name| *name == text).map(str::to_owned)
}

/// Names for a message.
pub(crate) struct Names<I>(pub(crate) I);

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
