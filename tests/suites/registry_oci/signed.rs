//! Artefacts that cosign signed with a key. The signatures are made here as cosign makes them: an artefact beside the one
//! that is signed, tagged with its digest.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lovage_job::name::Digest;
use lovage_tests::OciRegistry;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::small::{Ground, numbers};

/// What a public key on P-256 begins with in DER.
const PREFIX: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

struct Cosign {
    pair: EcdsaKeyPair,
    pem: String,
}

impl Cosign {
    fn new() -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_ref(), &random).unwrap();
        let prefix = (0..PREFIX.len()).step_by(2).map(|at| u8::from_str_radix(&PREFIX[at..at + 2], 16).unwrap());
        let der: Vec<u8> = prefix.chain(pair.public_key().as_ref().iter().copied()).collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        Self { pair, pem }
    }

    /// Signs a manifest as `cosign sign --key` does, and puts the signature beside the one with digest `beside`.
    fn sign(&self, registry: &OciRegistry, repository: &str, signed: &Digest, beside: &Digest) {
        let payload = json!({"critical": {
            "identity": {"docker-reference": format!("{}/{repository}", registry.host())},
            "image": {"docker-manifest-digest": signed}, "type": "cosign container image signature",
        }, "optional": null})
        .to_string();
        let signature = self.pair.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        let payload_digest = put_blob(registry, repository, payload.as_bytes());
        let config = put_blob(registry, repository, b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [{
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": payload_digest, "size": payload.len(),
                "annotations": {"dev.cosignproject.cosign/signature": STANDARD.encode(signature.as_ref())},
            }],
        });
        let tag = format!("sha256-{}.sig", beside.hex());
        let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
        let path = format!("/v2/{repository}/manifests/{tag}");
        assert!(ask(registry, "PUT", &path, kind, manifest.to_string().as_bytes()).starts_with("HTTP/1.1 201"));
    }
}

/// One request, as plain as can be; returns the head of the answer.
fn ask(registry: &OciRegistry, method: &str, path: &str, headers: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(registry.host()).unwrap();
    let (host, length) = (registry.host(), body.len());
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn put_blob(registry: &OciRegistry, repository: &str, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    let begun = ask(registry, "POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
    let place = begun.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap_or_else(|| panic!("{begun}"));
    let path = place.split_once(registry.host()).map_or(place, |(_, path)| path);
    let kind = "Content-Type: application/octet-stream\r\n";
    let stored = ask(registry, "PUT", &format!("{path}&digest={digest}"), kind, bytes);
    assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
    digest
}

#[test]
fn artefact_is_taken_only_with_the_signature_that_is_asked_for() {
    let (ground, registry) = (Ground::new(), OciRegistry::start());
    let exported = |answer: u32| -> (String, Digest) {
        let file = ground.file("a.wasm", &numbers(&[("answer", answer)]));
        let to = registry.reference(&format!("answer:{answer}"));
        let brought = ground.cli.json(["push", file.to_str().unwrap(), "--to", &to]);
        (to, brought["manifest"].as_str().unwrap().parse().unwrap())
    };
    let ((one, one_digest), (two, two_digest)) = (exported(1), exported(2));
    let (ours, stranger) = (Cosign::new(), Cosign::new());
    let key = ground.file("cosign.pub", ours.pem.as_bytes());
    let key = key.to_str().unwrap();
    let refused = |reference: &str, why: &str| {
        let told = ground.cli.run(["push", reference, "--cosign-key", key]).fails_with(2);
        assert!(told.stderr.contains("cosign: ") && told.stderr.contains(why), "{}", told.stderr);
    };
    refused(&one, "there is no signature");
    stranger.sign(&registry, "answer", &one_digest, &one_digest);
    refused(&one, "with another key");
    // ours, of the other artefact, laid beside this one
    ours.sign(&registry, "answer", &two_digest, &one_digest);
    refused(&one, "of another artefact");
    ours.sign(&registry, "answer", &one_digest, &one_digest);
    ground.cli.ok(["push", &one, "--cosign-key", key]);
    let shown = ground.cli.json(["task", "show", "answer"]);
    assert_eq!(shown["version"]["provenance"]["source"]["cosign"], "cosign.pub", "{shown}");

    // the same as the tenant's policy, which no option gets around
    let acme = ground.cli.clone().tenant("acme");
    acme.ok(["push", &one]);
    let told = acme.run([
        "tenant",
        "keys",
        "add",
        "acme",
        "bad",
        &ground.file("x", b"-----BEGIN PUBLIC KEY-----").display().to_string(),
    ]);
    assert_eq!(told.code, Some(2), "{}", told.stderr);
    acme.ok(["tenant", "keys", "add", "acme", "builds", key]);
    let told = acme.run(["push", &two]).fails_with(2);
    assert!(told.stderr.contains("not signed with builds"), "{}", told.stderr);
    ours.sign(&registry, "answer", &two_digest, &two_digest);
    acme.ok(["push", &two]);
    let shown = acme.json(["task", "show", "answer"]);
    assert_eq!(shown["version"]["provenance"]["source"]["cosign"], "builds", "{shown}");
    // a cosign key says nothing of tenant, task and version, so it does not stand in for the other kind
    let told = acme.run(["tenant", "policy", "acme", "--require-signature"]).fails_with(2);
    assert!(told.stderr.contains("trusts no key"), "{}", told.stderr);
    acme.ok(["tenant", "keys", "rm", "acme", "builds"]);
    let file = ground.file("a.wasm", &numbers(&[("answer", 1)]));
    let told = acme.run(["push", file.to_str().unwrap(), "--cosign-key", key]).fails_with(2);
    assert!(told.stderr.contains("--signature"), "{}", told.stderr);
}
