//! The courier: signs a webhook, finds where it goes, and makes one try.

use super::post::post;
use crate::egress::address::is_public;
use crate::outgoing::tls;
use crate::ports::{Courier, Delivered, Letter};
use futures::future::BoxFuture;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use lovage_client::Client;
use lovage_job::flow::WebhookUrl;
use lovage_job::outcome::{Failure, RetryHint};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::task::AbortOnDropHandle;

/// Delivers webhooks over HTTP. Clones share what they have loaded.
#[derive(Debug, Clone)]
pub struct HttpCourier {
    nats: async_nats::Client,
    /// Where the tries run: guests must not wait for them, nor they for guests.
    runtime: tokio::runtime::Handle,
    allow_private: bool,
    tls: Arc<OnceLock<Result<Arc<ClientConfig>, String>>>,
}

/// Why a webhook was not delivered, before anyone answered.
enum Fault {
    /// A retry changes nothing.
    Final(String),
    /// It may pass.
    Passing(String),
    /// The secret cannot be had.
    Secret(String),
}

impl HttpCourier {
    /// A courier that reads secrets over a connection. Only with `allow_private` it goes to private addresses.
    pub fn new(nats: async_nats::Client, runtime: tokio::runtime::Handle, allow_private: bool) -> Self {
        Self { nats, runtime, allow_private, tls: Arc::default() }
    }

    async fn try_once(&self, letter: &Letter) -> Result<Delivered, Fault> {
        let address = self.address(&letter.url).await?;
        let headers = self.headers(letter).await?;
        let tls = match letter.url.is_https() {
            true => Some(self.tls.get_or_init(tls).clone().map_err(Fault::Passing)?),
            false => None,
        };
        let answer = post(&letter.url, address, headers, letter.body.clone(), tls).await.map_err(Fault::Passing)?;
        Ok(answer.judge(SystemTime::now()))
    }

    /// The address that the connection goes to: the name is resolved once, and what was checked is what is used.
    async fn address(&self, url: &WebhookUrl) -> Result<SocketAddr, Fault> {
        let host = url.host().trim_matches(['[', ']']);
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, url.port())],
            Err(_) => {
                let found = tokio::net::lookup_host((host, url.port())).await;
                found.map_err(|error| Fault::Passing(format!("host {host} is not found: {error}")))?.collect()
            }
        };
        let Some(first) = found.first() else { return Err(Fault::Passing(format!("host {host} has no address"))) };
        let allowed = found.iter().find(|address| self.allow_private || is_public(address.ip()));
        allowed.copied().ok_or_else(|| {
            Fault::Final(format!(
                "host {host} has the address {}, which is not public; the operator allows such with [webhook] allow_private = true",
                first.ip()
            ))
        })
    }

    async fn headers(&self, letter: &Letter) -> Result<HeaderMap, Fault> {
        let secrets = Client::new(self.nats.clone(), letter.tenant.clone()).webhook_secrets().await;
        let secrets = secrets.map_err(|error| Fault::Secret(error.to_string()))?;
        let now = crate::clock::now();
        let signature = secrets.sign(letter.id.as_str(), now, &letter.body);
        let seconds = (now.0 / 1_000).to_string();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("lovage/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in
            [("webhook-id", letter.id.as_str()), ("webhook-timestamp", &seconds), ("webhook-signature", &signature)]
        {
            let value = HeaderValue::from_str(value).map_err(|error| Fault::Final(error.to_string()))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Some(trace) = letter.trace.and_then(|trace| HeaderValue::from_str(&trace.to_string()).ok()) {
            headers.insert(HeaderName::from_static(lovage_job::header::TRACE_PARENT), trace);
        }
        Ok(headers)
    }
}

impl Courier for HttpCourier {
    fn deliver(&self, letter: Letter) -> BoxFuture<'static, Delivered> {
        let (courier, timeout) = (self.clone(), letter.timeout);
        let task = self.runtime.spawn(async move {
            match tokio::time::timeout(letter.timeout, courier.try_once(&letter)).await {
                Err(_) => Delivered::TimedOut(letter.timeout),
                Ok(Ok(delivered)) => delivered,
                Ok(Err(Fault::Secret(reason))) => Delivered::NoSecret(reason),
                Ok(Err(Fault::Final(message))) => failed(message, RetryHint::Never),
                Ok(Err(Fault::Passing(message))) => failed(message, RetryHint::Retry),
            }
        });
        // a job that is cancelled drops this, and the try with it
        let task = AbortOnDropHandle::new(task);
        Box::pin(async move { task.await.unwrap_or(Delivered::TimedOut(timeout)) })
    }
}

fn failed(message: String, retry: RetryHint) -> Delivered {
    Delivered::Failed(Failure { message, details: None, retry })
}
