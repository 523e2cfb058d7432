//! What a worker logs, for programs: objects, one a line, that name jobs by the same fields everywhere and never what is in
//! them.

use lovage_client::NewJob;
use lovage_job::outcome::OutcomeKind;
use lovage_tests::{Jobs, Nats, WITHIN, Worker, cli, eventually, push, shared_cache};
use serde_json::Value;

/// Nothing else in a run has this.
const SECRET: &str = "swordfish-7391";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn every_line_is_an_object_and_none_has_a_payload() {
    let nats = Nats::start();
    for export in ["echo", "permanent"] {
        push(&cli(&nats), "hostile", &["--export", export]);
    }
    let setup = Worker::of(&nats).cache_dir(shared_cache()).arg("--log-format").arg("json");
    let worker = setup.env("LOVAGE_LOG", "lovage=debug").start();
    let jobs = Jobs::of(&nats).await;
    let trace = format!("00-{TRACE}-b7ad6b7169203331-01");
    for (task, outcome) in [("echo", OutcomeKind::Completed), ("permanent", OutcomeKind::Failed)] {
        let job = NewJob::json(task.parse().unwrap(), SECRET).unwrap().header("traceparent", &trace);
        let job = job.header("x-own", SECRET).tag("red").id(format!("of-{task}").parse().unwrap());
        assert_eq!(jobs.run(job).await.record.outcome, outcome);
    }
    let undecodable = jobs.publish("job.default.echo.bad", &[("Lovage-Timeout", "soon")], SECRET).await;
    drop(undecodable);
    jobs.result(&"bad".parse().unwrap()).await;

    let ended = eventually("a line of each attempt", WITHIN, async || {
        let lines: Vec<Value> = worker.stderr().lines().map(parsed).collect();
        let ended: Vec<Value> = lines.into_iter().filter(|line| line["message"] == "attempt ended").collect();
        if ended.len() == 2 { Ok(ended) } else { Err(worker.stderr()) }
    })
    .await;
    assert_eq!((&ended[0]["job.id"], &ended[0]["outcome"]), (&"of-echo".into(), &"completed".into()));
    assert_eq!((&ended[1]["job.id"], &ended[1]["outcome"]), (&"of-permanent".into(), &"failed".into()));
    for line in &ended {
        assert_eq!((&line["tenant"], &line["queue"]), (&"default".into(), &"default".into()));
        assert_eq!((&line["attempt"], &line["trace_id"]), (&1.into(), &TRACE.into()));
        assert!(line["component.digest"].as_str().unwrap().starts_with("sha256:"), "{line}");
        assert!(line["fuel_used"].as_u64().unwrap() > 0 && line["duration_ms"].is_number(), "{line}");
    }
    assert!(!worker.stderr().contains(SECRET), "{}", worker.stderr());
}

fn parsed(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(value["timestamp"].is_string() && value["level"].is_string() && value["message"].is_string(), "{line}");
    value
}
