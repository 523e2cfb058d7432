//! Counts in a bucket that jobs share, is configured, and signs with a secret.
//!
//! `counter` adds to a number that all jobs of the tenant share; none is lost, however many run at once. `keyvalue` does
//! to a bucket what it is told, and `sealed` uses a secret, well and badly. Push it with what its tasks may use:
//! `--allow keyvalue=counts --allow config=step=1 --allow secret=api-key --allow submit`.

mod keyvalue;
mod sealed;

use lovage_task::{TaskError, config, kv, payload, task};

/// The bucket of the counters.
const BUCKET: &str = "counts";

#[payload]
struct Count {
    /// Which counter.
    name: String,
    /// How often it is counted; once where absent.
    times: Option<u32>,
}

#[payload]
#[derive(Debug, PartialEq)]
struct Counted {
    /// The number after it was counted.
    value: i64,
}

/// Adds to a counter, each time as much as the task is configured with.
#[task(timeout = "60s")]
fn counter(input: Count) -> Result<Counted, TaskError> {
    let step: i64 = match config::get("step")? {
        Some(text) => text.parse().map_err(|_| TaskError::permanent(format!("step {text:?} is no number")))?,
        None => 1,
    };
    let bucket = kv::open(BUCKET)?;
    let mut value = 0;
    for _ in 0..input.times.unwrap_or(1) {
        value = bucket.increment(&input.name, step)?;
    }
    Ok(Counted { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_by_its_step() {
        let count = |times| counter(Count { name: "a".into(), times }).ok().map(|counted| counted.value);
        assert_eq!(count(None), Some(1));
        config::provide("step", "10");
        assert_eq!(count(Some(3)), Some(31));
        config::provide("step", "ten");
        assert_eq!(count(None), None);
    }
}
