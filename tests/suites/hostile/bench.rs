//! The benchmark of a victim beside hostile inputs. What it measures is not held to anything here: the machine is busy.

use std::collections::BTreeMap;

use lovage_tests::Cli;
use serde_json::{Value, json};

/// Each input and how its jobs end, all of them.
const ENDS: [(&str, &str); 13] = [
    ("loops that run out of fuel", "out-of-fuel"),
    ("loops that run out of time", "timed-out"),
    ("memory filled without end", "timed-out"),
    ("memory grown to the limit", "out-of-memory"),
    ("tables grown to the limit", "trapped"),
    ("host calls without end", "timed-out"),
    ("sleep without end", "timed-out"),
    ("log without end", "timed-out"),
    ("the largest output", "completed"),
    ("output that is too large", "output-too-large"),
    ("traps", "trapped"),
    ("recursion without end", "stack-overflow"),
    ("a flood of small jobs", "completed"),
];

#[test]
fn benchmark_tells_what_hostile_jobs_do_to_a_victim() {
    let mode = std::env::var("LOVAGE_TEST_ISOLATION").unwrap_or_else(|_| "in-process".into());
    // So few at once that all of them get their memory.
    let args = ["--rounds", "1", "--samples", "10", "--hostile", "100", "--concurrency", "8", "--isolation", &mode];
    let report: Value = Cli::without_server().json(["bench", "--jobs", "100"].iter().chain(&args));
    let hostile = &report["hostile"];
    assert_eq!(hostile["isolated"], json!(mode == "process"));
    let rows = hostile["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["input"].as_str().unwrap()).collect();
    let inputs = ENDS.iter().map(|(input, _)| *input);
    assert_eq!(names, ["nothing"].into_iter().chain(inputs).chain(["nothing"]).collect::<Vec<_>>());
    let mut peaks = BTreeMap::new();
    for row in rows {
        assert_eq!((&row["right"], &row["wrong"]), (&json!(100), &json!(0)), "{row}");
        let latency = |name: &str| row["latency"][name].as_u64().unwrap();
        assert!(latency("p50_us") > 0 && latency("p50_us") <= latency("p99_us"), "{row}");
        assert!(row["p99_ratio"].as_f64().unwrap() > 0.0, "{row}");
        peaks.insert(row["input"].as_str().unwrap(), row["peak_bytes"].as_u64().unwrap());
    }
    for (row, (_, ends)) in rows.iter().skip(1).zip(ENDS) {
        let outcomes = row["outcomes"].as_object().unwrap();
        assert!(outcomes.keys().eq([ends]) && outcomes[ends].as_u64().unwrap() > 0, "{row}");
    }
    // One guest of these holds 64 MiB.
    assert!(peaks["memory filled without end"] > peaks["traps"] + (48 << 20), "{peaks:?}");
}
