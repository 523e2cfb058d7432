//! A registry over TLS: trusted where the machine trusts its certificate, and not otherwise.

use lovage_tests::OciRegistry;
use serde_json::Value;

use super::pushed;
use crate::certificates::Authority;
use crate::small::Ground;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_over_tls_is_used_where_its_certificate_is_trusted() {
    let (trusted, unknown) = (Authority::new(), Authority::new());
    let registry = OciRegistry::secured(&trusted.issue("127.0.0.1").pem());
    let ground = Ground::new();
    let roots = ground.file("roots.pem", trusted.pem.as_bytes());
    let others = ground.file("others.pem", unknown.pem.as_bytes());
    let (trusts, doubts) = (("SSL_CERT_FILE", roots.to_str().unwrap()), ("SSL_CERT_FILE", others.to_str().unwrap()));
    let acme = ground.cli.clone().tenant("acme");
    let digest = pushed(&ground, 7);
    let reference = registry.reference("team/answer:1.0");
    let export = ["task", "export", "answer", "--to", &reference, "--plain-http=false"];
    for args in [&export[..], &["push", &reference, "--plain-http=false"]] {
        let told = acme.clone().env(doubts.0, doubts.1).run(args).fails_with(3);
        assert!(told.stderr.contains("certificate") && told.stderr.contains(registry.host()), "{}", told.stderr);
    }
    let acme = acme.env(trusts.0, trusts.1);
    let told = acme.run(["push", &reference, "--plain-http=false"]).fails_with(4);
    assert!(told.stderr.contains("team/answer"), "what was refused left nothing: {}", told.stderr);
    let exported = acme.json(export);
    assert_eq!(exported["digest"], digest.as_str(), "{exported}");
    let umbra = ground.cli.clone().tenant("umbra").env(trusts.0, trusts.1);
    let taken: Value = umbra.json(["push", &reference, "--plain-http=false"]);
    assert_eq!((&taken[0]["task"], &taken[0]["digest"]), (&"answer".into(), &digest.as_str().into()), "{taken}");
    // for another name than it is asked by, it is not the registry
    let by_name = reference.replace("127.0.0.1", "localhost");
    let told = umbra.run(["push", &by_name, "--version", "again", "--plain-http=false"]).fails_with(3);
    assert!(told.stderr.contains("certificate"), "{}", told.stderr);
}
