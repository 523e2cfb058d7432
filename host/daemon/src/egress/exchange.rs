//! One request and its whole answer over one connection, within caps on size and time.

use super::Fault;
use super::check::{Checked, HOP_BY_HOP};
use super::wire::Wire;
use crate::outgoing::{Io, Stream, drive, secured};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use lovage_job::capability::Destination;
use lovage_sandbox::{HttpAnswer, HttpFault};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;

/// The longest request with its whole answer: one that drips is cut here, however short its pauses.
pub(super) const REQUEST_WITHIN: Duration = Duration::from_secs(60);
/// The largest body of an answer.
pub(super) const ANSWER_BYTES_MAX: usize = 8 << 20;
/// The most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Connects to an address that was checked.
pub(super) async fn connect(
    address: SocketAddr,
    to: &Destination,
    tls: Option<Arc<ClientConfig>>,
    used: Arc<AtomicU64>,
    most: u64,
) -> Result<Stream, Fault> {
    let refused = |error| Fault::new(HttpFault::ConnectionRefused, format!("no connection to {to}: {error}"));
    let stream = Wire::new(TcpStream::connect(address).await.map_err(refused)?, used, most);
    let insecure = |error| Fault::new(HttpFault::Tls, format!("no secure connection to {to}: {error}"));
    secured(stream, &to.host.to_string(), tls).await.map_err(insecure)
}

/// Sends the request and reads the answer.
pub(super) async fn exchange(stream: Stream, request: Checked) -> Result<HttpAnswer, Fault> {
    let Checked { to, method, path, headers, body, first_byte_within, between_bytes_within, connect_within: _ } =
        request;
    let broken = |error: &dyn std::fmt::Display| {
        Fault::new(HttpFault::Protocol, format!("{to} does not answer as HTTP asks: {error}"))
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(Io(stream)).await.map_err(|error| broken(&told(&error)))?;
    let mut request = Request::new(Full::new(Bytes::from(body)));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, path.into(), headers);
    let answer = async {
        let response = tokio::time::timeout(first_byte_within, sender.send_request(request)).await;
        let late = |_| Fault::new(HttpFault::ReadTimeout, format!("{to} did not begin to answer in time"));
        let response = response.map_err(late)?.map_err(|error| broken(&told(&error)))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(broken(&"it changes the protocol, which nobody asked for"));
        }
        read(response, &to, between_bytes_within).await
    };
    drive(connection, answer, |error| broken(&told(&error))).await
}

/// An error of hyper with its cause, which is what there is to know.
fn told(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

async fn read(response: Response<Incoming>, to: &Destination, between: Duration) -> Result<HttpAnswer, Fault> {
    let (head, mut incoming) = response.into_parts();
    let large =
        || Fault::new(HttpFault::ResponseBodySize, format!("{to} answers with more than {ANSWER_BYTES_MAX} bytes"));
    if usize::try_from(incoming.size_hint().lower()).is_ok_and(|least| least > ANSWER_BYTES_MAX) {
        return Err(large());
    }
    let mut body = Vec::new();
    loop {
        let frame = tokio::time::timeout(between, incoming.frame()).await;
        let late =
            |_| Fault::new(HttpFault::ReadTimeout, format!("{to} paused for longer than {between:?} in its answer"));
        let Some(frame) = frame.map_err(late)? else { break };
        let cut = |error| Fault::new(HttpFault::Incomplete, format!("the answer of {to} is cut: {}", told(&error)));
        // trailers are left out: they belong to the connection as headers of it do
        if let Ok(data) = frame.map_err(cut)?.into_data() {
            if body.len().saturating_add(data.len()) > ANSWER_BYTES_MAX {
                return Err(large());
            }
            body.extend_from_slice(&data);
        }
    }
    Ok(HttpAnswer { status: head.status.as_u16(), headers: headers(&head.headers), body, wire_bytes: 0 })
}

fn headers(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let kept = headers.iter().filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str()));
    kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
