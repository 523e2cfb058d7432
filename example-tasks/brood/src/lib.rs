//! Tasks that submit jobs, also where they should not. Fixtures for a worker's limits; pushed with `--allow submit`.
//!
//! | task | input | what it does |
//! |---|---|---|
//! | `brood` | `{"children", "task", "keyed"?, "fail_until"?, "key_bytes"?}` | submits so many jobs, each with its number; `{"attempt", "new", "ids", "refusal"}` |
//! | `chain` | none | submits itself; tells the refusal |
//! | `litter` | `{"members", "task", "then", "follow"?, "fail_until"?}` | submits a group of so many jobs, each with its number; `{"attempt", "existing", "group", "completion", "refusal"}` |
//! | `relay` | `{"then"}` | submits an `echo` of `"baton"` with this chain; its id, or the refusal |

use lovage_task::jobs::{self, NewJob, OnMemberFailure};
use lovage_task::{Job, TaskError, payload, task};

#[payload]
struct Brood {
    children: u32,
    /// What they run.
    task: String,
    /// Whether each has a key: its number.
    keyed: Option<bool>,
    /// Attempts before this one fail once all are submitted.
    fail_until: Option<u32>,
    /// The length of the keys.
    key_bytes: Option<usize>,
}

#[payload]
struct Brooded {
    attempt: u32,
    /// Those that this attempt was the first to submit.
    new: u32,
    ids: Vec<String>,
    /// What the first one that was refused was told.
    refusal: Option<String>,
}

/// Submits jobs, and may fail afterwards.
#[task]
fn brood(job: &Job, input: Brood) -> Result<Brooded, TaskError> {
    let mut brooded = Brooded { attempt: job.attempt, new: 0, ids: Vec::new(), refusal: None };
    for number in 0..input.children {
        let mut child = NewJob::new(&input.task).input(&number)?.tag("brood");
        if input.keyed.unwrap_or(false) {
            child = child.key(format!("{number:0>width$}", width = input.key_bytes.unwrap_or(1)));
        }
        match jobs::submit(child) {
            Ok(submitted) => {
                brooded.new += u32::from(!submitted.existing);
                brooded.ids.push(submitted.id);
            }
            Err(refusal) => {
                brooded.refusal = Some(refusal.to_string());
                break;
            }
        }
    }
    if input.fail_until.is_some_and(|attempt| job.attempt < attempt) {
        return Err(TaskError::retry("all are submitted, and this attempt fails"));
    }
    Ok(brooded)
}

/// Submits itself, and tells the refusal.
#[task]
fn chain() -> Option<String> {
    jobs::submit(NewJob::new("chain")).err().map(|refusal| refusal.to_string())
}

#[payload]
struct Litter {
    members: u32,
    /// What they run.
    task: String,
    /// What runs when all have ended.
    then: String,
    /// What follows each member.
    follow: Option<String>,
    /// Attempts before this one fail once all are submitted.
    fail_until: Option<u32>,
}

#[payload]
struct Littered {
    attempt: u32,
    /// Whether an earlier attempt submitted it.
    existing: bool,
    group: String,
    completion: String,
    /// What was told where it was refused.
    refusal: Option<String>,
}

/// Submits a group of jobs, and may fail afterwards.
#[task]
fn litter(job: &Job, input: Litter) -> Result<Littered, TaskError> {
    let member = |number: u32| {
        let member = NewJob::new(&input.task).input(&number)?.tag("litter");
        Ok(match &input.follow {
            Some(follow) => member.on_success(follow),
            None => member,
        })
    };
    let members = (0..input.members).map(member).collect::<Result<Vec<_>, TaskError>>()?;
    let group = jobs::group(members).then(NewJob::new(&input.then).tag("litter"));
    let littered = match group.on_member_failure(OnMemberFailure::Cancel).submit() {
        Ok(group) => Littered {
            attempt: job.attempt,
            existing: group.existing,
            group: group.id,
            completion: group.completion,
            refusal: None,
        },
        Err(refusal) => Littered {
            attempt: job.attempt,
            existing: false,
            group: String::new(),
            completion: String::new(),
            refusal: Some(refusal.to_string()),
        },
    };
    if input.fail_until.is_some_and(|attempt| job.attempt < attempt) {
        return Err(TaskError::retry("the group is submitted, and this attempt fails"));
    }
    Ok(littered)
}

#[payload]
struct Relay {
    then: Vec<String>,
}

/// Submits a child with a chain after it.
#[task]
fn relay(input: Relay) -> Result<String, TaskError> {
    let first = NewJob::new("echo").input("baton")?;
    let submitted = jobs::submit(input.then.into_iter().fold(first, NewJob::then));
    Ok(submitted.map_or_else(|refusal| refusal.to_string(), |submitted| submitted.id))
}
