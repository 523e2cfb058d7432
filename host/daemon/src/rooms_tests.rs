//! The direction of the rooms, kept by reading their `use` lines.

use std::path::Path;

/// Every Rust file of a folder of this crate.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

fn must_not_know(folder: &str, words: &[&str]) {
    for (path, text) in sources(folder) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let known = words.iter().find(|word| code.contains(**word));
            assert!(known.is_none(), "{path}:{}: {folder} must not know {known:?}: {line}", number + 1);
        }
    }
}

#[test]
fn the_pipeline_knows_no_broker() {
    must_not_know("src/pipeline", &["async_nats", "axum", "crate::nats", "crate::app", "crate::cli", "crate::http"]);
}

#[test]
fn who_counts_does_not_know_how_it_is_told() {
    for room in ["src/pipeline", "src/nats", "src/registry", "src/counters"] {
        must_not_know(room, &["prometheus", "opentelemetry", "crate::telemetry"]);
    }
}

#[test]
fn the_brokers_side_knows_neither_pipeline_nor_sandbox() {
    must_not_know(
        "src/nats",
        &["crate::pipeline", "lovage_sandbox", "crate::app", "crate::cli", "crate::http", "crate::registry"],
    );
}

#[test]
fn the_http_server_is_known_by_the_command_line_alone() {
    for folder in ["src/app", "src/registry", "src/oci", "src/intake", "src/runners", "src/bench"] {
        must_not_know(folder, &["crate::http", "axum"]);
    }
}

#[test]
fn the_sandbox_knows_no_broker() {
    must_not_know("../sandbox/src", &["async_nats", "lovage_client"]);
}

#[test]
fn the_rules_know_no_outside() {
    must_not_know("../job/src", &["tokio", "SystemTime", "Instant::now", "rand::", "std::fs", "std::net", "std::env"]);
}
