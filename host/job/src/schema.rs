//! Checking a payload against the schema of its task, alike at submission and before it runs.

mod steps;

use crate::catalog::{BodyType, Encoding};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// The largest schema that is accepted, in bytes of JSON.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// How many faults of a payload are told.
const FAULTS_TOLD: usize = 3;

/// A schema that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task's schema cannot be used: {0}")]
pub struct SchemaError(String);

/// A payload that is not what the task takes. The text says where and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InputError(String);

/// What a task takes, ready to check payloads.
#[derive(Debug)]
pub struct InputCheck {
    encoding: Encoding,
    validator: Option<Validator>,
}

impl InputCheck {
    /// Prepares the check. Schemas come from guests: they may not refer to anything outside themselves, and their
    /// patterns run on an engine that takes linear time.
    pub fn new(input: &BodyType) -> Result<Self, SchemaError> {
        let validator = match (&input.encoding, &input.schema) {
            (Encoding::Json, Some(schema)) => Some(compile(schema)?),
            (Encoding::Json, None) | (Encoding::Bytes, _) => None,
        };
        Ok(Self { encoding: input.encoding, validator })
    }

    /// Whether the payload is JSON.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Checks a payload.
    pub fn check(&self, payload: &[u8]) -> Result<(), InputError> {
        match self.encoding {
            Encoding::Bytes => Ok(()),
            Encoding::Json => self.check_json(payload),
        }
    }

    fn check_json(&self, payload: &[u8]) -> Result<(), InputError> {
        if payload.is_empty() {
            return self.check_empty();
        }
        let value: Value = serde_json::from_slice(payload)
            .map_err(|error| InputError(format!("the payload is not valid JSON: {error}")))?;
        let Some(validator) = &self.validator else { return Ok(()) };
        if validator.is_valid(&value) {
            return Ok(());
        }
        let faults = || validator.iter_errors(&value).take(FAULTS_TOLD).map(|fault| tell(&fault)).collect::<Vec<_>>();
        let told = steps::bounded(faults).map(|faults| faults.join("; "));
        let too_many = || "the payload is not what the task takes, with more faults than can be told".to_owned();
        Err(InputError(told.filter(|told| !told.is_empty()).unwrap_or_else(too_many)))
    }
}

impl InputCheck {
    /// An empty payload stands for no input: good where null, or an object without members, would be.
    fn check_empty(&self) -> Result<(), InputError> {
        let nothing = [Value::Null, Value::Object(serde_json::Map::new())];
        match &self.validator {
            Some(validator) if !nothing.iter().any(|value| validator.is_valid(value)) => {
                Err(InputError("the payload is empty where JSON is expected".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

fn compile(schema: &Value) -> Result<Validator, SchemaError> {
    let size = schema.to_string().len();
    if size > SCHEMA_BYTES_MAX {
        return Err(SchemaError(format!("it has {size} bytes, more than {SCHEMA_BYTES_MAX}")));
    }
    steps::check_size(schema).map_err(SchemaError)?;
    let counted = steps::counted(schema);
    let counted = counted.map_err(|told| SchemaError(format!("it refers to {told:?}, which is a value")))?;
    jsonschema::options()
        .with_keyword(steps::COUNTED, |_, _, _| Ok(Box::new(steps::Step)))
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .build(&counted)
        .map_err(|error| SchemaError(cut(&error.to_string())))
}

/// Tells a fault with its place. Where several forms are allowed, the form that the payload comes nearest to (the one
/// that is at least of its type, and whose faults lie deepest) says more than that none of them fits.
fn tell(fault: &ValidationError<'_>) -> String {
    if let ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } = fault.kind() {
        let depth = |form: &Vec<ValidationError<'_>>| {
            let places = || form.iter().map(|fault| fault.instance_path().to_string().matches('/').count());
            let here = fault.instance_path().to_string().matches('/').count();
            let another_type = form
                .iter()
                .zip(places())
                .any(|(fault, place)| place == here && matches!(fault.kind(), ValidationErrorKind::Type { .. }));
            (!another_type, places().max(), std::cmp::Reverse(form.len()))
        };
        let nearest = context.iter().filter(|form| !form.is_empty()).max_by_key(|form| depth(form));
        if let Some(form) = nearest {
            return cut(&form.iter().take(FAULTS_TOLD).map(tell).collect::<Vec<_>>().join("; "));
        }
    }
    let place = fault.instance_path().to_string();
    let place = if place.is_empty() { "the payload".to_owned() } else { place };
    cut(&format!("{place}: {fault}"))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: Value) -> InputCheck {
        InputCheck::new(&BodyType { encoding: Encoding::Json, schema: Some(schema) }).unwrap()
    }

    #[test]
    fn a_payload_of_the_wrong_type_is_told_with_its_place() {
        let check = check(json!({
            "type": "object",
            "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 4_294_967_295u64}},
            "required": ["a"],
            "additionalProperties": false
        }));
        check.check(br#"{"a": 4294967295}"#).unwrap();
        for (bad, place) in [
            (r#"{"a": -1}"#, "/a"),
            (r#"{"a": 4294967296}"#, "/a"),
            (r#"{"a":"1"}"#, "/a"),
            ("{}", "a"),
            (r#"{"a":1,"b":2}"#, "b"),
        ] {
            let error = check.check(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(place), "{bad}: {error}");
        }
    }

    #[test]
    fn of_several_forms_the_nearest_is_told() {
        let object = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}});
        let array = json!({"type": "array", "prefixItems": [{"type": "integer"}]});
        let error = check(json!({"anyOf": [object, array]})).check(br#"{"a": -1}"#).unwrap_err().to_string();
        assert!(error.starts_with("/a: -1 is less than"), "{error}");
        let object = json!({"type": "object", "required": ["b"]});
        let error = check(json!({"anyOf": [object, {"type": "array"}]})).check(br#"{"a": 1}"#).unwrap_err().to_string();
        assert!(error.contains("\"b\""), "{error}");
    }

    #[test]
    fn json_that_is_none_is_told() {
        let check = check(json!({"type": "array"}));
        for bad in [&b""[..], b"{", b"\xff", b"{} {}", "[".repeat(100_000).as_bytes()] {
            check.check(bad).unwrap_err();
        }
    }

    #[test]
    fn an_empty_payload_stands_for_no_input() {
        for schema in [json!({}), json!({"type": "null"}), json!({"type": "object", "additionalProperties": false})] {
            check(schema).check(b"").unwrap();
        }
        check(json!({"type": "object", "required": ["a"]})).check(b"").unwrap_err();
    }

    #[test]
    fn bytes_are_not_looked_at() {
        InputCheck::new(&BodyType::BYTES).unwrap().check(b"\xff{").unwrap();
    }

    #[test]
    fn a_schema_cannot_reach_outside() {
        for schema in
            [json!({"$ref": "http://127.0.0.1:1/x"}), json!({"$ref": "file:///etc/passwd"}), json!({"type": 5})]
        {
            InputCheck::new(&BodyType { encoding: Encoding::Json, schema: Some(schema) }).unwrap_err();
        }
        let large = json!({"description": "x".repeat(SCHEMA_BYTES_MAX)});
        InputCheck::new(&BodyType { encoding: Encoding::Json, schema: Some(large) }).unwrap_err();
    }

    /// A check whose faults, all of them, would be more than there is memory.
    #[track_caller]
    fn is_told_in_short(schema: Value, payload: &[u8]) {
        let check = InputCheck::new(&BodyType { encoding: Encoding::Json, schema: Some(schema) }).unwrap();
        let told = check.check(payload).unwrap_err().to_string();
        assert!(told.contains("more faults than can be told"), "{told}");
    }

    #[test]
    fn schema_that_doubles_is_checked_in_bounded_time() {
        let mut forms = serde_json::Map::from_iter([("f0".to_owned(), json!({"type": "null"}))]);
        for level in 1..40 {
            let before = json!({"$ref": format!("#/$defs/f{}", level - 1)});
            forms.insert(format!("f{level}"), json!({"anyOf": [before, before]}));
        }
        let doubled =
            BodyType { encoding: Encoding::Json, schema: Some(json!({"$defs": forms, "$ref": "#/$defs/f39"})) };
        let told = InputCheck::new(&doubled).unwrap_err().to_string();
        assert!(told.contains("more than 20000 parts"), "{told}");
        // The same, with the depth of the payload.
        let form = json!({"type": "object", "properties": {"a": {"$ref": "#"}}});
        let deep = format!("{}1{}", "{\"a\":".repeat(60), "}".repeat(60));
        is_told_in_short(json!({"anyOf": [form, form]}), deep.as_bytes());
        let good = format!("{}{{}}{}", "{\"a\":".repeat(60), "}".repeat(60));
        let check =
            InputCheck::new(&BodyType { encoding: Encoding::Json, schema: Some(json!({"anyOf": [form, form]})) });
        check.unwrap().check(good.as_bytes()).unwrap();
    }

    #[test]
    fn long_list_of_the_wrong_type_is_told_in_short() {
        let payload = serde_json::to_vec(&vec!["x"; 100_000]).unwrap();
        is_told_in_short(json!({"items": {"type": "integer"}}), &payload);
        is_told_in_short(json!({"items": false}), &payload);
        is_told_in_short(json!({"anyOf": [{"items": {"type": "integer"}}, {"type": "null"}]}), &payload);
        let few = serde_json::to_vec(&vec!["x"; 1_000]).unwrap();
        let check = BodyType { encoding: Encoding::Json, schema: Some(json!({"items": {"type": "integer"}})) };
        let told = InputCheck::new(&check).unwrap().check(&few).unwrap_err().to_string();
        assert!(told.starts_with("/0: "), "{told}");
    }

    #[test]
    fn schema_that_goes_round_in_a_circle_harms_nobody() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"not": {"$ref": "#"}}),
            json!({"anyOf": [{"$ref": "#"}, {"type": "null"}], "properties": {"a": {"$ref": "#"}}}),
        ] {
            if let Ok(check) = InputCheck::new(&BodyType { encoding: Encoding::Json, schema: Some(schema) }) {
                let _good_or_bad = check.check(br#"{"a":{"a":1}}"#);
            }
        }
    }

    #[test]
    fn reference_into_a_value_is_refused() {
        let of = |schema| InputCheck::new(&BodyType { encoding: Encoding::Json, schema: Some(schema) });
        let told = of(json!({"$ref": "#/default", "default": {"items": {"type": "null"}}})).unwrap_err().to_string();
        assert!(told.contains("\"#/default\", which is a value"), "{told}");
        of(json!({"$ref": "#/$defs/default", "$defs": {"default": {"type": "null"}}})).unwrap().check(b"null").unwrap();
    }
}
