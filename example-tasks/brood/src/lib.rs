//! Tasks that submit jobs, also where they should not. Fixtures for a worker's limits; pushed with `--allow submit`.
//!
//! | task | input | what it does |
//! |---|---|---|
//! | `brood` | `{"children", "task", "keyed"?, "fail_until"?, "key_bytes"?}` | submits so many jobs, each with its number; `{"attempt", "new", "ids", "refusal"}` |
//! | `chain` | none | submits itself; tells the refusal |

use lovage_task::jobs::{self, NewJob};
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
