//! TLS of the server's own, and a certificate that is changed while it runs.

use lovage_tests::{Nats, Process, WITHIN, cli, eventually};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::path::Path;

fn certificate(folder: &Path) -> String {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.pem()
}

/// A client that trusts this certificate alone.
async fn asks(port: u16, pem: &str, token: &str) -> Result<u16, String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config.with_no_client_auth()));
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
    let request = format!(
        "GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut said = Vec::new();
    // the end of a stream that is not closed in TLS's own words is an end all the same
    let _how_it_ends = stream.read_to_end(&mut said).await;
    let said = String::from_utf8_lossy(&said).into_owned();
    said.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(said)
}

#[tokio::test]
async fn a_server_speaks_tls_and_takes_a_new_certificate_while_it_runs() {
    let nats = Nats::start();
    let (folder, url) = (tempfile::tempdir().unwrap(), nats.url());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let first = certificate(folder.path());
    let made = cli(&nats).json(["token", "add", "t", "--all", "--role", "viewer"]);
    let token = made["token"].as_str().unwrap();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let args = ["serve", "--json", "--server", &url, "--http", "0.0.0.0:0", "--tls-cert", &cert, "--tls-key", &key];
    let process = Process::lovage("serve", args, |_| {});
    let port = async || {
        let said = process.stdout();
        let told: serde_json::Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
        let url = told["url"].as_str().unwrap().to_owned();
        let port = url.strip_prefix("https://0.0.0.0:").ok_or(said)?;
        Ok::<u16, String>(port.parse().unwrap())
    };
    let port = eventually("serve to listen", WITHIN, port).await;
    assert_eq!(asks(port, &first, token).await, Ok(200));
    assert_eq!(asks(port, &first, "lvg_x").await, Ok(401));
    let plain = reqwest::get(format!("http://127.0.0.1:{port}/livez")).await;
    assert!(plain.is_err(), "{plain:?}");
    let second = certificate(folder.path());
    assert!(asks(port, &second, token).await.is_err());
    let hangup = rustix::process::Signal::HUP;
    rustix::process::kill_process(rustix::process::Pid::from_raw(process.pid().try_into().unwrap()).unwrap(), hangup)
        .unwrap();
    eventually("the new certificate", WITHIN, async || {
        let answer = asks(port, &second, token).await;
        if answer == Ok(200) { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    // files that cannot be used are refused at the start, by name
    std::fs::write(&cert, "no certificate").unwrap();
    let told = cli(&nats).run(args).fails_with(2).stderr;
    assert!(told.contains("cert.pem"), "{told}");
}
