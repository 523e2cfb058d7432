//! Payloads and results around the size of a message: claim checks for our clients, the server's own word for others.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use lovage_client::NewJob;
use lovage_job::{name::Digest, outcome::OutcomeKind};
use lovage_tests::{Jobs, Nats, Stage, WITHIN, Worker, cli, push, shared_cache};

const MESSAGE_MAX: usize = 65_536;

#[tokio::test]
async fn payload_and_result_of_two_mebibytes_go_through_the_object_store() {
    let seat = Stage::seat().await;
    push(&seat.stage.cli, "hostile", &["--export", "echo", "--name", "big-echo", "--max-output", "4MiB"]);
    let payload: Vec<u8> = (0..2 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let result = seat.jobs.run(NewJob::new("big-echo".parse().unwrap(), payload.clone())).await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    assert_eq!(result.record.payload, Some(Digest::of(&payload)), "the result is in an object");
    assert!(result.body == payload, "the result has {} bytes, and differs", result.body.len());
}

#[tokio::test]
async fn result_stays_in_its_message_up_to_half_a_mebibyte() {
    let seat = Stage::seat().await;
    for (size, claimed) in [((512 << 10) - 1, false), (512 << 10, false), ((512 << 10) + 1, true)] {
        let result = seat.jobs.run(NewJob::json("big-output".parse().unwrap(), &size).unwrap()).await;
        assert_eq!((result.body.len(), result.record.payload.is_some()), (size, claimed));
        assert!(result.body.iter().all(|byte| *byte == b'x'));
    }
}

#[tokio::test]
async fn payload_whose_object_is_missing_is_bad_input_and_buried() {
    let seat = Stage::seat().await;
    let digest = Digest::of(b"never stored");
    let plain = seat.jobs.publish("job.default.sha256-hex", &[("Lovage-Payload", digest.as_str())], "").await;
    let letter = seat.jobs.letter(&plain.id).await;
    assert_eq!(letter.error.kind, OutcomeKind::BadInput);
    assert!(letter.error.message.contains(digest.as_str()), "{}", letter.error.message);
    seat.jobs.gone(plain.sequence).await;
}

#[tokio::test]
async fn plain_publisher_hears_from_the_server_when_the_payload_is_too_large() {
    let nats = small_server();
    let _worker = small_worker(&nats);
    let jobs = Jobs::of(&nats).await;
    for size in [MESSAGE_MAX - 1, MESSAGE_MAX] {
        let payload = vec![b'p'; size];
        let plain = jobs.publish("job.default.sha256-hex", &[], payload.clone()).await;
        let result = jobs.result(&plain.id).await;
        assert_eq!(serde_json::from_slice::<String>(&result.body).unwrap(), Digest::of(&payload).hex());
    }
    jobs.all_done(WITHIN).await;
    let before = jobs.stream("JOBS_default").await.cached_info().state.last_sequence;
    let told = publish_raw(&nats, "lovage.default.job.default.sha256-hex", MESSAGE_MAX + 1);
    assert!(told.to_lowercase().contains("-err 'maximum payload violation'"), "{told}");
    let after = jobs.stream("JOBS_default").await.cached_info().state.last_sequence;
    assert_eq!(before, after, "nothing was stored");
    // Our client does not need to know.
    let payload = vec![b'q'; 3 * MESSAGE_MAX];
    let result = jobs.run(NewJob::new("sha256-hex".parse().unwrap(), payload.clone())).await;
    assert_eq!(serde_json::from_slice::<String>(&result.body).unwrap(), Digest::of(&payload).hex());
}

#[tokio::test]
async fn result_above_a_small_servers_message_size_still_arrives() {
    let nats = small_server();
    let _worker = small_worker(&nats);
    let jobs = Jobs::of(&nats).await;
    let result = jobs.run(NewJob::json("big-output".parse().unwrap(), &(2 * MESSAGE_MAX)).unwrap()).await;
    assert_eq!((result.record.outcome, result.body.len()), (OutcomeKind::Completed, 2 * MESSAGE_MAX));
}

/// The dead letter and the retry carry more headers than the job did.
#[tokio::test]
async fn job_that_fills_a_whole_message_can_be_buried_and_tried_again() {
    let nats = small_server();
    let _worker = small_worker(&nats);
    let jobs = Jobs::of(&nats).await;
    let payload = vec![b' '; MESSAGE_MAX];
    let unknown = jobs.publish("job.default.nobody-pushed-this", &[], payload.clone()).await;
    let letter = jobs.letter(&unknown.id).await;
    assert_eq!(letter.error.kind, OutcomeKind::UnknownTask);
    assert_eq!(letter.payload.len(), MESSAGE_MAX);
    jobs.gone(unknown.sequence).await;
}

#[tokio::test]
async fn job_that_fills_a_whole_message_can_be_tried_again() {
    let nats = small_server();
    let _worker = small_worker(&nats);
    let jobs = Jobs::of(&nats).await;
    let mut payload = br#"{"succeed_on":2}"#.to_vec();
    payload.resize(MESSAGE_MAX, b' ');
    let flaky = jobs.publish("job.default.flaky", &[], payload).await;
    let result = jobs.result(&flaky.id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 2));
}

fn small_server() -> Nats {
    let nats = Nats::start_with(|options| options.max_payload_bytes = Some(MESSAGE_MAX as u64));
    push(&cli(&nats), "sha256", &["--export", "sha256-hex"]);
    for export in ["big-output", "flaky"] {
        push(&cli(&nats), "hostile", &["--export", export]);
    }
    nats
}

fn small_worker(nats: &Nats) -> Worker {
    Worker::of(nats).cache_dir(shared_cache()).start()
}

/// Publishes with nothing but a socket, and returns what the server says.
fn publish_raw(nats: &Nats, subject: &str, size: usize) -> String {
    let address = nats.url().trim_start_matches("nats://").to_owned();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let start = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nPUB {subject} {size}\r\n");
    socket.write_all(start.as_bytes()).unwrap();
    // The server hangs up while this is written.
    let _ = socket.write_all(&vec![b'p'; size]).and_then(|()| socket.write_all(b"\r\nPING\r\n"));
    let mut told = Vec::new();
    let _ = socket.read_to_end(&mut told);
    String::from_utf8_lossy(&told).into_owned()
}
