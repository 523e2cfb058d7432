//! HTTP handlers: `wasi:http/incoming-handler`. The job comes as a POST to `/`; the response is the result.

use crate::attempt::cell::Cell;
use crate::attempt::ending::Fault;
use crate::attempt::request::{AttemptRequest, JobInfo};
use crate::shape::response::{self, Answer};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use lovage_job::outcome::{Failure, Outcome, RetryHint};
use std::time::SystemTime;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// The authority of every request; no such host exists.
const AUTHORITY_URI: &str = "http://lovage.internal/";

type Responded = oneshot::Receiver<Result<http::Response<HyperOutgoingBody>, ErrorCode>>;

/// What a handler answered, as far as it came.
enum Received {
    Response(Answer),
    Refused(ErrorCode),
    TooLarge,
    Broken(String),
}

pub(crate) async fn call(
    pre: &ProxyPre<Cell>,
    store: &mut Store<Cell>,
    request: AttemptRequest,
) -> Result<Outcome, Fault> {
    let limit = request.limits.output;
    let incoming = match incoming(&request) {
        Ok(incoming) => incoming,
        Err(error) => return Ok(Outcome::HostFault { message: format!("the request cannot be made: {error}") }),
    };
    let proxy = pre.instantiate_async(&mut *store).await.map_err(Fault::Instantiate)?;
    let (respond, responded) = oneshot::channel();
    let mut http = store.data_mut().http();
    let incoming = http.new_incoming_request(Scheme::Http, incoming).map_err(Fault::Call)?;
    let outparam = http.new_response_outparam(respond).map_err(Fault::Call)?;

    let guest = proxy.wasi_http_incoming_handler().call_handle(&mut *store, incoming, outparam);
    let mut guest = std::pin::pin!(guest);
    // The guest may write its body for as long as it runs, and waits for whoever reads it.
    let mut reader = std::pin::pin!(tokio::task::unconstrained(receive(responded, limit.as_usize())));
    let mut received = None;
    let returned = loop {
        tokio::select! {
            biased;
            answer = &mut reader, if received.is_none() => match answer {
                Received::TooLarge => return Ok(Outcome::OutputTooLarge { output_bytes: limit.0 }),
                answer => received = Some(answer),
            },
            returned = &mut guest => break returned,
        }
    };
    returned.map_err(Fault::Call)?;
    if received.is_none() {
        // Nobody writes any more: what is there now is all there will be.
        received = futures::FutureExt::now_or_never(reader);
    }
    Ok(match received {
        Some(Received::Response(answer)) => response::outcome(answer, SystemTime::now()),
        Some(Received::TooLarge) => Outcome::OutputTooLarge { output_bytes: limit.0 },
        Some(Received::Refused(code)) => failed(format!("the handler gave no response but the error {code:?}")),
        Some(Received::Broken(error)) => failed(format!("the body of the response is broken: {error}")),
        None => failed("the handler returned without a whole response".to_owned()),
    })
}

fn failed(message: String) -> Outcome {
    Outcome::Failed(Failure { message, details: None, retry: RetryHint::Retry })
}

async fn receive(responded: Responded, limit: usize) -> Received {
    let response = match responded.await {
        Ok(Ok(response)) => response,
        Ok(Err(code)) => return Received::Refused(code),
        Err(_) => return Received::Broken("the handler dropped its response".to_owned()),
    };
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) if bytes.len().saturating_add(data.len()) > limit => return Received::TooLarge,
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            // Trailers say nothing about a job.
            Ok(Err(_)) => {}
            Err(error) => return Received::Broken(error.to_string()),
        }
    }
    Received::Response(Answer { status: parts.status, headers: parts.headers, body: bytes })
}

fn incoming(request: &AttemptRequest) -> Result<http::Request<Full<Bytes>>, http::Error> {
    let mut builder = http::Request::post(AUTHORITY_URI);
    if let Some(headers) = builder.headers_mut() {
        *headers = headers_of(&request.job);
        headers.insert(http::header::CONTENT_LENGTH, http::HeaderValue::from(request.input.len()));
    }
    builder.body(Full::new(request.input.clone()))
}

/// The headers of a job. The publisher's own cannot replace ours, nor those that frame the message.
fn headers_of(job: &JobInfo) -> http::HeaderMap {
    let mut map = http::HeaderMap::new();
    for (name, value) in &job.headers {
        let header = (http::HeaderName::try_from(name.as_str()), http::HeaderValue::try_from(value.as_str()));
        if let (Ok(name), Ok(value)) = header
            && !name.as_str().starts_with("lovage-")
            && !wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS.contains(&name)
        {
            map.append(name, value);
        }
    }
    let (attempt, attempts_max, deadline) =
        (job.attempt.to_string(), job.attempts_max.to_string(), job.deadline_unix_ms.to_string());
    let ours = [
        ("lovage-job-id", job.id.as_str()),
        ("lovage-task", job.task.as_str()),
        ("lovage-queue", job.queue.as_str()),
        ("lovage-attempt", attempt.as_str()),
        ("lovage-attempts-max", attempts_max.as_str()),
        ("lovage-deadline-ms", deadline.as_str()),
    ];
    for (name, value) in ours {
        if let Ok(value) = http::HeaderValue::try_from(value) {
            map.insert(http::HeaderName::from_static(name), value);
        }
    }
    if let Some(Ok(content_type)) = job.content_type.as_deref().map(http::HeaderValue::try_from) {
        map.insert(http::header::CONTENT_TYPE, content_type);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn received(body: &'static [u8], limit: usize) -> Received {
        let (respond, responded) = oneshot::channel();
        let body = Full::new(Bytes::from_static(body)).map_err(|never| match never {}).boxed_unsync();
        assert!(respond.send(Ok(http::Response::new(body))).is_ok());
        receive(responded, limit).await
    }

    #[tokio::test]
    async fn bodies_are_limited_to_the_byte() {
        assert!(matches!(received(b"12345", 5).await, Received::Response(answer) if answer.body == b"12345"));
        assert!(matches!(received(b"12345", 4).await, Received::TooLarge));
        assert!(matches!(received(b"", 0).await, Received::Response(_)));
    }

    #[tokio::test]
    async fn handlers_without_a_response_are_told_apart() {
        let (respond, responded) = oneshot::channel();
        assert!(respond.send(Err(ErrorCode::LoopDetected)).is_ok());
        assert!(matches!(receive(responded, 1).await, Received::Refused(ErrorCode::LoopDetected)));
        let (respond, responded) = oneshot::channel();
        drop(respond);
        assert!(matches!(receive(responded, 1).await, Received::Broken(_)));
    }

    #[test]
    fn publishers_cannot_forge_our_headers() {
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let job = JobInfo {
            id: "j1".to_owned(),
            attempt: 2,
            content_type: Some("text/plain".to_owned()),
            headers: vec![
                own("Lovage-Job-Id", "forged"),
                own("Lovage-Future", "forged"),
                own("Transfer-Encoding", "chunked"),
                own("bad name", "x"),
                own("X-Ok", "1"),
                own("X-Bad", "a\r\nb"),
            ],
            ..JobInfo::default()
        };
        let headers = headers_of(&job);
        assert_eq!(headers["lovage-job-id"], "j1");
        assert_eq!(headers["lovage-attempt"], "2");
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(headers["x-ok"], "1");
        assert_eq!(headers.len(), 8);
    }
}
