//! Components in registries: brought to a real one and taken from it again, and what is not taken: other bytes than were
//! named, more than was asked for, from whom nobody signed. What a real registry does not do, a hostile one here does.

mod hostile;
mod secured;
mod signed;

use std::fs;

use lovage_job::name::Digest;
use lovage_tests::{OciRegistry, REGISTRY_PASSWORD, REGISTRY_USER, Worker, shared_cache};
use serde_json::Value;

use crate::small::{Ground, job, number, numbers, run};

/// Pushes a component that answers this to tenant acme, and returns its digest.
fn pushed(ground: &Ground, answer: u32) -> Digest {
    let component = numbers(&[("answer", answer)]);
    ground.push("acme", &component, &[]);
    Digest::of(&component)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn component_goes_to_a_registry_and_comes_back_the_same() {
    let (ground, registry) = (Ground::new(), OciRegistry::start());
    let (acme, umbra) = (ground.cli.clone().tenant("acme"), ground.cli.clone().tenant("umbra"));
    let digest = pushed(&ground, 7);
    let reference = registry.reference("team/answer:1.0");
    let exported = acme.json(["task", "export", "answer", "--to", &reference]);
    assert_eq!(exported["digest"], digest.as_str(), "{exported}");
    let manifest: Digest = exported["manifest"].as_str().unwrap().parse().unwrap();
    let again = acme.json(["task", "export", "answer@1", "--to", &registry.reference("team/answer:again")]);
    assert_eq!(again["manifest"], exported["manifest"], "one version has one manifest");

    // the layout that other tools read
    let stored: Value = serde_json::from_slice(&fs::read(registry.blob(manifest.hex())).unwrap()).unwrap();
    assert_eq!(stored["mediaType"], "application/vnd.oci.image.manifest.v1+json", "{stored}");
    assert_eq!(stored["config"]["mediaType"], "application/vnd.wasm.config.v0+json", "{stored}");
    assert_eq!(stored["layers"].as_array().map(Vec::len), Some(1), "{stored}");
    assert_eq!(stored["layers"][0]["mediaType"], "application/wasm", "{stored}");
    assert_eq!(stored["layers"][0]["digest"], digest.as_str(), "{stored}");
    assert_eq!(stored["annotations"]["org.opencontainers.image.version"], "1", "{stored}");
    assert!(stored["annotations"]["lovage.provenance"].as_str().unwrap().contains("task.wasm"), "{stored}");
    assert!(!stored.to_string().contains("pushed_by"), "{stored}");
    let config: Digest = stored["config"]["digest"].as_str().unwrap().parse().unwrap();
    let config: Value = serde_json::from_slice(&fs::read(registry.blob(config.hex())).unwrap()).unwrap();
    assert_eq!((&config["architecture"], &config["os"]), (&"wasm".into(), &"wasip2".into()), "{config}");
    assert_eq!(config["layerDigests"][0], digest.as_str(), "{config}");

    // into another tenant, by tag and by digest
    let taken = umbra.json(["push", &reference]);
    assert_eq!((&taken[0]["task"], &taken[0]["digest"]), (&"answer".into(), &digest.as_str().into()), "{taken}");
    let shown = umbra.json(["task", "show", "answer"]);
    let source = &shown["version"]["provenance"]["source"];
    assert_eq!((&source["from"], &source["reference"]), (&"oci".into(), &reference.as_str().into()), "{shown}");
    assert_eq!(source["manifest"], manifest.as_str(), "{shown}");
    let pinned = registry.reference(&format!("team/answer@{manifest}"));
    let taken = umbra.json(["push", &pinned, "--version", "pinned"]);
    assert_eq!(taken[0]["digest"], digest.as_str(), "{taken}");
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let result = run(&ground.client("umbra").await, job("answer")).await;
    assert_eq!((number(&result), result.record.digest), (7, Some(digest)));

    // a file goes there without a broker
    let file = ground.file("other.wasm", &numbers(&[("answer", 8)]));
    let to = registry.reference("team/other");
    let brought = lovage_tests::Cli::without_server().json(["push", file.to_str().unwrap(), "--to", &to]);
    assert_eq!(brought["digest"], Digest::of(&numbers(&[("answer", 8)])).as_str(), "{brought}");
    let taken = umbra.json(["push", &to, "--version", "8"]);
    assert_eq!((&taken[0]["version"], &taken[0]["digest"]), (&"8".into(), &brought["digest"]), "{taken}");
}

#[test]
fn other_bytes_than_were_named_are_refused() {
    let (ground, registry) = (Ground::new(), OciRegistry::start());
    let acme = ground.cli.clone().tenant("acme");
    let digest = pushed(&ground, 1);
    let reference = registry.reference("answer:1");
    let exported = acme.json(["task", "export", "answer", "--to", &reference]);
    let umbra = ground.cli.clone().tenant("umbra");

    // the same length, another component
    fs::write(registry.blob(digest.hex()), numbers(&[("answer", 2)])).unwrap();
    let told = umbra.run(["push", &reference]).fails_with(2);
    assert!(told.stderr.contains(&format!("where {digest} is expected")), "{}", told.stderr);
    // longer, and shorter
    let whole = numbers(&[("answer", 1)]);
    for bytes in [[&whole[..], b"more"].concat(), whole[..whole.len() - 1].to_vec()] {
        fs::write(registry.blob(digest.hex()), bytes).unwrap();
        let told = umbra.run(["push", &reference]);
        assert!(matches!(told.code, Some(2 | 3)), "{told:?}");
    }
    fs::write(registry.blob(digest.hex()), &whole).unwrap();

    // a manifest that is not the one that was pinned
    let manifest: Digest = exported["manifest"].as_str().unwrap().parse().unwrap();
    let text = fs::read_to_string(registry.blob(manifest.hex())).unwrap();
    fs::write(registry.blob(manifest.hex()), text.replace("answer.wasm", "reswna.wasm")).unwrap();
    for name in [reference.clone(), registry.reference(&format!("answer@{manifest}"))] {
        let told = umbra.run(["push", &name]);
        assert!(matches!(told.code, Some(2 | 3)), "{told:?}");
    }
    fs::write(registry.blob(manifest.hex()), text).unwrap();
    umbra.ok(["push", &reference]);
}

#[test]
fn what_is_not_there_or_too_large_is_told() {
    let (ground, registry) = (Ground::new(), OciRegistry::start());
    let acme = ground.cli.clone().tenant("acme");
    pushed(&ground, 1);
    let size = numbers(&[("answer", 1)]).len();
    let reference = registry.reference("answer:1");
    acme.ok(["task", "export", "answer", "--to", &reference]);
    let told = acme.run(["push", &registry.reference("answer:2")]).fails_with(4);
    assert!(told.stderr.contains("there is no oci://"), "{}", told.stderr);
    let told = acme.run(["push", &registry.reference("nothing")]).fails_with(4);
    assert!(told.stderr.contains("nothing:latest"), "{}", told.stderr);
    let told = acme.run(["push", &reference, "--max-size", &format!("{}", size - 1)]).fails_with(2);
    assert!(told.stderr.contains(&format!("{size} bytes, more than")), "{}", told.stderr);
    acme.ok(["push", &reference, "--max-size", &format!("{size}")]);
    for bad in ["oci://", "oci://nowhere", "oci:///a", "oci://h/A", "oci:x"] {
        let told = acme.run(["push", bad]).fails_with(2);
        assert!(told.stderr.contains("not the name of an artefact"), "{bad}: {}", told.stderr);
    }
    let told = acme.run(["task", "export", "answer@9", "--to", &reference]).fails_with(4);
    assert!(told.stderr.contains("no version 9"), "{}", told.stderr);
    // a registry that is not there
    let told = acme.run(["push", "oci://127.0.0.1:1/answer"]).fails_with(3);
    assert!(told.stderr.contains("no connection"), "{}", told.stderr);
    // TLS is what other hosts speak, and what is asked for
    let told = acme.run(["push", &reference, "--plain-http=false"]).fails_with(3);
    assert!(told.stderr.contains("no secure connection"), "{}", told.stderr);
}

#[test]
fn registry_that_wants_to_know_who_asks_is_told() {
    let (ground, registry) = (Ground::new(), OciRegistry::with_login());
    let acme = ground.cli.clone().tenant("acme");
    pushed(&ground, 1);
    let reference = registry.reference("answer:1");
    let told = acme.run(["task", "export", "answer", "--to", &reference]).fails_with(3);
    assert!(told.stderr.contains("asks for credentials"), "{}", told.stderr);
    let (right, wrong) = (ground.file("right", REGISTRY_PASSWORD.as_bytes()), ground.file("wrong", b"open"));
    let login = |password: &std::path::Path| {
        let password = password.to_str().unwrap().to_owned();
        ["--registry-user".to_owned(), REGISTRY_USER.to_owned(), "--registry-password-file".to_owned(), password]
    };
    let export = |login: &[String]| {
        let args = ["task", "export", "answer", "--to", &reference].map(str::to_owned);
        acme.run(args.into_iter().chain(login.iter().cloned()))
    };
    let told = export(&login(&wrong)).fails_with(3);
    assert!(told.stderr.contains("not taken"), "{}", told.stderr);
    assert!(!told.stderr.contains("open\n"), "{}", told.stderr);
    let _ = export(&login(&right)).ok();

    // as docker is logged in: at this registry, and at another port of this machine
    let docker = |host: &str| {
        use base64::Engine as _;
        let both = format!("{REGISTRY_USER}:{REGISTRY_PASSWORD}");
        let both = base64::engine::general_purpose::STANDARD.encode(both);
        let config = serde_json::json!({"auths": {host: {"auth": both}}});
        let file = ground.file("config.json", config.to_string().as_bytes());
        acme.clone().env("DOCKER_CONFIG", file.parent().unwrap().to_str().unwrap())
    };
    let told = docker("127.0.0.1:1").run(["push", &reference]).fails_with(3);
    assert!(told.stderr.contains("asks for credentials"), "{}", told.stderr);
    docker(registry.host()).ok(["push", &reference]);
}
