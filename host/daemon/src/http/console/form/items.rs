//! A form in the order in which a page shows it.

use super::node::{Kind, Node};
use serde_json::Value;
use std::collections::BTreeMap;

/// One thing of a form.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A group of fields begins.
    Open {
        /// Its name.
        legend: String,
        /// What the author says of it.
        hint: String,
    },
    /// The group that began last ends.
    Close,
    /// A field.
    Field(Field),
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its place in the input, as a JSON pointer with `in:` before it.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// What the author says of it.
    pub hint: String,
    /// Whether it must be filled in.
    pub must: bool,
    /// What it takes.
    pub kind: Kind,
    /// What it holds to start with.
    pub value: String,
}

impl Field {
    /// The choices, as they are sent and as they are shown, and whether each is chosen.
    pub fn choices(&self) -> Vec<(String, String, bool)> {
        let Kind::Choice(all) = &self.kind else { return Vec::new() };
        let choice = |value: &Value| {
            let sent = value.to_string();
            let chosen = sent == self.value;
            (sent, shown(value), chosen)
        };
        all.iter().map(choice).collect()
    }
}

/// The name of the field at a place.
pub(super) fn name(pointer: &str) -> String {
    format!("in:{pointer}")
}

/// The place of a part.
pub(super) fn below(pointer: &str, part: &str) -> String {
    format!("{pointer}/{}", part.replace('~', "~0").replace('/', "~1"))
}

/// The items of a form.
pub(super) fn of(node: &Node, given: &BTreeMap<String, String>) -> Vec<Item> {
    let mut items = Vec::new();
    match &node.kind {
        Kind::Object(parts) => parts.iter().for_each(|(part, must, node)| {
            place(&mut items, given, (&below("", part), part), *must, node);
        }),
        _ => place(&mut items, given, ("", "input"), true, node),
    }
    items
}

fn place(
    items: &mut Vec<Item>,
    given: &BTreeMap<String, String>,
    (pointer, part): (&str, &str),
    must: bool,
    node: &Node,
) {
    let label = node.title.clone().unwrap_or_else(|| part.to_owned());
    let hint = node.hint.clone().unwrap_or_default();
    if let Kind::Object(parts) = &node.kind {
        items.push(Item::Open { legend: label, hint });
        for (part, inner, node) in parts {
            // a part of a group that may be left out as a whole is asked for by the check, not by the browser
            place(items, given, (&below(pointer, part), part), must && *inner, node);
        }
        items.push(Item::Close);
        return;
    }
    let name = name(pointer);
    let value = given.get(&name).cloned().or_else(|| node.default.as_ref().map(|value| start(&node.kind, value)));
    items.push(Item::Field(Field {
        label,
        hint,
        must,
        kind: node.kind.clone(),
        value: value.unwrap_or_default(),
        name,
    }));
}

/// A default as its field holds it.
fn start(kind: &Kind, value: &Value) -> String {
    match (kind, value) {
        (_, Value::Null) => String::new(),
        (Kind::Choice(_) | Kind::Json, value) => value.to_string(),
        (Kind::Lines { .. }, Value::Array(all)) => all.iter().map(shown).collect::<Vec<_>>().join("\n"),
        (_, value) => shown(value),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
