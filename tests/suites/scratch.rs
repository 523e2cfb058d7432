//! The scratch folder, as guests see it that are written against the file system of their language.

use lovage_client::NewJob;
use lovage_job::{name::TaskName, outcome::OutcomeKind, result::JobResult};
use lovage_tests::{Cli, Jobs, Seat, Stage, guest, push};
use serde_json::{Value, json};

/// What misuse has.
const QUOTA: u64 = 1 << 20;
/// What a file or folder costs beside its name and content.
const ENTRY: u64 = 1024;

/// How the error numbers end that guests see. This C library makes one of all that goes wrong with a stream.
const IO: &str = "(os error 29)";
const INVALID: &str = "(os error 28)";
const NAME_TOO_LONG: &str = "(os error 37)";
const NO_SPACE: &str = "(os error 51)";
const NOT_PERMITTED: &str = "(os error 63)";

/// A seat where a task of the hostile guest is pushed under a name of its own.
async fn seat_with(export: &'static str, name: &'static str, options: &'static [&'static str]) -> Seat {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let all = [&["--export", export, "--name", name], options].concat();
    tokio::task::spawn_blocking(move || push(cli, "hostile", &all)).await.unwrap();
    seat
}

fn job(task: &str, input: &Value) -> NewJob {
    NewJob::json(task.parse().unwrap(), input).unwrap()
}

#[track_caller]
fn body(result: &JobResult) -> Value {
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    serde_json::from_slice(&result.body).unwrap()
}

#[tokio::test]
async fn files_work_as_programs_expect() {
    let seat = seat_with("files", "files-granted", &["--allow", "scratch=1MiB"]).await;
    let result = seat.jobs.run(job("files-granted", &Value::Null)).await;
    assert_eq!(body(&result).as_array().unwrap().len(), 14, "{result:?}");
}

#[tokio::test]
async fn a_task_without_the_grant_finds_no_folder() {
    let seat = seat_with("files", "files-bare", &[]).await;
    let result = seat.jobs.run(job("files-bare", &Value::Null).retries(0)).await;
    assert_eq!(result.record.outcome, OutcomeKind::Failed);
    let error = result.error.unwrap().message;
    assert!(error.contains("pre-opened") || error.contains("os error"), "{error}");
}

/// Misuses the folder; gives how often that went well, why it ended, and how much was left.
async fn misuse(jobs: &Jobs, how: &str, count: Option<u64>) -> (u64, String, u64) {
    let result = jobs.run(job("misuse", &json!({"how": how, "count": count}))).await;
    let used = body(&result);
    let number = |name: &str| used[name].as_u64().unwrap();
    (number("done"), used["refusal"].as_str().unwrap_or_default().to_owned(), number("left"))
}

#[tokio::test]
async fn misuse_is_refused_at_the_quota_and_the_folder_stays_usable() {
    let seat = seat_with("misuse", "misuse", &["--allow", "scratch=1MiB"]).await;
    let refused = |ended: (u64, String, u64), why: &str, done: u64, left: u64| {
        assert!((ended.0, ended.2) == (done, left) && ended.1.ends_with(why), "{why}, {done}, {left}: {ended:?}");
    };
    let jobs = &seat.jobs;
    refused(misuse(jobs, "file", None).await, IO, (QUOTA - ENTRY - 3) / 4096, 1);
    let (files, why, left) = misuse(jobs, "files", Some(1_000_000)).await;
    assert!(files == left && why.ends_with(NO_SPACE), "{files} {why} {left}");
    assert!(files < QUOTA / ENTRY && files > QUOTA / (ENTRY + 5), "{files}");
    refused(misuse(jobs, "names", None).await, NO_SPACE, QUOTA / (ENTRY + 255), QUOTA / (ENTRY + 255));
    refused(misuse(jobs, "folders", None).await, NAME_TOO_LONG, 64, 1);
    refused(misuse(jobs, "small", Some(1_000_000)).await, "", 1_000_000, 1);
    refused(misuse(jobs, "sparse", None).await, NO_SPACE, 20, 1);
    refused(misuse(jobs, "loop", None).await, INVALID, 0, 1);
    refused(misuse(jobs, "away", Some(10)).await, NOT_PERMITTED, 0, 0);
    seat.stage.worker_lives();
}

#[tokio::test]
async fn a_retry_and_another_job_find_the_folder_empty() {
    let seat = seat_with("leave-behind", "leave-behind", &["--allow", "scratch=1MiB"]).await;
    let runs = (0..8).map(|_| seat.jobs.run(job("leave-behind", &json!({"succeed_on": 3})).retries(4)));
    for result in futures::future::join_all(runs).await {
        assert_eq!(body(&result), json!([]));
        assert_eq!(result.record.attempt, 3);
    }
}

#[tokio::test]
async fn a_program_sorts_more_than_it_holds_through_files() {
    let seat = Stage::seat().await;
    let cli: &'static Cli = &seat.stage.cli;
    let allow = ["--allow", "scratch=8MiB", "--name", "sort-lines", "--arg", "--run", "--arg", "65536"];
    tokio::task::spawn_blocking(move || push(cli, "sort-lines", &allow)).await.unwrap();
    let mut lines: Vec<String> =
        (0..60_000_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let task: TaskName = "sort-lines".parse().unwrap();
    let result = seat.jobs.run(NewJob::new(task, lines.join("\n"))).await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    lines.sort_unstable();
    assert!(result.body == (lines.join("\n") + "\n").as_bytes());
}

#[tokio::test]
async fn a_component_is_run_on_this_machine_with_a_folder() {
    let seat = Stage::seat().await;
    let cli: &'static Cli = &seat.stage.cli;
    let file = guest("sort-lines");
    let file = file.to_str().unwrap();
    let told = cli.json(["run", file, "--allow", "scratch=1MiB", "pear\napple\n"]);
    assert_eq!(told["result"], "apple\npear\n", "{told}");
    let bare = cli.run(["run", file, "pear\napple\n"]);
    assert!(bare.code != Some(0) && bare.stderr.contains("TMPDIR names no folder"), "{bare:?}");
    let wrong = cli.run(["run", file, "--allow", "scratch=2GiB", "x"]);
    assert!(wrong.stderr.contains("a scratch folder of 2GiB is not between 1B and 1GiB"), "{wrong:?}");
}
