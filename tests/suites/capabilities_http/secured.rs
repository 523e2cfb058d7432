//! Outgoing HTTP over TLS: to servers whose certificate the machine trusts, for the name that was asked for, and to no
//! other.

use lovage_job::outcome::OutcomeKind;
use serde_json::{Value, json};

use super::{Server, fetch, ground_with, message, ok};
use crate::certificates::Authority;

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_reached_over_tls_where_the_machine_trusts_their_certificate_for_their_name() {
    let (trusted, unknown) = (Authority::new(), Authority::new());
    let good = Server::secured(ok("hello"), &trusted.issue("127.0.0.1")).await;
    let named = Server::secured(ok("hello"), &trusted.issue("localhost")).await;
    let forged = Server::secured(ok("forged"), &unknown.issue("127.0.0.1")).await;
    let plain = Server::start(ok("plain"), b"").await;
    let url = |host: &str, port: u16| format!("https://{host}:{port}");
    let (good_url, named_url) = (url("127.0.0.1", good.port), url("localhost", named.port));
    let wrong = [url("127.0.0.1", named.port), url("127.0.0.1", forged.port), url("127.0.0.1", plain.port)];
    let hosts: Vec<String> = [&good_url, &named_url].into_iter().chain(&wrong).cloned().collect();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, &trusted.pem).unwrap();
    let trusts = |worker: lovage_tests::WorkerSetup| worker.env("SSL_CERT_FILE", roots.to_str().unwrap());
    let (_nats, _worker, jobs) = ground_with("[egress]\nallow_private = true\n", &hosts, trusts).await;
    for (url, server) in [(&good_url, &good), (&named_url, &named)] {
        let done = jobs.run(fetch(url, json!({"method": "POST", "body": "ping"}))).await;
        assert_eq!(done.record.outcome, OutcomeKind::Completed, "{url}: {done:?}");
        let told: Value = serde_json::from_slice(&done.body).unwrap();
        assert_eq!((&told["status"], &told["body"]), (&json!(200), &json!("hello")));
        let got = server.got();
        assert!(got.len() == 1 && got[0].starts_with("POST / HTTP/1.1\r\n") && got[0].ends_with("ping"), "{got:?}");
        assert!(done.record.meter.egress_bytes > got[0].len() as u64, "the handshake counts, too");
    }
    for url in &wrong {
        let told = message(&jobs.run(fetch(url, json!({"body": "secret"}))).await);
        assert!(told.contains("Tls"), "{url}: {told}");
    }
    // and nothing of the request went to those
    assert_eq!((named.got().len(), forged.got().len()), (1, 0));
    assert!(!plain.got().concat().contains("secret"));
}
