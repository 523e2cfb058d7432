//! The contract: what dashboards and alerts are written against does not change by accident.

use super::*;
use std::collections::BTreeSet;

#[test]
fn names_say_their_unit_and_kind() {
    let mut seen = BTreeSet::new();
    for metric in ALL {
        let name = metric.name;
        assert!(seen.insert(name), "{name} is there twice");
        assert!(name.starts_with("lovage_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}: counters alone end so");
        for unit in ["_ms", "_millis", "_minutes", "_kb", "_mb", "_percent"] {
            assert!(!name.contains(unit), "{name} is not in base units");
        }
        assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{name}: {:?}", metric.help);
    }
}

#[test]
fn labels_are_closed_sets() {
    let closed = ["asset", "direction", "fault", "lane", "mode", "outcome", "queue", "reason", "result", "version"];
    for metric in ALL {
        let per_tenant = matches!(metric.from, From::WorkerPerTenant | From::ClusterPerTenant);
        assert_eq!(per_tenant, metric.labels.contains(&"tenant"), "{}", metric.name);
        let open = metric.labels.iter().find(|label| **label != "tenant" && !closed.contains(label));
        assert!(open.is_none(), "{}: {open:?}", metric.name);
    }
}

/// Set `LOVAGE_WRITE_DOCS` to write the table anew after a change of the contract.
#[test]
fn the_reference_has_every_metric_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/METRICS.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- the contract -->\n", "<!-- end of the contract -->\n");
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let wanted = format!("{before}{begin}{}{end}{after}", reference());
    if std::env::var_os("LOVAGE_WRITE_DOCS").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == wanted, "host/docs/METRICS.md is not as names.rs says");
}

fn reference() -> String {
    let mut text = String::new();
    for (from, title) in [
        (From::Every, "Every process"),
        (From::Worker, "A worker"),
        (From::WorkerPerTenant, "A worker with `per_tenant = true`"),
        (From::Cluster, "`lovage serve` and `lovage dev`"),
        (From::ClusterPerTenant, "`lovage serve --metrics-per-tenant`"),
    ] {
        text.push_str(&format!("\n### {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n"));
        for metric in ALL.iter().filter(|metric| metric.from == from) {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind, help) = (metric.name, metric.kind.as_str(), metric.help);
            text.push_str(&format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", ")));
        }
    }
    text.push('\n');
    text
}
