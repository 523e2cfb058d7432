//! Signed components: made and checked, required by a tenant, and refused on running workers once a key is gone.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use async_nats::jetstream::kv;
use lovage_client::Client;
use lovage_job::{catalog::VersionRecord, name::Digest, outcome::OutcomeKind, signature::Signature, subject::asset};
use lovage_tests::{Cli, WITHIN, Worker, eventually, shared_cache};
use serde_json::Value;

use crate::small::{Ground, job, number, numbers, run, tenant};

/// A key pair in files of a ground.
struct Key {
    secret: String,
    public: String,
    id: String,
}

fn key(ground: &Ground, name: &str) -> Key {
    let secret = ground.file(name, b"");
    fs::remove_file(&secret).unwrap();
    let made = Cli::without_server().json(["key", "new", "--out", secret.to_str().unwrap()]);
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    Key { secret: text("secret_file"), public: text("public_key"), id: text("key_id") }
}

fn file(ground: &Ground, answer: u32) -> String {
    let path = ground.file(&format!("answer-{answer}.wasm"), &numbers(&[("answer", answer)]));
    path.to_str().unwrap().to_owned()
}

/// Waits until a job of the tenant gives this.
async fn gives(client: &Client, wanted: u32) {
    let gives = async || {
        let result = run(client, job("answer")).await;
        match result.record.outcome {
            OutcomeKind::Completed if number(&result) == wanted => Ok(()),
            _ => Err(format!("{result:?}")),
        }
    };
    eventually(&format!("answer {wanted}"), WITHIN, gives).await;
}

/// Waits until a job of the tenant is refused with this code.
async fn refused(client: &Client, code: &str) {
    let refused = async || {
        let result = run(client, job("answer")).await;
        let told = result.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
        match result.record.outcome {
            OutcomeKind::BadComponent if told.starts_with(&format!("{code}: ")) => Ok(()),
            _ => Err(format!("{result:?}")),
        }
    };
    eventually(&format!("a refusal: {code}"), WITHIN, refused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsigned_components_are_refused_at_push_and_on_running_workers() {
    let ground = Ground::new();
    let acme = ground.cli.clone().tenant("acme");
    let (one, two, three) = (file(&ground, 1), file(&ground, 2), file(&ground, 3));
    let (key, other) = (key(&ground, "release.key"), key(&ground, "other.key"));
    acme.ok(["push", &one]);
    let worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let client = ground.client("acme").await;
    gives(&client, 1).await;

    // a policy that nothing could satisfy is refused; one that can be is in force at the next start
    let told = acme.run(["tenant", "policy", "acme", "--require-signature"]).fails_with(2);
    assert!(told.stderr.contains("trusts no key"), "{}", told.stderr);
    acme.ok(["tenant", "keys", "add", "acme", "release", &key.public]);
    let told = acme.run(["tenant", "policy", "acme", "--require-signature"]).ok();
    assert!(told.stderr.contains("no longer runs: unsigned: "), "{}", told.stderr);
    refused(&client, "unsigned").await;

    // what is refused at push leaves nothing
    let before = stored(&ground, "acme").await;
    for (options, code) in [(&[][..], "unsigned: "), (&["--sign-key", other.secret.as_str()][..], "untrusted-key: ")] {
        let args = ["push", two.as_str()].into_iter().chain(options.iter().copied());
        let told = acme.run(args).fails_with(2);
        assert!(told.stderr.contains(code), "{}", told.stderr);
    }
    assert_eq!(stored(&ground, "acme").await, before);

    // the same component, signed later, is the same version
    let pushed = acme.json(["push", &one, "--sign-key", &key.secret]);
    assert_eq!((&pushed[0]["existing"], &pushed[0]["version"]), (&true.into(), &"1".into()), "{pushed}");
    gives(&client, 1).await;
    acme.ok(["push", &two, "--sign-key", &key.secret, "--sign-comment", "the second"]);
    gives(&client, 2).await;
    let shown = acme.json(["task", "show", "answer"]);
    assert_eq!(shown["version"]["signatures"][0]["key_id"], key.id.as_str(), "{shown}");
    assert_eq!(shown["signatures"]["signed_by"]["signer"], "release", "{shown}");
    assert_eq!(shown["signatures"]["signed_by"]["trusted_comment"], "the second", "{shown}");
    let shown = acme.ok(["task", "show", "answer"]);
    assert!(shown.contains(&format!("signed by release ({})", key.id)), "{shown}");

    // signed on another machine, without the broker
    let signature = format!("{three}.minisig");
    let sign = ["sign", &three, "--task", "answer", "--version", "3", "--key", &key.secret];
    Cli::without_server().tenant("acme").ok(sign);
    let told = acme.run(["push", &three, "--version", "4", "--signature", &signature]).fails_with(2);
    assert!(told.stderr.contains("bad-signature: "), "{}", told.stderr);
    acme.ok(["push", &three, "--version", "3", "--signature", &signature]);
    gives(&client, 3).await;

    // a key that is removed counts for the next start, and one that comes back too
    let told = acme.run(["tenant", "keys", "rm", "acme", "release"]).ok();
    assert!(told.stderr.contains("none of its jobs starts"), "{}", told.stderr);
    refused(&client, "untrusted-key").await;
    acme.ok(["tenant", "keys", "add", "acme", "release", &key.public]);
    gives(&client, 3).await;

    // what the policy refuses cannot be promoted
    acme.ok(["tenant", "policy", "acme", "--require-signature=false"]);
    acme.ok(["push", &file(&ground, 5), "--version", "5", "--no-promote"]);
    acme.ok(["tenant", "policy", "acme", "--require-signature"]);
    let told = acme.run(["task", "promote", "answer", "5"]).fails_with(2);
    assert!(told.stderr.contains("unsigned: "), "{}", told.stderr);
    gives(&client, 3).await;
    drop(worker);

    // all of it is in the audit trail
    let trail = acme.ok(["audit", "--kind", "signatures", "--json"]);
    let trail: Vec<Value> = trail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |action: &str, refused: &str| {
        trail.iter().any(|entry| {
            let told = entry["refused"].as_str().unwrap_or_default();
            entry["action"] == action && told.starts_with(refused) && told.is_empty() == refused.is_empty()
        })
    };
    for (action, code) in [
        ("tenant keys add", ""),
        ("tenant keys rm", ""),
        ("tenant policy", ""),
        ("push", "unsigned: "),
        ("push", "untrusted-key: "),
        ("load", "unsigned: "),
    ] {
        assert!(has(action, code), "{action} {code}: {trail:?}");
    }

    // and a worker that begins anew decides alike
    let _fresh = Worker::of(&ground.nats).name("fresh").cache_dir(shared_cache()).start();
    gives(&client, 3).await;
    let pinned = run(&client, job("answer").version("5".parse().unwrap()).unchecked()).await;
    assert_eq!(pinned.record.outcome, OutcomeKind::BadComponent, "{pinned:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_for_one_name_does_not_run_under_another() {
    let ground = Ground::new();
    let key = key(&ground, "release.key");
    let (acme, umbra) = (ground.cli.clone().tenant("acme"), ground.cli.clone().tenant("umbra"));
    for (cli, name) in [(&acme, "acme"), (&umbra, "umbra")] {
        cli.ok(["push", &file(&ground, 1)]);
        cli.ok(["tenant", "keys", "add", name, "release", &key.public]);
        cli.ok(["push", &file(&ground, 1), "--sign-key", &key.secret]);
        cli.ok(["tenant", "policy", name, "--require-signature"]);
    }
    acme.ok(["push", &file(&ground, 2), "--sign-key", &key.secret]);
    let bucket = ground.nats.jetstream().await.get_key_value(asset::CATALOG).await.unwrap();
    let genuine = version(&bucket, "acme.version.answer.2").await;

    // someone with the broker's keys puts what acme's signer signed where it was not meant to be
    put(&bucket, "acme.version.answer.1", &VersionRecord { version: "1".parse().unwrap(), ..genuine.clone() }).await;
    let copied = VersionRecord { version: "1".parse().unwrap(), ..genuine.clone() };
    put(&bucket, "umbra.version.answer.1", &copied).await;
    copy_components(&ground, "acme", "umbra").await;
    let renamed = VersionRecord { task: "other".parse().unwrap(), ..genuine.clone() };
    put(&bucket, "acme.version.other.2", &renamed).await;
    let task = bucket.get("acme.task.answer").await.unwrap().unwrap();
    let task = String::from_utf8(task.to_vec()).unwrap().replace(r#""task":"answer""#, r#""task":"other""#);
    bucket.put("acme.task.other", task.into()).await.unwrap();

    let (one, two) = (Digest::of(&numbers(&[("answer", 1)])), Digest::of(&numbers(&[("answer", 2)])));
    rewrite(&bucket, "acme.task.answer", one.as_str(), two.as_str()).await;
    rewrite(&bucket, "umbra.task.answer", one.as_str(), two.as_str()).await;

    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let (ours, theirs) = (ground.client("acme").await, ground.client("umbra").await);
    gives(&ours, 2).await;
    for (client, name, pin) in [(&ours, "answer", "1"), (&theirs, "answer", "1"), (&ours, "other", "2")] {
        let result = run(client, job(name).version(pin.parse().unwrap()).unchecked()).await;
        let told = result.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
        assert_eq!(result.record.outcome, OutcomeKind::BadComponent, "{name} {pin}: {result:?}");
        assert!(told.starts_with("bad-signature: "), "{name} {pin}: {told}");
    }

    // nor another component under the name that was signed
    let signed = version(&bucket, "acme.version.answer.2").await;
    put(&bucket, "acme.version.answer.2", &VersionRecord { digest: one.clone(), ..signed }).await;
    rewrite(&bucket, "acme.task.answer", two.as_str(), one.as_str()).await;
    let _fresh = Worker::of(&ground.nats).name("fresh").arg("--queue=fresh").cache_dir(shared_cache()).start();
    let fresh = job("answer").version("2".parse().unwrap()).queue("fresh".parse().unwrap()).unchecked();
    let result = run(&ours, fresh).await;
    let told = result.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    assert!(told.starts_with("bad-signature: "), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_that_cannot_be_read_lets_nothing_start() {
    let ground = Ground::new();
    let acme = ground.cli.clone().tenant("acme");
    acme.ok(["push", &file(&ground, 1)]);
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let client = ground.client("acme").await;
    gives(&client, 1).await;
    let bucket = ground.nats.jetstream().await.get_key_value(asset::TENANTS).await.unwrap();
    let record = bucket.get("acme").await.unwrap().unwrap();
    let mut broken: Value = serde_json::from_slice(&record).unwrap();
    broken["signatures"] = serde_json::json!({"required": "perhaps"});
    for broken in
        [broken.to_string(), "{".to_owned(), String::from_utf8(record.to_vec()).unwrap().replace("acme", "ajax")]
    {
        bucket.put("acme", broken.into()).await.unwrap();
        refused(&client, "bad-policy").await;
        let told = acme.run(["push", &file(&ground, 2)]);
        assert_ne!(told.code, Some(0), "{}", told.stdout);
        bucket.put("acme", record.clone()).await.unwrap();
        gives(&client, 1).await;
    }
}

#[test]
fn keys_are_files_that_only_their_owner_reads() {
    let ground = Ground::new();
    let cli = Cli::without_server();
    let made = key(&ground, "a.key");
    let mode = fs::metadata(&made.secret).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let public = fs::read_to_string(format!("{}.pub", made.secret)).unwrap();
    assert!(public.contains(&made.public) && made.public.starts_with("RW"), "{public}");
    let told = cli.run(["key", "new", "--out", &made.secret]).fails_with(2);
    assert!(told.stderr.contains("already"), "{}", told.stderr);
    assert!(Path::new(&made.secret).exists());

    // the message that is signed is what other programs may sign, and what is signed reads back
    let component = file(&ground, 1);
    let message = cli.ok(["sign", &component, "--task", "answer", "--version", "1", "--message"]);
    assert!(
        message.starts_with("lovage signature v1\ntenant default\ntask answer\nversion 1\ndigest sha256:"),
        "{message}"
    );
    let signed =
        cli.ok(["sign", &component, "--task", "answer", "--version", "1", "--key", &made.secret, "--out", "-"]);
    assert_eq!(Signature::read(&signed).unwrap().key_id, made.id);
    let told = cli.run(["sign", &component, "--task", "a", "--version", "1", "--key", &component]).fails_with(2);
    assert!(told.stderr.contains("answer-1.wasm"), "{}", told.stderr);

    // keys that cannot be trusted
    let told = ground.cli.run(["tenant", "keys", "add", "nobody", "k", "nonsense"]).fails_with(2);
    assert!(told.stderr.contains("not a public key"), "{}", told.stderr);
    ground.cli.ok(["push", &component]);
    let told = ground.cli.run(["tenant", "keys", "add", "nobody", "k", &made.public]).fails_with(4);
    assert!(told.stderr.contains("no tenant nobody"), "{}", told.stderr);
    ground.cli.ok(["tenant", "keys", "add", "default", "k", &format!("{}.pub", made.secret)]);
    let told = ground.cli.run(["tenant", "keys", "add", "default", "l", &made.public]).fails_with(2);
    assert!(told.stderr.contains("trusted already, as k"), "{}", told.stderr);
    let told = ground.cli.run(["tenant", "keys", "rm", "default", "l"]).fails_with(4);
    assert!(told.stderr.contains("it trusts k"), "{}", told.stderr);
    let listed = ground.cli.json(["tenant", "keys", "ls", "default"]);
    assert_eq!((&listed["keys"][0]["key_id"], &listed["require_signature"]), (&made.id.clone().into(), &false.into()));
}

#[test]
fn provenance_is_stored_and_shown() {
    let ground = Ground::new();
    let component = numbers(&[("answer", 1)]);
    let path = ground.file("built.wasm", &component);
    let hex = Digest::of(&component).hex().to_owned();
    let statement = |hex: &str| {
        serde_json::json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "built.wasm", "digest": {"sha256": hex}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {"resolvedDependencies": [{"digest": {"gitCommit": "feedbeef"}}]},
                "runDetails": {"builder": {"id": "the-builder"}}
            }
        })
        .to_string()
    };
    let good = ground.file("good.json", statement(&hex).as_bytes());
    let bad = ground.file("bad.json", statement(&hex.replace('a', "b")).as_bytes());
    let push = |statement: &Path| {
        ground.cli.run(["push", path.to_str().unwrap(), "--provenance", statement.to_str().unwrap()])
    };
    let told = push(&bad).fails_with(2);
    assert!(told.stderr.contains("and not of the component"), "{}", told.stderr);
    let _ = push(&good).ok();
    let shown = ground.cli.json(["task", "show", "answer"]);
    let provenance = &shown["version"]["provenance"];
    assert_eq!(provenance["source"]["name"], "built.wasm", "{shown}");
    assert_eq!(provenance["source"]["size_bytes"], component.len(), "{shown}");
    assert_eq!(provenance["statement"]["commit"], "feedbeef", "{shown}");
    assert!(provenance["pushed_by"].as_str().unwrap().contains('@'), "{shown}");
    assert!(provenance["tool"].as_str().unwrap().starts_with("lovage "), "{shown}");
    let shown = ground.cli.ok(["task", "show", "answer"]);
    for told in ["from      file built.wasm", "built     by the-builder, commit feedbeef"] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
}

async fn version(bucket: &kv::Store, key: &str) -> VersionRecord {
    serde_json::from_slice(&bucket.get(key).await.unwrap().unwrap()).unwrap()
}

async fn put(bucket: &kv::Store, key: &str, record: &VersionRecord) {
    bucket.put(key, serde_json::to_vec(record).unwrap().into()).await.unwrap();
}

/// Puts one text in place of another in a record.
async fn rewrite(bucket: &kv::Store, key: &str, from: &str, to: &str) {
    let record = String::from_utf8(bucket.get(key).await.unwrap().unwrap().to_vec()).unwrap();
    bucket.put(key, record.replace(from, to).into()).await.unwrap();
}

/// How many records and pieces of components there are.
async fn stored(ground: &Ground, name: &str) -> (u64, u64) {
    let js = ground.nats.jetstream().await;
    let mut counts = Vec::new();
    for stream in [format!("KV_{}", asset::CATALOG), format!("OBJ_{}", asset::components(&tenant(name)))] {
        counts.push(js.get_stream(stream).await.unwrap().info().await.unwrap().state.messages);
    }
    (counts[0], counts[1])
}

async fn copy_components(ground: &Ground, from: &str, to: &str) {
    use tokio::io::AsyncReadExt as _;
    let js = ground.nats.jetstream().await;
    let from = js.get_object_store(asset::components(&tenant(from))).await.unwrap();
    let to = js.get_object_store(asset::components(&tenant(to))).await.unwrap();
    let mut names = from.list().await.unwrap();
    while let Some(info) = futures::StreamExt::next(&mut names).await {
        let mut bytes = Vec::new();
        from.get(&info.as_ref().unwrap().name).await.unwrap().read_to_end(&mut bytes).await.unwrap();
        to.put(info.unwrap().name.as_str(), &mut bytes.as_slice()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encrypted_key_signs_with_its_password_and_with_no_other() {
    let ground = Ground::new();
    let acme = ground.cli.clone().tenant("acme");
    let (password, other) = (ground.file("password", b"open sesame\n"), ground.file("other", b"open barley\n"));
    let (password, other) = (password.to_str().unwrap(), other.to_str().unwrap());
    let secret = ground.file("unused", b"").with_file_name("release.key");
    let secret = secret.to_str().unwrap();
    let made = Cli::without_server().json(["key", "new", "--out", secret, "--password-file", password]);
    assert_eq!(made["encrypted"], true, "{made}");
    let text = fs::read_to_string(secret).unwrap();
    assert!(text.starts_with("untrusted comment: ") && text.lines().count() == 2, "a file of minisign: {text}");
    let (one, two) = (file(&ground, 1), file(&ground, 2));
    acme.ok(["push", &one]);
    acme.ok(["tenant", "keys", "add", "acme", "release", made["public_key"].as_str().unwrap()]);
    let _told_of_what_no_longer_runs = acme.run(["tenant", "policy", "acme", "--require-signature"]).ok();
    let sign = ["sign", &two, "--task", "answer", "--version", "2", "--key", secret];
    for more in [&[][..], &["--password-file", other]] {
        let told = acme.run([&sign[..], more].concat()).fails_with(2);
        assert!(told.stderr.contains("password") && !told.stderr.contains("open barley"), "{}", told.stderr);
        assert!(!Path::new(&format!("{two}.minisig")).exists());
    }
    acme.ok([&sign[..], &["--password-file", password]].concat());
    acme.ok(["push", &two, "--version", "2", "--signature", &format!("{two}.minisig")]);
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    gives(&ground.client("acme").await, 2).await;
    // at push, too
    let three = file(&ground, 3);
    let push = ["push", &three, "--version", "3", "--sign-key", secret];
    let told = acme.run(push).fails_with(2);
    assert!(told.stderr.contains("password"), "{}", told.stderr);
}
