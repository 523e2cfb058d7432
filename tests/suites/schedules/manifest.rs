//! Manifests: one file says what a push would be told, and carries the task's schedules.

use std::path::Path;

use lovage_job::outcome::OutcomeKind;
use lovage_tests::{Nats, Stage, Worker, cli, guest, shared_cache};
use serde_json::{Value, json};

use super::runs_until;

fn write(folder: &Path, text: &str) -> String {
    let file = folder.join("lovage.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn manifest_carries_schedules_and_takes_back_those_it_drops() {
    let (nats, folder) = (Nats::start(), tempfile::tempdir().unwrap());
    let cli = cli(&nats);
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let file = guest("hostile");
    let push = |text: &str, options: &[&str]| {
        let manifest = write(folder.path(), text);
        let args = ["push", file.to_str().unwrap(), "--manifest", &manifest, "--json"];
        cli.run(args.iter().chain(options))
    };
    let names = || -> Vec<(Value, Value)> {
        let listed = cli.json(["schedule", "list"]);
        listed.as_array().unwrap().iter().map(|one| (one["name"].clone(), one["revision"].clone())).collect()
    };
    let head = "task = \"nap\"\nexport = \"echo\"\n[limits]\nfuel = 77000000\ntimeout = \"9s\"\n[retry]\nretries = 1\n";
    let tick = "[[schedule]]\nname = \"tick\"\nevery = \"1s\"\ninput = 5\ntags = [\"tick\"]\n";
    let night = "[[schedule]]\nname = \"night\"\ncron = \"30 2 * * *\"\nzone = \"Europe/Berlin\"\ninput = 7\noverlap = \"skip\"\n";
    let pushed = push(&format!("{head}{tick}{night}"), &[]).ok().json();
    assert_eq!((&pushed[0]["task"], &pushed[0]["limits"]["fuel"]), (&json!("nap"), &json!(77_000_000)));
    assert_eq!((&pushed[0]["retry"]["attempts_max"], &pushed[0]["alias"]), (&json!(2), &json!("stable")));
    assert_eq!(names(), [(json!("night"), json!(1)), (json!("tick"), json!(1))]);
    assert_eq!(cli.json(["schedule", "show", "night"])["owner"], json!("nap"));
    let jobs = lovage_tests::Jobs::of(&nats).await;
    let ended = runs_until(&jobs, "tick", "a tick", |ended| !ended.is_empty()).await;
    assert_eq!((ended[0].record.outcome, &ended[0].body[..]), (OutcomeKind::Completed, &b"5"[..]));
    // The same again changes nothing; an option wins over the file.
    let again = push(&format!("{head}{tick}{night}"), &["--alias", "canary"]).ok().json();
    assert_eq!(again[0]["alias"], json!("canary"));
    assert_eq!(names(), [(json!("night"), json!(1)), (json!("tick"), json!(1))]);
    // One that is paused by hand stays so; one that is changed is replaced; one that is dropped goes.
    cli.ok(["schedule", "pause", "night"]);
    let _pushed = push(&format!("{head}{}", night.replace("= 7", "= 8")), &[]).ok();
    let night_now = cli.json(["schedule", "show", "night"]);
    assert_eq!((&night_now["paused"], &night_now["input"]), (&json!(true), &json!({"text": "8"})));
    assert_eq!(names(), [(json!("night"), json!(3))]);
    // One that somebody made by hand is neither taken nor removed.
    cli.ok(["schedule", "add", "own", "--cron", "@daily", "--task", "nap", "--input", "1"]);
    let told = push(&format!("{head}[[schedule]]\nname = \"own\"\ncron = \"@daily\"\ninput = 1\n"), &[]).fails_with(2);
    assert!(told.stderr.contains("schedule own belongs to no manifest"), "{}", told.stderr);
    let _pushed = push(head, &[]).ok();
    assert_eq!(names(), [(json!("own"), json!(1))]);
}

#[tokio::test]
async fn faulty_manifest_is_told_whole_and_changes_nothing() {
    let (seat, folder) = (Stage::seat().await, tempfile::tempdir().unwrap());
    let file = guest("hostile");
    let push = |text: &str, code: i32| {
        let manifest = write(folder.path(), text);
        seat.stage.cli.run(["push", file.to_str().unwrap(), "--manifest", &manifest]).fails_with(code).stderr
    };
    let told = push("taks = \"faulty\"\n[[schedule]]\nname = \"x\"\ncron = \"0 0 30 2 *\"\nmised = \"skip\"\n", 2);
    for says in ["taks: unknown key; did you mean task?", "never fires", "mised: unknown key; did you mean missed?"] {
        assert!(told.contains(says), "{told}");
    }
    let head = "task = \"faulty\"\nexport = \"sleepy\"\n";
    let told = push(&format!("{head}[[schedule]]\nname = \"faulty\"\nevery = \"5s\"\ninput = \"no\"\n"), 2);
    assert!(told.contains("schedule faulty: the input is not what task faulty takes"), "{told}");
    let told = push("[[schedule]]\nname = \"faulty\"\nevery = \"5s\"\n", 2);
    assert!(told.contains("a manifest is of one"), "{told}");
    let _no_such_task = seat.stage.cli.run(["task", "show", "faulty"]).fails_with(4);
    let _no_such_schedule = seat.stage.cli.run(["schedule", "show", "faulty"]).fails_with(4);
    let missing = seat.stage.cli.run(["push", file.to_str().unwrap(), "--manifest", "/no/such.toml"]).fails_with(2);
    assert!(missing.stderr.contains("/no/such.toml"), "{}", missing.stderr);
}
