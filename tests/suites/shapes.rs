//! Every shape of task, called by a plain publisher with the example that documents it.

use lovage_job::{name::Digest, outcome::OutcomeKind, result::JobResult};
use lovage_tests::{Seat, Stage, png, png_size, push};
use serde_json::{Value, json};

#[tokio::test]
async fn handler_takes_bytes_and_gives_bytes_with_their_media_type() {
    let seat = Stage::seat().await;
    let picture = png(400, 200, [200, 30, 30]);
    let small = ended(&seat, "thumbnail", &[("Thumbnail-Max", "50"), ("Content-Type", "image/png")], &picture).await;
    assert_eq!(small.record.outcome, OutcomeKind::Completed, "{:?}", small.error);
    assert_eq!((png_size(&small.body), small.content_type.as_deref()), (Some((50, 25)), Some("image/png")));
    let none = ended(&seat, "thumbnail", &[], b"no picture").await;
    assert_eq!(none.record.outcome, OutcomeKind::BadInput);
    assert_eq!(none.error.unwrap().message, "the input is neither a PNG nor a JPEG picture");
}

#[tokio::test]
async fn examples_of_the_sdk_do_what_they_say() {
    let seat = Stage::seat().await;
    let html = ended(&seat, "markdown", &[], b"# Title").await;
    assert!(String::from_utf8_lossy(&html.body).contains("<h1>Title</h1>"), "{html:?}");
    let csv = ended(&seat, "csv-summary", &[("Content-Type", "text/csv")], b"city,visits\nrome,2\nparis,4\n").await;
    assert_eq!(csv.record.outcome, OutcomeKind::Completed, "{:?}", csv.error);
    assert!(String::from_utf8_lossy(&csv.body).contains("visits"), "{csv:?}");
}

#[tokio::test]
async fn plain_functions_take_json_that_follows_their_types() {
    let seat = Stage::seat().await;
    for (task, input, output) in [
        ("add", "[2, 3]", json!(5)),
        ("add", r#"{"a": 4294967295, "b": 2}"#, json!(1)),
        ("divide", r#"{"a": -7, "b": 2}"#, json!(-3)),
        ("sum", "[0.5, 1.25, 2]", json!(3.75)),
        ("statistics", r#"{"values": [1, 2, 3, 4]}"#, json!([2.5, 1.118_033_988_749_895])),
        ("statistics", r#"{"values": []}"#, json!(null)),
        ("count-char", r#"{"text": "Lovage, ö and ö", "wanted": "ö"}"#, json!(2)),
    ] {
        let result = ended(&seat, task, &[], input.as_bytes()).await;
        assert_eq!(result.record.outcome, OutcomeKind::Completed, "{task} {input}: {:?}", result.error);
        let printed: Value = serde_json::from_slice(&result.body).unwrap();
        assert_eq!(printed, output, "{task} {input}");
        assert_eq!(result.content_type.as_deref(), Some("application/json"));
    }
}

#[tokio::test]
async fn records_variants_enums_and_flags_are_told_as_json() {
    let seat = Stage::seat().await;
    let input = json!({"expr": {
        "start": 10.0,
        "steps": [{"operator": "divide", "operand": 4.0, "label": "halves twice"}, {"operator": "add", "operand": 0.125}],
        "rounding": {"places": 1},
        "options": ["trace"],
    }});
    let result = ended(&seat, "solve", &[], input.to_string().as_bytes()).await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    let solution: Value = serde_json::from_slice(&result.body).unwrap();
    assert_eq!(solution["value"], json!(2.6));
    assert!(solution["trace"].as_array().unwrap().contains(&json!(2.5)), "{solution}");
}

#[tokio::test]
async fn error_of_a_typed_result_is_the_jobs_failure_with_details() {
    let seat = Stage::seat().await;
    const ONCE: &[(&str, &str)] = &[("Lovage-Retries", "0")];
    let text = ended(&seat, "divide", ONCE, br#"{"a": 1, "b": 0}"#).await;
    assert_eq!((text.record.outcome, text.record.attempt), (OutcomeKind::Failed, 1));
    assert_eq!(text.error.unwrap().details, Some(json!("1 / 0 has no answer in 32 bits")));
    let unit = ended(&seat, "check-even", ONCE, b"3").await;
    assert_eq!(unit.record.outcome, OutcomeKind::Failed);
    let input = json!({"expr": {
        "start": 1.0, "steps": [{"operator": "divide", "operand": 0.0, "label": "oops"}],
        "rounding": "none", "options": [],
    }});
    let variant = ended(&seat, "solve", ONCE, input.to_string().as_bytes()).await;
    assert_eq!(variant.record.outcome, OutcomeKind::Failed);
    assert_eq!(variant.error.unwrap().details, Some(json!({"division-by-zero": [0, "oops"]})));
}

#[tokio::test]
async fn function_of_bytes_takes_the_payload_as_it_is() {
    let seat = Stage::seat().await;
    let payload: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let hex = ended(&seat, "sha256-hex", &[], &payload).await;
    assert_eq!(serde_json::from_slice::<String>(&hex.body).unwrap(), Digest::of(&payload).hex());
    let raw = ended(&seat, "sha256", &[], &payload).await;
    assert_eq!((raw.body.len(), raw.record.outcome), (32, OutcomeKind::Completed));
    let told: String = raw.body.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(told, Digest::of(&payload).hex());
}

#[tokio::test]
async fn program_reads_stdin_and_gets_arguments_and_environment_of_its_manifest() {
    let seat = Stage::seat().await;
    push(&seat.stage.cli, "wc", &["--name", "count-words", "--arg", "--words", "--env", "WC_FORMAT=json"]);
    let result = ended(&seat, "count-words", &[], b"one two\nthree\n").await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed, "{:?}", result.error);
    assert_eq!(serde_json::from_slice::<Value>(&result.body).unwrap(), json!({"words": 3}));
    let all = ended(&seat, "wc", &[], b"one two\nthree\n").await;
    assert_eq!(String::from_utf8_lossy(&all.body), "2 3 14 14\n");
    push(&seat.stage.cli, "wc", &["--name", "count-nothing", "--arg", "--colours", "--retries", "0"]);
    let failed = ended(&seat, "count-nothing", &[], b"x").await;
    assert_eq!((failed.record.outcome, failed.record.attempt), (OutcomeKind::Failed, 1));
    let said = failed.error.unwrap();
    assert!(format!("{said:?}").contains("unknown argument `--colours`"), "{said:?}");
}

#[tokio::test]
async fn http_handler_gets_a_post_and_its_2xx_is_the_result() {
    let seat = Stage::seat().await;
    let headers = [("Content-Type", "text/plain"), ("X-Colour", "blue")];
    let result = ended(&seat, "http-echo", &headers, "grüße".as_bytes()).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Completed, 1));
    assert_eq!((result.body.as_slice(), result.content_type.as_deref()), ("grüße".as_bytes(), Some("text/plain")));
}

#[tokio::test]
async fn http_404_is_permanent_and_keeps_its_body() {
    let seat = Stage::seat().await;
    let result = ended(&seat, "http-echo", &[("X-Echo-Status", "404")], br#"{"missing": "page"}"#).await;
    assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Failed, 1));
    let error = result.error.unwrap();
    assert!(error.message.contains("404"), "{}", error.message);
    assert_eq!(error.details, Some(json!({"missing": "page"})));
}

#[tokio::test]
async fn http_429_and_503_are_tried_again_when_they_say() {
    let seat = Stage::seat().await;
    for status in ["429", "503"] {
        let headers = [("X-Echo-Status", status), ("X-Echo-Retry-After", "1"), ("Lovage-Retries", "1")];
        let result = ended(&seat, "http-echo", &headers, b"later").await;
        assert_eq!((result.record.outcome, result.record.attempt), (OutcomeKind::Failed, 2), "{status}");
        let waited = result.trail.0[1].started.since(result.trail.0[0].started).as_millis();
        assert!(waited >= 1_000, "{status}: tried again after {waited} ms");
        assert!(result.error.unwrap().message.contains(status));
    }
}

async fn ended(seat: &Seat, task: &str, headers: &[(&str, &str)], payload: &[u8]) -> JobResult {
    let plain = seat.jobs.publish(&format!("job.default.{task}"), headers, payload.to_vec()).await;
    seat.jobs.result(&plain.id).await
}
