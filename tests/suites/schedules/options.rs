//! What people write, right and wrong, and what they are told.

use lovage_tests::{Cli, Stage};
use serde_json::json;

/// A command line to where nothing listens: what is refused here is refused before anything is sent.
fn offline() -> Cli {
    Cli::without_server().env("NATS_URL", "nats://127.0.0.1:1")
}

#[test]
fn next_ticks_are_told_over_the_change_of_the_clock() {
    let next = |args: &[&str]| {
        let args = ["schedule", "next"].iter().chain(args).copied().collect::<Vec<_>>();
        let ticks = offline().json(args);
        let utc = |tick: &serde_json::Value| tick["utc"].as_str().unwrap().replace(".000Z", "Z");
        ticks.as_array().unwrap().iter().map(utc).collect::<Vec<_>>()
    };
    let gap = next(&["30 2 * * *", "--zone", "Europe/Berlin", "--from", "2026-03-28T12:00:00Z", "--count", "2"]);
    assert_eq!(gap, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    let fold = next(&["30 2 * * *", "--zone", "Europe/Berlin", "--from", "2026-10-24T12:00:00Z", "--count", "2"]);
    assert_eq!(fold, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    let real = next(&["*/30 * * * *", "--zone", "America/New_York", "--from", "2026-11-01T05:00:00Z", "--count", "3"]);
    assert_eq!(real, ["2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"]);
    let every = next(&["@every 90s", "--from", "2026-11-01T05:00:00Z"]);
    assert_eq!((every.len(), every[0].as_str()), (5, "2026-11-01T05:01:30Z"));
    let shown =
        offline().ok(["schedule", "next", "@daily", "--zone", "Asia/Kathmandu", "--from", "2026-11-01T05:00:00Z"]);
    assert!(shown.contains("2026-11-02 00:00:00 +0545"), "{shown}");
}

#[test]
fn schedules_that_make_no_sense_are_refused_before_anything_is_sent() {
    let cases: [(&[&str], &str); 17] = [
        (&["--cron", "0 0 30 2 *"], "never fires"),
        (&["--cron", "* * * *"], "it has 4 fields"),
        (&["--cron", "* * * * * * *"], "it has 7 fields"),
        (&["--cron", "99 * * * * *"], "is not valid"),
        (&["--cron", "@daily", "--zone", "Europe/Berlni"], "did you mean Europe/Berlin?"),
        (&["--every", "999ms"], "not between 1s and 365d"),
        (&["--every", "-5s"], "is not a duration"),
        (&["--every", "366d"], "not between 1s and 365d"),
        (&["--every", "5s", "--zone", "UTC"], "a time zone goes with a cron expression only"),
        (&["--at", "2020-01-01T00:00:00Z"], "has passed"),
        (&["--at", "tomorrow"], "is not a time"),
        (&["--every", "5s", "--missed", "all:100000"], "all:N with N from 1 to 1000"),
        (&["--every", "5s", "--overlap", "wait"], "allow, skip or queue"),
        (&["--every", "5s", "--cron", "@daily"], "exactly one of --cron, --every and --at"),
        (&[], "exactly one of --cron, --every and --at"),
        (&["--delay", "5s"], "--delay is of a single job"),
        (&["--every", "5s", "--input", "@/no/such/file"], "/no/such/file"),
    ];
    for (options, told) in cases {
        let args = ["schedule", "add", "x", "--task", "sleepy"].iter().chain(options);
        let refused = offline().run(args).fails_with(2);
        assert!(refused.stderr.contains(told), "{options:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    for name in ["No", "a.b", "", "a b", "*", &"x".repeat(33)] {
        let refused = offline().run(["schedule", "add", name, "--task", "sleepy", "--every", "5s"]).fails_with(2);
        assert!(refused.stderr.contains("schedule name"), "{name}: {}", refused.stderr);
    }
}

#[tokio::test]
async fn task_and_input_are_checked_and_unknown_names_are_told() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let add = |options: &[&str]| {
        let args = ["schedule", "add", "checked", "--cron", "0 3 * * 1-5", "--zone", "Europe/Berlin"];
        cli.run(args.iter().chain(options))
    };
    let told = add(&["--task", "sleepi"]).fails_with(4).stderr;
    assert!(told.contains("did you mean sleepy"), "{told}");
    let told = add(&["--task", "sleepy", "--input", "\"long\""]).fails_with(2).stderr;
    assert!(told.contains("not what task sleepy takes"), "{told}");
    for (option, value, says) in
        [("--id", "x", "an id"), ("--idempotency-key", "x", "a key that makes jobs one"), ("--expires", "5s", "expiry")]
    {
        let told = add(&["--task", "sleepy", "--input", "1", option, value]).fails_with(2).stderr;
        assert!(told.contains(says), "{told}");
    }
    let told = add(&["--task", "sleepy", "--input", "1", "--deadline", "2d"]).fails_with(2).stderr;
    assert!(told.contains("not between 1s and 1d"), "{told}");
    let job = ["--task", "sleepy", "--input", "1", "--retries", "2", "--priority", "low", "--run-timeout", "5s"];
    let _added = add(&job).ok();
    let shown = cli.json(["schedule", "show", "checked"]);
    assert_eq!(shown["timing"]["cron"], json!({"expression": "0 3 * * 1-5", "zone": "Europe/Berlin"}));
    assert_eq!((&shown["lane"], &shown["missed"], &shown["deadline"]), (&json!("low"), &json!("one"), &json!("1m")));
    assert_eq!(shown["next"].as_array().unwrap().len(), 5);
    assert!(shown["headers"].to_string().contains("Lovage-Retries"), "{shown}");
    let people = cli.ok(["schedule", "show", "checked"]);
    assert!(people.contains("0 3 * * 1-5 Europe/Berlin") && people.contains("03:00:00 CE"), "{people}");
    assert!(cli.ok(["schedule", "list"]).contains("checked"));
    let told = cli.run(["schedule", "pause", "cheked"]).fails_with(4).stderr;
    assert!(told.contains("did you mean checked?"), "{told}");
    for verb in ["show", "resume", "run", "remove"] {
        let _told = cli.run(["schedule", verb, "no-such"]).fails_with(4);
    }
    cli.ok(["schedule", "remove", "checked"]);
    let _gone = cli.run(["schedule", "show", "checked"]).fails_with(4);
}
