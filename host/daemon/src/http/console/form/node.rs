//! What of a schema a form can show.

use serde_json::{Map, Value, json};

/// The deepest object within objects that has fields of its own.
const DEPTH_MAX: usize = 4;
/// The most fields of one form.
const FIELDS_MAX: usize = 120;
/// The most choices of one field.
const CHOICES_MAX: usize = 200;
/// The most references that one place follows.
const REFS_MAX: usize = 8;

/// A part of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What the author calls it, where it is not the name of the field.
    pub title: Option<String>,
    /// What the author says of it.
    pub hint: Option<String>,
    /// What it is where nothing is given.
    pub default: Option<Value>,
    /// What it takes.
    pub kind: Kind,
}

/// What a part of the input takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Parts by name, and whether each must be there.
    Object(Vec<(String, bool, Node)>),
    /// Text.
    Text {
        /// Whether it may be long.
        long: bool,
    },
    /// A whole number.
    Integer {
        /// The least.
        min: Option<String>,
        /// The most.
        max: Option<String>,
    },
    /// A number.
    Number,
    /// Yes or no.
    Flag,
    /// One of these values.
    Choice(Vec<Value>),
    /// Text or numbers, one a line.
    Lines {
        /// Whether they are numbers.
        numbers: bool,
    },
    /// Anything else, as JSON.
    Json,
}

impl Node {
    /// Understands a schema, as far as a form can.
    pub fn of(schema: &Value) -> Self {
        let mut left = FIELDS_MAX;
        let node = understand(schema, schema, 0, &mut left);
        match left {
            0 => Self { kind: Kind::Json, ..node },
            _ => node,
        }
    }

    /// A value to start from.
    pub fn example(&self) -> Value {
        if let Some(default) = &self.default {
            return default.clone();
        }
        match &self.kind {
            Kind::Object(parts) => {
                let wanted = parts.iter().filter(|(_, must, _)| *must);
                Value::Object(wanted.map(|(name, _, node)| (name.clone(), node.example())).collect::<Map<_, _>>())
            }
            Kind::Text { .. } => json!(""),
            Kind::Integer { min, .. } => {
                json!(min.as_ref().and_then(|min| min.parse::<i64>().ok()).unwrap_or(0).max(0))
            }
            Kind::Number => json!(0.0),
            Kind::Flag => json!(false),
            Kind::Choice(all) => all.first().cloned().unwrap_or(Value::Null),
            Kind::Lines { .. } => json!([]),
            Kind::Json => Value::Null,
        }
    }
}

fn understand(root: &Value, schema: &Value, depth: usize, left: &mut usize) -> Node {
    let (resolved, from_reference) = resolve(root, schema);
    // what stands beside a reference is about this place
    let text = |key: &str| {
        let own = schema.get(key).or_else(|| resolved.get(key)).and_then(Value::as_str);
        own.map(|text| text.chars().take(400).collect::<String>()).filter(|text| !text.is_empty())
    };
    let default = schema.get("default").or_else(|| resolved.get("default")).cloned();
    let kind = match from_reference {
        Some(()) => kind(root, resolved, depth, left),
        None => Kind::Json,
    };
    Node { title: text("title"), hint: text("description"), default, kind }
}

/// Follows references within the schema; nothing where they go round in a circle or nowhere.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> (&'a Value, Option<()>) {
    let mut here = schema;
    for _ in 0..REFS_MAX {
        let Some(reference) = here.get("$ref").and_then(Value::as_str) else { return (here, Some(())) };
        match reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) {
            Some(next) => here = next,
            None => return (schema, None),
        }
    }
    (schema, None)
}

fn kind(root: &Value, schema: &Value, depth: usize, left: &mut usize) -> Kind {
    *left = left.saturating_sub(1);
    if *left == 0 {
        return Kind::Json;
    }
    if let Some(all) = values(schema) {
        return all;
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(forms) = schema.get(several).and_then(Value::as_array) {
            return one_of(root, forms, depth, left);
        }
    }
    let bound = |key: &str| schema.get(key).filter(|bound| bound.is_i64() || bound.is_u64()).map(ToString::to_string);
    match type_of(schema) {
        Some("object") if schema.get("properties").is_some() => object(root, schema, depth, left),
        Some("string") => Kind::Text { long: schema.get("maxLength").and_then(Value::as_u64).is_none_or(|n| n > 80) },
        Some("integer") => Kind::Integer { min: bound("minimum"), max: bound("maximum") },
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Flag,
        Some("array") => lines(root, schema),
        _ => Kind::Json,
    }
}

/// The values of a closed choice.
fn values(schema: &Value) -> Option<Kind> {
    let listed = schema.get("enum").and_then(Value::as_array).cloned();
    let constant = schema.get("const").map(|one| vec![one.clone()]);
    let all: Vec<Value> = listed.or(constant)?.into_iter().filter(|value| !value.is_null()).collect();
    Some(if all.is_empty() || all.len() > CHOICES_MAX { Kind::Json } else { Kind::Choice(all) })
}

/// Several forms: a choice where all are constants, else the first where it is plain enough.
fn one_of(root: &Value, forms: &[Value], depth: usize, left: &mut usize) -> Kind {
    let forms: Vec<&Value> =
        forms.iter().map(|form| resolve(root, form).0).filter(|form| type_of(form) != Some("null")).collect();
    let constants: Vec<Value> = forms.iter().filter_map(|form| form.get("const").cloned()).collect();
    if constants.len() > 1 && constants.len() == forms.len() && constants.len() <= CHOICES_MAX {
        return Kind::Choice(constants);
    }
    match forms.first() {
        Some(first) if forms.len() == 1 || depth == 0 => kind(root, first, depth, left),
        Some(first) if matches!(type_of(first), Some("integer" | "number")) => kind(root, first, depth, left),
        _ => Kind::Json,
    }
}

fn object(root: &Value, schema: &Value, depth: usize, left: &mut usize) -> Kind {
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|_| depth < DEPTH_MAX) else {
        return Kind::Json;
    };
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let must = |name: &str| required.iter().any(|one| one.as_str() == Some(name));
    let part =
        |(name, schema): (&String, &Value)| (name.clone(), must(name), understand(root, schema, depth + 1, left));
    let mut parts: Vec<_> = properties.iter().map(part).collect();
    // what must be given comes first; the author's order is kept within both
    parts.sort_by_key(|(_, must, _)| !must);
    Kind::Object(parts)
}

fn lines(root: &Value, schema: &Value) -> Kind {
    let items = schema.get("items").map(|items| resolve(root, items).0);
    match items.map(|items| (type_of(items), items.get("enum").is_some())) {
        Some((Some("string"), _)) | Some((None, true)) => Kind::Lines { numbers: false },
        Some((Some("integer" | "number"), _)) => Kind::Lines { numbers: true },
        _ => Kind::Json,
    }
}

/// The type, where it is one, or one and null.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => Some(one),
        Some(Value::Array(several)) => {
            let mut types = several.iter().filter_map(Value::as_str).filter(|one| *one != "null");
            types.next().filter(|_| types.next().is_none())
        }
        _ => None,
    }
}
