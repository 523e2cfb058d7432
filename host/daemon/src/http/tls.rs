//! The server's certificate, read from files and read again on SIGHUP.

use axum_server::tls_rustls::RustlsConfig;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The largest file of certificates or a key.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where certificate and key are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The chain of certificates, the server's own first, as PEM.
    pub cert: PathBuf,
    /// The key, as PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct TlsError {
    file: String,
    reason: String,
}

impl TlsFiles {
    /// Reads the files.
    pub(super) fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let bad = |path: &PathBuf, reason: &dyn std::fmt::Display| TlsError {
            file: path.display().to_string(),
            reason: reason.to_string(),
        };
        let text = |path: &PathBuf| {
            let size = std::fs::metadata(path).map_err(|error| bad(path, &error))?.len();
            if size > FILE_BYTES_MAX {
                return Err(bad(path, &format_args!("it has {size} bytes, more than {FILE_BYTES_MAX}")));
            }
            std::fs::read(path).map_err(|error| bad(path, &error))
        };
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&text(&self.cert)?).collect();
        let chain = chain.map_err(|error| bad(&self.cert, &error))?;
        if chain.is_empty() {
            return Err(bad(&self.cert, &"it holds no certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_slice(&text(&self.key)?).map_err(|error| bad(&self.key, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| bad(&self.cert, &error))?.with_no_client_auth();
        let mut config = config.with_single_cert(chain, key).map_err(|error| bad(&self.cert, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Reads the files again; where they cannot be used, the certificate before stays.
pub(super) fn reload(files: &TlsFiles, config: &RustlsConfig) {
    match files.read() {
        Ok(new) => {
            config.reload_from_config(new);
            tracing::info!("the certificate was read again");
        }
        Err(error) => tracing::error!(error = %error, "the certificate cannot be read again; the one before stays"),
    }
}
