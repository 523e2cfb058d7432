//! The dashboard and the alerts, held to the contract, to their runbook, and to what real runs tell.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use futures::TryStreamExt;
use lovage::telemetry::{Format, Metrics, cluster::Cluster, names};
use lovage_client::Client;
use lovage_job::subject::asset;
use lovage_tests::{Nats, WITHIN, Worker, eventually, repository};
use serde_json::{Value, json};

use super::scrape::{Scrape, get, health_of, promtool_program};
use crate::small::{Ground, job, numbers, run, wasm};

fn folder() -> PathBuf {
    repository().join("host/docs/operations")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// What stands in a text and begins as metrics do.
fn named(text: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    text.split(word).filter(|word| word.starts_with("lovage_") || word.starts_with("process_")).collect()
}

/// The alerts with their rules, as they stand in the file.
fn alerts() -> Vec<(String, String)> {
    let text = read("alerts.yaml");
    let mut alerts: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.trim().strip_prefix("- alert: "), alerts.last_mut()) {
            (Some(name), _) => alerts.push((name.to_owned(), String::new())),
            (None, Some((_, rule))) if !line.trim().starts_with("- name:") => *rule += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    alerts
}

#[test]
fn dashboard_and_alerts_name_only_what_is_in_the_contract() {
    let (dashboard, alerts) = (read("dashboard.json"), read("alerts.yaml"));
    for name in named(&dashboard).union(&named(&alerts)) {
        let parts = ["_bucket", "_sum", "_count"];
        let base = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        let known = names::ALL
            .iter()
            .any(|metric| metric.name == *name || (metric.name == base && metric.kind == names::Kind::Histogram));
        assert!(known, "{name} is in no contract");
    }
}

#[test]
fn every_alert_has_a_paragraph_that_says_what_to_do() {
    let runbook = read("ALERTS.md");
    let alerts = alerts();
    assert!(alerts.len() >= 10);
    for (name, rule) in &alerts {
        let (_, after) = runbook.split_once(&format!("\n## {name}\n")).unwrap_or_else(|| panic!("{name} has none"));
        let paragraph = after.split("\n## ").next().unwrap().trim();
        assert!(paragraph.len() > 150, "{name}: {paragraph}");
        let link = format!("runbook_url: host/docs/operations/ALERTS.md#{}", name.to_ascii_lowercase());
        assert!(rule.contains(&link) && rule.contains("severity:") && rule.contains("summary:"), "{rule}");
    }
    let headed = runbook.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(headed, alerts.len(), "no paragraph without an alert");
}

/// The queries of all panels, with its variables filled in.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let queries = |panel: &Value| {
        let title = text(&panel["title"]);
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.iter().map(|target| (title.clone(), text(&target["expr"]))).collect::<Vec<_>>()
    };
    let all = dashboard["panels"].as_array().unwrap().iter().flat_map(queries);
    let filled = all.map(|(title, expr)| {
        let expr = expr.replace("$__rate_interval", "10m").replace("$instance", ".*").replace("$queue", ".*");
        (title, expr)
    });
    filled.collect()
}

/// Series of one scrape and of a later one, for a unit test of promtool: the first stands until the thirteenth minute.
fn series(instance: &str, before: &Scrape, after: &Scrape) -> Vec<Value> {
    let lines = after.text.lines().filter(|line| !line.starts_with('#'));
    let each = lines.filter_map(|line| {
        let (series, last) = line.rsplit_once(' ')?;
        let first = before.text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').trim_end_matches(',');
        let comma = if labels.is_empty() { "" } else { "," };
        let values = format!("{}+0x12 {last}+0x30", first.unwrap_or(last));
        Some(json!({"series": format!("{name}{{{labels}{comma}instance=\"{instance}\"}}"), "values": values}))
    });
    each.collect()
}

/// A test of what fires at the twentieth minute.
fn fires(what: &str, series: Vec<Value>, alerts: &[&str], panels: usize) -> Value {
    let samples: Vec<Value> =
        alerts.iter().map(|name| json!({"labels": format!("{{alertname=\"{name}\"}}"), "value": 1})).collect();
    let mut tests = vec![json!({
        "expr": "max by (alertname) (ALERTS{alertstate=\"firing\"})", "eval_time": "20m", "exp_samples": samples,
    })];
    // each panel has something to show
    tests.extend((0..panels).map(|number| {
        json!({"expr": format!("clamp(count(panel:{number}), 1, 1)"), "eval_time": "20m",
            "exp_samples": [{"labels": "{}", "value": 1}]})
    }));
    json!({"name": what, "interval": "1m", "input_series": series, "promql_expr_test": tests})
}

/// Has promtool judge the rules and run the tests.
fn judge(tests: &[Value], panels: &[(String, String)]) {
    let Some(program) = promtool_program() else { return };
    let place = tempfile::tempdir().unwrap();
    let rule =
        |(number, (_, expr)): (usize, &(String, String))| json!({"record": format!("panel:{number}"), "expr": expr});
    let rules: Vec<Value> = panels.iter().enumerate().map(rule).collect();
    let write = |name: &str, value: Value| fs::write(place.path().join(name), value.to_string()).unwrap();
    write("panels.yaml", json!({"groups": [{"name": "panels", "rules": rules}]}));
    fs::copy(folder().join("alerts.yaml"), place.path().join("alerts.yaml")).unwrap();
    let all = json!({"rule_files": ["alerts.yaml", "panels.yaml"], "evaluation_interval": "1m", "tests": tests});
    write("test.yaml", all.clone());
    for args in [&["check", "rules", "alerts.yaml", "panels.yaml"][..], &["test", "rules", "test.yaml"]] {
        let output = Command::new(&program).args(args).current_dir(place.path()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let numbered: Vec<String> =
            panels.iter().enumerate().map(|(n, (title, expr))| format!("{n} {title}: {expr}")).collect();
        assert!(output.status.success(), "promtool {args:?}:\n{said}\n{}", numbered.join("\n"));
    }
}

async fn cluster(client: &Client) -> Scrape {
    let metrics = Metrics::default().with_cluster(Cluster::new(client.nats().clone(), None).into());
    Scrape { text: metrics.text(Format::Prometheus).await.unwrap() }
}

/// A worker of a small stream of jobs that completes some jobs and fails others, then rests while jobs wait.
async fn troubled(client: &Client, address: std::net::SocketAddr) -> (Scrape, Scrape) {
    for _ in 0..3 {
        run(client, job("one")).await;
        run(client, job("broken").retries(0)).await;
    }
    client.quiet_worker(&"worker".parse().unwrap()).await.unwrap();
    eventually("the worker's last requests to be gone", WITHIN, async || match requests(client).await {
        0 => Ok(()),
        waiting => Err(format!("{waiting} requests for jobs")),
    })
    .await;
    for queue in ["default", "unheard-of"] {
        for _ in 0..3 {
            client.submit(job("one").queue(queue.parse().unwrap())).await.unwrap();
        }
    }
    let cluster = eventually("the jobs to wait", WITHIN, async || {
        let scrape = cluster(client).await;
        let waiting = scrape.find("lovage_queue_jobs_waiting", &[("queue", "default"), ("lane", "normal")]);
        let unserved = scrape.find("lovage_jobs_unserved", &[]);
        if (waiting, unserved) == (Some(3.0), Some(3.0)) { Ok(scrape) } else { Err(scrape.text) }
    })
    .await;
    (Scrape::of(address).await, cluster)
}

/// Requests for jobs that the broker holds: one of before a pause would still be answered.
async fn requests(client: &Client) -> usize {
    let jetstream = async_nats::jetstream::new(client.nats().clone());
    let stream = jetstream.get_stream(asset::jobs(client.tenant())).await.unwrap();
    stream.consumers().try_fold(0, async |sum, consumer| Ok(sum + consumer.num_waiting)).await.unwrap()
}

async fn disconnected(nats: &mut Nats, client: &Client, address: std::net::SocketAddr) -> (Scrape, Scrape) {
    nats.kill9();
    eventually("the worker to miss its broker", WITHIN, async || match Scrape::of(address).await {
        scrape if scrape.value("lovage_broker_connected", &[]) == 0.0 => Ok(()),
        _ => Err("it is connected"),
    })
    .await;
    assert_eq!(get(address, "/readyz").await.0, 503);
    (Scrape::of(address).await, cluster(client).await)
}

/// What cannot be had for real within a test, over a real scrape: the alert, its series, and how they go.
const MADE: [(&str, &[(&str, &str)]); 9] = [
    ("LovageQueueOld", &[("lovage_queue_oldest_age_seconds{queue=\"q\",lane=\"low\"}", "301+60x30")]),
    (
        "LovageWorkersBusy",
        &[("lovage_workers_attempts_running", "96+0x30"), ("lovage_workers_attempts_max", "100+0x30")],
    ),
    ("LovageHostFaults", &[("lovage_attempts_total{queue=\"q\",outcome=\"host-fault\"}", "0+0x12 1+0x30")]),
    ("LovageRunnersDie", &[("lovage_runner_deaths_total", "0+0x12 1+0x30")]),
    ("LovageCompilesFail", &[("lovage_compilations_total{result=\"failed\"}", "0+0x12 1+0x30")]),
    ("LovageWorkerHangs", &[("lovage_runtime_beat_age_seconds", "1+60x30")]),
    ("LovageBrokerFaults", &[("lovage_broker_faults_total{fault=\"result-late\"}", "0+12x30")]),
    ("LovageHistoryBehind", &[("lovage_history_lag_seconds", "301+60x30")]),
    ("LovageFilesNearLimit", &[("process_open_fds", "81+0x30"), ("process_max_fds", "100+0x30")]),
];

fn made(alert: &str, series: &[(&str, &str)]) -> Value {
    let on = |name: &str| match name.split_once('{') {
        Some((name, labels)) => format!("{name}{{instance=\"w\",{labels}"),
        None => format!("{name}{{instance=\"w\"}}"),
    };
    let mut all: Vec<Value> =
        series.iter().map(|(name, values)| json!({"series": on(name), "values": values})).collect();
    all.push(json!({"series": on("lovage_build_info{version=\"1\"}"), "values": "1+0x60"}));
    // a queue whose attempts all end so is one whose attempts fail
    let also: &[&str] = if alert == "LovageHostFaults" { &["LovageAttemptsFail"] } else { &[] };
    fires(alert, all, &[&[alert], also].concat(), 0)
}

#[tokio::test]
async fn alerts_fire_for_real_trouble_and_for_nothing_else() {
    let mut ground = Ground::new();
    ground.push("default", &numbers(&[("one", 1)]), &[]);
    let broken = r#"(component (core module $m (func (export "f") unreachable)) (core instance $i (instantiate $m))
        (func (export "broken") (canon lift (core func $i "f"))))"#;
    ground.push("default", &wasm(broken), &[]);
    let worker = Worker::of(&ground.nats).arg("--health").arg("127.0.0.1:0").start();
    let (address, client) = (health_of(&worker), ground.client("default").await);
    // as many as will wait in the end
    ground.cli.ok(["tenant", "set", "default", "--queued", "6"]);
    // the versions are made ready as the worker starts, and what is counted by then is no trouble
    run(&client, job("one")).await;
    let (calm, calm_cluster) = (Scrape::of(address).await, cluster(&client).await);
    let (busy, busy_cluster) = troubled(&client, address).await;
    let (lost, lost_cluster) = disconnected(&mut ground.nats, &client, address).await;

    let both = |a: Vec<Value>, b: Vec<Value>| [a, b].concat();
    let history = json!({"series": "lovage_history_lag_seconds{instance=\"serve\"}", "values": "0+0x60"});
    let at_rest = both(series("w", &calm, &calm), series("serve", &calm_cluster, &calm_cluster));
    let mut in_trouble = both(series("w", &calm, &busy), series("serve", &calm_cluster, &busy_cluster));
    in_trouble.push(history);
    let cut_off = both(series("w", &busy, &lost), series("serve", &calm_cluster, &lost_cluster));
    let panels = panels();
    let mut tests = vec![
        fires("a worker at rest", at_rest, &[], 0),
        fires(
            "jobs fail and wait",
            in_trouble,
            &[
                "LovageAttemptsFail",
                "LovageDeadLetters",
                "LovageJobsStreamFull",
                "LovageJobsUnserved",
                "LovageQueueWithoutWorkers",
            ],
            panels.len(),
        ),
        fires("no broker", cut_off, &["LovageClusterUnknown", "LovageWorkerDisconnected"], 0),
    ];
    tests.extend(MADE.iter().map(|(alert, series)| made(alert, series)));
    judge(&tests, &panels);
}

#[test]
fn every_alert_is_made_to_fire() {
    let real = [
        "LovageAttemptsFail",
        "LovageClusterUnknown",
        "LovageDeadLetters",
        "LovageJobsStreamFull",
        "LovageJobsUnserved",
        "LovageQueueWithoutWorkers",
        "LovageWorkerDisconnected",
    ];
    let fired: BTreeSet<String> =
        real.iter().map(|name| (*name).to_owned()).chain(MADE.iter().map(|(name, _)| (*name).to_owned())).collect();
    assert_eq!(fired, alerts().into_iter().map(|(name, _)| name).collect());
}
