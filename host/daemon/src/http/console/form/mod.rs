//! Forms made from the schema of a task's input: `node` understands the schema, `items` lays it out, `read` turns what
//! came back into JSON. Whether that JSON is right is for the check of the schema itself to say, not for the form.
//!
//! Schemas come from guests: they may be large, deep, in a circle, or nonsense. What is not understood is a box for JSON.

mod items;
mod node;
mod read;

pub use items::{Field, Item};
pub use node::{Kind, Node};

use lovage_job::catalog::{BodyType, Encoding};
use serde_json::Value;
use std::collections::BTreeMap;

/// The name of the box that takes a whole payload as it is.
pub const WHOLE: &str = "payload";

/// The form of a task's input.
#[derive(Debug, Clone, PartialEq)]
pub enum InputForm {
    /// Fields for each part of the input.
    Fields(Node),
    /// A box for JSON.
    Json,
    /// A box for text, or a file.
    Bytes,
}

impl InputForm {
    /// The form for an input.
    pub fn new(input: &BodyType) -> Self {
        match (&input.encoding, &input.schema) {
            (Encoding::Bytes, _) => Self::Bytes,
            (Encoding::Json, Some(schema)) => match Node::of(schema) {
                node @ Node { kind: Kind::Object(_), .. } => Self::Fields(node),
                Node { kind: Kind::Json, .. } => Self::Json,
                scalar => Self::Fields(scalar),
            },
            (Encoding::Json, None) => Self::Json,
        }
    }

    /// What the page shows, in order, with values that were given before.
    pub fn items(&self, given: &BTreeMap<String, String>) -> Vec<Item> {
        match self {
            Self::Fields(node) => items::of(node, given),
            Self::Json | Self::Bytes => Vec::new(),
        }
    }

    /// An input to start from, for the box that takes JSON.
    pub fn example(&self) -> String {
        match self {
            Self::Fields(node) => serde_json::to_string_pretty(&node.example()).unwrap_or_default(),
            Self::Json => "{}".to_owned(),
            Self::Bytes => String::new(),
        }
    }

    /// The payload that was given, or all that is wrong with it.
    pub fn read(&self, given: &BTreeMap<String, String>) -> Result<Vec<u8>, Vec<String>> {
        let whole = given.get(WHOLE).map(String::as_str).filter(|text| !text.trim().is_empty());
        match (self, whole) {
            (Self::Bytes, whole) => Ok(whole.unwrap_or_default().as_bytes().to_vec()),
            (Self::Json, None) => Ok(Vec::new()),
            (_, Some(text)) => match serde_json::from_str::<Value>(text) {
                Ok(_) => Ok(text.as_bytes().to_vec()),
                Err(error) => Err(vec![format!("the payload is not valid JSON: {error}")]),
            },
            (Self::Fields(node), None) => {
                read::of(node, given).and_then(|value| serde_json::to_vec(&value).map_err(|e| vec![e.to_string()]))
            }
        }
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
