//! Tenants apart: what each keeps, and that nothing is left of one that was removed.

use lovage_history::Engine;
use lovage_tests::{Database, WITHIN, eventually};

use super::samples::{many, result, store};
use super::{open, writer};
use crate::small::{Ground, tenant};
use lovage_job::outcome::OutcomeKind;

#[tokio::test(flavor = "multi_thread")]
async fn each_tenants_jobs_are_kept_as_its_record_says_and_go_with_it() {
    let ground = Ground::new();
    for name in ["acme", "umbra"] {
        ground.cli.ok(["tenant", "add", name]);
    }
    ground.cli.ok(["tenant", "set", "acme", "--history", "1h"]);
    assert_eq!(ground.cli.json(["tenant", "show", "acme"])["history"], "1h");
    let js = ground.nats.jetstream().await;
    let old = many("old", 20)
        .map(|one| result(one.record.id.as_str(), one.record.finished.0 - 7_200_000, OutcomeKind::Completed))
        .collect::<Vec<_>>();
    for name in ["acme", "umbra"] {
        store(&js, name, old.clone()).await;
        store(&js, name, many("new", 20)).await;
    }
    let database = Database::new(Engine::Sqlite);
    let _writer = writer(&ground.nats, &database);
    let history = open(&database).await;
    let counts = async || {
        let filter = lovage_history::JobFilter::default();
        let count = async |name: &str| {
            let scope = lovage_history::Scope::Tenant(tenant(name));
            history.count(&scope, &filter, 1_000).await.unwrap().jobs
        };
        (count("acme").await, count("umbra").await)
    };
    let are = async |expected: (u64, u64)| {
        eventually(&format!("{expected:?} jobs"), WITHIN * 3, async || match counts().await {
            seen if seen == expected => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await;
    };
    are((20, 40)).await;
    let compared = super::checked(&ground.cli, &database);
    assert_eq!(
        (&compared["too_old"], &compared["results"], &compared["different"]),
        (&20.into(), &60.into(), &0.into())
    );
    ground.cli.ok(["tenant", "rm", "umbra", "--yes"]);
    are((20, 0)).await;
    assert_eq!(history.tenants().await.unwrap(), [tenant("acme")]);
}
