//! What guests say is kept, for each attempt, and can be read while they run and afterwards.

use futures::StreamExt;
use lovage_client::{AttemptLog, NewJob};
use lovage_job::{log::LogEnd, name::JobId, outcome::OutcomeKind};
use lovage_tests::{Jobs, Nats, Stage, WITHIN, Worker, cli, push, shared_cache};
use serde_json::json;
use std::time::Duration;

fn narrate(id: &str, story: serde_json::Value) -> (JobId, NewJob) {
    let id: JobId = id.parse().unwrap();
    (id.clone(), NewJob::json("narrate".parse().unwrap(), &story).unwrap().id(id))
}

fn told(log: &AttemptLog) -> (u32, &str, Option<LogEnd>) {
    (log.attempt, log.text.as_str(), log.end)
}

#[tokio::test]
async fn log_of_each_attempt_is_kept() {
    let seat = Stage::seat().await;
    let (id, job) = narrate("logs-kept", json!({"lines": 2, "succeed_on": 2}));
    let result = seat.jobs.run(job.backoff("fixed:250ms".parse().unwrap())).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 2));
    // no waiting: a result never exists without its log
    let logs = seat.jobs.client.logs(&id, None).await.unwrap();
    let lines = |attempt| format!("info line 1 of attempt {attempt}\ninfo line 2 of attempt {attempt}\n");
    assert_eq!(
        logs.iter().map(told).collect::<Vec<_>>(),
        [(1, lines(1).as_str(), Some(LogEnd::Whole)), (2, lines(2).as_str(), Some(LogEnd::Whole))]
    );
    assert_eq!(logs[0].started, result.trail.0[0].started, "the log names the attempt's own run");

    let cli = &seat.stage.cli;
    let all = cli.ok(["job", "logs", id.as_str()]);
    let heads: Vec<_> = all.lines().filter(|line| line.starts_with("== attempt ")).collect();
    assert!(heads.len() == 2 && heads[1].starts_with("== attempt 2 · "), "{all}");
    assert_eq!(cli.ok(["job", "logs", id.as_str(), "--attempt", "1"]), lines(1), "nothing but its lines");
    let follow = cli.ok(["job", "logs", id.as_str(), "--follow"]);
    assert_eq!(follow, all, "of a job that has ended, there is nothing to wait for");
    let json = cli.json(["job", "logs", id.as_str(), "--attempt", "2"]);
    assert_eq!((&json["attempt"], &json["log"], &json["truncated"]), (&json!(2), &json!(lines(2)), &json!(false)));
}

#[tokio::test]
async fn log_is_followed_while_its_job_runs() {
    let seat = Stage::seat().await;
    let (id, job) = narrate("logs-followed", json!({"lines": 100, "pause_ms": 250}));
    seat.jobs.client.submit(job).await.unwrap();
    let mut pieces = seat.jobs.client.follow_logs(&id, None);
    let mut text = String::new();
    while text.lines().count() < 4 {
        let piece = tokio::time::timeout(WITHIN, pieces.next()).await.expect("a piece in time").unwrap().unwrap();
        assert_eq!((piece.attempt, piece.end), (1, None));
        text.push_str(&piece.text);
    }
    assert_eq!(seat.jobs.client.result(&id).await.unwrap(), None, "it was read before the job ended");
    let so_far = seat.stage.cli.ok(["job", "logs", id.as_str(), "--attempt", "1"]);
    assert!(so_far.starts_with("info line 1 of attempt 1\ninfo line 2"), "{so_far}");
    // The end of the job is the end of its log, which has all that was said until then.
    seat.jobs.client.cancel(&id, "heard enough").await.unwrap();
    let rest = async {
        while let Some(piece) = pieces.next().await {
            text.push_str(&piece.unwrap().text);
        }
    };
    tokio::time::timeout(WITHIN, rest).await.expect("the log ends with its job");
    for (number, line) in text.lines().enumerate() {
        assert_eq!(line, format!("info line {} of attempt 1", number + 1));
    }
}

#[tokio::test]
async fn log_that_is_too_long_is_cut_and_says_so() {
    let seat = Stage::seat().await;
    let id: JobId = "logs-flood".parse().unwrap();
    let flood = json!({"to": "stderr", "lines": 5_000});
    let job = NewJob::json("flood".parse().unwrap(), &flood).unwrap().id(id.clone());
    assert_eq!(seat.jobs.run(job).await.record.outcome, OutcomeKind::Completed);
    let logs = seat.jobs.client.logs(&id, None).await.unwrap();
    let [log] = logs.as_slice() else { panic!("{} logs", logs.len()) };
    assert_eq!(log.end, Some(LogEnd::Truncated));
    assert!((60 << 10..=(64 << 10) + 1).contains(&log.text.len()), "{} bytes", log.text.len());
    let shown = seat.stage.cli.run(["job", "logs", id.as_str(), "--attempt", "1"]).ok();
    assert_eq!(shown.stdout, log.text);
    assert!(shown.stderr.contains("more than its limit"), "{}", shown.stderr);
}

#[tokio::test]
async fn failed_and_silent_and_unknown_jobs_have_what_they_said() {
    let seat = Stage::seat().await;
    let id: JobId = "logs-panic".parse().unwrap();
    let job = NewJob::json("panics".parse().unwrap(), &json!("a plate fell")).unwrap().id(id.clone()).retries(0);
    assert_eq!(seat.jobs.run(job).await.record.outcome, OutcomeKind::Trapped);
    let logs = seat.jobs.client.logs(&id, None).await.unwrap();
    assert!(logs.len() == 1 && logs[0].text.contains("a plate fell"), "{logs:?}");

    let silent: JobId = "logs-silent".parse().unwrap();
    seat.jobs.run(NewJob::new("echo".parse().unwrap(), "x").id(silent.clone())).await;
    let cli = &seat.stage.cli;
    let shown = cli.run(["job", "logs", silent.as_str()]).ok();
    assert_eq!(shown.stdout, "");
    assert!(shown.stderr.contains("job logs-silent logged nothing"), "{}", shown.stderr);
    let shown = cli.run(["job", "logs", silent.as_str(), "--follow", "--json"]).ok();
    assert_eq!(shown.stdout, "");
    let unknown = cli.run(["job", "logs", "logs-nobody-knows"]).fails_with(4);
    assert!(unknown.stderr.contains("no job logs-nobody-knows"), "{}", unknown.stderr);
    for bad in [["--attempt", "0"], ["--attempt", "-1"]] {
        let _refused = cli.run(["job", "logs", silent.as_str()].iter().chain(&bad)).fails_with(2);
    }
}

#[tokio::test]
async fn delayed_job_can_be_followed_before_it_begins() {
    let seat = Stage::seat().await;
    let (id, job) = narrate("logs-delayed", json!({"lines": 1}));
    seat.jobs.client.submit(job.delay(Duration::from_secs(1))).await.unwrap();
    assert_eq!(seat.jobs.client.logs(&id, None).await.unwrap(), []);
    let text = seat.stage.cli.ok(["job", "logs", id.as_str(), "--attempt", "1", "--follow"]);
    assert_eq!(text, "info line 1 of attempt 1\n");
}

#[tokio::test]
async fn log_of_an_attempt_outlives_its_worker() {
    let nats = Nats::start();
    push(&cli(&nats), "hostile", &["--export", "narrate"]);
    let mut worker = Worker::of(&nats).name("mortal").cache_dir(shared_cache()).start();
    let jobs = Jobs::of(&nats).await;
    let (id, job) = narrate("logs-outlive", json!({"lines": 100, "pause_ms": 250}));
    jobs.client.submit(job).await.unwrap();
    let first = {
        let mut pieces = jobs.client.follow_logs(&id, None);
        tokio::time::timeout(WITHIN, pieces.next()).await.expect("a piece in time").unwrap().unwrap()
    };
    worker.kill9();
    let logs = jobs.client.logs(&id, Some(1)).await.unwrap();
    let [log] = logs.as_slice() else { panic!("{} logs", logs.len()) };
    assert_eq!((log.worker.as_str(), log.started, log.end), ("mortal", first.started, None));
    assert!(log.text.starts_with(&first.text) && first.text.starts_with("info line 1 of attempt 1\n"), "{log:?}");
}
