//! Events of one job come in the order in which it went, and each end tells what may have been skipped.

use futures::{Stream, StreamExt};
use lovage_client::NewJob;
use lovage_job::{
    event::{Event, Happening},
    name::JobId,
    outcome::OutcomeKind,
};
use lovage_tests::{Stage, WITHIN};
use serde_json::json;
use std::collections::HashMap;

#[tokio::test]
async fn events_of_a_job_come_in_order() {
    const JOBS: usize = 8;
    const LINES: usize = 60;
    let seat = Stage::seat().await;
    let mut events = seat.jobs.client.nats().subscribe("lovage.default.event.narrate.*.*").await.unwrap();
    seat.jobs.client.nats().flush().await.unwrap();
    for number in 0..JOBS {
        let story = json!({"lines": LINES, "succeed_on": 2});
        let job =
            NewJob::json("narrate".parse().unwrap(), &story).unwrap().id(format!("order-{number}").parse().unwrap());
        seat.jobs.client.submit(job.backoff("fixed:250ms".parse().unwrap())).await.unwrap();
    }
    let mut told: HashMap<JobId, Vec<Event>> = HashMap::new();
    let mut ended = 0;
    while ended < JOBS {
        let message = tokio::time::timeout(WITHIN, events.next()).await.expect("an event in time").unwrap();
        let event: Event = serde_json::from_slice(&message.payload).unwrap();
        if event.id.as_str().starts_with("order-") {
            ended += usize::from(event.what.token() == "finished");
            told.entry(event.id.clone()).or_default().push(event);
        }
    }
    for (id, events) in told {
        for attempt in [1, 2] {
            let of: Vec<&Event> = events.iter().filter(|event| event.attempt == attempt).collect();
            assert_eq!(of[0].what.token(), "started", "{id}");
            let end = if attempt == 1 { "retrying" } else { "finished" };
            assert_eq!(of.last().unwrap().what.token(), end, "{id}");
            let line = |event: &&Event| match &event.what {
                Happening::Log { line } => Some(line.clone()),
                _ => None,
            };
            let lines: Vec<_> = of.iter().filter_map(line).collect();
            let expected: Vec<_> = (1..=LINES).map(|line| format!("line {line} of attempt {attempt}")).collect();
            assert_eq!(lines, expected, "{id}");
            let starts = of.iter().filter(|event| matches!(event.what, Happening::Started { .. })).count();
            assert_eq!(starts, 1, "{id}");
            let Happening::Started { attempts_max, .. } = &of[0].what else { unreachable!() };
            assert_eq!(*attempts_max, Some(5), "{id}");
        }
        assert!(events.windows(2).all(|pair| pair[0].attempt <= pair[1].attempt), "{id}");
    }
}

#[tokio::test]
async fn end_tells_the_start_that_was_skipped() {
    let seat = Stage::seat().await;
    let id: JobId = "events-folded".parse().unwrap();
    let mut events = seat.jobs.client.events_of(&id).await.unwrap();
    let raw = seat.jobs.client.nats().subscribe(format!("lovage.default.event.*.{id}.*")).await.unwrap();
    seat.jobs.client.nats().flush().await.unwrap();
    let flaky = NewJob::json("flaky".parse().unwrap(), &json!({"succeed_on": 2})).unwrap();
    let job = flaky.id(id.clone()).backoff("fixed:250ms".parse().unwrap());
    let result = seat.jobs.run(job).await;
    assert_eq!(result.record.outcome, OutcomeKind::Completed);
    let told = until_finished(&mut events).await;
    let tokens: Vec<_> = told.iter().map(|event| (event.attempt, event.what.token())).collect();
    assert_eq!(tokens, [(1, "started"), (1, "retrying"), (2, "started"), (2, "finished")]);
    assert!(told.windows(2).all(|pair| pair[0].at <= pair[1].at), "{told:?}");

    let raw = raw.map(|message| serde_json::from_slice::<Event>(&message.payload).unwrap());
    let mut pasts = Vec::new();
    for event in until_finished(&mut Box::pin(raw)).await {
        if let Happening::Retrying { past, .. } | Happening::Finished { past, .. } = event.what {
            pasts.push(past);
        }
    }
    let version = result.record.version.as_ref().map(ToString::to_string);
    for (past, attempt) in pasts.iter().zip(&result.trail.0) {
        assert_eq!(past.published, Some(result.record.published));
        assert_eq!((past.started, &past.version), (Some(attempt.started), &version));
    }
    assert_eq!(pasts.len(), 2);
}

async fn until_finished(events: &mut (impl Stream<Item = Event> + Unpin)) -> Vec<Event> {
    let mut told: Vec<Event> = Vec::new();
    while told.last().is_none_or(|event| event.what.token() != "finished") {
        told.push(tokio::time::timeout(WITHIN, events.next()).await.expect("an event in time").unwrap());
    }
    told
}
