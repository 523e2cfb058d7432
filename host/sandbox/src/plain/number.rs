//! Numbers between JSON and plain types: in range or refused, never rounded in silence where that loses an integer.

use crate::plain::types::PlainType;
use wasmtime::component::Val;

/// `value` as an integer type; nothing where it is out of range or the type is none.
pub(crate) fn integer(ty: &PlainType, value: i128) -> Option<Val> {
    match ty {
        PlainType::U8 => u8::try_from(value).ok().map(Val::U8),
        PlainType::U16 => u16::try_from(value).ok().map(Val::U16),
        PlainType::U32 => u32::try_from(value).ok().map(Val::U32),
        PlainType::U64 => u64::try_from(value).ok().map(Val::U64),
        PlainType::S8 => i8::try_from(value).ok().map(Val::S8),
        PlainType::S16 => i16::try_from(value).ok().map(Val::S16),
        PlainType::S32 => i32::try_from(value).ok().map(Val::S32),
        PlainType::S64 => i64::try_from(value).ok().map(Val::S64),
        _ => None,
    }
}

/// `value` as a type for it: floats take any number, integers a whole one that a float holds exactly.
pub(crate) fn float(ty: &PlainType, value: f64) -> Option<Val> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match ty {
        PlainType::F64 => Some(Val::Float64(value)),
        PlainType::F32 => narrow(value).map(Val::Float32),
        _ if value.fract() == 0.0 && value.abs() <= EXACT => {
            #[allow(clippy::cast_possible_truncation)]
            let whole = value as i128;
            integer(ty, whole)
        }
        _ => None,
    }
}

/// An integer of JSON where a float is wanted.
pub(crate) fn widened(ty: &PlainType, value: i128) -> Option<Val> {
    #[allow(clippy::cast_precision_loss)]
    let value = value as f64;
    float(ty, value)
}

/// A float that JSON has no number for.
pub(crate) fn named_float(ty: &PlainType, name: &str) -> Option<Val> {
    let value = match name {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => return None,
    };
    match ty {
        PlainType::F64 => Some(Val::Float64(value)),
        #[allow(clippy::cast_possible_truncation)]
        PlainType::F32 => Some(Val::Float32(value as f32)),
        _ => None,
    }
}

/// The name of a float that JSON has no number for.
pub(crate) fn float_name(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

/// A 64-bit integer written as text.
pub(crate) fn decimal(ty: &PlainType, text: &str) -> Option<Val> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    if !matches!(ty, PlainType::U64 | PlainType::S64) || plain.is_empty() || plain.len() > 20 {
        return None;
    }
    if !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    integer(ty, text.parse().ok()?)
}

fn narrow(value: f64) -> Option<f32> {
    #[allow(clippy::cast_possible_truncation)]
    let narrow = value as f32;
    narrow.is_finite().then_some(narrow)
}

/// What a number of this type is, for messages; nothing for other types.
pub(crate) fn expected(ty: &PlainType) -> Option<&'static str> {
    Some(match ty {
        PlainType::U8 => "an integer from 0 to 255",
        PlainType::U16 => "an integer from 0 to 65535",
        PlainType::U32 => "an integer from 0 to 4294967295",
        PlainType::U64 => "an integer from 0 to 18446744073709551615, or that as text",
        PlainType::S8 => "an integer from -128 to 127",
        PlainType::S16 => "an integer from -32768 to 32767",
        PlainType::S32 => "an integer from -2147483648 to 2147483647",
        PlainType::S64 => "an integer from -9223372036854775808 to 9223372036854775807, or that as text",
        PlainType::F32 => "a number that fits 32 bits, \"NaN\", \"Infinity\" or \"-Infinity\"",
        PlainType::F64 => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
        _ => return None,
    })
}
