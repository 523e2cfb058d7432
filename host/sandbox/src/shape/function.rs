//! Plain functions: bytes on the typed path where the signature allows it, else JSON by the function's own types.

use crate::attempt::cell::Cell;
use crate::attempt::ending::Fault;
use crate::attempt::request::AttemptRequest;
use crate::plain::decode;
use crate::plain::encode::{EncodeError, bytes_of, to_json};
use crate::plain::signature::{FastPath, Signature};
use crate::plain::types::PlainType;
use crate::shape::text;
use bytes::Bytes;
use lovage_job::outcome::{Failure, Outcome, Output, RetryHint};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, ComponentType, Func, InstancePre, Lift, Val};

/// A function that is ready to be called.
pub(crate) struct FunctionCallee {
    pub(crate) pre: InstancePre<Cell>,
    pub(crate) index: ComponentExportIndex,
    pub(crate) signature: Signature,
    pub(crate) fast_path: Option<FastPath>,
}

/// What a function gave: the body and its media type, or its error.
type Answer = Result<(Vec<u8>, &'static str), Failure>;

pub(crate) async fn call(
    callee: &FunctionCallee,
    store: &mut Store<Cell>,
    request: AttemptRequest,
) -> Result<Outcome, Fault> {
    let limit = request.limits.output;
    // Before anything is set up: a wrong input costs no instance.
    let arguments = match callee.fast_path {
        Some(_) => Ok(Vec::new()),
        None if callee.signature.takes_bytes() => decode::single_bytes(&request.input),
        None => decode::arguments(&callee.signature.params, &request.input),
    };
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(message) => return Ok(Outcome::BadInput { message: text::message(&message) }),
    };
    let instance = callee.pre.instantiate_async(&mut *store).await.map_err(Fault::Instantiate)?;
    let func = instance.get_func(&mut *store, callee.index);
    let func = func.ok_or_else(|| Fault::Instantiate(wasmtime::format_err!("the function is gone")))?;
    let answer = match callee.fast_path {
        Some(path) => fast(path, func, store, request.input).await.map_err(Fault::Call)?,
        None => {
            let result = dynamic(callee, func, store, &arguments).await.map_err(Fault::Call)?;
            match answer(&callee.signature, result, limit.as_usize()) {
                Ok(answer) => answer,
                Err(EncodeError::TooLarge) => return Ok(Outcome::OutputTooLarge { output_bytes: limit.0 }),
                Err(error @ EncodeError::Mismatch(_)) => return Err(Fault::Call(error.into())),
            }
        }
    };
    Ok(match answer {
        Ok((body, _)) if body.len() > limit.as_usize() => Outcome::OutputTooLarge { output_bytes: limit.0 },
        Ok((body, content_type)) => Outcome::Completed(Output { body, content_type: content_type.to_owned() }),
        Err(failure) => Outcome::Failed(failure),
    })
}

async fn typed<R>(func: Func, store: &mut Store<Cell>, input: Bytes) -> wasmtime::Result<R>
where
    R: ComponentType + Lift + Send + Sync + 'static,
{
    let func = func.typed::<(&[u8],), (R,)>(&*store)?;
    let (result,) = func.call_async(&mut *store, (&input,)).await?;
    Ok(result)
}

async fn fast(path: FastPath, func: Func, store: &mut Store<Cell>, input: Bytes) -> wasmtime::Result<Answer> {
    let bytes = |body: Vec<u8>| (body, text::BYTES_TYPE);
    Ok(match path {
        FastPath::Bytes => Ok(bytes(typed(func, store, input).await?)),
        FastPath::Text => Ok(quoted(typed(func, store, input).await?)?),
        FastPath::BytesOrNothing => {
            let result: Result<Vec<u8>, ()> = typed(func, store, input).await?;
            result.map(bytes).map_err(|()| nameless())
        }
        FastPath::BytesOrText => {
            let result: Result<Vec<u8>, String> = typed(func, store, input).await?;
            result.map(bytes).map_err(|text| said(&text))
        }
        FastPath::TextOrText => match typed::<Result<String, String>>(func, store, input).await? {
            Ok(text) => Ok(quoted(text)?),
            Err(text) => Err(said(&text)),
        },
    })
}

fn quoted(text: String) -> wasmtime::Result<(Vec<u8>, &'static str)> {
    Ok((serde_json::to_vec(&text)?, text::JSON_TYPE))
}

async fn dynamic(
    callee: &FunctionCallee,
    func: Func,
    store: &mut Store<Cell>,
    arguments: &[Val],
) -> wasmtime::Result<Option<Val>> {
    let mut result = Val::Bool(false);
    match callee.signature.result {
        None => {
            func.call_async(&mut *store, arguments, &mut []).await?;
            Ok(None)
        }
        Some(_) => {
            func.call_async(&mut *store, arguments, std::slice::from_mut(&mut result)).await?;
            Ok(Some(result))
        }
    }
}

/// Reads what a function gave by its signature.
fn answer(signature: &Signature, result: Option<Val>, limit: usize) -> Result<Answer, EncodeError> {
    match (&signature.result, result) {
        (Some(PlainType::Result(good, _)), Some(Val::Result(Ok(value)))) => {
            body(good.as_deref(), value.as_deref(), limit).map(Ok)
        }
        (Some(PlainType::Result(_, bad)), Some(Val::Result(Err(value)))) => {
            Ok(Err(match bad.as_deref().zip(value.as_deref()) {
                Some((ty, value)) => failure(ty, value),
                None => nameless(),
            }))
        }
        (ty, value) => body(ty.as_ref(), value.as_ref(), limit).map(Ok),
    }
}

fn body(ty: Option<&PlainType>, value: Option<&Val>, limit: usize) -> Result<(Vec<u8>, &'static str), EncodeError> {
    match (ty, value) {
        (Some(PlainType::Bytes), Some(value)) => {
            let bytes = bytes_of(value).ok_or_else(|| EncodeError::Mismatch("not a list of bytes".to_owned()))?;
            Ok((bytes, text::BYTES_TYPE))
        }
        (Some(ty), Some(value)) => Ok((to_json(ty, value, limit)?, text::JSON_TYPE)),
        _ => Ok((b"null".to_vec(), text::JSON_TYPE)),
    }
}

/// An error of the function's own type: its text or case as the message, all of it as the details. It is an answer
/// that the author declared, so it would be the same again: permanent.
fn failure(ty: &PlainType, value: &Val) -> Failure {
    let details = to_json(ty, value, text::DETAILS_BYTES_MAX).ok();
    let details = details.and_then(|json| serde_json::from_slice(&json).ok());
    let message = match value {
        Val::String(text) => text::message(text),
        Val::Enum(case) | Val::Variant(case, None) => format!("the task failed with {case}"),
        Val::Variant(case, Some(payload)) => match payload.as_ref() {
            Val::String(text) => text::message(&format!("{case}: {text}")),
            _ => format!("the task failed with {case}"),
        },
        Val::Record(fields) => match fields.iter().find(|(name, _)| name == "message") {
            Some((_, Val::String(text))) => text::message(text),
            _ => "the task returned an error".to_owned(),
        },
        _ => "the task returned an error".to_owned(),
    };
    Failure { message, details, retry: RetryHint::Never }
}

fn said(message: &str) -> Failure {
    let details = (message.len() <= text::DETAILS_BYTES_MAX).then(|| serde_json::Value::from(message));
    Failure { message: text::message(message), details, retry: RetryHint::Never }
}

fn nameless() -> Failure {
    Failure { message: "the task returned an error".to_owned(), details: None, retry: RetryHint::Never }
}
