//! Ends that nobody planned, of the writer and of the database, in the middle of a run.

use lovage_history::Engine;
use lovage_tests::{Database, DatabaseServer, WITHIN, eventually_blocking};

use super::samples::{many, store};
use super::{agrees, writer};
use crate::small::Ground;

/// Results that are stored in each part of a run.
const PART: u64 = 1_500;

fn rows(ground: &Ground, database: &Database) -> u64 {
    let status = ground.cli.json(["history", "status", "--history", &database.address]);
    status["jobs"].as_u64().unwrap()
}

/// Kills the writer in the middle of each part, and in the end has the history agree with the broker.
async fn killed_writers_leave_a_history_that_agrees(engine: Engine) {
    let ground = Ground::new();
    ground.cli.ok(["tenant", "add", "acme"]);
    let database = tokio::task::spawn_blocking(move || Database::new(engine)).await.unwrap();
    let js = ground.nats.jetstream().await;
    for part in 0..4 {
        let before = PART * part;
        let mut writer = writer(&ground.nats, &database);
        store(&js, "acme", many(&format!("part{part}"), PART)).await;
        tokio::task::block_in_place(|| {
            eventually_blocking("the writer to have begun", WITHIN, || {
                let rows = rows(&ground, &database);
                if rows > before { Ok(()) } else { Err(rows.to_string()) }
            });
        });
        writer.kill9();
    }
    let _last = writer(&ground.nats, &database);
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (4 * PART, 0)));
    assert_eq!(rows(&ground, &database), 4 * PART, "each was counted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_writers_leave_a_history_that_agrees_on_sqlite() {
    killed_writers_leave_a_history_that_agrees(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_writers_leave_a_history_that_agrees_on_postgres() {
    killed_writers_leave_a_history_that_agrees(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_writers_leave_a_history_that_agrees_on_mariadb() {
    killed_writers_leave_a_history_that_agrees(Engine::Mysql).await;
}

/// Kills the database in the middle of a run; the writer stays, tells it once, and goes on by itself.
async fn a_killed_database_is_waited_for(engine: Engine) {
    let ground = Ground::new();
    ground.cli.ok(["tenant", "add", "acme"]);
    let (mut server, database) = tokio::task::spawn_blocking(move || {
        let server = DatabaseServer::own(engine);
        let database = server.database("history");
        (server, database)
    })
    .await
    .unwrap();
    let js = ground.nats.jetstream().await;
    let mut writer = writer(&ground.nats, &database);
    store(&js, "acme", many("first", PART)).await;
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (PART, 0)));
    server.kill9();
    store(&js, "acme", many("second", PART)).await;
    tokio::task::block_in_place(|| {
        writer.says("that it is degraded", WITHIN, |line| line.contains("the history is not written now"));
        let refused = ground.cli.run(["history", "status", "--history", &database.address]).fails_with(6);
        assert!(refused.stderr.contains("is not available"), "{}", refused.stderr);
        server.restart();
        writer.says("that it is well", WITHIN, |line| line.contains("the history is written again"));
        agrees(&ground.cli, &database, (2 * PART, 0));
    });
    let said = writer.stderr();
    assert_eq!(said.matches("the history is not written now").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_is_waited_for_on_postgres() {
    a_killed_database_is_waited_for(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_is_waited_for_on_mariadb() {
    a_killed_database_is_waited_for(Engine::Mysql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_is_waited_for() {
    let mut ground = Ground::new();
    ground.cli.ok(["tenant", "add", "acme"]);
    let database = Database::new(Engine::Sqlite);
    let mut writer = writer(&ground.nats, &database);
    let js = ground.nats.jetstream().await;
    store(&js, "acme", many("first", 100)).await;
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (100, 0)));
    ground.nats.kill9();
    tokio::task::block_in_place(|| {
        writer.says("that it is degraded", WITHIN, |line| line.contains("the history is not written now"));
        ground.nats.restart();
        writer.says("that it is well", WITHIN, |line| line.contains("the history is written again"));
    });
    store(&ground.nats.jetstream().await, "acme", many("second", 100)).await;
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (200, 0)));
}
