//! `lovage top`: one picture for scripts, and the screen on a terminal of its own.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use lovage_tests::{WITHIN, Worker, eventually_blocking, lovage_binary, without_settings};
use serde_json::Value;

use crate::small::{Ground, job, numbers, run, wasm};

#[tokio::test(flavor = "multi_thread")]
async fn one_picture_has_jobs_queues_workers_and_failures() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("one", 1)]), &[]);
    let broken = r#"(component (core module $m (func (export "f") unreachable)) (core instance $i (instantiate $m))
        (func (export "broken") (canon lift (core func $i "f"))))"#;
    ground.push("default", &wasm(broken), &[]);
    let _worker = Worker::of(&ground.nats).start();
    let client = ground.client("default").await;
    let cli = ground.cli.clone();
    let top = tokio::task::spawn_blocking(move || cli.json(["top", "--once", "--for", "8s"]));
    // jobs go on until the picture is taken: what is told before `top` listens is not seen
    while !top.is_finished() {
        run(&client, job("one")).await;
        run(&client, job("broken").retries(0)).await;
    }
    let view: Value = top.await.unwrap();
    assert!(view["jobs_per_second"].as_f64().unwrap() > 0.0, "{view}");
    assert!(view["duration_seconds"][0].as_f64().unwrap() > 0.0, "{view}");
    let tasks: Vec<&str> = view["tasks"].as_array().unwrap().iter().map(|row| row["task"].as_str().unwrap()).collect();
    assert!(tasks.contains(&"one") && tasks.contains(&"broken"), "{view}");
    assert_eq!(view["workers"][0]["name"], "worker");
    assert_eq!(view["queues"].as_array().unwrap().len(), 3, "a queue has three lanes");
    assert_eq!((&view["failures"][0]["task"], &view["failures"][0]["outcome"]), (&"broken".into(), &"trapped".into()));
    assert!(view["dead_letters"].as_u64().unwrap() > 0, "{view}");
    let text = ground.cli.ok(["top", "--once", "--for", "1ms"]);
    assert!(text.contains("tenant default") && text.contains("WORKER") && text.contains("0/4"), "{text}");
}

#[test]
fn a_screen_needs_a_terminal() {
    let ground = Ground::new();
    let output = ground.cli.run(["top"]).fails_with(2);
    assert!(output.stderr.contains("--once"), "{}", output.stderr);
}

#[test]
fn the_screen_is_drawn_and_given_back() {
    let ground = Ground::new();
    let _worker = Worker::of(&ground.nats).start();
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let mut command = Command::new("script");
    without_settings(&mut command);
    let line = format!("stty rows 40 cols 120; '{}' top --all", lovage_binary().display());
    command.env("NATS_URL", ground.nats.url()).env("TERM", "xterm").args([
        "--quiet",
        "--flush",
        "--return",
        "--command",
        &line,
    ]);
    let mut child = command.arg(&seen).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let read = || String::from_utf8_lossy(&fs::read(&seen).unwrap_or_default()).into_owned();
    eventually_blocking("the worker on the screen", WITHIN, || {
        let text = read();
        if text.contains("all tenants") && text.contains("0/4") { Ok(()) } else { Err(text) }
    });
    child.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    let ended = eventually_blocking("the end", WITHIN, || child.try_wait().unwrap().ok_or("it runs"));
    assert_eq!(ended.code(), Some(0), "{}", read());
    assert!(read().contains("\x1b[?1049h") && read().contains("\x1b[?1049l"), "the screen before it is back");
}
