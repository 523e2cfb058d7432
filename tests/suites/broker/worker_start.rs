//! What keeps a worker from starting, beside the server itself.

use std::fs;

use lovage_tests::{Cli, Nats, WITHIN, Worker, shared_cache};

#[test]
fn second_worker_of_a_name_is_refused_while_the_first_runs() {
    let nats = Nats::start();
    let twin = || Worker::of(&nats).name("twin").cache_dir(shared_cache());
    let mut first = twin().start();
    let mut second = twin().spawn();
    assert_eq!(second.wait(WITHIN).code(), Some(3), "{}", second.stderr());
    let told = second.stderr();
    assert!(
        told.contains("a worker named twin is running already") && told.contains("choose another --name"),
        "{told}"
    );
    assert!(first.ended().is_none());
    // Other names are free, and so is this one once its worker is gone, however it went.
    let _other = Worker::of(&nats).name("twin-2").cache_dir(shared_cache()).start();
    first.kill9();
    let _third = twin().start();
}

#[test]
fn configuration_at_fault_is_named_before_anything_is_connected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("worker.toml");
    // Were a file taken, the worker would fail to connect, with exit code 3.
    let cli = Cli::without_server().env("NATS_URL", "nats://127.0.0.1:1");
    let mut taken = Vec::new();
    for (text, named) in [
        ("concurency = 4", ["concurency", "`concurrency`"]),
        ("[limits]\nfeul = 1", ["feul", "`fuel`"]),
        ("[compile]\ncpu = 1", ["cpu", "`cpu_seconds`"]),
        ("[limit]\nfuel = 1", ["limit", "`limits`"]),
        ("concurrency = 0", ["concurrency = 0", "at least 1"]),
        ("concurrency = 100000", ["concurrency", "100000"]),
        ("concurrency = -1", ["concurrency", "-1"]),
        ("jobs_max = 0", ["jobs_max = 0", "at least 1"]),
        ("jobs_max = -1", ["jobs_max = -1", "at least 1"]),
        ("replicas = 2", ["replicas = 2", "1, 3 or 5"]),
        ("memory_budget = \"a lot\"", ["memory_budget", "a lot"]),
        ("memory_budget = \"0B\"", ["memory_budget", "0"]),
        ("stack = \"0B\"", ["stack", "0"]),
        ("stack = \"1024GiB\"", ["stack", "64MiB"]),
        ("drain = 5", ["drain", "5"]),
        ("[compile]\ncpu_seconds = 0", ["cpu_seconds", "0"]),
        ("[ceiling]\nmemory = \"1024GiB\"", ["memory", "4GiB"]),
        ("[limits]\nfuel = 0", ["fuel", "0"]),
        ("this is no configuration", ["worker.toml", "line 1"]),
    ] {
        fs::write(&file, text).unwrap();
        let output = cli.run(["worker", "--config", file.to_str().unwrap()]);
        let unnamed = named.iter().chain(&["worker.toml"]).find(|part| !output.stderr.contains(**part));
        if output.code != Some(2) || unnamed.is_some() {
            taken.push(format!("{text:?}: exit code {:?}, said: {}", output.code, output.stderr));
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
    let _ = cli.run(["worker", "--config", "/no/such/worker.toml"]).fails_with(2);
    fs::write(&file, "concurrency = 4").unwrap();
    let _ = cli.run(["worker", "--config", file.to_str().unwrap()]).fails_with(3);
}

#[test]
fn queues_that_make_no_sense_are_named_before_anything_is_connected() {
    let cli = Cli::without_server().env("NATS_URL", "nats://127.0.0.1:1");
    let many: Vec<String> = (0..17).map(|n| format!("--queue=q{n}")).collect();
    let cases: [(&[&str], &str); 7] = [
        (&["--queue", "a=0"], "weight \"0\""),
        (&["--queue", "a=101"], "weight \"101\""),
        (&["--queue", "a=b"], "weight \"b\""),
        (&["--queue", "A"], "queue name \"A\""),
        (&["--queue", "a", "--queue", "a=2"], "queue a is given twice"),
        (&["--concurrency", "0"], "--concurrency"),
        (&["--name", "a.b"], "\"a.b\""),
    ];
    let many = (many.iter().map(String::as_str).collect::<Vec<_>>(), "17 queues are more than 16");
    for (args, named) in cases.iter().map(|(args, named)| (args.to_vec(), *named)).chain([many]) {
        let output = cli.run(["worker"].iter().chain(&args)).fails_with(2);
        assert!(output.stderr.contains(named), "{named:?} is not named: {}", output.stderr);
    }
}
