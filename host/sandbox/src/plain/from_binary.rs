//! Reads signatures from the bytes of a component, without an engine.

use crate::plain::signature::Signature;
use crate::plain::types::{Parts, PlainType};
use wasmparser::PrimitiveValType;
use wasmparser::component_types::{ComponentDefinedType, ComponentFuncTypeId, ComponentValType};
use wasmparser::types::TypesRef;

/// The signature of a function; nothing where it is not plain.
pub(crate) fn signature(types: TypesRef<'_>, function: ComponentFuncTypeId) -> Option<Signature> {
    let function = types.get(function)?;
    if function.async_ {
        return None;
    }
    let mut parts = Parts::new();
    let params = function.params.iter().map(|(name, ty)| Some((name.to_string(), plain(types, *ty, &mut parts)?)));
    let params = params.collect::<Option<_>>()?;
    let result = optional(types, function.result, &mut parts)?;
    Some(Signature { params, result })
}

fn plain(types: TypesRef<'_>, ty: ComponentValType, parts: &mut Parts) -> Option<PlainType> {
    parts.enter(|parts| match ty {
        ComponentValType::Primitive(primitive) => simple(primitive),
        ComponentValType::Type(id) => defined(types, types.get(id)?, parts),
    })
}

fn defined(types: TypesRef<'_>, ty: &ComponentDefinedType, parts: &mut Parts) -> Option<PlainType> {
    match ty {
        ComponentDefinedType::Primitive(primitive) => simple(*primitive),
        ComponentDefinedType::List { element, .. } => plain(types, *element, parts).map(PlainType::list),
        ComponentDefinedType::Record(record) => record
            .fields
            .iter()
            .map(|(name, ty)| Some((name.to_string(), plain(types, *ty, parts)?)))
            .collect::<Option<_>>()
            .map(PlainType::Record),
        ComponentDefinedType::Tuple(tuple) => {
            tuple.types.iter().map(|ty| plain(types, *ty, parts)).collect::<Option<_>>().map(PlainType::Tuple)
        }
        ComponentDefinedType::Variant(variant) => variant
            .cases
            .iter()
            .map(|(name, case)| Some((name.to_string(), optional(types, case.ty, parts)?)))
            .collect::<Option<_>>()
            .map(PlainType::Variant),
        ComponentDefinedType::Enum(names) => Some(PlainType::Enum(names.iter().map(ToString::to_string).collect())),
        ComponentDefinedType::Flags(names) => Some(PlainType::Flags(names.iter().map(ToString::to_string).collect())),
        ComponentDefinedType::Option { ty, .. } => plain(types, *ty, parts).map(Box::new).map(PlainType::Option),
        ComponentDefinedType::Result { ok, err, .. } => {
            let good = optional(types, *ok, parts)?.map(Box::new);
            let bad = optional(types, *err, parts)?.map(Box::new);
            Some(PlainType::Result(good, bad))
        }
        ComponentDefinedType::Map { .. }
        | ComponentDefinedType::FixedLengthList { .. }
        | ComponentDefinedType::Own(_)
        | ComponentDefinedType::Borrow(_)
        | ComponentDefinedType::Future { .. }
        | ComponentDefinedType::Stream { .. } => None,
    }
}

/// Nothing where the type is there and not plain.
fn optional(types: TypesRef<'_>, ty: Option<ComponentValType>, parts: &mut Parts) -> Option<Option<PlainType>> {
    match ty {
        None => Some(None),
        Some(ty) => plain(types, ty, parts).map(Some),
    }
}

fn simple(primitive: PrimitiveValType) -> Option<PlainType> {
    match primitive {
        PrimitiveValType::Bool => Some(PlainType::Bool),
        PrimitiveValType::U8 => Some(PlainType::U8),
        PrimitiveValType::U16 => Some(PlainType::U16),
        PrimitiveValType::U32 => Some(PlainType::U32),
        PrimitiveValType::U64 => Some(PlainType::U64),
        PrimitiveValType::S8 => Some(PlainType::S8),
        PrimitiveValType::S16 => Some(PlainType::S16),
        PrimitiveValType::S32 => Some(PlainType::S32),
        PrimitiveValType::S64 => Some(PlainType::S64),
        PrimitiveValType::F32 => Some(PlainType::F32),
        PrimitiveValType::F64 => Some(PlainType::F64),
        PrimitiveValType::Char => Some(PlainType::Char),
        PrimitiveValType::String => Some(PlainType::String),
        PrimitiveValType::ErrorContext => None,
    }
}
