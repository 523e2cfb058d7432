//! Payloads and results around the size of a message: claim checks for our clients, the server's own word for others.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use lovage_client::NewJob;
use lovage_job::{name::Digest, outcome::OutcomeKind};
use lovage_tests::{Jobs, Nats, Stage, Worker, cli, push, shared_cache};

/// What a server takes in one message where nobody changed it.
const MESSAGE_MAX: usize = 1 << 20;

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
    let seat = Stage::seat().await;
    for size in [MESSAGE_MAX - 1, MESSAGE_MAX] {
        let payload = vec![b'p'; size];
        let plain = seat.jobs.publish("job.default.sha256-hex", &[], payload.clone()).await;
        let result = seat.jobs.result(&plain.id).await;
        assert_eq!(serde_json::from_slice::<String>(&result.body).unwrap(), Digest::of(&payload).hex());
    }
    // A queue that nobody serves: what were stored would stay.
    let subject = "lovage.default.job.too-large.sha256-hex.too-large";
    let told = publish_raw(&seat.stage.nats, subject, MESSAGE_MAX + 1);
    assert!(told.to_lowercase().contains("-err 'maximum payload violation'"), "{told}");
    let stream = seat.jobs.stream("JOBS_default").await;
    assert!(stream.get_last_raw_message_by_subject(subject).await.is_err(), "something was stored");
    // Our client does not need to know.
    for size in [MESSAGE_MAX, MESSAGE_MAX + 1] {
        let payload = vec![b'q'; size];
        let result = seat.jobs.run(NewJob::new("sha256-hex".parse().unwrap(), payload.clone())).await;
        assert_eq!(serde_json::from_slice::<String>(&result.body).unwrap(), Digest::of(&payload).hex());
    }
}

/// The dead letter carries more headers than the job did.
#[tokio::test]
async fn job_that_fills_a_whole_message_can_be_buried() {
    let seat = Stage::seat().await;
    let unknown = seat.jobs.publish("job.default.nobody-pushed-this", &[], vec![b' '; MESSAGE_MAX]).await;
    assert_eq!(seat.jobs.result(&unknown.id).await.record.outcome, OutcomeKind::UnknownTask);
    seat.jobs.gone(unknown.sequence).await;
    let letter = seat.jobs.letter(&unknown.id).await;
    assert_eq!(letter.error.kind, OutcomeKind::UnknownTask);
    let payload = seat.jobs.client.payload_of(&letter).await.unwrap();
    assert!(payload == vec![b' '; MESSAGE_MAX], "the payload has {} bytes, and differs", payload.len());
}

/// So does the next attempt.
#[tokio::test]
async fn job_that_fills_a_whole_message_can_be_tried_again() {
    let seat = Stage::seat().await;
    let mut payload = br#"{"succeed_on":2}"#.to_vec();
    payload.resize(MESSAGE_MAX, b' ');
    let flaky = seat.jobs.publish("job.default.flaky", &[], payload).await;
    let result = seat.jobs.result(&flaky.id).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 2));
}

#[tokio::test]
async fn server_with_small_messages_takes_components_payloads_and_results() {
    let small = 65_536;
    let nats = Nats::start_with(|options| options.max_payload_bytes = Some(small as u64));
    let _worker = Worker::of(&nats).cache_dir(shared_cache()).start();
    let jobs = Jobs::of(&nats).await;
    tokio::task::spawn_blocking({
        let cli = cli(&nats);
        move || push(&cli, "hostile", &[])
    })
    .await
    .unwrap();
    let payload = vec![b'q'; 3 * small];
    let result = jobs.run(NewJob::new("echo".parse().unwrap(), payload.clone())).await;
    assert!(result.body == payload, "{:?}", result.error);
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
