//! Bad input: damaged entries, streams made anew, two writers, and databases that are none.

use lovage_history::{Engine, JobFilter, PageRequest, Scope};
use lovage_tests::{Database, WITHIN, eventually_blocking};
use serde_json::Value;

use super::samples::{letter, many, store};
use super::{agrees, checked, open, writer};
use crate::small::{Ground, tenant};

async fn ground() -> (Ground, Database, async_nats::jetstream::Context) {
    let ground = Ground::new();
    ground.cli.ok(["tenant", "add", "acme"]);
    let js = ground.nats.jetstream().await;
    (ground, Database::new(Engine::Sqlite), js)
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_entries_and_markers_stop_nothing() {
    let (ground, database, js) = ground().await;
    let bucket = js.get_key_value("results-acme").await.unwrap();
    let mut forged = async_nats::HeaderMap::new();
    let other = many("other", 1).next().unwrap();
    for (name, value) in other.to_headers().iter() {
        forged.insert(name, value);
    }
    store(&js, "acme", many("first", 3)).await;
    bucket.put("junk", "no headers".into()).await.unwrap();
    js.publish_with_headers("$KV.results-acme.another", forged, "".into()).await.unwrap().await.unwrap();
    bucket.delete("first-1").await.unwrap();
    store(&js, "acme", many("last", 3)).await;
    let _writer = writer(&ground.nats, &database);
    let settled = tokio::task::block_in_place(|| {
        eventually_blocking("all to be read", WITHIN, || {
            let checked = checked(&ground.cli, &database);
            if checked["unread"] == 0 { Ok(checked) } else { Err(checked.to_string()) }
        })
    });
    assert_eq!((&settled["results"], &settled["damaged"], &settled["different"]), (&5.into(), &2.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_do_no_harm_and_a_stream_made_anew_is_read_from_its_beginning() {
    let (ground, database, js) = ground().await;
    let _writers = [writer(&ground.nats, &database), writer(&ground.nats, &database)];
    store(&js, "acme", many("first", 2_000)).await;
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (2_000, 0)));
    let mut stream = js.get_stream("KV_results-acme").await.unwrap();
    let config = stream.info().await.unwrap().config.clone();
    js.delete_stream("KV_results-acme").await.unwrap();
    js.create_stream(config).await.unwrap();
    store(&js, "acme", many("second", 500)).await;
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (500, 0)));
    let status = ground.cli.json(["history", "status", "--history", &database.address]);
    assert_eq!(status["jobs"], 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_corrects_what_was_changed_and_an_empty_one_begins_anew() {
    let (ground, database, js) = ground().await;
    let acme = tenant("acme");
    store(&js, "acme", many("j", 700)).await;
    let rebuild = |more: &[&str]| {
        let args = ["history", "rebuild", "--history", &database.address];
        ground.cli.json(args.iter().chain(more))
    };
    assert_eq!(rebuild(&[])["written"], 700);
    agrees(&ground.cli, &database, (700, 0));
    let bucket = js.get_key_value("results-acme").await.unwrap();
    bucket.purge("j-0").await.unwrap();
    let mut connection = connect(&database).await;
    let tampered = "UPDATE lovage_jobs SET worker = 'other' WHERE id = 'j-1'";
    sqlx::query(tampered).execute(&mut connection).await.unwrap();
    sqlx::query("DELETE FROM lovage_jobs WHERE id = 'j-2'").execute(&mut connection).await.unwrap();
    let output = ground.cli.run(["history", "check", "--history", &database.address]).fails_with(1);
    assert!(output.stdout.contains("acme/j-1 differs in worker\nacme/j-2 is missing\n"), "{}", output.stdout);
    rebuild(&[]);
    agrees(&ground.cli, &database, (699, 0));
    let store = open(&database).await;
    assert!(store.job(&acme, &"j-0".parse().unwrap()).await.unwrap().is_some(), "the broker has forgotten it");
    let unsure = ground.cli.run(["history", "rebuild", "--empty", "--history", &database.address]).fails_with(2);
    assert!(unsure.stderr.contains("--yes"), "{}", unsure.stderr);
    rebuild(&["--empty", "--yes"]);
    agrees(&ground.cli, &database, (699, 0));
    assert!(store.job(&acme, &"j-0".parse().unwrap()).await.unwrap().is_none());
    let page = PageRequest { limit: 500, after: None };
    assert_eq!(store.jobs(&Scope::All, &JobFilter::default(), &page).await.unwrap().items.len(), 500);
}

async fn connect(database: &Database) -> sqlx::AnyConnection {
    sqlx::any::install_default_drivers();
    let address = database.address.replace("sqlite:/", "sqlite:///");
    <sqlx::AnyConnection as sqlx::Connection>::connect(&address).await.unwrap()
}

#[test]
fn what_is_no_database_is_refused_by_name_and_passwords_are_not_shown() {
    let ground = Ground::new();
    let refused =
        |address: &str, code: i32| ground.cli.run(["history", "status", "--history", address]).fails_with(code).stderr;
    assert!(refused("redis://h/1", 2).contains("use sqlite:FILE"));
    let junk = ground.file("junk.db", &[b'x'; 5_000]);
    assert!(refused(&format!("sqlite:{}", junk.display()), 6).contains("junk.db"));
    assert!(refused("sqlite:/no/such/folder/h.db", 6).contains("/no/such/folder/h.db"));
    let silent = refused("postgres://u:hunter2@127.0.0.1:1/d", 6);
    assert!(silent.contains("u:***@127.0.0.1:1") && !silent.contains("hunter2"), "{silent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_without_a_result_is_a_job_too() {
    let (ground, database, js) = ground().await;
    let now = many("any", 1).next().unwrap().record.finished.0;
    let letter = letter("acme", "gone", now);
    let subject =
        lovage_job::subject::dead(&tenant("acme"), &"default".parse().unwrap(), &"add".parse().unwrap(), &letter.id);
    let headers = lovage_client::wire::to_nats(&letter.to_headers());
    js.publish_with_headers(subject, headers, "{}".into()).await.unwrap().await.unwrap();
    let _writer = writer(&ground.nats, &database);
    tokio::task::block_in_place(|| agrees(&ground.cli, &database, (0, 1)));
    let row: Value = ground.cli.json(["history", "status", "--history", &database.address]);
    assert_eq!(row["newest"], now);
}
