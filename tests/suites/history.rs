//! The history of jobs in SQL: on every engine the same, and what the broker has, whatever happens to its writer.

mod crashes;
mod engines;
mod faults;
mod samples;
mod tenants;
mod written;

use std::time::Duration;

use lovage_history::Store;
use lovage_history::StoreOptions;
use lovage_tests::{Cli, Database, Nats, Process, WITHIN, eventually_blocking};
use serde_json::Value;

/// Starts a writer of the history as a process of its own.
fn writer(nats: &Nats, database: &Database) -> Process {
    let args = ["history", "write", "--server", &nats.url(), "--history", &database.address];
    Process::lovage("the history's writer", args, |_| {})
}

/// Opens a database for a test to look at.
async fn open(database: &Database) -> Store {
    let options = StoreOptions { query_within: Duration::from_secs(20), ..StoreOptions::default() };
    Store::open(&database.url, options).await.unwrap_or_else(|error| panic!("{}: {error}", database.address))
}

/// What a comparison with the broker says.
fn checked(cli: &Cli, database: &Database) -> Value {
    let output = cli.run(["history", "check", "--history", &database.address, "--json"]);
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Waits until the history has read so many results and dead letters, and agrees with the broker in each of them.
#[track_caller]
fn agrees(cli: &Cli, database: &Database, (results, letters): (u64, u64)) {
    let expected = serde_json::json!({
        "results": results, "letters": letters, "unread": 0, "too_old": 0, "damaged": 0, "different": 0, "differences": [],
    });
    eventually_blocking("the history to agree with the broker", WITHIN, || {
        let checked = checked(cli, database);
        if checked == expected { Ok(()) } else { Err(checked.to_string()) }
    });
}
