use super::*;
use crate::bindings::lovage::task::types::Defaults;

fn description(name: &str) -> Description {
    let defaults =
        Defaults { attempts_max: None, timeout_ms: None, soft_timeout_ms: None, fuel: None, memory_bytes: None };
    Description {
        name: name.to_owned(),
        summary: None,
        input: GuestEncoding::Json,
        input_schema: None,
        output: GuestEncoding::Bytes,
        output_schema: None,
        defaults,
    }
}

#[test]
fn a_good_answer_becomes_exports() {
    let mut good = description("word-stats");
    good.summary = Some("é".repeat(2000));
    good.input_schema = Some("{\"type\":\"object\"}".to_owned());
    good.defaults.timeout_ms = Some(1500);
    let exports = checked(vec![good]).unwrap();
    let export = &exports[0];
    assert_eq!(export.entry, Entry::Handler { name: "word-stats".to_owned() });
    assert_eq!(export.input.schema, Some(serde_json::json!({ "type": "object" })));
    assert_eq!(export.output, BodyType::BYTES);
    assert_eq!(export.limits.timeout, Some(Duration::from_millis(1500)));
    assert!(export.summary.as_ref().unwrap().len() <= SUMMARY_BYTES_MAX);
}

#[test]
fn hostile_answers_are_refused() {
    assert!(matches!(checked(vec![]), Err(DescribeError::NoTasks)));
    let many: Vec<_> = (0..257).map(|n| description(&format!("t{n}"))).collect();
    assert!(matches!(checked(many), Err(DescribeError::TooManyTasks { count: 257 })));
    for bad in ["", "a.b", "*", "a\r\nb", "A", &"a".repeat(33)] {
        assert!(matches!(checked(vec![description(bad)]), Err(DescribeError::Name(_))), "{bad:?}");
    }
    let twice = checked(vec![description("a"), description("a")]);
    assert!(matches!(twice, Err(DescribeError::Duplicate { .. })));
}

#[test]
fn schemas_are_json_and_bounded() {
    for bad in ["", "{", "1", "[]", &format!("\"{}\"", "x".repeat(SCHEMA_BYTES_MAX))] {
        let mut description = description("a");
        description.output_schema = Some(bad.to_owned());
        let error = checked(vec![description]).unwrap_err();
        assert!(matches!(error, DescribeError::Schema { side: "output", .. }), "{error}");
    }
    let mut description = description("a");
    description.input_schema = Some("true".to_owned());
    checked(vec![description]).unwrap();
}
