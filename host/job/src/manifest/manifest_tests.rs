//! What a manifest says, and what is told of one that is wrong.

use super::*;

fn read(text: &str) -> Result<Manifest, Vec<String>> {
    super::read(text, UnixMs(1_800_000_000_000))
}

const WHOLE: &str = r#"
task = "word-stats"
alias = "canary"
result_ttl = "2h"

[limits]
fuel = 5000
memory = "32MiB"
timeout = "5s"

[retry]
retries = 2
backoff = "fixed:1s"

[[schedule]]
name = "nightly"
cron = "30 2 * * *"
zone = "Europe/Berlin"
input = { text = "to be" }
missed = "all:3"
overlap = "queue"
deadline = "10m"
tags = ["night"]
priority = "low"
retries = 0

[[schedule]]
name = "often"
every = "90s"
"#;

#[test]
fn a_manifest_is_read_whole() {
    let manifest = read(WHOLE).unwrap();
    assert_eq!(manifest.task.unwrap().as_str(), "word-stats");
    assert_eq!((manifest.alias.unwrap().as_str(), manifest.promote), ("canary", None));
    assert_eq!((manifest.limits.fuel, manifest.retries), (Some(5000), Some(2)));
    assert_eq!(manifest.result_ttl, Some(Duration::from_secs(7200)));
    let nightly = &manifest.schedules[0];
    assert_eq!(nightly.timing.to_string(), "30 2 * * * Europe/Berlin");
    assert_eq!(nightly.input, br#"{"text":"to be"}"#);
    assert_eq!((nightly.lane, nightly.retries, nightly.overlap), (Lane::Low, Some(0), Overlap::Queue));
    assert_eq!((nightly.missed, nightly.deadline), (Missed::All(3), Some(Duration::from_secs(600))));
    assert_eq!(manifest.schedules[1].input.len(), 0);
}

#[test]
fn every_fault_is_told_at_once() {
    let faults = read(
        r#"
        taks = "x"
        alias = "Not A Name"
        promote = "yes"
        [limits]
        feul = 1
        memory = 5
        [retry]
        retries = 1000
        [[schedule]]
        cron = "0 0 30 2 *"
        [[schedule]]
        name = "a"
        every = "0s"
        overlapp = "skip"
        missed = "all:100000"
        [[schedule]]
        name = "b"
        cron = "@daily"
        every = "5s"
        [[schedule]]
        name = "b"
        cron = "@daily"
        zone = "Europe/Berlni"
        "#,
    )
    .unwrap_err()
    .join("\n");
    for told in [
        "taks: unknown key; did you mean task?",
        "alias: alias \"Not A Name\" is not valid",
        "promote: this is string, and should be true or false",
        "limits.feul: unknown key; did you mean fuel?",
        "limits.memory: this is integer",
        "retry.retries: 1000 is not between 0 and 99",
        "schedule 1: name: a schedule needs a name",
        "never fires",
        "schedule \"a\": when: an interval of 0s",
        "overlapp: unknown key; did you mean overlap?",
        "all:N with N from 1 to 1000",
        "give exactly one of cron, every and at",
        "did you mean Europe/Berlin?",
    ] {
        assert!(faults.contains(told), "{told:?} is not in\n{faults}");
    }
}

#[test]
fn two_schedules_of_one_name_and_other_files_are_refused() {
    let twice = "[[schedule]]\nname = \"a\"\nevery = \"5s\"\n".repeat(2);
    assert!(read(&twice).unwrap_err().join("").contains("schedule a is there twice"));
    assert!(read("task = ").unwrap_err()[0].contains("line 1"));
    assert!(read("schedule = 5").unwrap_err()[0].contains("[[schedule]]"));
    assert!(read("").unwrap().schedules.is_empty());
}

#[test]
fn a_manifest_grants_capabilities() {
    let text = "[allow]\nsubmit = true\ndeterministic = false\nhttp = [\"a.b\", \"http://c:1\"]\nkeyvalue = [\"k\"]\n\
                blobstore = [\"b\"]\nsecret = [\"s\"]\nscratch = \"1MiB\"\nconfig = { mode = \"a=b\" }\n";
    let told: Vec<_> = read(text).unwrap().allow.iter().map(ToString::to_string).collect();
    let expected = [
        "submit",
        "http=a.b",
        "http=http://c:1",
        "keyvalue=k",
        "blobstore=b",
        "secret=s",
        "scratch=1MiB",
        "config=mode=a=b",
    ];
    assert_eq!(told, expected);
    for (bad, place) in [
        ("http = [\"*\"]", "allow.http"),
        ("htttp = [\"a.b\"]", "did you mean http"),
        ("config = { \"a=b\" = \"c\" }", "allow.config"),
        ("scratch = \"0B\"", "allow.scratch"),
        ("submit = \"yes\"", "allow.submit"),
    ] {
        let faults = read(&format!("[allow]\n{bad}\n")).unwrap_err();
        assert!(faults.len() == 1 && faults[0].contains(place), "{faults:?}");
    }
}
