//! One POST to an address that was checked: no redirect is followed, and only the start of the answer is read.

use super::answer::Answer;
use crate::outgoing::{Io, Stream, drive, secured};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, client::conn::http1};
use lovage_job::flow::WebhookUrl;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;

/// How much of an answer's body is kept.
const KEPT_BYTES: usize = 4 * 1024;

/// Posts `body` to `url` at `address`, and reads the start of the answer.
pub(super) async fn post(
    url: &WebhookUrl,
    address: SocketAddr,
    headers: HeaderMap,
    body: Bytes,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Answer, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("no connection to {address}: {error}"))?;
    let stream = secured(stream, url.host(), tls).await;
    let stream = stream.map_err(|error| format!("no secure connection to {}: {error}", url.authority()))?;
    exchange(url, stream, headers, body).await
}

async fn exchange(url: &WebhookUrl, stream: Stream, mut headers: HeaderMap, body: Bytes) -> Result<Answer, String> {
    let failed = |error: hyper::Error| format!("{} does not answer as HTTP asks: {error}", url.authority());
    let (mut sender, connection) = http1::handshake(Io(stream)).await.map_err(failed)?;
    let host = HeaderValue::from_str(&url.authority()).map_err(|error| error.to_string())?;
    headers.insert(hyper::header::HOST, host);
    let mut request = Request::post(url.path_and_query());
    if let Some(own) = request.headers_mut() {
        *own = headers;
    }
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let (head, mut body) = response.into_parts();
        let mut kept = Vec::new();
        while kept.len() < KEPT_BYTES
            && let Some(frame) = body.frame().await
        {
            let frame = frame.map_err(failed)?;
            let data = frame.data_ref().map_or(&[][..], |data| data.as_ref());
            kept.extend(data.iter().take(KEPT_BYTES - kept.len()));
        }
        let retry_after = head.headers.get(hyper::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer { status: head.status.as_u16(), retry_after, start: kept })
    };
    drive(connection, answer, failed).await
}
