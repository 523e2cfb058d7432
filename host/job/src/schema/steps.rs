//! Bounds what telling the faults of a payload may cost.
//!
//! Whether a payload is good is found out in bounded time: the library remembers what it has checked. Its faults it
//! collects all, each form of each place, before anybody can take three of them; a schema of a few lines can have more of
//! those than there is memory, and so can a long list of the wrong type. So every part of a schema gets a keyword of our
//! own that counts, and that ends the collecting where it has been asked too often. The library has no other way out than
//! to unwind.

use jsonschema::{Keyword, ValidationError, json::Json};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The keyword that counts.
pub(super) const COUNTED: &str = "lovage-counted";
/// How many parts of a schema are looked at while faults are collected.
const STEPS_MAX: u32 = 10_000;
/// Keywords whose values are values and no schemas.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];
/// Keywords whose members are schemas under names of the author's.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// What unwinds where the steps are used up.
struct UsedUp;

/// Runs `collect` for at most so many steps; nothing where it would take more.
pub(super) fn bounded<T>(collect: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(STEPS_MAX);
    match catch_unwind(AssertUnwindSafe(collect)) {
        Ok(collected) => Some(collected),
        Err(unwound) if unwound.is::<UsedUp>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// The keyword itself: always good, and counted.
pub(super) struct Step;

impl<'i, F: Json> Keyword<'i, F> for Step {
    fn validate(&self, _instance: F::Node<'i>) -> Result<(), ValidationError<'i>> {
        match LEFT.get().checked_sub(1) {
            Some(left) => LEFT.set(left),
            // No panic hook hears of it: this is no fault of ours.
            None => resume_unwind(Box::new(UsedUp)),
        }
        Ok(())
    }

    fn is_valid(&self, _instance: F::Node<'i>) -> bool {
        true
    }
}

/// A schema that counts. One that refers into a value, which cannot be counted, is refused with what it refers to.
pub(super) fn counted(schema: &Value) -> Result<Value, String> {
    Ok(match schema {
        Value::Bool(false) => Value::Object(Map::from_iter([
            ("not".to_owned(), Value::Object(Map::new())),
            (COUNTED.to_owned(), Value::Bool(true)),
        ])),
        Value::Object(members) => {
            let mut counting = Map::new();
            for (name, value) in members {
                counting.insert(name.clone(), member(name, value)?);
            }
            counting.insert(COUNTED.to_owned(), Value::Bool(true));
            Value::Object(counting)
        }
        Value::Array(items) => Value::Array(items.iter().map(counted).collect::<Result<_, _>>()?),
        other => other.clone(),
    })
}

fn member(name: &str, value: &Value) -> Result<Value, String> {
    match (name, value) {
        // Told in one fault, whatever has too much.
        ("additionalProperties" | "unevaluatedProperties" | "unevaluatedItems", Value::Bool(_)) => Ok(value.clone()),
        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) if into_values(reference) => {
            Err(reference.chars().take(100).collect())
        }
        (name, Value::Object(named)) if NAMED.contains(&name) => {
            let counting = named.iter().map(|(name, schema)| Ok((name.clone(), counted(schema)?)));
            counting.collect::<Result<Map<_, _>, String>>().map(Value::Object)
        }
        (name, _) if VALUES.contains(&name) => Ok(value.clone()),
        (_, Value::Object(_) | Value::Array(_)) => counted(value),
        ("items" | "contains" | "propertyNames" | "not" | "if" | "then" | "else", Value::Bool(_)) => counted(value),
        _ => Ok(value.clone()),
    }
}

/// How many parts a schema may have once each reference is put out as what it refers to, but for those in a circle.
const PARTS_MAX: usize = 20_000;

/// Refuses a schema whose references multiply: of 40 lines that each name the one before twice, the library would look
/// at 2^40. References in a circle it remembers. Others than to `#` and `#/…` are refused, since they are not followed here.
pub(super) fn check_size(schema: &Value) -> Result<(), String> {
    put_out(schema, schema, &mut Vec::new(), &mut { PARTS_MAX })
}

fn put_out<'s>(part: &'s Value, whole: &'s Value, open: &mut Vec<&'s str>, left: &mut usize) -> Result<(), String> {
    *left = left.checked_sub(1).ok_or_else(|| format!("its references make more than {PARTS_MAX} parts of it"))?;
    match part {
        Value::Array(items) => items.iter().try_for_each(|item| put_out(item, whole, open, left)),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| match (name.as_str(), value) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                if open.contains(&reference.as_str()) {
                    return Ok(());
                }
                let shown = || reference.chars().take(100).collect::<String>();
                let target = reference.strip_prefix('#').and_then(|pointer| whole.pointer(&decoded(pointer)));
                let target = target.ok_or_else(|| format!("it refers to {:?}, which is not in it", shown()))?;
                open.push(reference);
                let put = put_out(target, whole, open, left);
                open.pop();
                put
            }
            (name, _) if VALUES.contains(&name) => Ok(()),
            (_, value) => put_out(value, whole, open, left),
        }),
        _ => Ok(()),
    }
}

/// A pointer within a reference, with its percent signs read.
fn decoded(pointer: &str) -> String {
    let mut parts = pointer.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => bytes.extend_from_slice(format!("%{part}").as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// True where a reference leads through the value of a keyword.
fn into_values(reference: &str) -> bool {
    let parts: Vec<_> = reference.split('/').collect();
    let named = |before: Option<&&str>| before.is_some_and(|before| NAMED.contains(before));
    parts
        .iter()
        .enumerate()
        .any(|(place, part)| VALUES.contains(part) && !named(place.checked_sub(1).and_then(|before| parts.get(before))))
}
