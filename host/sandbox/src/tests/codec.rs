//! Values to JSON and back, for any type.

use crate::plain::decode::arguments;
use crate::plain::encode::{EncodeError, to_json};
use crate::plain::schema;
use crate::plain::types::PlainType;
use proptest::prelude::*;
use wasmtime::component::Val;

fn names(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    count.prop_map(|count| (0..count).map(|n| format!("n-{n}")).collect())
}

fn leaf() -> impl Strategy<Value = PlainType> {
    prop_oneof![
        Just(PlainType::Bool),
        Just(PlainType::U8),
        Just(PlainType::U16),
        Just(PlainType::U32),
        Just(PlainType::U64),
        Just(PlainType::S8),
        Just(PlainType::S16),
        Just(PlainType::S32),
        Just(PlainType::S64),
        Just(PlainType::F32),
        Just(PlainType::F64),
        Just(PlainType::Char),
        Just(PlainType::String),
        Just(PlainType::Bytes),
        names(1..5).prop_map(PlainType::Enum),
        names(1..5).prop_map(PlainType::Flags),
    ]
}

fn any_type() -> impl Strategy<Value = PlainType> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        let maybe = prop::option::of(inner.clone());
        let named =
            |types: Vec<PlainType>| types.into_iter().enumerate().map(|(n, ty)| (format!("f-{n}"), ty)).collect();
        prop_oneof![
            inner.clone().prop_map(PlainType::list),
            inner.clone().prop_map(|ty| PlainType::Option(Box::new(ty))),
            several.clone().prop_map(PlainType::Tuple),
            several.prop_map(move |types| PlainType::Record(named(types))),
            prop::collection::vec(maybe.clone(), 1..4).prop_map(|cases| {
                PlainType::Variant(cases.into_iter().enumerate().map(|(n, ty)| (format!("c-{n}"), ty)).collect())
            }),
            (maybe.clone(), maybe).prop_map(|(good, bad)| PlainType::Result(good.map(Box::new), bad.map(Box::new))),
        ]
    })
}

fn value_of(ty: &PlainType) -> BoxedStrategy<Val> {
    match ty.clone() {
        PlainType::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        PlainType::U8 => any::<u8>().prop_map(Val::U8).boxed(),
        PlainType::U16 => any::<u16>().prop_map(Val::U16).boxed(),
        PlainType::U32 => any::<u32>().prop_map(Val::U32).boxed(),
        PlainType::U64 => any::<u64>().prop_map(Val::U64).boxed(),
        PlainType::S8 => any::<i8>().prop_map(Val::S8).boxed(),
        PlainType::S16 => any::<i16>().prop_map(Val::S16).boxed(),
        PlainType::S32 => any::<i32>().prop_map(Val::S32).boxed(),
        PlainType::S64 => any::<i64>().prop_map(Val::S64).boxed(),
        PlainType::F32 => any::<f32>().prop_map(Val::Float32).boxed(),
        PlainType::F64 => any::<f64>().prop_map(Val::Float64).boxed(),
        PlainType::Char => any::<char>().prop_map(Val::Char).boxed(),
        PlainType::String => ".{0,8}".prop_map(Val::String).boxed(),
        PlainType::Bytes => prop::collection::vec(any::<u8>().prop_map(Val::U8), 0..9).prop_map(Val::List).boxed(),
        PlainType::List(element) => prop::collection::vec(value_of(&element), 0..4).prop_map(Val::List).boxed(),
        PlainType::Tuple(types) => types.iter().map(value_of).collect::<Vec<_>>().prop_map(Val::Tuple).boxed(),
        PlainType::Record(fields) => {
            let (names, types): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
            let values = types.iter().map(value_of).collect::<Vec<_>>();
            values.prop_map(move |values| Val::Record(names.iter().cloned().zip(values).collect())).boxed()
        }
        PlainType::Variant(cases) => prop::sample::select(cases)
            .prop_flat_map(|(name, payload)| {
                optional(payload.as_ref()).prop_map(move |payload| Val::Variant(name.clone(), payload))
            })
            .boxed(),
        PlainType::Enum(names) => prop::sample::select(names).prop_map(Val::Enum).boxed(),
        PlainType::Flags(names) => {
            let count = names.len();
            prop::sample::subsequence(names, 0..=count).prop_map(Val::Flags).boxed()
        }
        PlainType::Option(inner) => {
            prop::option::of(value_of(&inner)).prop_map(|value| Val::Option(value.map(Box::new))).boxed()
        }
        PlainType::Result(good, bad) => {
            let good = optional(good.as_deref()).prop_map(|value| Val::Result(Ok(value)));
            let bad = optional(bad.as_deref()).prop_map(|value| Val::Result(Err(value)));
            prop_oneof![good, bad].boxed()
        }
    }
}

fn optional(ty: Option<&PlainType>) -> BoxedStrategy<Option<Box<Val>>> {
    match ty {
        Some(ty) => value_of(ty).prop_map(|value| Some(Box::new(value))).boxed(),
        None => Just(None).boxed(),
    }
}

fn typed_value() -> impl Strategy<Value = (PlainType, Val)> {
    any_type().prop_flat_map(|ty| value_of(&ty).prop_map(move |value| (ty.clone(), value)))
}

/// NaN is equal to nothing, so values are compared by what they show.
fn shown(value: &Val) -> String {
    format!("{value:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back((ty, value) in typed_value()) {
        let json = to_json(&ty, &value, 1 << 20).unwrap();
        let params = [("it".to_owned(), ty.clone())];
        let named = format!("{{\"it\":{}}}", String::from_utf8(json.clone()).unwrap());
        for body in [json.as_slice(), named.as_bytes()] {
            let read = arguments(&params, body).unwrap();
            prop_assert_eq!(shown(&read[0]), shown(&value), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn the_schema_accepts_what_is_written((ty, value) in typed_value()) {
        let json: serde_json::Value = serde_json::from_slice(&to_json(&ty, &value, 1 << 20).unwrap()).unwrap();
        let output = schema::of_output(Some(&ty));
        prop_assert!(jsonschema::is_valid(&output, &json), "{output} {json}");
        let input = schema::of_input(&[("it".to_owned(), ty)]);
        for form in [json.clone(), serde_json::json!({ "it": json })] {
            prop_assert!(jsonschema::is_valid(&input, &form), "{input} {form}");
        }
    }

    #[test]
    fn hostile_text_never_panics(ty in any_type(), text in "[\\[\\]{}\",:0-9a-z.\\-]{0,40}") {
        let one = [("it".to_owned(), ty.clone())];
        let two = [("it".to_owned(), ty.clone()), ("other".to_owned(), ty)];
        // Right or wrong does not matter here.
        drop(arguments(&one, text.as_bytes()));
        drop(arguments(&two, text.as_bytes()));
    }

    #[test]
    fn results_are_limited_to_the_byte((ty, value) in typed_value()) {
        let json = to_json(&ty, &value, 1 << 20).unwrap();
        prop_assert!(to_json(&ty, &value, json.len()).is_ok());
        prop_assert!(matches!(to_json(&ty, &value, json.len() - 1), Err(EncodeError::TooLarge)));
    }
}

fn read(ty: PlainType, body: &str) -> Result<Val, String> {
    arguments(&[("it".to_owned(), ty)], body.as_bytes()).map(|mut values| values.remove(0))
}

#[test]
fn options_of_options_are_not_ambiguous() {
    let ty = PlainType::Option(Box::new(PlainType::Option(Box::new(PlainType::U8))));
    let some = |value: Option<Val>| Val::Option(value.map(Box::new));
    for (text, value) in [
        ("null", some(None)),
        (r#"{"some":null}"#, some(Some(some(None)))),
        (r#"{"some":7}"#, some(Some(some(Some(Val::U8(7)))))),
    ] {
        assert_eq!(read(ty.clone(), text).unwrap(), value);
        assert_eq!(to_json(&ty, &value, 100).unwrap(), text.as_bytes());
    }
    read(ty, "7").unwrap_err();
}

#[test]
fn a_record_may_look_like_its_parameter() {
    let inner = PlainType::Record(vec![("it".to_owned(), PlainType::U8)]);
    let value = Val::Record(vec![("it".to_owned(), Val::U8(7))]);
    for text in [r#"{"it":7}"#, r#"{"it":{"it":7}}"#] {
        assert_eq!(read(inner.clone(), text).unwrap(), value, "{text}");
    }
}

#[test]
fn optional_fields_may_be_left_out() {
    let ty = PlainType::Record(vec![
        ("a".to_owned(), PlainType::Option(Box::new(PlainType::U8))),
        ("b".to_owned(), PlainType::Option(Box::new(PlainType::String))),
    ]);
    let value = read(ty, r#"{"b":"x"}"#).unwrap();
    let some = |value| Val::Option(Some(Box::new(value)));
    assert_eq!(
        value,
        Val::Record(vec![("a".to_owned(), Val::Option(None)), ("b".to_owned(), some(Val::String("x".to_owned())))])
    );
}

#[test]
fn messages_say_what_was_expected() {
    for (ty, text, expected) in [
        (PlainType::Char, "\"ab\"", "text of one character"),
        (PlainType::Bytes, "\"a\"", "base64 text"),
        (PlainType::Enum(vec!["up".to_owned()]), "\"down\"", "one of \"up\""),
        (PlainType::Flags(vec!["r".to_owned()]), "[\"w\"]", "unknown flag \"w\", expected \"r\""),
        (PlainType::Flags(vec!["r".to_owned()]), "[\"r\",\"r\"]", "there twice"),
        (PlainType::Option(Box::new(PlainType::U8)), "256", "an integer from 0 to 255"),
        (PlainType::Result(None, None), "{\"maybe\":1}", "expected one of \"ok\", \"err\""),
        (PlainType::F32, "1e300", "fits 32 bits"),
        (PlainType::Tuple(vec![PlainType::U8]), "[1,2]", "more than the 1 items"),
    ] {
        let error = read(ty, text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn nesting_beyond_the_parsers_bound_is_an_error() {
    let mut ty = PlainType::U8;
    for _ in 0..200 {
        ty = PlainType::List(Box::new(ty));
    }
    let text = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert!(read(ty, &text).unwrap_err().contains("recursion limit"));
}
