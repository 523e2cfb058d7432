//! Pushes of one task by several people at the same moment.

use std::{ffi::OsString, path::PathBuf};

use futures::future::join_all;
use lovage::{
    app::engine,
    config::WorkerFile,
    nats::store::{Catalog, Components},
    registry::push::{Checked, PushError, PushOptions, Pushed, check, store},
};
use lovage_job::name::{AliasName, TaskName};
use lovage_tests::{lovage_binary, shared_cache};

use crate::small::{Ground, numbers, tenant};

/// What several pushes do at once, in this process so that each of their steps meets the others'.
struct Rush {
    ground: Ground,
    checked: Vec<Checked>,
    catalog: Catalog,
}

impl Rush {
    /// Four components, ready to be stored, of a task that has one version already.
    async fn new() -> Self {
        let ground = Ground::new();
        ground.push("default", &numbers(&[("answer", 0)]), &[]);
        let (sandbox, compiler) = engine(&WorkerFile::default(), 1, &shared_cache(), &compiler()).unwrap();
        let mut checked = Vec::new();
        for number in 1..=4 {
            let component = numbers(&[("answer", number)]);
            checked.push(check(&component, &Default::default(), &sandbox, &compiler).await.unwrap());
        }
        let catalog = Catalog::open(&ground.nats.jetstream().await).await.unwrap();
        Self { ground, checked, catalog }
    }

    async fn push_all(&self, options: &PushOptions) -> Vec<Result<Vec<Pushed>, PushError>> {
        let (components, tenant) = (Components::new(self.ground.nats.jetstream().await), tenant("default"));
        join_all(self.checked.iter().map(|checked| store(&self.catalog, &components, &tenant, checked, options))).await
    }

    /// The record of a version, which workers run, must name the component that the task's own record names.
    async fn is_consistent(&self) {
        let (tenant, name) = (tenant("default"), "answer".parse::<TaskName>().unwrap());
        let task = self.catalog.task(&tenant, &name).await.unwrap().unwrap();
        for entry in &task.versions {
            let record = self.catalog.version(&tenant, &name, &entry.version).await.unwrap().unwrap();
            assert_eq!(record.digest, entry.digest, "version {} runs a component that was refused", entry.version);
        }
    }
}

/// The program that compiles.
fn compiler() -> (PathBuf, Vec<OsString>) {
    (lovage_binary().to_owned(), vec!["compile-child".into()])
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_share_a_folder_of_compiled_code_do_not_take_it_from_each_other() {
    let cache = tempfile::tempdir().unwrap();
    // What processes of their own would have: nothing but the folder is shared.
    let process = |_| engine(&WorkerFile::default(), 1, cache.path(), &compiler()).unwrap();
    let processes: Vec<_> = (0..4).map(process).collect();
    for number in 0..20 {
        let component = numbers(&[("answer", number)]);
        let options = Default::default();
        let checks = processes.iter().map(|(sandbox, compiler)| check(&component, &options, sandbox, compiler));
        let failed: Vec<String> =
            join_all(checks).await.into_iter().filter_map(|checked| Some(checked.err()?.to_string())).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}

#[tokio::test]
async fn version_that_several_push_at_once_is_that_of_the_one_who_was_told_so() {
    let rush = Rush::new().await;
    let version = Some("2.0".parse().unwrap());
    let pushed =
        rush.push_all(&PushOptions { version, alias: Some(AliasName::stable()), ..PushOptions::default() }).await;
    assert_eq!(pushed.iter().filter(|pushed| pushed.is_ok()).count(), 1, "{pushed:?}");
    for refused in pushed.iter().filter_map(|pushed| pushed.as_ref().err()) {
        assert!(matches!(refused, PushError::Catalog(_)), "{refused}");
    }
    rush.is_consistent().await;
}

#[tokio::test]
async fn versions_without_a_name_are_numbered_one_after_another() {
    let rush = Rush::new().await;
    let pushed = rush.push_all(&PushOptions { alias: Some(AliasName::stable()), ..PushOptions::default() }).await;
    rush.is_consistent().await;
    let refused: Vec<String> = pushed.iter().filter_map(|pushed| Some(pushed.as_ref().err()?.to_string())).collect();
    assert!(refused.is_empty(), "{refused:?}");
}
