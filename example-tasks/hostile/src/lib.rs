//! Tasks that misbehave, one way each, and a few that tell what they see.
//!
//! They are fixtures for the worker's limits, retries and reports. Every task without end takes an optional
//! bound, so that a test can stand just below, at and just above a limit; an empty body leaves it out.
//!
//! | task | input | what it does |
//! |---|---|---|
//! | `spin` | none | loops without end |
//! | `busy` | milliseconds | burns about so much processor time, the same fuel each time |
//! | `sleepy` | milliseconds | sleeps; gives back how long |
//! | `recurse` | depth or none | calls itself until the stack ends |
//! | `canceller` | milliseconds or none | polls for cancellation; `{"polls", "cancelled"}` |
//! | `hog` | MiB or none | allocates without end; gives back the MiB it got |
//! | `big-output` | bytes | gives back so many bytes |
//! | `residue` | MiB or none | counts bytes of fresh memory that are not zero; `{"bytes", "nonzero"}` |
//! | `random` | bytes | asks for so many random bytes in one call |
//! | `flood` | `{"to": "stdout" \| "stderr" \| "log", "lines"?}` | writes lines of 70 bytes without end |
//! | `progress-flood` | reports or none | reports progress without end |
//! | `speak` | text | says it once to stdout, stderr, log and progress; gives it back |
//! | `narrate` | `{"lines", "pause_ms"?, "succeed_on"?}` | logs numbered lines with progress; fails before that attempt |
//! | `levels` | none | one line to each level of the log |
//! | `flaky` | `{"succeed_on"}` | fails retryably before that attempt; gives back the attempt |
//! | `retry-later` | `{"delay_ms", "succeed_on"?}` | asks for a retry after a delay |
//! | `snoozes` | `{"delay_ms", "times"}` | puts its job off so often; `{"attempt", "snoozed"}` |
//! | `until-asked` | none | waits until it is asked to stop, and tells why |
//! | `steps` | `{"steps", "fail_after"?, "step_ms"?}` | keeps each step; `{"attempt", "worked"}` |
//! | `hoard` | `{"key_bytes", "value_bytes", "count"}` | keeps so many values; tells how many, and the refusal |
//! | `permanent` | message or none | fails for good |
//! | `picky` | message or none | says that its input is bad |
//! | `panics` | message or none | panics |
//! | `trap` | none | traps in `touch_the_wire`, called by `lift_the_lid`, called by `open_the_box` |
//! | `exit` | code | ends the program; WASI 0.2 tells a host only whether the code was 0 |
//! | `files` | none | does with files what programs do; the steps that went well |
//! | `misuse` | `{"how", "count"?}` | fills or leaves the scratch folder; `{"done", "refusal", "left"}` |
//! | `leave-behind` | `{"succeed_on"?}` | leaves a file behind, fails before that attempt; what it found |
//! | `echo` | bytes | gives them back with their media type |
//! | `context` | bytes | gives back the job, arguments and environment as JSON |

mod compute;
mod ending;
#[cfg(target_family = "wasm")]
mod memory;
mod noise;
#[cfg(target_family = "wasm")]
mod randomness;
mod reflect;
mod resume;
mod scratch;
