//! What follows an end, and the shapes that others read.

use super::*;
use crate::decode::{Origin as Published, decode};
use crate::flow::{Gathered, OnMemberFailure};
use crate::name::Digest;
use crate::outcome::{JobError, Meter};
use crate::result::ResultRecord;
use crate::trail::Trail;

const PUBLISHED: Published = Published { stream_created_ms: 1, sequence: 2, stored: UnixMs(1_000) };

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn tenant() -> TenantName {
    "acme".parse().unwrap()
}

fn job(headers: &[(&str, &str)]) -> Job {
    decode("lovage.acme.job-high.mail.send.j1", &headers.iter().copied().collect(), PUBLISHED).unwrap()
}

fn result(outcome: OutcomeKind, body: &str) -> JobResult {
    let error = (outcome != OutcomeKind::Completed).then(|| JobError::new(outcome, "no such user"));
    let record = ResultRecord {
        id: "j1".parse().unwrap(),
        task: Some("send".parse().unwrap()),
        queue: Some("mail".parse().unwrap()),
        lane: Some(Lane::High),
        outcome,
        digest: None,
        version: None,
        attempt: 3,
        published: UnixMs(1_000),
        started: UnixMs(2_000),
        finished: UnixMs(3_000),
        meter: Meter { fuel_used: 0, memory_peak_bytes: 0, wall_us: 0, egress_bytes: 0 },
        worker: "w".into(),
        tags: Vec::new(),
        payload: None,
        trace_id: None,
    };
    let content_type = Some("application/json".to_owned());
    JobResult { record, error, trail: Trail::default(), content_type, body: body.into() }
}

fn text(next: &Next) -> &str {
    std::str::from_utf8(&next.payload).unwrap()
}

#[test]
fn most_jobs_lead_to_nothing() {
    assert_eq!(Led::of(&job(&[("Lovage-Retries", "1"), ("Lovage-Depth", "3")]), b"1"), None);
}

#[test]
fn a_success_goes_to_its_callback_and_along_the_chain() {
    let job = job(&[
        ("Lovage-On-Success", "note"),
        ("Lovage-On-Failure", "never"),
        ("Lovage-Then", r#"[{"task":"b","queue":"q","retries":0,"then":["x"]},"c"]"#),
        ("Lovage-Depth", "4"),
        ("traceparent", TRACE),
    ]);
    let led = Led::of(&job, b"{}").unwrap();
    let nexts = after(&tenant(), &led, &result(OutcomeKind::Completed, "[1]"), false);
    let [note, b] = nexts.as_slice() else { panic!("{nexts:?}") };
    assert!(note.subject.to_string().starts_with("lovage.acme.job-high.mail.note.f-"), "{}", note.subject);
    assert!(b.subject.to_string().starts_with("lovage.acme.job-high.q.b.f-"));
    for next in [note, b] {
        assert_eq!((text(next), next.headers.get("Content-Type")), ("[1]", Some("application/json")));
        let decoded = decode(&next.subject.to_string(), &next.headers, PUBLISHED).unwrap();
        assert_eq!(decoded.wishes.trace_parent.map(|trace| trace.to_string()).as_deref(), Some(TRACE));
        let flow = decoded.flow.unwrap();
        assert_eq!((flow.parent.as_ref().map(JobId::as_str), flow.depth), (Some("j1"), 5));
    }
    let flow = decode(&b.subject.to_string(), &b.headers, PUBLISHED).unwrap().flow.unwrap();
    assert_eq!(flow.then, ["x".parse().unwrap(), "c".parse().unwrap()]);
}

#[test]
fn a_large_output_goes_on_as_its_object() {
    let led = Led::of(&job(&[("Lovage-On-Success", "note")]), b"").unwrap();
    let mut result = result(OutcomeKind::Completed, "");
    result.record.payload = Some(Digest::of(b"large"));
    let nexts = after(&tenant(), &led, &result, false);
    assert_eq!(nexts[0].headers.get("Lovage-Payload"), Some(Digest::of(b"large").as_str()));
}

#[test]
fn a_failure_is_told_in_a_shape_that_stays() {
    let job = job(&[("Lovage-On-Failure", "oh-no"), ("Lovage-On-Dead", "bury"), ("Lovage-Then", "never")]);
    let led = Led::of(&job, br#"{"to":"a@b"}"#).unwrap();
    let nexts = after(&tenant(), &led, &result(OutcomeKind::Failed, ""), true);
    assert_eq!(nexts.iter().map(|next| next.subject.task.as_str()).collect::<Vec<_>>(), ["oh-no", "bury"]);
    assert_eq!(
        text(&nexts[0]),
        r#"{"id":"j1","task":"send","queue":"mail","outcome":"failed","error":{"kind":"failed","message":"no such user"},"attempts":3,"payload":{"to":"a@b"}}"#
    );
    assert_eq!(after(&tenant(), &led, &result(OutcomeKind::Cancelled, ""), false).len(), 1, "no dead letter");
}

#[test]
fn a_webhook_is_told_in_a_shape_that_stays() {
    let url = "https://example.com/hook";
    let job = job(&[("Lovage-On-Success", url), ("Lovage-On-Failure", url)]);
    let led = Led::of(&job, b"5").unwrap();
    let nexts = after(&tenant(), &led, &result(OutcomeKind::Completed, "[1.50]"), false);
    assert_eq!(nexts[0].subject.task.as_str(), WEBHOOK_TASK);
    let call = WebhookCall::from_json(&nexts[0].payload).unwrap();
    assert_eq!(call.url.as_str(), url);
    assert_eq!(
        String::from_utf8(call.posted()).unwrap(),
        r#"{"data":{"attempts":3,"id":"j1","outcome":"completed","output":[1.5],"queue":"mail","task":"send"},"timestamp":"1970-01-01T00:00:03.000Z","type":"job.completed"}"#
    );
    let nexts = after(&tenant(), &led, &result(OutcomeKind::TimedOut, ""), true);
    let call = WebhookCall::from_json(&nexts[0].payload).unwrap();
    assert_eq!((&call.body["type"], &call.body["data"]["outcome"]), (&"job.failed".into(), &"timed-out".into()));
    let mut bytes = result(OutcomeKind::Completed, "x");
    bytes.content_type = Some("text/plain".into());
    let call = WebhookCall::from_json(&after(&tenant(), &led, &bytes, false)[0].payload).unwrap();
    assert_eq!(call.body["data"]["output_base64"], "eA==");
    for bad in [
        "",
        "{}",
        r#"{"url":"https://a/"}"#,
        r#"{"url":"ftp://a/","body":1}"#,
        r#"{"url":"https://a/","body":1,"x":2}"#,
    ] {
        WebhookCall::from_json(bad.as_bytes()).unwrap_err();
    }
}

#[test]
fn ids_follow_the_end_that_is_stored_and_differ_for_a_replay() {
    let led = Led::of(&job(&[("Lovage-On-Failure", "a"), ("Lovage-On-Dead", "a")]), b"").unwrap();
    let mut failed = result(OutcomeKind::Failed, "");
    let ids = |led: &Led, result: &JobResult| -> Vec<_> {
        after(&tenant(), led, result, true).into_iter().map(|next| next.subject.id.unwrap()).collect()
    };
    let first = ids(&led, &failed);
    assert_ne!(first[0], first[1], "each kind has its own");
    // a second copy of the job's message has another time, and the same end
    let copy = Led { published: UnixMs(2_000), ..*led.clone() };
    assert_eq!(first, ids(&copy, &failed));
    // a replay has an end of its own
    failed.record.published = UnixMs(2_000);
    assert!(ids(&led, &failed).iter().all(|id| !first.contains(id)));
}

#[test]
fn a_follow_up_past_the_last_depth_is_refused_with_the_limit() {
    let led = Led::of(&job(&[("Lovage-On-Success", "a"), ("Lovage-Depth", "32")]), b"").unwrap();
    let next = after(&tenant(), &led, &result(OutcomeKind::Completed, "1"), false).remove(0);
    let error = decode(&next.subject.to_string(), &next.headers, PUBLISHED).unwrap_err().to_string();
    assert!(error.contains("33") && error.contains("32"), "{error}");
}

#[test]
fn a_group_is_gathered_in_order() {
    let group = |policy| GroupRecord::new("g".parse().unwrap(), 3, policy, "done".parse().unwrap(), UnixMs(1)).unwrap();
    let record = group(OnMemberFailure::Continue);
    let mut gathered = Gathered::default();
    gathered.add(&record, Some(result(OutcomeKind::Completed, "1.50")));
    gathered.add(&record, Some(result(OutcomeKind::Failed, "")));
    let mut bytes = result(OutcomeKind::Completed, "x");
    bytes.content_type = None;
    gathered.add(&record, Some(bytes));
    let next = completion(&tenant(), &record, gathered.into_json(&record));
    assert_eq!(next.subject.to_string(), "lovage.acme.job.default.done.g_done");
    assert_eq!(
        text(&next),
        r#"{"group":"g","size":3,"results":[1.50,null,{"base64":"eA=="}],"failed_count":1,"failed":[{"index":1,"id":"g_1","outcome":"failed","message":"no such user"}]}"#
    );
}

#[test]
fn results_that_are_too_large_together_are_named() {
    let record =
        GroupRecord::new("g".parse().unwrap(), 3, OnMemberFailure::Continue, "done".parse().unwrap(), UnixMs(1))
            .unwrap();
    let gather = |bytes: usize| {
        let mut gathered = Gathered::default();
        gathered.add(&record, Some(result(OutcomeKind::Completed, "1")));
        gathered.add(&record, Some(result(OutcomeKind::Completed, &format!("\"{}\"", "x".repeat(bytes - 2)))));
        gathered.add(&record, None);
        serde_json::from_slice::<serde_json::Value>(&gathered.into_json(&record)).unwrap()["results"].clone()
    };
    let most = crate::flow::GATHERED_BYTES_MAX - 1 - 4;
    assert!(gather(most)[1].is_string());
    assert_eq!(gather(most + 1), serde_json::json!([{"id": "g_0"}, {"id": "g_1"}, null]));
}
