//! Uses a secret: well, and in each way in which it must not get out.

use lovage_task::jobs::{self, NewJob};
use lovage_task::{Level, TaskError, checkpoint, kv, log, payload, progress, secrets, task};

/// The bucket that a value is put into, which must fail.
const BUCKET: &str = "counts";

#[payload]
#[derive(Clone, Copy)]
enum Way {
    /// Gives a number that only who knows the value can make.
    Sign,
    /// Logs the value.
    Log,
    /// Reports the value as progress.
    Progress,
    /// Gives the value back.
    Return,
    /// Fails with the value.
    Fail,
    /// Panics with the value.
    Panic,
    /// Keeps the value as a checkpoint.
    Checkpoint,
    /// Puts the value into a bucket.
    Put,
    /// Gives the value to a job that it submits.
    Submit,
}

#[payload]
struct Use {
    /// Which secret.
    name: String,
    way: Way,
}

/// Uses a secret.
#[task]
fn sealed(input: Use) -> Result<String, TaskError> {
    let secret = secrets::get(&input.name).map_err(TaskError::permanent)?;
    let secret = secret.ok_or_else(|| TaskError::permanent(format!("there is no secret {}", input.name)))?;
    let value = String::from_utf8_lossy(secret.expose()).into_owned();
    match input.way {
        Way::Sign => {}
        Way::Log => {
            log(Level::Info, format!("the value is {value}"));
            eprintln!("the value is {value}");
        }
        Way::Progress => progress(Some(0.5), format!("the value is {value}")),
        Way::Return => return Ok(value),
        Way::Fail => return Err(TaskError::permanent(format!("the value is {value}"))),
        Way::Panic => panic!("the value is {value}"),
        Way::Checkpoint => checkpoint::save_bytes("value", value.as_bytes()).map_err(TaskError::permanent)?,
        Way::Put => kv::open(BUCKET)
            .and_then(|bucket| bucket.set_bytes("value", value.as_bytes()))
            .map_err(TaskError::permanent)?,
        Way::Submit => {
            let child = NewJob::new("sealed").input(&value)?;
            jobs::submit(child).map_err(TaskError::permanent)?;
        }
    }
    Ok(signature(secret.expose()))
}

/// A checksum, in place of a real signature.
fn signature(value: &[u8]) -> String {
    let sum = value.iter().fold(5381u64, |sum, byte| sum.wrapping_mul(33) ^ u64::from(*byte));
    format!("{sum:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_needs_the_value() {
        let sign = || sealed(Use { name: "api-key".into(), way: Way::Sign });
        assert!(sign().is_err());
        secrets::provide("api-key", "0123456789");
        assert_eq!(sign().ok(), Some(signature(b"0123456789")));
    }
}
