//! Reads signatures from a compiled component.

use crate::plain::signature::Signature;
use crate::plain::types::{Parts, PlainType};
use wasmtime::component::Type;
use wasmtime::component::types::ComponentFunc;

/// The signature of `function`; nothing where it is not plain.
pub(crate) fn signature(function: &ComponentFunc) -> Option<Signature> {
    if function.async_() {
        return None;
    }
    let mut parts = Parts::new();
    let params = function.params().map(|(name, ty)| Some((name.to_owned(), plain(&ty, &mut parts)?)));
    let params = params.collect::<Option<_>>()?;
    let mut results = function.results();
    let result = results.next().map(|ty| plain(&ty, &mut parts));
    match (result, results.next()) {
        (None, None) => Some(Signature { params, result: None }),
        (Some(Some(result)), None) => Some(Signature { params, result: Some(result) }),
        _ => None,
    }
}

fn plain(ty: &Type, parts: &mut Parts) -> Option<PlainType> {
    parts.enter(|parts| match ty {
        Type::Bool => Some(PlainType::Bool),
        Type::U8 => Some(PlainType::U8),
        Type::U16 => Some(PlainType::U16),
        Type::U32 => Some(PlainType::U32),
        Type::U64 => Some(PlainType::U64),
        Type::S8 => Some(PlainType::S8),
        Type::S16 => Some(PlainType::S16),
        Type::S32 => Some(PlainType::S32),
        Type::S64 => Some(PlainType::S64),
        Type::Float32 => Some(PlainType::F32),
        Type::Float64 => Some(PlainType::F64),
        Type::Char => Some(PlainType::Char),
        Type::String => Some(PlainType::String),
        Type::List(list) => plain(&list.ty(), parts).map(PlainType::list),
        Type::Record(record) => record
            .fields()
            .map(|field| Some((field.name.to_owned(), plain(&field.ty, parts)?)))
            .collect::<Option<_>>()
            .map(PlainType::Record),
        Type::Tuple(tuple) => tuple.types().map(|ty| plain(&ty, parts)).collect::<Option<_>>().map(PlainType::Tuple),
        Type::Variant(variant) => variant
            .cases()
            .map(|case| Some((case.name.to_owned(), optional(case.ty, parts)?)))
            .collect::<Option<_>>()
            .map(PlainType::Variant),
        Type::Enum(cases) => Some(PlainType::Enum(cases.names().map(str::to_owned).collect())),
        Type::Flags(flags) => Some(PlainType::Flags(flags.names().map(str::to_owned).collect())),
        Type::Option(option) => plain(&option.ty(), parts).map(Box::new).map(PlainType::Option),
        Type::Result(result) => {
            let good = optional(result.ok(), parts)?.map(Box::new);
            let bad = optional(result.err(), parts)?.map(Box::new);
            Some(PlainType::Result(good, bad))
        }
        Type::Map(_)
        | Type::FixedLengthList(_)
        | Type::Own(_)
        | Type::Borrow(_)
        | Type::Future(_)
        | Type::Stream(_)
        | Type::ErrorContext => None,
    })
}

/// Nothing where the type is there and not plain.
fn optional(ty: Option<Type>, parts: &mut Parts) -> Option<Option<PlainType>> {
    match ty {
        None => Some(None),
        Some(ty) => plain(&ty, parts).map(Some),
    }
}
