use super::*;
use serde_json::json;

fn form(schema: Value) -> InputForm {
    InputForm::new(&BodyType { encoding: Encoding::Json, schema: Some(schema) })
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn read(form: &InputForm, pairs: &[(&str, &str)]) -> Value {
    serde_json::from_slice(&form.read(&given(pairs)).unwrap()).unwrap()
}

fn names(form: &InputForm) -> Vec<String> {
    let name = |item: &Item| match item {
        Item::Field(field) => Some(field.name.clone()),
        Item::Open { .. } | Item::Close => None,
    };
    form.items(&BTreeMap::new()).iter().filter_map(name).collect()
}

#[test]
fn each_type_has_a_field_and_reads_back() {
    let form = form(json!({
        "type": "object",
        "properties": {
            "text": {"type": "string"}, "count": {"type": "integer", "minimum": 0}, "share": {"type": "number"},
            "loud": {"type": "boolean"}, "mode": {"enum": ["fast", "slow", 3]},
            "lines": {"type": "array", "items": {"type": "string"}}, "sizes": {"type": "array", "items": {"type": "integer"}},
            "deep": {"type": "object", "properties": {"a/b": {"type": "string"}}, "required": ["a/b"]},
            "other": {"type": "array", "items": {"type": "object"}}
        },
        "required": ["text", "count"]
    }));
    let value = read(
        &form,
        &[
            ("in:/text", " kept "),
            ("in:/count", " 18446744073709551615 "),
            ("in:/share", "1.5"),
            ("in:/loud", "true"),
            ("in:/mode", "3"),
            ("in:/lines", "a\r\n\r\n b "),
            ("in:/sizes", "1\n2"),
            ("in:/deep/a~1b", "x"),
            ("in:/other", "[{}]"),
        ],
    );
    let all = json!({"text": " kept ", "count": u64::MAX, "share": 1.5, "loud": true, "mode": 3, "lines": ["a", "b"],
        "sizes": [1, 2], "deep": {"a/b": "x"}, "other": [{}]});
    assert_eq!(value, all);
    assert_eq!(read(&form, &[("in:/count", "1")]), json!({"text": "", "count": 1}));
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let form = form(json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "integer"}, "b": {"type": "number"}, "c": {"enum": ["x"]}, "d": {"type": "array"}}}));
    let told = form.read(&given(&[("in:/b", "NaN"), ("in:/c", "x"), ("in:/d", "[")])).unwrap_err();
    assert_eq!(told.len(), 4, "{told:?}");
    for place in ["/a: fill this in", "/b: \"NaN\"", "/c: ", "/d: not valid JSON"] {
        assert!(told.iter().any(|fault| fault.starts_with(place)), "{place}: {told:?}");
    }
}

#[test]
fn parameters_of_a_plain_function_have_fields() {
    let integer = json!({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]+$"}]});
    let object = json!({"type": "object", "properties": {"a": integer, "b": integer}, "required": ["a", "b"]});
    let form = form(json!({"anyOf": [object, {"type": "array", "prefixItems": [integer, integer]}]}));
    assert_eq!(names(&form), ["in:/a", "in:/b"]);
    assert_eq!(read(&form, &[("in:/a", "2"), ("in:/b", "40")]), json!({"a": 2, "b": 40}));
    assert_eq!(form.example(), "{\n  \"a\": 0,\n  \"b\": 0\n}");
}

#[test]
fn references_and_options_are_followed() {
    let form = form(json!({
        "$defs": {"Mode": {"description": "how", "oneOf": [{"const": "a"}, {"const": "b", "description": "x"}]}},
        "type": "object",
        "properties": {"mode": {"anyOf": [{"$ref": "#/$defs/Mode"}, {"type": "null"}]}, "name": {"type": ["string", "null"]}}
    }));
    assert_eq!(read(&form, &[("in:/mode", "\"b\""), ("in:/name", "n")]), json!({"mode": "b", "name": "n"}));
    assert_eq!(read(&form, &[]), json!({}));
}

#[test]
fn hostile_schemas_give_a_box_for_json() {
    let mut deep = json!({"type": "string"});
    for _ in 0..50 {
        deep = json!({"type": "object", "properties": {"a": deep}});
    }
    let wide: serde_json::Map<String, Value> =
        (0..500).map(|at| (format!("f{at}"), json!({"type": "string"}))).collect();
    let circle = json!({"$ref": "#"});
    let round = json!({"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"$ref": "#"}}});
    for schema in
        [deep, json!({"type": "object", "properties": wide}), circle, round, json!(true), json!(7), json!({"$ref": 5})]
    {
        let form = form(schema.clone());
        assert!(form.items(&BTreeMap::new()).len() <= 400, "{schema}");
        assert_eq!(read(&form, &[(WHOLE, "{\"x\":1}")]), json!({"x": 1}));
    }
    assert_eq!(form(json!({"$ref": "#"})), InputForm::Json);
}

#[test]
fn payload_as_a_whole_goes_first() {
    let form = form(json!({"type": "object", "properties": {"a": {"type": "integer"}}}));
    assert_eq!(read(&form, &[("in:/a", "1"), (WHOLE, "{\"a\":2}")]), json!({"a": 2}));
    assert!(form.read(&given(&[(WHOLE, "{")])).unwrap_err()[0].contains("not valid JSON"));
    assert_eq!(InputForm::new(&BodyType::BYTES).read(&given(&[(WHOLE, "any {")])).unwrap(), b"any {");
}
