//! Names, versions and choices that make no sense for a component that does.

use super::{refused, writes};
use crate::small::{Ground, busy, job, number, numbers, run};
use lovage_tests::{Worker, shared_cache};

#[test]
fn name_that_is_none_is_refused_with_the_rule() {
    let ground = Ground::new();
    let component = numbers(&[("answer", 1)]);
    let long = "a".repeat(200);
    let shown = "a".repeat(60);
    let rule = "use 1 to 32 characters of a-z, 0-9";
    for bad in ["*", ">", "a.b", "a b", " ", "Answer", &long, "..", "", "a\r\nPUB x", "é", "a/b", "-a"] {
        for option in ["--name", "--alias"] {
            let quoted = if bad.len() > 60 { shown.clone() } else { format!("{bad:?}") };
            refused(&ground, &component, &[&format!("{option}={bad}")], &[option, &quoted, rule]);
        }
    }
    for bad in ["*", ">", "1 2", "V1", &long, "..", "1..2", ".1", "1.", "", "1/2"] {
        refused(&ground, &component, &[&format!("--version={bad}")], &["--version", rule]);
    }
    // The longest that are right.
    let longest = "a".repeat(32);
    ground.push("default", &component, &["--name", &longest, "--version", &longest, "--alias", &longest]);
}

#[test]
fn choice_that_the_component_does_not_have_is_told_what_there_is() {
    let ground = Ground::new();
    let two = numbers(&[("left", 1), ("right", 2)]);
    refused(&ground, &two, &["--export", "middle"], &[r#""middle""#, "left, right"]);
    refused(&ground, &two, &["--name", "both"], &["2 tasks", "left, right", "--export"]);
    refused(&ground, &two, &["--shape", "http"], &["not of the shape http", "it exports left, right"]);
    refused(&ground, &two, &["--shape", "round"], &["--shape", "round", "handler, http, command, function"]);
    refused(
        &ground,
        &two,
        &["--export", "left", "--arg", "x"],
        &["arguments and environment are for programs", "left"],
    );
    refused(&ground, &two, &["--env", "NAME"], &["--env", "write NAME=VALUE"]);
    refused(&ground, &two, &["--retries", "100"], &["--retries", "100"]);
    refused(&ground, &two, &["--memory", "lots"], &["--memory", "lots"]);
    ground.push("default", &two, &["--export", "right", "--name", "one"]);
}

#[tokio::test]
async fn version_that_is_there_keeps_its_bytes() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("answer", 1)]), &["--version", "1.0"]);
    let other = numbers(&[("answer", 2)]);
    refused(&ground, &other, &["--version", "1.0"], &["answer", "1.0"]);
    refused(&ground, &other, &["--version", "1.0", "--no-promote"], &["answer", "1.0"]);
    // The same bytes are no fault, and no second version.
    ground.push("default", &numbers(&[("answer", 1)]), &["--version", "1.0"]);
    let task = ground.cli.json(["task", "show", "answer"]);
    assert_eq!(task["task"]["versions"].as_array().map(Vec::len), Some(1), "{task}");
    let _worker = Worker::of(&ground.nats).cache_dir(shared_cache()).start();
    assert_eq!(number(&run(&ground.client("default").await, job("answer")).await), 1);
}

#[test]
fn push_of_several_tasks_is_refused_whole() {
    let ground = Ground::new();
    ground.push("default", &numbers(&[("right", 1)]), &["--version", "1.0"]);
    // `left` alone could be pushed.
    refused(&ground, &numbers(&[("left", 1), ("right", 2)]), &["--version", "1.0"], &["right", "1.0"]);
    assert_eq!(ground.cli.run(["task", "show", "left"]).code, Some(4));
}

#[test]
fn refused_push_does_not_hide_that_the_next_one_is_good() {
    let ground = Ground::new();
    refused(&ground, b"", &["--name", "late"], &["is empty"]);
    assert_eq!(writes(&ground), [0, 0]);
    ground.push("default", &busy("f", 1), &["--name", "late"]);
    let stored = writes(&ground);
    assert!(stored.iter().all(|writes| *writes > 0), "{stored:?}");
}
