//! Outgoing HTTP: linked for every guest, since many tool chains import it, and refused where the task is not granted
//! any host. A request is collected whole and handed to the worker, who decides again and makes it.

use crate::attempt::event::LogLevel;
use crate::attempt::journal::Journal;
use crate::attempt::services::{Answer, Ask, HttpAnswer, HttpAsk, HttpFault, Refusal, Services};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// The largest body of a request that is collected.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Requests that a guest may have under way or not looked at; each may hold an answer.
const WAITING_MAX: usize = 8;
/// What a guest that says nothing waits for.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The requests of one guest.
pub(crate) struct Egress {
    journal: Journal,
    services: Option<Arc<dyn Services>>,
    granted: bool,
    used: Arc<AtomicU64>,
    places: Arc<tokio::sync::Semaphore>,
}

type Transmitted = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Transmitted), Error>;

impl Egress {
    pub(crate) fn new(journal: Journal, services: Option<Arc<dyn Services>>, granted: bool) -> Self {
        let places = Arc::new(tokio::sync::Semaphore::new(WAITING_MAX));
        Self { journal, services, granted, used: Arc::default(), places }
    }

    /// Bytes that answers took on the wire, both ways.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn refuse(&self, why: &str) -> Box<dyn Future<Output = Sent> + Send> {
        self.journal.line(LogLevel::Warn, why);
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmitted: Transmitted,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if !self.granted {
            return self.refuse("outgoing HTTP is not granted to this task");
        }
        let Some(services) = self.services.clone() else {
            return self.refuse("outgoing HTTP is not to be had here: only a job on a worker has it");
        };
        let (journal, used, places) = (self.journal.clone(), self.used.clone(), self.places.clone());
        Box::new(async move {
            // held until the whole answer is there: what a guest does not look at takes memory
            let _place = places.acquire_owned().await.map_err(|_| Error::ConnectionLimitReached)?;
            let ask = collect(request, options.unwrap_or_default()).await?;
            let to = printed(&ask);
            let told = |reason: &str| journal.line(LogLevel::Warn, &format!("request to {to}: {reason}"));
            match services.ask(Ask::Http(ask)).await {
                Ok(Answer::Http(answer)) => {
                    used.fetch_add(answer.wire_bytes, Ordering::Relaxed);
                    response(answer)
                }
                Ok(Answer::HttpFault(fault, reason)) => {
                    told(&reason);
                    Err(error_of(fault))
                }
                Err(Refusal::Denied(reason) | Refusal::Invalid(reason)) => {
                    told(&reason);
                    Err(Error::HttpRequestDenied)
                }
                Err(Refusal::Limit(reason)) => {
                    told(&reason);
                    Err(Error::ConnectionLimitReached)
                }
                Err(Refusal::Unavailable(reason)) => {
                    told(&reason);
                    Err(Error::DestinationUnavailable)
                }
                Ok(_) => Err(Error::InternalError(None)),
            }
        })
    }
}

/// Where a request goes, for the log.
fn printed(ask: &HttpAsk) -> String {
    let shown: String = ask.authority.chars().take(260).collect();
    format!("{}://{shown}", if ask.tls { "https" } else { "http" })
}

/// The whole request.
async fn collect(request: http::Request<WasiBody>, options: RequestOptions) -> Result<HttpAsk, Error> {
    let (head, mut body) = request.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if bytes.len().saturating_add(data.len()) > BODY_BYTES_MAX {
                return Err(Error::HttpRequestBodySize(Some(BODY_BYTES_MAX as u64)));
            }
            bytes.extend_from_slice(&data);
        }
    }
    let ms = |timeout: Option<Duration>| u64::try_from(timeout.unwrap_or(TIMEOUT).as_millis()).unwrap_or(u64::MAX);
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    Ok(HttpAsk {
        method: head.method.as_str().to_owned(),
        tls: head.uri.scheme() != Some(&http::uri::Scheme::HTTP),
        authority: head.uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default(),
        path: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: headers.collect(),
        body: bytes,
        connect_ms: ms(options.connect_timeout),
        first_byte_ms: ms(options.first_byte_timeout),
        between_bytes_ms: ms(options.between_bytes_timeout),
    })
}

/// The response as the guest reads it.
fn response(answer: HttpAnswer) -> Sent {
    let unfit = |_| Error::HttpProtocolError;
    let body = Full::new(Bytes::from(answer.body)).map_err(|never| match never {}).boxed_unsync();
    let mut response = http::Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(answer.status).map_err(|_| Error::HttpProtocolError)?;
    for (name, value) in answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        response.headers_mut().append(name, HeaderValue::from_bytes(&value).map_err(unfit)?);
    }
    Ok((response, Box::new(async { Ok(()) })))
}

/// What the guest is told.
fn error_of(fault: HttpFault) -> Error {
    match fault {
        HttpFault::Denied => Error::HttpRequestDenied,
        HttpFault::AddressProhibited => Error::DestinationIpProhibited,
        HttpFault::TooMany => Error::ConnectionLimitReached,
        HttpFault::NameUnknown => Error::DestinationNotFound,
        HttpFault::ConnectionRefused => Error::ConnectionRefused,
        HttpFault::ConnectTimeout => Error::ConnectionTimeout,
        HttpFault::Tls => Error::TlsProtocolError,
        HttpFault::ReadTimeout => Error::ConnectionReadTimeout,
        HttpFault::RequestBodySize => Error::HttpRequestBodySize(Some(BODY_BYTES_MAX as u64)),
        HttpFault::ResponseBodySize => Error::HttpResponseBodySize(None),
        HttpFault::Incomplete => Error::HttpResponseIncomplete,
        HttpFault::Protocol => Error::HttpProtocolError,
        HttpFault::Internal => Error::InternalError(None),
    }
}
