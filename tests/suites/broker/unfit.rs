//! No server, or one that will not do: each command that needs one ends with exit code 3 and says what to do.

use lovage::server::JetStream;
use lovage_tests::{Cli, Nats, shared_cache};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::small::numbers;

/// Nothing listens on the first port of all.
const NOWHERE: &str = "nats://127.0.0.1:1";

#[test]
fn absent_server_is_told_and_how_to_start_one() {
    let cli = Cli::without_server().env("NATS_URL", NOWHERE);
    all_are_told(&cli, &["no NATS server answers at nats://127.0.0.1:1", "`lovage dev`", "--server or NATS_URL"]);
}

#[test]
fn address_that_is_none_is_told_without_its_password() {
    for url in ["nats://", "nats://lovage:hush@127.0.0.1:port", ","] {
        let cli = Cli::without_server().env("NATS_URL", url);
        all_are_told(&cli, &["is not a list of servers", "write nats://HOST:PORT"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_is_too_old_is_named_with_the_version_that_is_needed() {
    for (version, fits) in [("2.10.0", false), ("2.13.9", false), ("2.14.0", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(greet(listener, version));
        let cli = Cli::without_server().env("NATS_URL", &url);
        let upgrade = format!("{url} has version {version}; Lovage needs 2.14 or later, so upgrade it");
        // One that is new enough is asked for more, which this one does not have.
        let words: &[&str] = if fits { &["no JetStream"] } else { &[&upgrade] };
        tokio::task::block_in_place(|| all_are_told(&cli, words));
        server.abort();
    }
}

/// Greets as a server of this version would, and answers signs of life; nothing else.
async fn greet(listener: TcpListener, version: &'static str) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        tokio::spawn(answer(socket, version));
    }
}

async fn answer(socket: TcpStream, version: &str) {
    let port = socket.local_addr().unwrap().port();
    let (reader, mut writer) = socket.into_split();
    let greeting = format!(
        "INFO {{\"server_id\":\"old\",\"server_name\":\"old\",\"version\":\"{version}\",\"go\":\"go1\",\
         \"host\":\"127.0.0.1\",\"port\":{port},\"headers\":true,\"max_payload\":1048576,\"proto\":1}}\r\n"
    );
    let mut lines = BufReader::new(reader).lines();
    // The client hangs up when it has heard enough.
    let mut sent = writer.write_all(greeting.as_bytes()).await;
    while let (Ok(()), Ok(Some(line))) = (sent, lines.next_line().await) {
        sent = if line == "PING" { writer.write_all(b"PONG\r\n").await } else { Ok(()) };
    }
}

#[test]
fn server_without_jetstream_is_told_how_to_get_it() {
    let nats = Nats::start_with(|options| options.jetstream = JetStream::Off);
    all_are_told(&Cli::of(&nats), &[&nats.url(), "has no JetStream", "start it with -js"]);
}

#[test]
fn account_without_jetstream_is_told_so() {
    let accounts = "accounts { poor { users = [{ user: poor, password: hush }] } }\nno_auth_user: poor";
    let nats = Nats::start_with(|options| options.extra = accounts.into());
    all_are_told(&Cli::of(&nats), &[&nats.url(), "has no JetStream", "enable it for this account"]);
}

#[test]
fn wrong_credentials_are_told_and_never_shown() {
    let nats = Nats::start_with(|options| options.extra = "authorization { user: lovage, password: right }".into());
    let told = [nats.url(), "credentials are not accepted".into(), "--creds or --user and --password".into()];
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let wrong = [
        Cli::of(&nats),
        Cli::of(&nats).env("NATS_USER", "lovage").env("NATS_PASSWORD", "hush"),
        Cli::without_server().env("NATS_URL", &nats.url().replace("://", "://lovage:hush@")),
    ];
    for cli in wrong {
        all_are_told(&cli, &told);
    }
    let missing = Cli::of(&nats).env("NATS_CREDS", "/no/such/file.creds");
    all_are_told(&missing, &["/no/such/file.creds", "--creds"]);
    let right = Cli::of(&nats).env("NATS_USER", "lovage").env("NATS_PASSWORD", "right");
    let (_folder, file) = component();
    right.env("LOVAGE_CACHE", shared_cache().to_str().unwrap()).ok(["push", &file]);
}

/// Runs each command that needs a broker; all must end with exit code 3 and say each of these words.
#[track_caller]
fn all_are_told(cli: &Cli, words: &[&str]) {
    let (_folder, file) = component();
    let cli = cli.clone().env("LOVAGE_CACHE", shared_cache().to_str().unwrap());
    for command in [vec!["submit", "answer"], vec!["worker", "--name", "early"], vec!["push", &file]] {
        let output = cli.run(&command).fails_with(3);
        assert_eq!(output.stdout, "", "{command:?}");
        for word in words {
            assert!(output.stderr.contains(word), "{command:?} does not say {word:?}:\n{}", output.stderr);
        }
        assert!(!output.stderr.contains("hush") && !output.stderr.contains("panicked"), "{}", output.stderr);
    }
}

/// A component in a file.
fn component() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer.wasm");
    std::fs::write(&file, numbers(&[("answer", 1)])).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (folder, name)
}
