//! One POST to an address that was checked: no redirect is followed, and only the start of the answer is read.

use super::answer::Answer;
use crate::egress::io::Io;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, client::conn::http1};
use lovage_job::flow::WebhookUrl;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// How much of an answer's body is kept.
const KEPT_BYTES: usize = 4 * 1024;

/// Trusts whom the machine trusts.
pub(crate) fn tls() -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // certificates that cannot be used are left out; without any, every https URL fails with that reason
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

/// Posts `body` to `url` at `address`, and reads the start of the answer.
pub(super) async fn post(
    url: &WebhookUrl,
    address: SocketAddr,
    headers: HeaderMap,
    body: Bytes,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Answer, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("no connection to {address}: {error}"))?;
    match tls {
        None => exchange(url, stream, headers, body).await,
        Some(config) => {
            let host = url.host().trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
            let stream = TlsConnector::from(config).connect(name, stream).await;
            let stream = stream.map_err(|error| format!("no secure connection to {}: {error}", url.authority()))?;
            exchange(url, stream, headers, body).await
        }
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    url: &WebhookUrl,
    stream: S,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, String> {
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
    tokio::pin!(connection);
    tokio::pin!(answer);
    // the connection is driven until the answer is read, and is dropped with it
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(failed(error)),
        },
    }
}
