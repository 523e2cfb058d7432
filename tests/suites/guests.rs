//! What a task can ask of its worker: to be put off, to be asked to stop in time, jobs of its own, and what it keeps from
//! one attempt to the next.

use std::time::Duration;

use lovage_client::NewJob;
use lovage_job::{
    child::{ChildName, child_id, group_id},
    header,
    name::JobId,
    outcome::OutcomeKind,
    result::JobResult,
};
use lovage_tests::{Jobs, Nats, Seat, Stage, WITHIN, Worker, cli, eventually, guest, push, shared_cache};
use serde_json::{Value, json};

/// Leases of a worker that is gone run out after 30 s.
const RECOVERED_WITHIN: Duration = Duration::from_secs(100);

fn job(task: &str, input: Value) -> NewJob {
    NewJob::json(task.parse().unwrap(), &input).unwrap()
}

fn body(result: &JobResult) -> Value {
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    serde_json::from_slice(&result.body).unwrap()
}

/// A seat where the tasks that submit jobs are pushed, too. A second push of the same component changes nothing.
async fn seat_with(component: &'static str) -> Seat {
    let seat = Stage::seat().await;
    let stage = seat.stage;
    tokio::task::spawn_blocking(|| push(&stage.cli, component, &["--allow", "submit"])).await.unwrap();
    seat
}

#[tokio::test]
async fn snooze_costs_no_attempt_and_the_job_completes_later() {
    let seat = Stage::seat().await;
    let result = seat.jobs.run(job("snoozes", json!({"delay_ms": 1, "times": 3})).retries(0)).await;
    assert_eq!(body(&result), json!({"attempt": 1, "snoozed": 3}));
    assert_eq!(result.record.attempt, 1);
    assert!(result.trail.0.is_empty(), "a snooze is no attempt: {:?}", result.trail);
}

#[tokio::test]
async fn snooze_without_end_is_put_off_for_30_days() {
    let seat = Stage::seat().await;
    let id = seat.jobs.client.submit(job("snoozes", json!({"delay_ms": u64::MAX, "times": 1}))).await.unwrap().id;
    let waits = async || match seat.jobs.client.find(&id).await {
        Ok(lovage_client::JobState::Delayed { due }) => Ok(due),
        other => Err(format!("{other:?}")),
    };
    let due = eventually("the job to be put off", WITHIN, waits).await;
    let days = (due.0 - now_ms()) / 86_400_000;
    assert!((29..=30).contains(&days), "{days} days");
    seat.jobs.client.cancel(&id, "the test is over").await.unwrap();
}

fn now_ms() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis().try_into().unwrap()
}

#[tokio::test]
async fn soft_timeout_is_told_and_what_the_task_gives_stands() {
    let seat = Stage::seat().await;
    // the author's own, and the job's over it
    let author = seat.jobs.run(job("until-asked", json!(null)).retries(0)).await;
    assert_eq!(body(&author), "soft-timeout");
    let asked = job("until-asked", json!(null)).retries(0).soft_timeout(Duration::from_secs(1));
    let asked = seat.jobs.run(asked).await;
    assert_eq!(body(&asked), "soft-timeout");
    assert!(asked.record.meter.wall_us >= 1_000_000, "{:?}", asked.record.meter);
    // one that is not below the timeout has no effect where the timeout is another's
    let hard = job("until-asked", json!(null)).retries(0).timeout(Duration::from_millis(200));
    assert_eq!(seat.jobs.run(hard).await.record.outcome, OutcomeKind::TimedOut);
}

#[tokio::test]
async fn soft_timeout_above_the_timeout_is_refused_wherever_it_is_given() {
    let seat = Stage::seat().await;
    let both = job("until-asked", json!(null)).timeout(Duration::from_secs(1)).soft_timeout(Duration::from_secs(2));
    let refused = seat.jobs.client.submit(both).await.unwrap_err().to_string();
    assert!(refused.contains("not below the timeout of 1s"), "{refused}");
    let headers = [("Lovage-Soft-Timeout", "2s"), ("Lovage-Timeout", "1s")];
    let plain = seat.jobs.publish("job.default.until-asked", &headers, "null").await;
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!(result.record.outcome, OutcomeKind::Undecodable);
    let stage = seat.stage;
    let output = tokio::task::spawn_blocking(|| {
        let file = guest("hostile");
        let file = file.to_str().unwrap();
        stage.cli.run(["push", file, "--export", "spin", "--run-timeout", "1s", "--soft-timeout", "1s", "--no-promote"])
    });
    let output = output.await.unwrap();
    assert!(output.code != Some(0) && output.stderr.contains("not below the timeout"), "{output:?}");
}

#[tokio::test]
async fn children_are_submitted_once_over_a_retry() {
    let seat = seat_with("brood").await;
    for keyed in [false, true] {
        let input = json!({"children": 5, "task": "echo", "keyed": keyed, "fail_until": 2});
        let result = seat.jobs.run(job("brood", input).retries(1)).await;
        let told = body(&result);
        assert_eq!((&told["attempt"], &told["new"], &told["refusal"]), (&json!(2), &json!(0), &Value::Null), "{told}");
        for (number, id) in told["ids"].as_array().unwrap().iter().enumerate() {
            let child = seat.jobs.result(&id.as_str().unwrap().parse().unwrap()).await;
            assert_eq!((body(&child), child.record.tags.as_slice()), (json!(number), &["brood".to_owned()][..]));
        }
        let name = if keyed { ChildName::Key("3".to_owned()) } else { ChildName::Number(3) };
        assert_eq!(told["ids"][3], child_id(&result.record.id, &name).as_str());
    }
}

#[tokio::test]
async fn group_of_a_job_is_there_once_over_a_retry_and_completes_once() {
    let seat = seat_with("brood").await;
    let input = json!({"members": 20, "task": "echo", "then": "echo", "fail_until": 2});
    let result = seat.jobs.run(job("litter", input).retries(1)).await;
    let told = body(&result);
    assert_eq!(
        (&told["attempt"], &told["existing"], &told["refusal"]),
        (&json!(2), &json!(true), &Value::Null),
        "{told}"
    );
    let id = group_id(&result.record.id, &ChildName::Number(0)).unwrap();
    assert_eq!((&told["group"], &told["completion"]), (&json!(id), &json!(id.completion())));
    let completed = seat.jobs.result(&id.completion()).await;
    let given = body(&completed);
    assert_eq!((&given["size"], &given["failed_count"]), (&json!(20), &json!(0)));
    assert_eq!(given["results"], json!((0..20).collect::<Vec<u32>>()));
    assert_eq!((completed.record.tags.as_slice(), completed.record.attempt), (&["litter".to_owned()][..], 1));
    let record = seat.jobs.client.group(&id).await.unwrap().unwrap();
    assert_eq!((record.parent.as_ref(), record.depth, record.size), (Some(&result.record.id), 1, 20));
    // the second attempt made no second group, and every member ran once
    let second = group_id(&result.record.id, &ChildName::Number(1)).unwrap();
    assert_eq!(seat.jobs.client.group(&second).await.unwrap(), None);
    for index in 0..20 {
        let member = seat.jobs.result(&id.member(index)).await;
        assert_eq!((body(&member), member.record.attempt), (json!(index), 1));
    }
}

#[tokio::test]
async fn group_that_cannot_be_is_refused_with_the_reason() {
    let seat = seat_with("brood").await;
    for (members, task, then, follow, reason) in [
        (0, "echo", "echo", None, "between 1 and 10000"),
        (1_001, "echo", "echo", None, "submit.fanout"),
        (2, "nobody-pushed-this", "echo", None, "there is no task"),
        (2, "echo", "Not a task", None, "the completion job: task name"),
        (2, "echo", "echo", Some("gopher://a"), "member 0: on-success: "),
    ] {
        let input = json!({"members": members, "task": task, "then": then, "follow": follow});
        let told = body(&seat.jobs.run(job("litter", input)).await);
        let refusal = told["refusal"].as_str().unwrap_or_else(|| panic!("{told}"));
        assert!(refusal.contains(reason) && refusal.len() < 400, "{refusal}");
    }
}

#[tokio::test]
async fn group_does_not_begin_where_its_completion_would_be_too_deep() {
    let seat = seat_with("brood").await;
    let input = json!({"members": 1, "task": "echo", "then": "echo"}).to_string();
    let deep = seat.jobs.publish("job.default.litter", &[(header::DEPTH, "31")], input.clone()).await;
    let told = body(&seat.jobs.result(&deep.id).await);
    assert!(told["refusal"].as_str().unwrap().contains("deeper than 32"), "{told}");
    let above = seat.jobs.publish("job.default.litter", &[(header::DEPTH, "30")], input).await;
    let told = body(&seat.jobs.result(&above.id).await);
    assert_eq!(told["refusal"], Value::Null);
    let completion = told["completion"].as_str().unwrap().parse().unwrap();
    assert_eq!(body(&seat.jobs.result(&completion).await)["results"], json!([0]));
}

#[tokio::test]
async fn chained_child_passes_its_output_on() {
    let seat = seat_with("brood").await;
    let told =
        body(&seat.jobs.run(job("relay", json!({"then": ["echo", r#"{"task":"echo","tags":["last"]}"#]}))).await);
    let mut id: JobId = told.as_str().unwrap().parse().unwrap();
    for tags in [&[][..], &[], &["last".to_owned()]] {
        let link = seat.jobs.result(&id).await;
        assert_eq!((body(&link), link.record.tags.as_slice()), (json!("baton"), tags));
        let published = link.record.published.0.to_string();
        id = JobId::from_parts("f", &[link.record.id.as_str(), "then", &published]);
    }
    let told = body(&seat.jobs.run(job("relay", json!({"then": ["Not a task"]}))).await);
    assert!(told.as_str().unwrap().starts_with("then: "), "{told}");
}

#[tokio::test]
async fn a_job_that_submits_itself_ends_at_the_depth() {
    let seat = seat_with("brood").await;
    let mut id = seat.jobs.client.submit(job("chain", json!(null))).await.unwrap().id;
    for depth in 0..32 {
        let result = seat.jobs.result(&id).await;
        assert_eq!(body(&result), Value::Null, "{depth} deep");
        id = child_id(&id, &ChildName::Number(0));
    }
    let told = body(&seat.jobs.result(&id).await);
    assert!(told.as_str().unwrap().contains("at most 32"), "{told}");
    // a publisher who writes nonsense for a depth gains nothing
    let plain = seat.jobs.publish("job.default.chain", &[(header::DEPTH, "-7")], "null").await;
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!(result.record.outcome, OutcomeKind::Undecodable);
    assert!(result.error.unwrap().message.contains(header::DEPTH));
}

#[tokio::test]
async fn bad_children_are_refused_with_the_reason() {
    let seat = seat_with("brood").await;
    for (task, key_bytes, reason) in
        [("Not a task", 1, "task name"), ("nobody-pushed-this", 1, "there is no task"), ("echo", 10_240, "10240 bytes")]
    {
        let input = json!({"children": 1, "task": task, "keyed": true, "key_bytes": key_bytes});
        let told = body(&seat.jobs.run(job("brood", input)).await);
        let refusal = told["refusal"].as_str().unwrap();
        assert!(refusal.contains(reason) && refusal.len() < 400, "{refusal}");
        assert_eq!(told["ids"], json!([]));
    }
}

#[tokio::test]
async fn fan_out_of_the_operator_is_named_where_it_is_reached() {
    let nats = Nats::start();
    push(&cli(&nats), "brood", &["--allow", "submit"]);
    push(&cli(&nats), "hostile", &[]);
    let config = nats.folder().join("worker.toml");
    std::fs::write(&config, "[submit]\nfanout = 3\n").unwrap();
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).arg("--config").arg(&config).start();
    let jobs = Jobs::of(&nats).await;
    let input = json!({"children": 5, "task": "echo", "keyed": true});
    let told = body(&jobs.run(job("brood", input)).await);
    assert_eq!((&told["new"], told["ids"].as_array().unwrap().len()), (&json!(3), 3));
    let refusal = told["refusal"].as_str().unwrap();
    assert!(refusal.contains("3 children") && refusal.contains("submit.fanout"), "{refusal}");
}

#[tokio::test]
async fn component_that_submits_is_refused_without_the_grant() {
    let seat = seat_with("brood").await;
    let stage = seat.stage;
    let output = tokio::task::spawn_blocking(|| {
        let file = guest("brood");
        stage.cli.run(["push", file.to_str().unwrap(), "--name", "ungranted", "--export", "chain"])
    });
    let output = output.await.unwrap();
    assert!(output.code != Some(0) && output.stderr.contains("--allow submit"), "{output:?}");
    // a worker checks again: a task that says nothing of the grant
    let catalog = seat.jobs.js.get_key_value("catalog").await.unwrap();
    let stable = catalog.get("default.task.chain").await.unwrap().unwrap();
    let mut record: Value = serde_json::from_slice(&stable).unwrap();
    assert_eq!(record["grants"], json!({"submit": true}));
    let version = record["versions"][0]["version"].as_str().unwrap().to_owned();
    let key = format!("default.version.chain.{version}");
    let mut forged: Value = serde_json::from_slice(&catalog.get(&key).await.unwrap().unwrap()).unwrap();
    forged["task"] = json!("forged");
    catalog.put(format!("default.version.forged.{version}"), forged.to_string().into()).await.unwrap();
    record["task"] = json!("forged");
    record.as_object_mut().unwrap().remove("grants");
    catalog.put("default.task.forged", record.to_string().into()).await.unwrap();
    let plain = seat.jobs.publish("job.default.forged", &[], "null").await;
    let result = seat.jobs.result(&plain.id).await;
    assert_eq!(result.record.outcome, OutcomeKind::BadComponent);
    assert!(result.error.unwrap().message.contains("task allow forged submit"));
}

#[tokio::test]
async fn checkpoint_skips_finished_work_over_a_retry() {
    let seat = Stage::seat().await;
    let result = seat.jobs.run(job("steps", json!({"steps": 5, "fail_after": 3})).retries(1)).await;
    assert_eq!(body(&result), json!({"attempt": 2, "worked": 2}));
    // what a job that is done has kept goes away
    let bucket = seat.jobs.js.get_key_value("state-default").await.unwrap();
    let ledger = format!("checkpoint.{}.ledger", result.record.id);
    let gone = async || match bucket.get(&ledger).await.unwrap() {
        None => Ok(()),
        Some(left) => Err(String::from_utf8_lossy(&left).into_owned()),
    };
    eventually("what the job kept to go away", WITHIN, gone).await;
}

#[tokio::test]
async fn checkpoint_limits_are_named() {
    let seat = Stage::seat().await;
    for (input, kept, reason) in [
        (json!({"key_bytes": 10_240, "value_bytes": 1, "count": 1}), 0, "10240 bytes is not between 1 and 256"),
        (json!({"key_bytes": 256, "value_bytes": 262_145, "count": 1}), 0, "262145 bytes is larger than 262144"),
        (json!({"key_bytes": 3, "value_bytes": 10, "count": 101}), 100, "100 checkpoints"),
        (json!({"key_bytes": 3, "value_bytes": 262_144, "count": 33}), 32, "more than 8388608"),
    ] {
        let told = body(&seat.jobs.run(job("hoard", input)).await);
        assert_eq!(told["kept"], kept, "{told}");
        assert!(told["refusal"].as_str().unwrap().contains(reason), "{told}");
    }
}

#[tokio::test]
async fn checkpoint_outlives_a_killed_worker() {
    let nats = Nats::start();
    push(&cli(&nats), "hostile", &[]);
    let worker = |name| Worker::of(&nats).name(name).cache_dir(shared_cache());
    let mut first = worker("first").start();
    let jobs = Jobs::of(&nats).await;
    let id: JobId = "killed".parse().unwrap();
    jobs.client.submit(job("steps", json!({"steps": 4, "step_ms": 3_000})).id(id.clone())).await.unwrap();
    let bucket = jobs.js.get_key_value("state-default").await.unwrap();
    let ledger = async || match bucket.get("checkpoint.killed.ledger").await.unwrap() {
        Some(ledger) if serde_json::from_slice::<Value>(&ledger).unwrap()["values"].as_object().unwrap().len() > 1 => {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    };
    eventually("two steps to be kept", WITHIN, ledger).await;
    first.kill9();
    let _second = worker("second").start();
    let result = jobs.client.wait(&id, Some(RECOVERED_WITHIN)).await.unwrap();
    assert_eq!(result.record.worker, "second");
    let told = body(&result);
    assert!(told["worked"].as_u64().unwrap() <= 3, "the first step was not done again: {told}");
}

#[tokio::test]
async fn crawl_fans_out_and_each_batch_gives_its_links() {
    let seat = seat_with("crawl").await;
    let page =
        |number: u32| json!({"url": format!("/{number}"), "html": format!("<a href=\"/{}\">on</a>", number + 1)});
    let pages: Vec<Value> = (0..5).map(page).collect();
    let planned = body(&seat.jobs.run(job("crawl", json!({"pages": pages, "batch": 2}))).await);
    let batches = planned["batches"].as_array().unwrap();
    assert_eq!(batches.len(), 3);
    let last = body(&seat.jobs.result(&batches[2].as_str().unwrap().parse().unwrap()).await);
    assert_eq!(last, json!([{"url": "/4", "links": ["/5"]}]));
}
