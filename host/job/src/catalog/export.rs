//! What a component offers: its exports, how they are called, what they take and give.

use crate::limits::LimitsWish;
use crate::name::TaskName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a worker calls a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// `lovage:task/handler`, the shape of the SDKs.
    Handler,
    /// `wasi:http/incoming-handler`.
    Http,
    /// `wasi:cli/run`, a program.
    Command,
    /// Any function with plain types.
    Function,
}

impl Shape {
    /// Every shape, in the order of precedence where a component exports several.
    pub const ALL: [Shape; 4] = [Self::Handler, Self::Http, Self::Command, Self::Function];

    /// The name on the command line and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Http => "http",
            Self::Command => "command",
            Self::Function => "function",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.as_str() == text)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which export of a component a task is, and how it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "kebab-case")]
pub enum Entry {
    /// One task of an SDK component, by the name it gives itself.
    Handler {
        /// As `describe` names it.
        name: String,
    },
    /// The component's HTTP handler.
    Http,
    /// The component's program.
    Command,
    /// A plain function, freestanding or in an exported interface.
    Function {
        /// The exported interface, such as `example:calculator/ops@0.1.0`, where the function is in one.
        interface: Option<String>,
        /// The function's name.
        function: String,
    },
}

impl Entry {
    /// The shape of this entry.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Handler { .. } => Shape::Handler,
            Self::Http => Shape::Http,
            Self::Command => Shape::Command,
            Self::Function { .. } => Shape::Function,
        }
    }
}

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// One JSON value.
    Json,
    /// Any bytes.
    Bytes,
}

/// What a task takes or gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BodyType {
    /// JSON or bytes.
    pub encoding: Encoding,
    /// JSON Schema of the body, where it is JSON and the component tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
}

impl BodyType {
    /// Any bytes.
    pub const BYTES: BodyType = BodyType { encoding: Encoding::Bytes, schema: None };
}

/// One export of a component that can be a task; what inspection finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// The task name that the export suggests.
    pub name: TaskName,
    /// How it is called.
    pub entry: Entry,
    /// What the author says it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What it takes.
    pub input: BodyType,
    /// What it gives.
    pub output: BodyType,
    /// Limits that the author asks for.
    #[serde(default)]
    pub limits: LimitsWish,
    /// Attempts that the author asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
}
