//! The rules of versions and aliases.

use super::*;
use crate::catalog::AliasTarget;

fn version(name: &str) -> VersionEntry {
    VersionEntry { version: name.parse().unwrap(), digest: Digest::of(name.as_bytes()), pushed: UnixMs(1) }
}

fn task_with(versions: &[&str]) -> TaskRecord {
    let mut task = TaskRecord::new("add".parse().unwrap());
    for name in versions {
        task.add(version(name)).unwrap();
    }
    task
}

fn job(number: u64) -> JobId {
    JobId::from_stream(1, number)
}

#[test]
fn a_version_never_changes() {
    let mut task = task_with(&["1"]);
    task.add(version("1")).unwrap();
    assert_eq!(task.versions.len(), 1);
    let other = VersionEntry { digest: Digest::of(b"other"), ..version("1") };
    assert!(matches!(task.add(other), Err(CatalogError::VersionTaken { .. })));
}

#[test]
fn jobs_without_a_version_run_stable() {
    let mut task = task_with(&["1", "2"]);
    assert!(task.resolve(None, &job(1)).is_err());
    task.promote(AliasName::stable(), "2".parse().unwrap(), UnixMs(1)).unwrap();
    assert_eq!(task.resolve(None, &job(1)).unwrap().version.as_str(), "2");
    let one = VersionRef::Name("1".parse().unwrap());
    assert_eq!(task.resolve(Some(&one), &job(1)).unwrap().version.as_str(), "1");
    let digest = VersionRef::Digest(Digest::of(b"1"));
    assert_eq!(task.resolve(Some(&digest), &job(1)).unwrap().version.as_str(), "1");
}

#[test]
fn an_unknown_version_is_named_beside_the_known_ones() {
    let error = task_with(&["1"]).resolve(Some(&"7".parse().unwrap()), &job(1)).unwrap_err();
    assert_eq!(error.to_string(), "task add has no version 7; it has 1");
}

#[test]
fn a_weighted_alias_splits_jobs_and_each_job_stays_on_its_side() {
    let mut task = task_with(&["a", "b"]);
    task.promote(AliasName::stable(), "90%@a,10%@b".parse().unwrap(), UnixMs(1)).unwrap();
    let on_b = (0..10_000).filter(|n| task.resolve(None, &job(*n)).unwrap().version.as_str() == "b").count();
    assert!((800..1200).contains(&on_b), "{on_b}");
    assert_eq!(task.resolve(None, &job(7)).unwrap(), task.resolve(None, &job(7)).unwrap());
}

#[test]
fn absurd_weights_are_refused() {
    for bad in ["90%@a", "90%@a,20%@b", "x%@a,10%@b", "90@a,10@b", "-10%@a,110%@b", "100%@A", "4294967296%@a", ""] {
        bad.parse::<AliasTargets>().unwrap_err();
    }
    assert_eq!(
        "100%@a,0%@b".parse::<AliasTargets>().unwrap(),
        AliasTargets(vec![AliasTarget { version: "a".parse().unwrap(), weight: 100 }])
    );
}

#[test]
fn a_rollback_takes_the_last_move_back() {
    let mut task = task_with(&["1", "2", "3"]);
    let stable = AliasName::stable();
    for name in ["1", "2", "3"] {
        task.promote(stable.clone(), name.parse().unwrap(), UnixMs(1)).unwrap();
    }
    assert_eq!(task.roll_back(&stable).unwrap().to_string(), "2");
    assert_eq!(task.roll_back(&stable).unwrap().to_string(), "1");
    assert!(matches!(task.roll_back(&stable), Err(CatalogError::NoEarlier { .. })));
    assert_eq!(task.resolve(None, &job(1)).unwrap().version.as_str(), "1");
}

#[test]
fn a_version_in_use_cannot_be_removed() {
    let mut task = task_with(&["1", "2"]);
    task.promote(AliasName::stable(), "2".parse().unwrap(), UnixMs(1)).unwrap();
    assert!(matches!(task.remove(&"2".parse().unwrap()), Err(CatalogError::InUse { .. })));
    task.remove(&"1".parse().unwrap()).unwrap();
    assert!(matches!(task.remove(&"1".parse().unwrap()), Err(CatalogError::UnknownVersion { .. })));
    assert_eq!(task.pushed_count, 2);
}

#[test]
fn promoting_an_unknown_version_changes_nothing() {
    let mut task = task_with(&["1"]);
    assert!(task.promote(AliasName::stable(), "9".parse().unwrap(), UnixMs(1)).is_err());
    assert!(task.aliases.is_empty() && task.moves.is_empty());
}

#[test]
fn records_read_back() {
    let mut task = task_with(&["1", "2"]);
    task.promote(AliasName::stable(), "90%@1,10%@2".parse().unwrap(), UnixMs(1)).unwrap();
    let text = serde_json::to_string(&task).unwrap();
    assert_eq!(serde_json::from_str::<TaskRecord>(&text).unwrap(), task);
    assert!(serde_json::from_str::<TaskRecord>(&text.replace("\"add\"", "\"a.b\"")).is_err());
}
