//! What every outgoing HTTP/1.1 connection shares, whoever asks over it: whom it trusts, how it is secured, and how it
//! is driven. Addresses, names and caps are for those who ask.

mod io;

pub(crate) use io::Io;

use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// A connection, secured or not.
pub(crate) type Stream = Box<dyn Duplex>;

/// What is read from and written to.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

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

/// Secures a connection to a host (a name or an address, of IPv6 with brackets or without), or leaves it as it is.
/// Fails with what is wrong with the host's certificate or its TLS.
pub(crate) async fn secured(
    stream: impl Duplex + 'static,
    host: &str,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Stream, String> {
    let Some(config) = tls else { return Ok(Box::new(stream)) };
    let host = host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| error.to_string())?;
    Ok(Box::new(stream))
}

/// Drives a connection until the answer is read; it is dropped with it.
pub(crate) async fn drive<T, E>(
    connection: impl Future<Output = hyper::Result<()>>,
    answer: impl Future<Output = Result<T, E>>,
    broken: impl FnOnce(hyper::Error) -> E,
) -> Result<T, E> {
    let (mut connection, mut answer) = (pin!(connection), pin!(answer));
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(broken(error)),
        },
    }
}
