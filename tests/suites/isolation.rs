//! Jobs that run apart: `--isolation process`. The process they run in has nothing that is worth having, and its death
//! costs them nothing. How jobs end is the business of the other suites, which run this way with
//! `LOVAGE_TEST_ISOLATION=process`.

use async_nats::Client as Connection;
use lovage_client::{Client, NewJob};
use lovage_job::{name::JobId, outcome::OutcomeKind};
use lovage_tests::{Cli, Health, Jobs, Nats, WITHIN, Worker, WorkerSetup, cli, eventually, push, shared_cache};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{fs, io::Write, path::PathBuf, time::Duration};

#[tokio::test]
async fn every_shape_runs_apart() {
    let (_nats, _cli, _worker, jobs) = ground(&["calculator", "wc", "word-stats", "http-echo"]).await;
    for (task, input, output) in [
        ("wc", "a b\nc\n", None),
        ("word-stats", "{\"text\":\"a b a\"}", None),
        ("http-echo", "hello", None),
        ("add", "{\"a\":20,\"b\":22}", Some("42")),
    ] {
        let result = jobs.run(NewJob::new(task.parse().unwrap(), input.as_bytes().to_vec())).await;
        assert_eq!(result.record.outcome, OutcomeKind::Completed, "{task}: {:?}", result.error);
        if let Some(output) = output {
            assert_eq!(String::from_utf8_lossy(&result.body), output);
        }
    }
}

#[tokio::test]
async fn each_tenant_has_a_process_with_nothing_in_it() {
    let nats = Nats::start();
    let cli = cli(&nats);
    push(&cli, "hostile", &["--export", "sleepy"]);
    push(&lovage_tests::cli(&nats).tenant("beta"), "hostile", &["--export", "sleepy"]);
    let _worker = apart(&nats, "apart").start();
    let jobs = Jobs::of(&nats).await;
    let beta = Client::new(nats.connect().await as Connection, "beta".parse().unwrap());
    let (one, two) = (sleepy(20_000), sleepy(20_000));
    let ours = jobs.client.submit(one).await.unwrap().id;
    let theirs = eventually("beta's streams", WITHIN, async || beta.submit(two.clone()).await).await.id;
    let runners = runners(&cli, |all| all.iter().filter(|runner| runner["running"] == 1).count() == 2).await;
    assert_ne!(runners[0]["pid"], runners[1]["pid"]);
    let tenants: Vec<&str> = runners.iter().map(|runner| runner["tenant"].as_str().unwrap()).collect();
    assert_eq!(tenants, ["beta", "default"]);
    for runner in &runners {
        assert_eq!(runner["jail"]["seccomp"], json!(true));
        let pid = pid_of(runner);
        assert_eq!(fs::read(format!("/proc/{pid}/environ")).unwrap(), b"", "no environment");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        assert_eq!((field("Seccomp:"), field("NoNewPrivs:")), (Some("2"), Some("1")), "{status}");
        for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = fs::read_link(descriptor.unwrap().path()).unwrap_or_default();
            let target = target.to_string_lossy().into_owned();
            let expected = ["socket:", "pipe:", "/dev/null", "/memfd:"].iter().any(|known| target.starts_with(known))
                || target.ends_with("/pagemap");
            assert!(expected, "an open {target}");
        }
        let sockets = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let sockets = sockets.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        assert_eq!(sockets.filter(|target| target.to_string_lossy().starts_with("socket:")).count(), 1);
    }
    jobs.client.cancel(&ours, "enough").await.unwrap();
    beta.cancel(&theirs, "enough").await.unwrap();
    let result = jobs.result(&ours).await;
    assert_eq!(result.record.outcome, OutcomeKind::Cancelled, "a cancel reaches the runner");
    assert_eq!(beta.wait(&theirs, Some(WITHIN)).await.unwrap().record.outcome, OutcomeKind::Cancelled);
}

#[tokio::test]
async fn job_whose_runner_is_killed_completes_as_its_first_attempt() {
    let (_nats, cli, mut worker, jobs) = ground(&["hostile"]).await;
    let id = jobs.client.submit(sleepy(3_000)).await.unwrap().id;
    kill(&running(&cli).await);
    worker.says("that the runner died", WITHIN, |line| line.contains("killed from outside (SIGKILL)"));
    let result = jobs.result(&id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1), "{:?}", result.error);
    assert_eq!(worker.ended(), None);
}

#[tokio::test]
async fn component_that_kills_three_runners_is_quarantined_and_its_neighbour_is_not() {
    let (_nats, cli, _worker, jobs) = ground(&["hostile", "calculator"]).await;
    let shown = || cli.json(["task", "show", "sleepy"])["runner_deaths"].clone();
    let killer: JobId = jobs.client.submit(sleepy(60_000).id("killer".parse().unwrap())).await.unwrap().id;
    for deaths in 1..=3 {
        kill(&running(&cli).await);
        let noted = async || match shown()["1"].as_array().map_or(0, Vec::len) {
            count if count == deaths => Ok(()),
            count => Err(format!("{count} deaths are noted")),
        };
        eventually("the death to be noted", WITHIN, noted).await;
    }
    let result = jobs.result(&killer).await;
    assert_eq!(result.record.outcome, OutcomeKind::Quarantined, "{:?}", result.error);
    assert!(result.error.unwrap().message.contains("3 runners died of component"));
    assert_eq!(jobs.letter(&killer).await.error.kind, OutcomeKind::Quarantined);
    assert_eq!(jobs.run(sleepy(1)).await.record.outcome, OutcomeKind::Quarantined, "no other job of it runs");
    let neighbour = NewJob::new("add".parse().unwrap(), b"{\"a\":20,\"b\":22}".to_vec());
    assert_eq!(jobs.run(neighbour).await.record.outcome, OutcomeKind::Completed);
    cli.ok(["task", "unquarantine", "sleepy"]);
    assert_eq!(shown(), json!({}));
    let runs = async || match jobs.run(sleepy(1)).await.record.outcome {
        OutcomeKind::Completed => Ok(()),
        other => Err(other),
    };
    eventually("it to run again", WITHIN, runs).await;
}

/// What the pool does only now and then must be among the calls that its jail leaves it.
#[tokio::test]
async fn one_runner_outlives_many_jobs() {
    let (_nats, cli, mut worker, jobs) = ground(&["hostile"]).await;
    let mut ids = Vec::new();
    for number in 0..300 {
        let job = sleepy(1).id(format!("many-{number}").parse().unwrap());
        ids.push(jobs.client.submit(job).await.unwrap().id);
    }
    for id in &ids {
        let result = jobs.result(id).await;
        assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1), "{:?}", result.error);
    }
    assert_eq!(cli.json(["task", "show", "sleepy"])["runner_deaths"], json!({}));
    assert!(!worker.stderr().contains("runner died"));
    assert_eq!(worker.ended(), None);
}

/// Nobody counts what an ended job has left in the pool, so it must not stay until others end.
#[tokio::test]
async fn memory_of_a_job_is_given_back_as_it_ends() {
    const MARGIN_BYTES: u64 = 16 << 20;
    let (_nats, cli, _worker, jobs) = ground(&["hostile"]).await;
    let residue = async |mib: u32| {
        let result = jobs.run(NewJob::json("residue".parse().unwrap(), &mib).unwrap()).await;
        assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    };
    residue(1).await;
    let runner = Health::of(pid_of(&runners(&cli, |all| all.len() == 1).await[0]).cast_unsigned());
    let before = runner.held().unwrap();
    for _ in 0..3 {
        residue(48).await;
    }
    let after = runner.held().unwrap();
    assert!(after.resident_bytes < before.resident_bytes + MARGIN_BYTES, "{before}, then {after}");
    assert!(runner.peak_bytes().unwrap() > before.resident_bytes + MARGIN_BYTES, "the jobs held some while they ran");
}

#[tokio::test]
async fn runners_end_with_a_worker_that_is_killed() {
    let (_nats, cli, mut worker, jobs) = ground(&["hostile"]).await;
    jobs.client.submit(sleepy(60_000)).await.unwrap();
    let pid = pid_of(&running(&cli).await);
    worker.kill9();
    ended(pid).await;
}

/// What the machine lets nobody see is left out, and said to be; the sandbox's own tests have the rest of cgroups.
#[tokio::test]
async fn runner_that_wants_more_memory_than_its_group_has_is_ended_and_said_to_be() {
    let (_nats, cli, mut worker, jobs) = ground(&["hostile"]).await;
    let residue = |mib: u32| NewJob::json("residue".parse().unwrap(), &mib).unwrap();
    assert_eq!(jobs.run(residue(1)).await.record.outcome, OutcomeKind::Completed);
    let runner = runners(&cli, |all| all.len() == 1).await.remove(0);
    let Some(group) = MemoryGroup::of(&worker, &runner, "the memory of a runner") else { return };
    assert_eq!(group.read(group.limit), 1536 << 20, "memory_budget and 512 MiB");
    group.set_limit(group.read(group.usage) + (16 << 20));
    let result = jobs.run(residue(48)).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1), "{:?}", result.error);
    let died = worker.says("why the runner died", WITHIN, |line| line.contains("runner died"));
    assert!(died.contains("killed by the kernel for wanting more memory than the 1536MiB of its cgroup"), "{died}");
    let deaths = cli.json(["task", "show", "residue"])["runner_deaths"]["1"].clone();
    assert!(deaths[0]["how"].as_str().unwrap().contains("memory"), "{deaths}");
    let eventually_gone = async || if group.folder.exists() { Err("it is there") } else { Ok(()) };
    eventually("the group to go with its runner", WITHIN, eventually_gone).await;
}

#[tokio::test]
async fn groups_go_with_their_worker_or_with_the_next_one() {
    let (nats, cli, mut worker, jobs) = ground(&["hostile"]).await;
    let of_runner = async |worker: &Worker| {
        assert_eq!(jobs.run(sleepy(1)).await.record.outcome, OutcomeKind::Completed);
        let runner = runners(&cli, |all| all.len() == 1).await.remove(0);
        MemoryGroup::of(worker, &runner, "the removal of groups").map(|group| (pid_of(&runner), group))
    };
    let Some((pid, group)) = of_runner(&worker).await else { return };
    worker.kill9();
    ended(pid).await;
    let mut next = apart(&nats, "next").start();
    assert!(!group.folder.exists(), "the next worker removes what a killed one leaves");
    let Some((_, group)) = of_runner(&next).await else { return };
    next.sigterm();
    assert!(next.wait(WITHIN).success());
    assert!(!group.folder.exists(), "a worker removes its own");
}

#[tokio::test]
async fn limits_that_no_group_could_hold_keep_a_worker_from_starting() {
    let nats = Nats::start();
    let worker = |text: &str| {
        let config = nats.folder().join("worker.toml");
        fs::write(&config, text).unwrap();
        apart(&nats, "worker").arg("--config").arg(config)
    };
    let mut off = worker("cgroup = \"off\"").start();
    assert!(!off.stderr().contains("cgroup"), "nothing is looked for");
    off.sigterm();
    off.wait(WITHIN);
    let mut limited = worker("cgroup = \"require\"\n[runner]\ncores = 1.5").spawn();
    // Each machine is one of the two.
    let said = limited.says("whether it starts", WITHIN, |line| line.contains("cores: 1.5") || line.contains("error:"));
    let holds = said.contains("memory: 1536MiB") && said.contains("threads: ");
    assert!(holds || said.contains("controller of cgroups"), "{said}");
}

/// The group in which a runner's memory is counted, as the kernel shows it.
struct MemoryGroup {
    folder: PathBuf,
    limit: &'static str,
    usage: &'static str,
}

impl MemoryGroup {
    /// The group of a runner, where its worker found some that limit memory.
    fn of(worker: &Worker, runner: &Value, test: &str) -> Option<Self> {
        let said = worker.stderr();
        let found = said.lines().find(|line| line.contains("cgroups")).expect("a worker tells of cgroups");
        if !found.contains("children are held") || !found.contains("memory") {
            writeln!(std::io::stderr().lock(), "cgroup: {test} is LEFT OUT: {found}").unwrap();
            return None;
        }
        let limits = runner["jail"]["limits"].to_string();
        assert!(limits.contains("memory: 1536MiB"), "{limits}");
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", pid_of(runner))).unwrap();
        let path = |start: &str| groups.lines().find_map(|line| line.split_once(start)).map(|(_, path)| path);
        let (root, path, limit, usage) = match path(":memory:") {
            Some(path) => ("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes"),
            None => ("/sys/fs/cgroup", path("0::").unwrap(), "memory.max", "memory.current"),
        };
        Some(Self { folder: format!("{root}{path}").into(), limit, usage })
    }

    fn read(&self, file: &str) -> u64 {
        fs::read_to_string(self.folder.join(file)).unwrap().trim().parse().unwrap()
    }

    fn set_limit(&self, bytes: u64) {
        fs::write(self.folder.join(self.limit), bytes.to_string()).unwrap();
    }
}

async fn ground(guests: &[&str]) -> (Nats, Cli, Worker, Jobs) {
    let nats = Nats::start();
    let cli = cli(&nats);
    guests.iter().for_each(|guest| push(&cli, guest, &[]));
    let worker = apart(&nats, "apart").start();
    let jobs = Jobs::of(&nats).await;
    (nats, cli, worker, jobs)
}

fn apart(nats: &Nats, name: &str) -> WorkerSetup {
    Worker::of(nats).name(name).cache_dir(shared_cache()).arg("--isolation").arg("process")
}

fn sleepy(ms: u64) -> NewJob {
    NewJob::json("sleepy".parse().unwrap(), &json!(ms)).unwrap().timeout(Duration::from_secs(80))
}

/// The runners of the one worker, once they are as expected.
async fn runners(cli: &Cli, expected: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let found = async || {
        let workers = cli.json(["workers"]);
        let runners = workers[0]["runners"].as_array().cloned().unwrap_or_default();
        if expected(&runners) { Ok(runners) } else { Err(workers.to_string()) }
    };
    eventually("the runners", WITHIN, found).await
}

/// The runner that runs something.
async fn running(cli: &Cli) -> Value {
    let all = runners(cli, |all| all.iter().any(|runner| runner["running"] == 1)).await;
    all.into_iter().find(|runner| runner["running"] == 1).unwrap()
}

fn pid_of(runner: &Value) -> i32 {
    runner["pid"].as_i64().unwrap().try_into().unwrap()
}

async fn ended(pid: i32) {
    let gone = async || match fs::read_to_string(format!("/proc/{pid}/stat")) {
        // one that nobody has waited for yet has ended all the same
        Ok(stat) if !stat.contains(") Z") => Err(stat),
        _ => Ok(()),
    };
    eventually("the runner to end", WITHIN, gone).await;
}

fn kill(runner: &Value) {
    kill_process(Pid::from_raw(pid_of(runner)).unwrap(), Signal::KILL).unwrap();
}
