//! Many at once: lines of jobs, and dead letters by filter.

use lovage_client::NewJob;
use lovage_job::outcome::OutcomeKind;
use lovage_tests::{Seat, Stage, eventually};
use serde_json::{Value, json};

/// The lines of a command's answer.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn each_line_is_a_job_or_is_told_with_its_number() {
    let seat = Stage::seat().await;
    let input = [
        r#"{"input":{"succeed_on":1},"id":"line-1"}"#,
        "not json",
        r#"{"input":{"succeed_on":1},"imput":1}"#,
        "",
        r#"{"input":{"succeed_on":"x"}}"#,
        r#"{"task":"echo","input":[1,2],"unique":"lines","tags":["a"]}"#,
        r#"{"task":"echo","input":[1,2],"idempotency_key":"x","window":"0s"}"#,
        r#"{"task":"echo","input":1,"delay":"400d"}"#,
        r#"{"task":"no-such-task-here","input":1}"#,
    ];
    // The last one is no fault of its line alone: what comes after it may not be tried.
    let args = ["submit", "flaky", "--jsonl", "-", "--envelope", "--json", "--wait"];
    let told = seat.stage.cli.run_with(args, input.join("\n").as_bytes()).fails_with(4);
    let told = lines(&told.stdout);
    let of = |number: u64| told.iter().find(|line| line["line"] == number).unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!(told.len(), 8);
    assert_eq!((of(1)["id"].clone(), of(1)["outcome"].clone()), (json!("line-1"), json!("completed")));
    assert_eq!(of(6)["outcome"], "completed");
    for (number, word) in
        [(2, "not a job"), (3, "imput"), (5, "succeed_on"), (7, "window"), (8, "366d"), (9, "no-such-task-here")]
    {
        let error = of(number)["error"].as_str().unwrap_or_else(|| panic!("{:?}", of(number)));
        assert!(error.contains(word), "line {number}: {error}");
    }
}

/// Buries jobs of a task of this test's own.
async fn bury(seat: &Seat, name: &str, messages: &[&str]) -> Vec<String> {
    lovage_tests::push(&seat.stage.cli, "hostile", &["--export", "permanent", "--name", name]);
    let mut ids = Vec::new();
    for message in messages {
        let job = NewJob::json(name.parse().unwrap(), message).unwrap().unchecked().retries(0);
        let result = eventually("the task to be known", lovage_tests::WITHIN, async || {
            let result = seat.jobs.run(job.clone()).await;
            if result.record.outcome == OutcomeKind::Failed { Ok(result) } else { Err(format!("{result:?}")) }
        });
        let id = result.await.record.id;
        seat.jobs.letter(&id).await;
        ids.push(id.to_string());
    }
    ids
}

#[tokio::test]
async fn dead_letters_are_found_previewed_replayed_and_purged_by_filter() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let ids = bury(&seat, "bulk-dead", &["first apple", "second pear", "third APPLE"]).await;
    let dead = |verb: &str, more: &[&str]| {
        let args = ["dead", verb, "--task", "bulk-dead"];
        cli.run(args.iter().copied().chain(more.iter().copied()).chain(["--json"]))
    };
    let listed = |more: &[&str]| dead("list", more).ok().json().as_array().unwrap().len();
    assert_eq!((listed(&[]), listed(&["--text", "apple"]), listed(&["--text", "nothing like it"])), (3, 2, 0));
    assert_eq!((listed(&["--since", "1h"]), listed(&["--until", "1h"])), (3, 0));
    assert_eq!((listed(&["--until", "2020-01-01T00:00:00Z"]), listed(&["--since", "2020-01-01T00:00:00Z"])), (0, 3));
    assert_eq!((listed(&["--reason", "failed"]), listed(&["--reason", "trapped"])), (3, 0));
    for bad in [["--text", ""], ["--text", &"x".repeat(257)], ["--until", "soon"], ["--reason", "sad"]] {
        let _ = dead("list", &bad).fails_with(2);
    }

    // A preview says what would run, and changes nothing.
    let preview = dead("replay", &["--text", "apple", "--dry-run"]).ok().json();
    assert_eq!((&preview["count"], &preview["dry_run"]), (&json!(2), &json!(true)));
    let letters = preview["letters"].as_array().unwrap();
    assert!(letters.iter().all(|letter| letter["version"] == "1" && letter["error"].is_null()), "{preview}");
    let wrong = dead("replay", &["--dry-run", "--version", "9"]).ok().json();
    assert!(wrong["letters"][0]["error"].as_str().unwrap().contains("no version 9"), "{wrong}");
    let refused = dead("replay", &[]).fails_with(2);
    assert!(refused.stderr.contains("3 dead letters to replay"), "{}", refused.stderr);
    let _ = dead("replay", &["--yes", "--version", "9"]).fails_with(4);
    assert_eq!(listed(&[]), 3);

    // On another version the jobs complete.
    lovage_tests::push(cli, "sha256", &["--export", "sha256-hex", "--name", "bulk-dead", "--no-promote"]);
    let told = lines(&dead("replay", &["--text", "apple", "--yes", "--version", "2"]).ok().stdout);
    assert_eq!(told.iter().filter(|line| line["replay"] == "queued").count(), 2, "{told:?}");
    for place in [0, 2] {
        let id = ids[place].parse().unwrap();
        let result = seat.jobs.result(&id).await;
        assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
        let again = cli.run(["dead", "replay", &ids[place]]).fails_with(4);
        assert!(again.stderr.contains("has no dead letter"), "{}", again.stderr);
    }
    // One that is not there does not keep the others.
    let told = cli.run(["dead", "replay", "never-was", &ids[1]]).fails_with(4);
    assert_eq!(told.stdout, format!("{}\n", ids[1]));
    seat.jobs.letter(&ids[1].parse().unwrap()).await;

    assert_eq!(
        dead("purge", &["--text", "nothing like it", "--yes"]).ok().json(),
        json!({"count": 0, "dry_run": false})
    );
    assert_eq!(dead("purge", &["--dry-run"]).ok().json(), json!({"count": 1, "dry_run": true}));
    assert_eq!(dead("purge", &["--yes"]).ok().json(), json!({"purged": 1}));
    assert_eq!(listed(&[]), 0);
}

#[tokio::test]
async fn dead_letter_shows_what_each_attempt_used_and_where() {
    let seat = Stage::seat().await;
    let job = NewJob::new("trap".parse().unwrap(), "null").retries(1).backoff("fixed:300ms".parse().unwrap());
    let id = seat.jobs.run(job.unchecked()).await.record.id;
    seat.jobs.letter(&id).await;
    let shown = seat.stage.cli.ok(["dead", "show", id.as_str()]);
    for word in ["attempt   1", "attempt   2", "trapped", "fuel ", "memory ", "on worker", "sha256:", "touch_the_wire"]
    {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let about = seat.stage.cli.json(["dead", "show", id.as_str()]);
    let attempts = about["trail"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert!(
            attempt["fuel_used"].as_u64().is_some() && attempt["memory_peak_bytes"].as_u64().is_some(),
            "{attempt}"
        );
        assert!(attempt["digest"].is_string() && attempt["worker"] == "worker" && attempt["outcome"] == "trapped");
        assert!(attempt["error"]["message"].is_string(), "{attempt}");
    }
}
