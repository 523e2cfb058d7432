//! From what a browser sends to JSON.

use super::items::{below, name};
use super::node::{Kind, Node};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// The value that was filled in, or all that cannot be read.
pub(super) fn of(node: &Node, given: &BTreeMap<String, String>) -> Result<Value, Vec<String>> {
    let mut faults = Vec::new();
    let value = part(node, given, "", true, &mut faults);
    if faults.is_empty() { Ok(value.unwrap_or(Value::Null)) } else { Err(faults) }
}

/// A part; nothing where it was left empty and may be.
fn part(
    node: &Node,
    given: &BTreeMap<String, String>,
    pointer: &str,
    must: bool,
    faults: &mut Vec<String>,
) -> Option<Value> {
    if let Kind::Object(parts) = &node.kind {
        let any = must || filled(parts, given, pointer);
        let read = |(name, inner, node): &(String, bool, Node)| {
            let value = part(node, given, &below(pointer, name), *inner, faults);
            value.map(|value| (name.clone(), value))
        };
        return any.then(|| Value::Object(parts.iter().filter_map(read).collect::<Map<_, _>>()));
    }
    let text = given.get(&name(pointer)).map(String::as_str).unwrap_or_default();
    let text = match node.kind {
        Kind::Text { .. } => text,
        _ => text.trim(),
    };
    if text.is_empty() {
        return left_empty(&node.kind, pointer, must, faults);
    }
    let value = value(&node.kind, text);
    value.map_err(|fault| faults.push(format!("{}: {fault}", shown(pointer)))).ok()
}

/// What an empty field stands for.
fn left_empty(kind: &Kind, pointer: &str, must: bool, faults: &mut Vec<String>) -> Option<Value> {
    match kind {
        _ if !must => None,
        Kind::Text { .. } => Some(Value::from("")),
        Kind::Lines { .. } => Some(Value::Array(Vec::new())),
        Kind::Flag => Some(Value::Bool(false)),
        Kind::Object(_) | Kind::Integer { .. } | Kind::Number | Kind::Choice(_) | Kind::Json => {
            faults.push(format!("{}: fill this in", shown(pointer)));
            None
        }
    }
}

fn filled(parts: &[(String, bool, Node)], given: &BTreeMap<String, String>, pointer: &str) -> bool {
    parts.iter().any(|(part, _, node)| {
        let place = below(pointer, part);
        match &node.kind {
            Kind::Object(parts) => filled(parts, given, &place),
            _ => given.get(&name(&place)).is_some_and(|text| !text.is_empty()),
        }
    })
}

fn value(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text { .. } => Ok(Value::from(text.replace("\r\n", "\n"))),
        Kind::Integer { .. } => integer(text),
        Kind::Number => number(text),
        Kind::Flag => match text {
            "true" | "on" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            other => Err(format!("{other:?} is not true or false")),
        },
        Kind::Choice(all) => {
            // choices are sent as JSON, so that a number and its text stay apart
            let chosen = serde_json::from_str::<Value>(text).ok().filter(|value| all.contains(value));
            chosen.ok_or_else(|| format!("{text:?} is not one of the choices"))
        }
        Kind::Lines { numbers } => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let read = |line: &str| if *numbers { number(line) } else { Ok(Value::from(line)) };
            lines.map(read).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Kind::Object(_) | Kind::Json => serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}")),
    }
}

fn integer(text: &str) -> Result<Value, String> {
    let signed = text.parse::<i64>().map(Value::from);
    signed.or_else(|_| text.parse::<u64>().map(Value::from)).map_err(|_| format!("{text:?} is not a whole number"))
}

fn number(text: &str) -> Result<Value, String> {
    if let Ok(whole) = integer(text) {
        return Ok(whole);
    }
    let float = text.parse::<f64>().ok().and_then(Number::from_f64);
    float.map(Value::Number).ok_or_else(|| format!("{text:?} is not a number"))
}

fn shown(pointer: &str) -> &str {
    if pointer.is_empty() { "the input" } else { pointer }
}
