//! One HTTP request and its answer, which is read up to a bound.

use super::error::OciError;
use crate::outgoing::{Io, Stream, drive, secured};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use url::Url;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// How long a request and its answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);
/// How much of an answer that was not hoped for is kept.
const TOLD_BYTES_MAX: u64 = 4096;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Bytes,
    /// The most bytes of the answer's body.
    pub(super) max: u64,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header's text.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The host and port of a URL, for people.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Asks, and reads the answer.
pub(super) async fn ask(request: Ask, tls: &Arc<ClientConfig>) -> Result<Answer, OciError> {
    let host = host_of(&request.url);
    let failed = |reason: String| OciError::Transport { host: host.clone(), reason };
    let late = || failed(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
    let answered = tokio::time::timeout(ANSWER_WITHIN, exchange(&request, tls, &failed)).await;
    answered.map_err(|_| late())?
}

async fn exchange(
    request: &Ask,
    tls: &Arc<ClientConfig>,
    failed: &impl Fn(String) -> OciError,
) -> Result<Answer, OciError> {
    let name = request.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = request.url.port_or_known_default().unwrap_or(443);
    let connecting = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect((name.as_str(), port))).await;
    let stream = connecting
        .map_err(|_| failed(format!("no connection within {} s", CONNECT_WITHIN.as_secs())))?
        .map_err(|error| failed(format!("no connection: {error}")))?;
    let tls = (request.url.scheme() != "http").then(|| tls.clone());
    let stream = tokio::time::timeout(CONNECT_WITHIN, secured(stream, &name, tls)).await;
    let stream = stream
        .map_err(|_| failed("no secure connection in time".to_owned()))?
        .map_err(|error| failed(format!("no secure connection: {error}")))?;
    over(request, stream, failed).await
}

async fn over(ask: &Ask, stream: Stream, failed: &impl Fn(String) -> OciError) -> Result<Answer, OciError> {
    let broken = |error: hyper::Error| failed(format!("it does not answer as HTTP asks: {error}"));
    let (mut sender, connection) = http1::handshake(Io(stream)).await.map_err(broken)?;
    let query = ask.url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut request = Request::builder().method(ask.method.clone()).uri(format!("{}{query}", ask.url.path()));
    let host = HeaderValue::from_str(&host_of(&ask.url)).map_err(|error| failed(error.to_string()))?;
    request = request.header(HOST, host);
    for (name, value) in &ask.headers {
        let value = HeaderValue::from_str(value).map_err(|error| failed(format!("header {name}: {error}")))?;
        request = request.header(name, value);
    }
    let request = request.body(Full::new(ask.body.clone())).map_err(|error| failed(error.to_string()))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, mut body) = response.into_parts();
        let status = head.status.as_u16();
        // an answer that was not hoped for says why in its beginning, and is cut; the other is refused whole
        let (max, cut) = if (200..300).contains(&status) { (ask.max, false) } else { (TOLD_BYTES_MAX, true) };
        let mut kept = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(broken)?;
            let data = frame.data_ref().map_or(&[][..], |data| data.as_ref());
            let room = usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(kept.len());
            if data.len() > room && !cut {
                let what = format!("the answer to {}", ask.url.path());
                return Err(OciError::TooLarge { what, size: (kept.len() + data.len()) as u64, max });
            }
            kept.extend(data.iter().take(room));
            if cut && data.len() >= room {
                break;
            }
        }
        Ok(Answer { status, headers: head.headers, body: kept })
    };
    drive(connection, answer, broken).await
}
