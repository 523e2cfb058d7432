//! What a tenant's credentials open, in both modes: its jobs, results and events, and nothing else of anyone.

mod attack;
mod ground;
mod removal;

use attack::{Attacker, states};
use futures::StreamExt;
use ground::{Ground, Mode};
use lovage_job::outcome::OutcomeKind;
use lovage_tests::WITHIN;

/// Commands that need an operator's rights.
const OPERATORS: &[&[&str]] = &[
    &["tenant", "list"],
    &["tenant", "show", "acme"],
    &["tenant", "set", "acme", "--queued", "none"],
    &["tenant", "add", "more"],
    &["tenant", "rm", "acme", "--yes"],
    &["tenant", "keys", "list", "acme"],
    &["tenant", "policy", "acme"],
    &["task", "list"],
    &["task", "show", "answer"],
    &["task", "allow", "answer", "submit"],
    &["usage"],
    &["audit"],
    &["secret", "ls"],
    &["dead", "list"],
    &["limit", "list"],
    &["pause", "tenant"],
    &["resume", "tenant"],
    &["schedule", "list"],
    &["workers"],
    &["group", "show", "some"],
];

#[tokio::test]
async fn a_user_of_the_shared_account_opens_nothing_of_another_tenant() {
    opens_nothing_of_another(&Ground::new(Mode::Shared)).await;
}

#[tokio::test]
async fn a_user_of_an_own_account_opens_nothing_of_another_tenant() {
    opens_nothing_of_another(&Ground::new(Mode::Accounts)).await;
}

async fn opens_nothing_of_another(ground: &Ground) {
    let (acme, victim) = (ground.add("acme", &[]), ground.add("victim", &[]));
    ground.fill(&acme).await;
    ground.fill(&victim).await;
    let operator = ground.operator().await;
    let mut attacker = Attacker::connect(ground, &acme).await;
    let before = states(&operator, "acme").await;
    attacker.subscribe_to_everything().await;
    attacker.publish_to_everything(&operator).await;
    attacker.read_results_through_the_body().await;
    attacker.send_forged_headers().await;
    assert_eq!(states(&operator, "acme").await, before);
    // the victim's job ends while the attacker listens to all that it could subscribe to
    let ended = ground.cli(&victim).run(["submit", "answer", "--id", "watched", "--wait"]).ok();
    assert_eq!(ended.stdout.trim(), "42");
    attacker.heard_nothing().await;
}

#[tokio::test]
async fn users_of_the_shared_account_do_what_they_may() {
    do_what_they_may(&Ground::new(Mode::Shared)).await;
}

#[tokio::test]
async fn users_of_an_own_account_do_what_they_may() {
    do_what_they_may(&Ground::new(Mode::Accounts)).await;
}

/// The worker and the server run all the while.
async fn do_what_they_may(ground: &Ground) {
    let acme = ground.add("acme", &["--weight", "3"]);
    ground.push("acme");
    let cli = ground.cli(&acme);
    let watcher = ground.client(&acme).await;
    let mut events = watcher.events().await.unwrap();
    watcher.nats().flush().await.unwrap();
    assert_eq!(cli.ok(["submit", "answer", "--wait"]).trim(), "42");
    let told = tokio::time::timeout(WITHIN, events.next()).await.unwrap().unwrap();
    assert_eq!(told.task.as_str(), "answer");
    let _ = cli.ok(["submit", "answer", "--id", "later", "--delay", "1s"]);
    assert_eq!(cli.ok(["job", "wait", "later", "--timeout", "20s"]).trim(), "42");
    assert!(cli.ok(["job", "show", "later"]).contains("completed"));
    // as a function: the reply comes to the inbox that only this tenant hears
    let output: u32 = watcher.run(&"answer".parse().unwrap(), &()).await.unwrap();
    assert_eq!(output, 42);
    let unknown = cli.run(["submit", "nothing", "--wait"]).fails_with(1);
    assert!(unknown.stderr.contains(OutcomeKind::UnknownTask.as_str()), "{}", unknown.stderr);
    // what it may not do is said at once
    for refused in [
        &["job", "show", "nope"][..],
        &["job", "list"],
        &["submit", "answer", "--unique", "k"],
        &["job", "logs", "later"],
    ] {
        let begun = std::time::Instant::now();
        let told = cli.run(refused);
        assert_ne!(told.code, Some(0), "{refused:?}: {}", told.stdout);
        assert!(told.stderr.contains("right") || told.stderr.contains("this user"), "{refused:?}: {}", told.stderr);
        assert!(begun.elapsed().as_secs() < 3, "{refused:?} took {:?}", begun.elapsed());
    }
    // nor what only an operator may do, before anything is asked for that would not be answered
    for refused in OPERATORS {
        let told = cli.run(*refused).fails_with(3);
        assert!(
            told.stderr.contains("refuses $JS.API.INFO: this user has no right to it"),
            "{refused:?}: {}",
            told.stderr
        );
        assert!(
            told.stderr.contains("an operator's credentials are given with --creds"),
            "{refused:?}: {}",
            told.stderr
        );
    }
    // another tenant's jobs are not this user's
    let other = cli.clone().tenant("default").run(["submit", "answer"]).fails_with(3);
    assert!(other.stderr.contains("may not submit jobs of tenant default"), "{}", other.stderr);
}

#[tokio::test]
async fn new_credentials_end_the_old_ones_and_revoked_ones_open_nothing() {
    for mode in [Mode::Shared, Mode::Accounts] {
        let ground = Ground::new(mode);
        let old = ground.add("acme", &[]);
        assert!(ground.knows(&old).await);
        let new = ground.json(&["tenant", "creds", "acme"]);
        assert_ne!(old, new);
        assert!(ground.knows(&new).await);
        ground.forgets(&old).await;
        ground.json(&["tenant", "revoke", "acme"]);
        ground.forgets(&new).await;
        let again = ground.json(&["tenant", "creds", "acme"]);
        assert!(ground.knows(&again).await);
    }
}

#[tokio::test]
async fn account_limits_are_enforced() {
    let ground = Ground::new(Mode::Accounts);
    let limits = ["--account-connections=2", "--account-payload=1KiB", "--account-storage=1MiB", "--account-streams=1"];
    let acme = ground.add("acme", &limits);
    let (one, _two) = (ground.connect(&acme).await.unwrap(), ground.connect(&acme).await.unwrap());
    assert!(ground.connect(&acme).await.is_err(), "a third connection");
    let js = async_nats::jetstream::new(one);
    let stream = |name: &str| async_nats::jetstream::stream::Config {
        name: name.to_owned(),
        subjects: vec![format!("own.{name}")],
        ..Default::default()
    };
    js.create_stream(stream("one")).await.unwrap();
    let error = js.create_stream(stream("two")).await.unwrap_err();
    assert!(error.to_string().contains("10027"), "{error}");
    let mut refused = None;
    for _ in 0..2_000 {
        if let Err(error) = js.publish("own.one", vec![0; 900].into()).await.unwrap().await {
            refused = Some(error.to_string());
            break;
        }
    }
    assert!(refused.is_some(), "more than its storage was taken");
    // its own streams are its own: the platform's are not there
    assert!(js.get_stream("JOBS_acme").await.is_err() && js.get_stream("JOBS_default").await.is_err());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let ground = Ground::new(Mode::Shared);
    let acme = ground.add("acme", &[]);
    let told = |args: &[&str], code: i32, words: &str| {
        let output = ground.operator_cli().run(args).fails_with(code);
        assert!(output.stderr.contains(words), "{args:?}: {}", output.stderr);
    };
    told(&["tenant", "add", "acme"], 2, "there is a tenant acme already");
    for bad in ["ACME", "a.b", "a b", "", "*", ">", "..", "_x", "a\u{e9}", &"a".repeat(33)] {
        told(&["tenant", "add", "--", bad], 2, "not valid");
    }
    told(&["tenant", "add", "operator"], 2, "the platform's own");
    told(&["tenant", "rm", "nobody", "--yes"], 4, "no tenant nobody");
    told(&["tenant", "rm", "default", "--yes"], 2, "stays");
    told(&["tenant", "rm", "acme"], 2, "--yes");
    told(&["tenant", "set", "nobody", "--weight", "2"], 4, "no tenant nobody");
    told(&["tenant", "set", "acme"], 2, "nothing is to be set");
    told(&["tenant", "add", "x", "--account"], 2, "--operator-dir");
    told(&["tenant", "add", "x", "--account", "--operator-dir", "/no/such/folder"], 2, "is not an operator's folder");
    let folder = ground.folder().join("unused-operator");
    let folder = folder.to_str().unwrap();
    ground.operator_cli().ok(["operator", "init", "--dir", folder]);
    told(&["operator", "init", "--dir", folder], 2, "has an operator already");
    // the server is not in operator mode
    told(&["tenant", "add", "x", "--account", "--operator-dir", folder], 3, "system account");
    // a tenant's user has no right to any of it
    let output = ground.cli(&acme).run(["tenant", "add", "x"]);
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    assert!(ground.connect(&acme).await.is_ok());
    let names: Vec<_> =
        ground.json(&["tenant", "ls"]).as_array().unwrap().iter().map(|t| t["tenant"].clone()).collect();
    assert_eq!(names, ["acme", "default"]);
}
