//! Groups: members side by side, and one job that runs once when all of them have ended.

use std::time::Duration;

use lovage_client::{GroupError, NewGroup, NewJob};
use lovage_job::{
    flow::{GroupState, OnMemberFailure, Target},
    name::GroupId,
    outcome::OutcomeKind,
    result::JobResult,
};
use lovage_tests::{Jobs, Nats, Stage, WITHIN, Worker, cli, eventually, push, shared_cache};
use serde_json::{Value, json};

/// Leases of a worker that is gone run out after 30 s.
const RECOVERED_WITHIN: Duration = Duration::from_secs(100);

#[tokio::test]
async fn group_completes_once_with_results_in_order() {
    let seat = Stage::seat().await;
    let members = (0..50).map(|number| member("echo", &json!({"number": number}))).collect();
    let group = NewGroup::new(members, target("echo")).id(id("fifty"));
    let submitted = seat.jobs.client.submit_group(group.clone()).await.unwrap();
    assert!(!submitted.existing && submitted.members.len() == 50);
    let ended = seat.jobs.result(&submitted.completion).await;
    let given = body(&ended);
    assert_eq!((&given["group"], &given["size"], &given["failed"]), (&json!("fifty"), &json!(50), &json!([])));
    let expected: Vec<Value> = (0..50).map(|number| json!({"number": number})).collect();
    assert_eq!(given["results"], json!(expected));
    let settled = async || match seat.jobs.client.group(&submitted.id).await.unwrap().unwrap() {
        group if group.settled => Ok(group),
        _ => Err("not settled"),
    };
    let record = eventually("the group to be settled", WITHIN, settled).await;
    assert_eq!((record.state, record.ended_count(), record.failed_count), (GroupState::Completed, 50, 0));
    // Submitted again it is the same group, and nothing runs twice.
    let again = seat.jobs.client.submit_group(group).await.unwrap();
    assert!(again.existing && again.completion == submitted.completion);
    assert_eq!(seat.jobs.result(&again.completion).await, ended);
    let other = NewGroup::new(vec![member("echo", &json!(1))], target("echo")).id(id("fifty"));
    assert!(matches!(seat.jobs.client.submit_group(other).await, Err(GroupError::Another(_))));
}

#[tokio::test]
async fn bytes_are_gathered_as_base64_and_large_results_by_reference() {
    let seat = Stage::seat().await;
    let bytes = NewJob::new("echo".parse().unwrap(), &b"\xff\x00"[..]).content_type("application/octet-stream");
    let group = NewGroup::new(vec![bytes, member("echo", &json!("x"))], target("echo"));
    assert_eq!(run(&seat.jobs, group).await["results"], json!([{"base64": "/wA="}, "x"]));
    let large = || member("big-output", &json!(300_000));
    let group = NewGroup::new(vec![large(), large()], target("echo")).id(id("large"));
    assert_eq!(run(&seat.jobs, group).await["results"], json!([{"id": "large_0"}, {"id": "large_1"}]));
}

#[tokio::test]
async fn failed_member_fails_its_group_and_the_others_go_on() {
    let seat = Stage::seat().await;
    let members = vec![member("echo", &json!(1)), member("permanent", &json!("no")), member("echo", &json!(3))];
    let then = target(r#"{"task":"context","on_failure":"echo"}"#);
    let submitted = seat.jobs.client.submit_group(NewGroup::new(members, then)).await.unwrap();
    let ended = seat.jobs.result(&submitted.completion).await;
    assert_eq!((ended.record.outcome, ended.record.attempt), (OutcomeKind::Failed, 0), "it was not run");
    let error = ended.error.unwrap();
    assert!(error.message.contains("1 of 3 members"), "{error:?}");
    for (index, outcome) in [(0, OutcomeKind::Completed), (1, OutcomeKind::Failed), (2, OutcomeKind::Completed)] {
        assert_eq!(seat.jobs.result(&submitted.members[index]).await.record.outcome, outcome);
    }
    let published = ended.record.published.0.to_string();
    let callback = lovage_job::name::JobId::from_parts("f", &[submitted.completion.as_str(), "failure", &published]);
    let told = body(&seat.jobs.result(&callback).await);
    assert_eq!((&told["id"], &told["outcome"]), (&json!(submitted.completion), &json!("failed")));
}

#[tokio::test]
async fn group_that_continues_completes_with_null_for_the_failed() {
    let seat = Stage::seat().await;
    let members = vec![member("echo", &json!(1)), member("permanent", &json!("no")), member("echo", &json!(3))];
    let group = NewGroup::new(members, target("echo")).policy(OnMemberFailure::Continue).id(id("goes-on"));
    let given = run(&seat.jobs, group).await;
    assert_eq!(given["results"], json!([1, null, 3]));
    assert_eq!(given["failed"], json!([{"index": 1, "id": "goes-on_1", "outcome": "failed", "message": "no"}]));
}

#[tokio::test]
async fn first_failure_cancels_the_others_where_that_is_asked_for() {
    let seat = Stage::seat().await;
    let long = || member("sleepy", &json!(600_000)).timeout(Duration::from_secs(900));
    // one that runs, one that is due much later
    let members = vec![long(), member("permanent", &json!("no")), long().delay(Duration::from_secs(3_600))];
    let group = NewGroup::new(members, target("echo")).policy(OnMemberFailure::Cancel);
    let submitted = seat.jobs.client.submit_group(group).await.unwrap();
    let ended = seat.jobs.result(&submitted.completion).await;
    assert_eq!(ended.record.outcome, OutcomeKind::Failed);
    for index in [0, 2] {
        assert_eq!(seat.jobs.result(&submitted.members[index]).await.record.outcome, OutcomeKind::Cancelled);
    }
}

#[tokio::test]
async fn cancelled_group_stops_its_members_and_runs_nothing_after_them() {
    let seat = Stage::seat().await;
    let later = || member("echo", &json!(1)).delay(Duration::from_secs(3_600));
    let group = NewGroup::new(vec![member("echo", &json!(1)), later(), later()], target("echo"));
    let submitted = seat.jobs.client.submit_group(group).await.unwrap();
    assert_eq!(seat.jobs.result(&submitted.members[0]).await.record.outcome, OutcomeKind::Completed);
    let group = seat.jobs.client.cancel_group(&submitted.id).await.unwrap();
    assert_eq!(group.state, GroupState::Cancelled);
    assert_eq!(seat.jobs.result(&submitted.completion).await.record.outcome, OutcomeKind::Cancelled);
    for member in &submitted.members[1..] {
        assert_eq!(seat.jobs.result(member).await.record.outcome, OutcomeKind::Cancelled);
    }
    let told = seat.jobs.client.cancel_group(&id("never-was")).await.unwrap_err();
    assert!(told.to_string().contains("no group never-was"), "{told}");
}

#[tokio::test]
async fn groups_that_make_no_sense_are_refused_before_anything_is_submitted() {
    let seat = Stage::seat().await;
    let client = &seat.jobs.client;
    let refused = async |members: Vec<NewJob>| {
        let group = NewGroup::new(members, target("echo")).id(id("refused"));
        client.submit_group(group).await.unwrap_err().to_string()
    };
    assert!(refused(vec![]).await.contains("no members"));
    let many = (0..10_001).map(|_| member("echo", &json!(1)).unchecked()).collect();
    assert!(refused(many).await.contains("more than 10000"));
    let told = refused(vec![member("echo", &json!(1)), member("no-such-task", &json!(1))]).await;
    assert!(told.contains("member 1") && told.contains("no-such-task"), "{told}");
    let told = refused(vec![member("echo", &json!(1)).id("own".parse().unwrap())]).await;
    assert!(told.contains("leave out its id"), "{told}");
    assert_eq!(client.group(&id("refused")).await.unwrap(), None);
    // A member that is none: another job's id, or a place that the group has not.
    let plain = seat.jobs.publish("job.default.echo.stray", &[("Lovage-Group", "refused/1")], "1").await;
    seat.jobs.gone(plain.sequence).await;
    let stray = seat.jobs.result(&"stray".parse().unwrap()).await;
    assert_eq!(stray.record.outcome, OutcomeKind::Undecodable);
    assert!(stray.error.unwrap().message.contains("refused_1"));
    let group = NewGroup::new(vec![member("echo", &json!(1)).delay(Duration::from_secs(3_600))], target("echo"));
    client.submit_group(group.id(id("small"))).await.unwrap();
    let plain = seat.jobs.publish("job.default.echo.small_7", &[("Lovage-Group", "small/7")], "1").await;
    seat.jobs.gone(plain.sequence).await;
    assert_eq!(client.group(&id("small")).await.unwrap().unwrap().ended_count(), 0);
    client.cancel_group(&id("small")).await.unwrap();
}

#[tokio::test]
async fn group_outlives_its_worker_and_completes_once() {
    const SIZE: u32 = 40;
    let nats = Nats::start();
    for export in ["sleepy", "echo"] {
        push(&cli(&nats), "hostile", &["--export", export]);
    }
    let worker = |name| Worker::of(&nats).name(name).concurrency(4).cache_dir(shared_cache());
    let mut one = worker("one").start();
    let jobs = Jobs::of(&nats).await;
    let members = (0..SIZE).map(|number| member("sleepy", &json!(100 + number))).collect();
    let submitted = jobs.client.submit_group(NewGroup::new(members, target("echo"))).await.unwrap();
    let under_way = async || match jobs.client.group(&submitted.id).await.unwrap().unwrap().ended_count() {
        ended if ended >= 8 => Ok(ended),
        ended => Err(format!("{ended} ended")),
    };
    let ended = eventually("the group to be under way", WITHIN, under_way).await;
    one.kill9();
    assert!(ended < SIZE, "killed in the middle");
    let _two = worker("two").start();
    jobs.all_done(RECOVERED_WITHIN).await;
    let given = body(&jobs.result(&submitted.completion).await);
    let slept: Vec<u32> = serde_json::from_value(given["results"].clone()).unwrap();
    assert!(slept.len() == 40 && slept.iter().zip(100..).all(|(slept, asked)| *slept >= asked), "{slept:?}");
    jobs.all_done(WITHIN).await;
    let count = u64::from(SIZE) + 1;
    assert_eq!(jobs.results_and_writes().await, (count, count), "each member and the completion ended once");
    // Ends that come together are written together: otherwise a thousand of them would wait for one another.
    let writes = async || jobs.stream("KV_state-default").await.cached_info().state.last_sequence;
    let before = writes().await;
    let members = (0..1_000).map(|number| member("echo", &json!(number))).collect();
    let submitted = jobs.client.submit_group(NewGroup::new(members, target("echo"))).await.unwrap();
    let given = body(&jobs.result(&submitted.completion).await);
    assert_eq!(given["results"], json!((0..1_000).collect::<Vec<u32>>()));
    let written = writes().await - before;
    assert!(written < 900, "{written} writes for a thousand members");
}

#[tokio::test]
async fn command_line_submits_shows_and_cancels_groups() {
    let seat = Stage::seat().await;
    let cli = &seat.stage.cli;
    let lines = "1\n\n{\"a\":2}\n";
    let args = ["group", "submit", "--jsonl", "-", "--task", "echo", "--then", "echo", "--id", "by-hand", "--wait"];
    let printed = cli.run_with(args, lines.as_bytes()).ok();
    assert_eq!(printed.json()["results"], json!([1, {"a": 2}]));
    let shown = cli.json(["group", "show", "by-hand"]);
    assert_eq!((&shown["state"], &shown["ended"], &shown["size"]), (&json!("completed"), &json!(2), &json!(2)));
    let lines = r#"{"task":"permanent","input":"no"}"#;
    let args = ["group", "submit", "--jsonl", "-", "--then", "echo", "--id", "by-hand-2", "--wait"];
    let _ended = cli.run_with(args, lines.as_bytes()).fails_with(1);
    assert!(cli.ok(["group", "show", "by-hand-2"]).contains("failed: 1 of 1 ended, 1 failed"));
    assert_eq!(cli.json(["group", "cancel", "by-hand"])["state"], json!("completed"), "it had ended");
    let _unknown = cli.run(["group", "show", "never-was"]).fails_with(4);
    let told = cli.run_with(["group", "submit", "--jsonl", "-", "--then", "echo"], b"{\"tsak\":1}").fails_with(2);
    assert!(told.stderr.contains("line 1"), "{}", told.stderr);
    let told = cli.run_with(["group", "submit", "--jsonl", "-", "--then", "echo"], b"\n").fails_with(2);
    assert!(told.stderr.contains("no members"), "{}", told.stderr);
}

/// Submits a group and returns what its completion job was given.
async fn run(jobs: &Jobs, group: NewGroup) -> Value {
    let submitted = jobs.client.submit_group(group).await.unwrap_or_else(|error| panic!("{error}"));
    body(&jobs.result(&submitted.completion).await)
}

fn member(task: &str, input: &Value) -> NewJob {
    NewJob::json(task.parse().unwrap(), input).unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn id(text: &str) -> GroupId {
    text.parse().unwrap()
}

#[track_caller]
fn body(result: &JobResult) -> Value {
    serde_json::from_slice(&result.body).unwrap_or_else(|error| panic!("{error}: {result:?}"))
}
