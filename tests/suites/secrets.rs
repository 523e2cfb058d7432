//! Secrets: read by granted tasks alone, and found nowhere else.

use std::path::Path;

use lovage_client::NewJob;
use lovage_job::{name::TenantName, outcome::OutcomeKind, result::JobResult};
use lovage_tests::{Cli, Jobs, Nats, Worker, cli, push, shared_cache};
use serde_json::{Value, json};

const VALUE: &str = "p4ssw0rd-\"never-seen\"";
/// A part of the value that is the same however it is written.
const MARK: &str = "never-seen";
/// What the tasks of the component import.
const GRANTED: [&str; 8] =
    ["--allow", "secret=api-key", "--allow", "keyvalue=counts", "--allow", "config=step=1", "--allow", "submit"];

/// A server, its folder of keys, and a worker that has them.
struct Vault {
    nats: Nats,
    keys: std::path::PathBuf,
    _folder: tempfile::TempDir,
    worker: Worker,
}

fn of(nats: &Nats, tenant: &str) -> Cli {
    if tenant == "default" { cli(nats) } else { cli(nats).tenant(tenant) }
}

fn worker(nats: &Nats, keys: &Path) -> Worker {
    Worker::of(nats)
        .cache_dir(shared_cache())
        .env("LOVAGE_SECRETS_KEY", std::fs::read_to_string(keys).unwrap().trim())
        .start()
}

impl Vault {
    fn open() -> Self {
        let (nats, folder) = (Nats::start(), tempfile::tempdir().unwrap());
        let keys = folder.path().join("keys");
        cli(&nats).ok(["secret", "key", "new", "--out", keys.to_str().unwrap()]);
        let worker = worker(&nats, &keys);
        Self { nats, keys, _folder: folder, worker }
    }

    fn cli(&self, tenant: &str) -> Cli {
        of(&self.nats, tenant).env("LOVAGE_SECRETS_KEY_FILE", self.keys.to_str().unwrap())
    }

    fn set(&self, tenant: &str, name: &str, value: &str) {
        drop(self.cli(tenant).run_with(["secret", "set", name], value.as_bytes()).ok());
    }

    async fn jobs(&self, tenant: &str) -> Jobs {
        push(&of(&self.nats, tenant), "counter", &GRANTED);
        Jobs::of_tenant(&self.nats, &tenant.parse::<TenantName>().unwrap()).await
    }

    /// Whether anything that the broker has stored contains a text.
    fn stores(&self, text: &str) -> bool {
        contains(self.nats.folder(), text.as_bytes())
    }
}

fn contains(folder: &Path, text: &[u8]) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => contains(&path, text),
            false => std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text)),
        }
    })
}

async fn used(jobs: &Jobs, name: &str, way: &str) -> JobResult {
    let input = json!({"name": name, "way": way});
    jobs.run(NewJob::json("sealed".parse().unwrap(), &input).unwrap().retries(0)).await
}

/// What a use of a secret fails with.
async fn fails(jobs: &Jobs, name: &str, way: &str) -> String {
    let result = used(jobs, name, way).await;
    assert_ne!(result.record.outcome, OutcomeKind::Completed, "{way}");
    result.error.unwrap().message
}

async fn signature(jobs: &Jobs) -> Vec<u8> {
    let result = used(jobs, "api-key", "Sign").await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    result.body
}

#[tokio::test]
async fn a_secret_is_used_and_found_nowhere() {
    let vault = Vault::open();
    vault.set("default", "api-key", VALUE);
    let jobs = vault.jobs("default").await;
    signature(&jobs).await;
    for way in ["Log", "Progress"] {
        assert_eq!(used(&jobs, "api-key", way).await.record.outcome, OutcomeKind::Completed, "{way}");
    }
    let refused = fails(&jobs, "api-key", "Return").await;
    assert!(refused.contains("the result contains the value of secret api-key"), "{refused}");
    for way in ["Fail", "Panic"] {
        let message = fails(&jobs, "api-key", way).await;
        assert!(message.contains("[redacted]"), "{way}: {message}");
    }
    for way in ["Checkpoint", "Put", "Submit"] {
        let message = fails(&jobs, "api-key", way).await;
        assert!(message.contains("contains the value of secret api-key"), "{way}: {message}");
    }
    let listed: Value = vault.cli("default").json(["secret", "ls"]);
    assert_eq!((&listed[0]["name"], &listed[0]["size"]), (&json!("api-key"), &json!(VALUE.len())));
    let audit = vault.cli("default").ok(["audit", "--kind", "secrets"]);
    assert!(audit.contains("api-key") && !audit.contains(MARK), "{audit}");
    let logged =
        jobs.run(NewJob::json("sealed".parse().unwrap(), &json!({"name": "api-key", "way": "Log"})).unwrap()).await;
    let log = vault.cli("default").ok(["job", "logs", logged.record.id.as_str()]);
    assert!(log.contains("the value is [redacted]") && !log.contains(MARK), "{log}");
    assert!(vault.stores("the value is [redacted]"), "the search finds what is there");
    assert!(!vault.stores(MARK), "the value lies on the broker in the clear");
    assert!(!vault.worker.stderr().contains(MARK), "{}", vault.worker.stderr());
}

#[tokio::test]
async fn tenants_have_secrets_of_their_own_and_tasks_those_they_are_granted() {
    let vault = Vault::open();
    vault.set("default", "api-key", "0123456789");
    vault.set("globex", "api-key", "abcdefghij");
    vault.set("default", "other", "zzzzzzzzzz");
    let (a, b) = (vault.jobs("default").await, vault.jobs("globex").await);
    assert_ne!(signature(&a).await, signature(&b).await);
    assert!(fails(&a, "other", "Sign").await.contains("not granted secret \"other\""));
    assert!(fails(&a, "../globex.api-key", "Sign").await.contains("not granted secret"));
    vault.cli("globex").ok(["secret", "rm", "api-key"]);
    assert!(fails(&b, "api-key", "Sign").await.contains("there is no secret api-key"));
    drop(vault.cli("globex").run(["secret", "rm", "api-key"]).fails_with(4));
    signature(&a).await;
}

#[tokio::test]
async fn swapped_and_damaged_records_do_not_open() {
    let vault = Vault::open();
    vault.set("default", "api-key", "0123456789");
    vault.set("globex", "api-key", "abcdefghij");
    let jobs = vault.jobs("default").await;
    signature(&jobs).await;
    let bucket = jobs.js.get_key_value("secrets").await.unwrap();
    let own = bucket.get("default.api-key").await.unwrap().unwrap();
    let foreign = bucket.get("globex.api-key").await.unwrap().unwrap();
    bucket.put("default.api-key", foreign).await.unwrap();
    let message = fails(&jobs, "api-key", "Sign").await;
    assert!(message.contains("was changed, or belongs to another name or tenant"), "{message}");
    let mut record: Value = serde_json::from_slice(&own).unwrap();
    record["size"] = json!(3);
    bucket.put("default.api-key", record.to_string().into()).await.unwrap();
    fails(&jobs, "api-key", "Sign").await;
    bucket.put("default.api-key", "{".into()).await.unwrap();
    assert!(fails(&jobs, "api-key", "Sign").await.contains("damaged"));
    bucket.put("default.api-key", own).await.unwrap();
    signature(&jobs).await;
}

#[tokio::test]
async fn keys_are_changed_and_the_old_one_is_no_longer_needed() {
    let mut vault = Vault::open();
    vault.set("default", "api-key", "0123456789");
    let jobs = vault.jobs("default").await;
    let before = signature(&jobs).await;
    let path = vault.keys.to_str().unwrap().to_owned();
    let old = std::fs::read_to_string(&vault.keys).unwrap();
    cli(&vault.nats).ok(["secret", "key", "new", "--out", &path]);
    let rekeyed = vault.cli("default").json(["secret", "rekey"]);
    assert_eq!((&rekeyed["rekeyed"], &rekeyed["kept"]), (&json!(1), &json!(0)));
    let again = vault.cli("default").json(["secret", "rekey"]);
    assert_eq!((&again["rekeyed"], &again["kept"]), (&json!(0), &json!(1)));
    assert!(fails(&jobs, "api-key", "Sign").await.contains("which is not among the keys here"));
    let both = std::fs::read_to_string(&vault.keys).unwrap();
    let new = both.lines().next().unwrap();
    std::fs::write(&vault.keys, new).unwrap();
    vault.worker.sigterm();
    vault.worker.wait(lovage_tests::WITHIN);
    vault.worker = worker(&vault.nats, &vault.keys);
    assert_eq!(signature(&jobs).await, before);
    // whoever has the old key alone reads nothing
    std::fs::write(&vault.keys, old).unwrap();
    drop(vault.cli("default").run(["secret", "rekey"]).fails_with(2));
}

#[tokio::test]
async fn without_a_key_nothing_is_set_and_nothing_is_read() {
    let nats = Nats::start();
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    push(&cli(&nats), "counter", &GRANTED);
    let jobs = Jobs::of(&nats).await;
    let message = fails(&jobs, "api-key", "Sign").await;
    assert!(message.contains("this worker has no key for secrets"), "{message}");
    let refused = cli(&nats).run_with(["secret", "set", "api-key"], b"0123456789").fails_with(2);
    assert!(refused.stderr.contains("--key-file"), "{}", refused.stderr);
    let set = cli(&nats).env("LOVAGE_SECRETS_KEY", "not-a-key");
    let refused = set.run_with(["secret", "set", "api-key"], b"0123456789").fails_with(2);
    assert!(!refused.stderr.contains("not-a-key"), "{}", refused.stderr);
    drop(cli(&nats).run(["secret", "set", "api-key", "0123456789"]).fails_with(2));
}
