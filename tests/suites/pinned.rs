//! Jobs that are pinned to a component by its digest: they run exactly that one or none, whatever becomes of versions and
//! aliases meanwhile.

use lovage_client::{Client, NewGroup};
use lovage_job::{catalog::VersionRef, name::Digest, outcome::OutcomeKind, result::JobResult};
use lovage_tests::{WITHIN, Worker, eventually, shared_cache};

use crate::small::{Ground, busy, job, number, numbers, run, wasm};

fn component(answer: u32) -> (Vec<u8>, Digest) {
    let bytes = numbers(&[("answer", answer)]);
    let digest = Digest::of(&bytes);
    (bytes, digest)
}

fn pin(digest: &Digest) -> VersionRef {
    VersionRef::Digest(digest.clone())
}

async fn pinned(client: &Client, digest: &Digest) -> JobResult {
    run(client, job("answer").version(pin(digest)).unchecked()).await
}

/// Waits until a pinned job ends as a job of an unknown task.
async fn unknown(client: &Client, digest: &Digest) {
    let gone = async || {
        let result = pinned(client, digest).await;
        match result.record.outcome {
            OutcomeKind::UnknownTask => Ok(()),
            OutcomeKind::Completed if result.record.digest.as_ref() == Some(digest) => Err("it is there".to_owned()),
            _ => panic!("{result:?}"),
        }
    };
    eventually("the component to be gone", WITHIN, gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_job_runs_its_component_or_none() {
    let ground = Ground::new();
    let ((one, one_digest), (two, two_digest), (three, three_digest)) = (component(1), component(2), component(3));
    ground.push("default", &one, &["--version", "a"]);
    ground.push("default", &two, &["--version", "b"]);
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let client = ground.client("default").await;
    let runs = async |digest: &Digest, answer: u32| {
        let result = pinned(&client, digest).await;
        assert_eq!((number(&result), result.record.digest.as_ref()), (answer, Some(digest)), "{result:?}");
    };
    runs(&one_digest, 1).await;
    runs(&two_digest, 2).await;
    // never pushed
    let result = pinned(&client, &three_digest).await;
    assert_eq!(result.record.outcome, OutcomeKind::UnknownTask, "{result:?}");
    let told = tokio::task::block_in_place(|| {
        ground.cli.run(["submit", "answer", "--version", three_digest.as_str()]).fails_with(4)
    });
    assert!(told.stderr.contains("has no version sha256:"), "{}", told.stderr);

    // aliases move both ways, and the pin stays
    tokio::task::block_in_place(|| ground.cli.ok(["task", "promote", "answer", "a"]));
    runs(&two_digest, 2).await;
    tokio::task::block_in_place(|| ground.cli.ok(["task", "rollback", "answer"]));
    runs(&one_digest, 1).await;

    // the name of what was removed, given to another component
    tokio::task::block_in_place(|| ground.cli.ok(["task", "rm", "answer", "a"]));
    unknown(&client, &one_digest).await;
    ground.push("default", &three, &["--version", "a"]);
    runs(&three_digest, 3).await;
    unknown(&client, &one_digest).await;
    let stable = async || match number(&run(&client, job("answer").unchecked()).await) {
        3 => Ok(()),
        other => Err(format!("{other}")),
    };
    eventually("the alias to name the new component", WITHIN, stable).await;

    // what a pinned job ran is shown
    let shown = tokio::task::block_in_place(|| {
        let out = ground.cli.json(["submit", "answer", "--version", two_digest.as_str(), "--id", "shown", "--wait"]);
        assert_eq!(out["result"], 2, "{out}");
        ground.cli.ok(["job", "show", "shown"])
    });
    assert!(shown.contains(&format!("b ({two_digest})")), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_keep_the_component_of_the_first_attempt() {
    let ground = Ground::new();
    let traps = wasm(
        r#"(component
            (core module $m (func (export "f") unreachable))
            (core instance $i (instantiate $m))
            (func (export "answer") (canon lift (core func $i "f"))))"#,
    );
    let retried = ["--retries", "3", "--backoff", "fixed:1s", "--retry-on", "trapped"];
    ground.push("default", &traps, &retried);
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let client = ground.client("default").await;
    let first = Digest::of(&traps);
    for wanted in [None, Some(pin(&first))] {
        let mut new = job("answer").unchecked();
        new.version = wanted;
        let id = client.submit(new).await.unwrap().id;
        let failed = async || match client.find(&id).await.unwrap() {
            lovage_client::JobState::WaitingRetry { .. } => Ok(()),
            state => Err(format!("{state:?}")),
        };
        eventually("the first attempt to fail", WITHIN, failed).await;
        ground.push("default", &numbers(&[("answer", 9)]), &[]);
        let result = client.wait(&id, Some(2 * WITHIN)).await.unwrap();
        assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Trapped, 4), "{result:?}");
        assert_eq!(result.record.digest.as_ref(), Some(&first), "{result:?}");
        tokio::task::block_in_place(|| ground.cli.ok(["task", "promote", "answer", "1"]));
        let back = async || match run(&client, job("answer").unchecked().retries(0)).await.record.outcome {
            OutcomeKind::Trapped => Ok(()),
            other => Err(format!("{other:?}")),
        };
        eventually("the alias to be back", WITHIN, back).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_chains_groups_and_manifests_pin_too() {
    let ground = Ground::new();
    let ((one, one_digest), (two, _), (_, never)) = (component(1), component(2), component(3));
    ground.push("default", &one, &[]);
    ground.push("default", &two, &[]);
    ground.push("default", &busy("nothing", 1), &[]);
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    let client = ground.client("default").await;
    let (cli, pin_text) = (ground.cli.clone(), one_digest.as_str());
    tokio::task::block_in_place(|| {
        // checked when it is put
        let told = cli.run(["schedule", "add", "no", "--task", "answer", "--every", "1h", "--version", never.as_str()]);
        assert!(told.code == Some(4) || told.code == Some(2), "{told:?}");
        assert!(told.stderr.contains("has no version sha256:"), "{}", told.stderr);
        cli.ok(["schedule", "add", "pinned", "--task", "answer", "--every", "1h", "--version", pin_text]);
    });
    let step = serde_json::json!({"task": "answer", "version": pin_text}).to_string();
    tokio::task::block_in_place(|| {
        let out = cli.run(["submit", "nothing", "--id", "head", "--then", &step, "--wait"]);
        assert_eq!(out.code, Some(0), "{}", out.stderr);
        let manifest = ground.file(
            "task.toml",
            format!("task = \"answer\"\n[[schedule]]\nname = \"carried\"\nevery = \"1h\"\nversion = \"{pin_text}\"\n")
                .as_bytes(),
        );
        let file = ground.file("two.wasm", &two);
        cli.ok(["push", file.to_str().unwrap(), "--manifest", manifest.to_str().unwrap()]);
        for name in ["pinned", "carried"] {
            cli.ok(["schedule", "run", name]);
        }
    });
    let member = || job("answer").version(pin(&one_digest));
    let group = NewGroup::new(vec![member(), member()], "nothing".parse().unwrap());
    let completion = client.submit_group(group).await.unwrap().completion;
    let all = async || {
        let mut seen = 0;
        let bucket = ground.nats.jetstream().await.get_key_value("results-default").await.unwrap();
        let mut keys = bucket.keys().await.unwrap();
        while let Some(key) = futures::StreamExt::next(&mut keys).await {
            let id = key.unwrap().parse().unwrap();
            let Some(result) = client.result(&id).await.unwrap() else { continue };
            if id.as_str() == "head" || id == completion {
                continue;
            }
            assert_eq!((number(&result), result.record.digest.as_ref()), (1, Some(&one_digest)), "{result:?}");
            seen += 1;
        }
        if seen == 5 { Ok(()) } else { Err(format!("{seen} ended")) }
    };
    eventually("five pinned jobs to end", WITHIN, all).await;
}
