//! `lovage group`: jobs side by side, and one that runs when all of them have ended.

use super::connection::ConnectionArgs;
use super::exit::OrExit;
use super::input::{is_json, read_input};
use super::{Exit, Failure, Output, ended, submit, wait};
use clap::{Args, Subcommand, ValueEnum};
use futures::stream::Empty;
use lovage_client::{Client, GroupError, NewGroup, NewJob};
use lovage_job::event::Event;
use lovage_job::flow::{GroupRecord, JobSpec, MemberFailure, OnMemberFailure, Target};
use lovage_job::name::{GroupId, TaskName};
use lovage_job::unit::parse_span;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Run jobs side by side, and one more when all of them have ended.
///
/// The last one is given `{"group", "size", "results", "failed"}`: what the members gave, in their order.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Submit a group, a member for each line of a file; prints its id.
    ///
    /// With --task each line is the input of a member. Without it each line is a member as JSON, such as
    /// {"task":"resize","input":{"width":80},"retries":2}. Submitted again under one id it is taken up where it stopped.
    Submit(SubmitArgs),
    /// Show a group: where it is and which members failed.
    Show {
        /// The group.
        id: GroupId,
    },
    /// Cancel a group: members that have not ended are stopped, and what comes after them is not run.
    Cancel {
        /// The group.
        id: GroupId,
    },
}

/// Shown under the help.
const EXAMPLES: &str = "\
Examples:
  lovage group submit --jsonl texts.jsonl --task word-stats --then aggregate --wait
  lovage group submit --jsonl members.jsonl --then https://localhost/done --on-member-failure continue";

/// A group to be submitted.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SubmitArgs {
    /// The members, one a line: a file, or - for standard input.
    #[arg(long, value_name = "FILE")]
    jsonl: String,
    /// What every member runs; each line is its input.
    #[arg(long, value_name = "TASK")]
    task: Option<TaskName>,
    /// What runs when all have ended, with what they gave: a task, a job as JSON, or the URL of a webhook.
    #[arg(long, value_name = "TASK|JSON|URL")]
    then: Target,
    /// What a failed member means.
    #[arg(long, value_enum, default_value = "fail")]
    on_member_failure: PolicyArg,
    /// The group's id; a group of the same id is submitted once.
    #[arg(long, value_name = "ID")]
    id: Option<GroupId>,
    /// Wait for the job that runs when all have ended, and print its result.
    #[arg(long)]
    wait: bool,
    /// Wait no longer than this; the group goes on.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, requires = "wait")]
    timeout: Option<Duration>,
    /// Submit without checking tasks and inputs first; the worker tells what is wrong.
    #[arg(long)]
    unchecked: bool,
}

/// What a failed member means.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PolicyArg {
    /// The others go on, and the group fails when all have ended.
    Fail,
    /// The others are cancelled, and the group fails.
    Cancel,
    /// The group completes all the same, with null for the failed.
    Continue,
}

pub(super) async fn main(command: GroupCommand, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    match command {
        GroupCommand::Submit(args) => submit_group(args, connection, output).await,
        GroupCommand::Show { id } => {
            let client = connection.operators_client().await?;
            let group = client.group(&id).await.or_exit(Exit::Broker)?;
            show(&group.ok_or_else(|| failure(GroupError::Unknown(id)))?, output)
        }
        GroupCommand::Cancel { id } => {
            let client = connection.operators_client().await?;
            show(&client.cancel_group(&id).await.map_err(failure)?, output)
        }
    }
}

async fn submit_group(args: SubmitArgs, connection: &ConnectionArgs, output: Output) -> Result<Exit, Failure> {
    let members = members(&args)?;
    let client: Client = connection.operators_client().await?;
    let policy = match args.on_member_failure {
        PolicyArg::Fail => OnMemberFailure::Fail,
        PolicyArg::Cancel => OnMemberFailure::Cancel,
        PolicyArg::Continue => OnMemberFailure::Continue,
    };
    let group = NewGroup { id: args.id, ..NewGroup::new(members, args.then).policy(policy) };
    let submitted = client.submit_group(group).await.map_err(failure)?;
    if args.wait {
        let result =
            wait::until_end(&client, (&submitted.completion, "its group runs"), args.timeout, None::<Empty<Event>>)
                .await?;
        return ended::print(&result, output);
    }
    if output.json {
        let (id, existing, completion) = (&submitted.id, submitted.existing, &submitted.completion);
        output.value(&json!({
            "group": id, "existing": existing, "completion": completion, "size": submitted.members.len(),
        }))?;
        return Ok(Exit::Done);
    }
    output.line(submitted.id.as_str())?;
    output.note(&format!("`lovage job wait {}` waits for what comes after its members", submitted.completion));
    Ok(Exit::Done)
}

fn members(args: &SubmitArgs) -> Result<Vec<NewJob>, Failure> {
    let source = if args.jsonl == "-" { "-".to_owned() } else { format!("@{}", args.jsonl.trim_start_matches('@')) };
    let text = read_input(Some(&source))?;
    let mut members = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let member = match &args.task {
            Some(task) => Ok(of_input(task, line)),
            None => of_line(line),
        };
        let mut member =
            member.map_err(|reason| Failure::new(Exit::Usage, format!("line {}: {reason}", number + 1)))?;
        member.unchecked = args.unchecked;
        members.push(member);
    }
    Ok(members)
}

fn of_input(task: &TaskName, line: &[u8]) -> NewJob {
    let job = NewJob::new(task.clone(), line.to_vec());
    if is_json(line) { job.content_type("application/json") } else { job }
}

/// A member as JSON: a job to come, and its input.
fn of_line(line: &[u8]) -> Result<NewJob, String> {
    let mut fields: Map<String, Value> = serde_json::from_slice(line)
        .map_err(|error| format!("not a member such as {{\"task\":\"add\",\"input\":[1,2]}}: {error}"))?;
    let input = fields.remove("input").unwrap_or_default();
    let spec = JobSpec::from_text(&Value::Object(fields).to_string()).map_err(|error| error.to_string())?;
    Ok(NewJob::from_spec(spec, input.to_string()).content_type("application/json"))
}

fn show(group: &GroupRecord, output: Output) -> Result<Exit, Failure> {
    let state = serde_json::to_value(group.state).unwrap_or_default();
    let state = state.as_str().unwrap_or_default();
    if output.json {
        output.value(&json!({
            "group": group.id, "state": state, "size": group.size, "ended": group.ended_count(),
            "failed": group.failed_count, "failures": group.failures, "policy": group.policy,
            "completion": group.id.completion(), "created": group.created, "changed": group.changed,
        }))?;
        return Ok(Exit::Done);
    }
    let (ended, size, failed) = (group.ended_count(), group.size, group.failed_count);
    output.line(&format!("{} {state}: {ended} of {size} ended, {failed} failed", group.id))?;
    if !group.failures.is_empty() {
        output.table(&["MEMBER", "OUTCOME", "WHY"], group.failures.iter().map(row).collect())?;
    }
    Ok(Exit::Done)
}

fn row(failure: &MemberFailure) -> Vec<String> {
    vec![failure.id.to_string(), failure.outcome.to_string(), failure.message.clone()]
}

fn failure(error: GroupError) -> Failure {
    let exit = match &error {
        GroupError::Invalid(_) | GroupError::Another(_) => Exit::Usage,
        GroupError::Member { error, .. } => submit::failure(error).exit,
        GroupError::Unknown(_) => Exit::NotFound,
        GroupError::Read(_) | GroupError::Follow(_) => Exit::Broker,
    };
    Failure::new(exit, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_member() {
        let job = of_line(br#"{"task":"add","input":[1,2],"retries":3,"queue":"q"}"#).unwrap();
        assert_eq!((job.task.as_str(), job.queue.as_str(), job.retries), ("add", "q", Some(3)));
        assert_eq!((job.payload.as_ref(), job.content_type.as_deref()), (&b"[1,2]"[..], Some("application/json")));
        for bad in ["", "1", "{}", r#"{"task":"A"}"#, r#"{"task":"a","inptu":1}"#] {
            of_line(bad.as_bytes()).unwrap_err();
        }
    }
}
