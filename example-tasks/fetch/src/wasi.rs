//! The seam to `wasi:http/outgoing-handler`: one request, one whole answer.

use std::io::{Read, Write};

use lovage_task::TaskError;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

use crate::url::Parts;
use crate::{Fetch, Fetched};

/// Sends a request and reads the answer.
pub fn send(to: &Parts<'_>, input: &Fetch) -> Result<Fetched, TaskError> {
    let fields = Fields::new();
    for (name, value) in input.headers.iter().flatten() {
        fields
            .append(name, value.as_bytes())
            .map_err(|error| TaskError::bad_input(format!("header {name}: {error:?}")))?;
    }
    let request = OutgoingRequest::new(fields);
    let refused = |what: &str| TaskError::bad_input(format!("the {what} is refused"));
    let method = input.method.as_deref().unwrap_or("GET");
    request.set_method(&method_of(method)).map_err(|()| refused("method"))?;
    let scheme = if to.https { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| refused("scheme"))?;
    request.set_authority(Some(to.authority)).map_err(|()| refused("authority"))?;
    request.set_path_with_query(Some(to.path)).map_err(|()| refused("path"))?;
    let body = request.body().map_err(|()| refused("body"))?;
    let pending = handle(request, None).map_err(failed)?;
    if let Some(text) = &input.body {
        let broken = |error: &dyn std::fmt::Display| TaskError::retry(format!("the body is not sent: {error}"));
        let mut stream = body.write().map_err(|()| broken(&"it was taken"))?;
        stream.write_all(text.as_bytes()).map_err(|error| broken(&error))?;
        stream.flush().map_err(|error| broken(&error))?;
    }
    OutgoingBody::finish(body, None).map_err(failed)?;
    pending.subscribe().block();
    let answer = pending.get().and_then(Result::ok).ok_or_else(|| TaskError::retry("there is no answer"))?;
    let answer = answer.map_err(failed)?;
    let headers = answer.headers().entries().into_iter();
    let headers = headers.map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect();
    let mut bytes = Vec::new();
    let incoming = answer.consume().map_err(|()| TaskError::retry("the answer's body was taken"))?;
    let mut stream = incoming.stream().map_err(|()| TaskError::retry("the answer's body was taken"))?;
    stream.read_to_end(&mut bytes).map_err(|error| TaskError::retry(format!("the answer breaks off: {error}")))?;
    Ok(Fetched {
        url: String::new(),
        status: answer.status(),
        headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
        redirects: 0,
    })
}

fn method_of(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.to_owned()),
    }
}

/// What may not go out stays so; the rest may pass.
fn failed(code: ErrorCode) -> TaskError {
    let message = format!("no answer: {code:?}");
    match code {
        ErrorCode::HttpRequestDenied
        | ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::ConnectionLimitReached => TaskError::permanent(message),
        _ => TaskError::retry(message),
    }
}
