//! What a task is granted: refused where it is missing, in force at once where it is changed, never above the ceiling of
//! its tenant, and on record.

use lovage_client::NewJob;
use lovage_job::{outcome::OutcomeKind, result::JobResult};
use lovage_tests::{Jobs, Nats, WITHIN, Worker, cli, eventually, guest, push, shared_cache};
use serde_json::{Value, json};

fn job(task: &str, input: Value) -> NewJob {
    NewJob::json(task.parse().unwrap(), &input).unwrap()
}

fn submits() -> NewJob {
    job("brood", json!({"children": 1, "task": "echo", "keyed": true})).retries(0)
}

/// Runs jobs until one ends so: what is changed reaches a worker a moment later.
async fn until(jobs: &Jobs, outcome: OutcomeKind) -> JobResult {
    let run = async || {
        let result = jobs.run(submits()).await;
        if result.record.outcome == outcome { Ok(result) } else { Err(format!("{result:?}")) }
    };
    eventually("the change to reach the worker", WITHIN, run).await
}

/// Changes the record of the tenant `default` as an operator does.
async fn ceiling(jobs: &Jobs, key: &str, value: Value) {
    let tenants = jobs.js.get_key_value("tenants").await.unwrap();
    let mut record: Value = serde_json::from_slice(&tenants.get("default").await.unwrap().unwrap()).unwrap();
    record["ceiling"][key] = value;
    tenants.put("default", record.to_string().into()).await.unwrap();
}

#[tokio::test]
async fn grants_and_ceilings_hold_at_once_and_are_on_record() {
    let nats = Nats::start();
    let cli = cli(&nats);
    let component = guest("brood");
    let refused = cli.run(["push", component.to_str().unwrap(), "--export", "brood"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("push it with --allow submit"), "{}", refused.stderr);
    push(&cli, "brood", &["--export", "brood", "--allow", "submit"]);
    push(&cli, "hostile", &["--export", "echo"]);
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let jobs = Jobs::of(&nats).await;
    assert_eq!(jobs.run(submits()).await.record.outcome, OutcomeKind::Completed);

    let shown: Value = serde_json::from_str(&cli.ok(["task", "show", "brood", "--json"])).unwrap();
    assert_eq!(shown["task"]["grants"], json!({"submit": true}));
    assert!(cli.ok(["task", "show", "brood"]).contains("allowed   submit"));
    assert!(cli.ok(["task", "show", "echo"]).contains("allowed   nothing beyond its sandbox"));

    cli.ok(["task", "deny", "brood", "submit"]);
    let ended = until(&jobs, OutcomeKind::BadComponent).await;
    let message = ended.error.unwrap().message;
    assert!(message.contains("lovage:task/jobs") && message.contains("`lovage task allow brood submit`"), "{message}");
    cli.ok(["task", "allow", "brood", "submit", "config=mode=hidden-value", "scratch=1MiB"]);
    // what was granted before a job is published is in force for it
    assert_eq!(jobs.run(submits()).await.record.outcome, OutcomeKind::Completed);

    ceiling(&jobs, "submit", json!(false)).await;
    let ended = until(&jobs, OutcomeKind::BadComponent).await;
    assert!(ended.error.unwrap().message.contains("submit is above the ceiling of the tenant, which has no submit"));
    ceiling(&jobs, "submit", json!(true)).await;
    until(&jobs, OutcomeKind::Completed).await;

    for (above, told) in [
        ("http=example.com", "http=example.com is above the ceiling of the tenant, which has no http"),
        ("scratch=65MiB", "which has scratch=64MiB"),
    ] {
        let refused = cli.run(["task", "allow", "brood", above]);
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    assert_eq!(cli.run(["task", "allow", "nothing", "submit"]).code, Some(4));
    cli.ok(["task", "promote", "brood", "canary=1"]);

    let trail = cli.ok(["audit", "--json"]);
    let entries: Vec<Value> = trail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        entries.iter().map(|entry| (entry["action"].as_str().unwrap(), entry["target"].clone())).collect();
    assert_eq!(told[0], ("push", json!("brood 1")), "{told:?}");
    assert_eq!(entries[0]["after"]["grants"], json!(["submit"]));
    let denied = entries.iter().find(|entry| entry["action"] == "task deny").unwrap();
    assert_eq!((&denied["before"], &denied["after"]), (&json!(["submit"]), &json!([])));
    let who = &denied["who"];
    assert!(who["host"].is_string() && who["pid"].as_u64() > Some(1) && who["account"] == "$G", "{who}");
    let allowed = entries.iter().find(|entry| entry["action"] == "task allow").unwrap();
    assert_eq!(allowed["after"], json!(["submit", "config=mode", "scratch=1MiB"]));
    assert!(!trail.contains("hidden-value"), "a configured value is not for the audit trail");
    let started = entries.iter().find(|entry| entry["action"] == "start above the ceiling").unwrap();
    assert!(started["refused"].as_str().unwrap().contains("submit is above the ceiling"), "{started}");
    let above = entries.iter().filter(|entry| entry["refused"].is_string() && entry["action"] == "task allow");
    assert_eq!(above.count(), 2);
    let catalog = cli.ok(["audit", "--kind", "catalog", "--since", "1h"]);
    assert!(catalog.lines().last().unwrap().contains("task promote brood canary: "), "{catalog}");
    assert!(!catalog.contains("task deny"));
    assert_eq!(cli.ok(["audit", "--tenant", "other"]), "");
    assert!(cli.ok(["audit", "--tenant", "other", "--all-tenants"]).contains("task deny"));
    assert_eq!(cli.run(["audit", "--kind", "nothing"]).code, Some(2));
}
