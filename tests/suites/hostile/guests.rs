//! Guests that do in one job what should hurt the worker: H11 to H20, H22 and H28.

use std::time::{Duration, Instant};

use lovage_client::NewJob;
use lovage_job::outcome::OutcomeKind;
use serde_json::json;

use super::{
    arena::{Arena, TOLD_WITHIN, Turn},
    text::{CLOCK, FIELDS, Host, NOTHING, RANDOM, STREAM, calling, lifted},
};

/// So much fuel that it is not what stops a guest.
const PLENTY: &[&str] = &["--fuel", "900000000000"];

/// A guest, how it must end and what must be said of it.
struct Guest {
    name: &'static str,
    component: Vec<u8>,
    options: &'static [&'static str],
    timeout: Duration,
    ends: OutcomeKind,
    says: &'static str,
}

/// A guest whose one function has no parameters.
fn guest(name: &'static str, host: &Host, around: &str, body: &str, ends: OutcomeKind, says: &'static str) -> Guest {
    let component = calling(name, host, around, body);
    Guest { name, component, options: &[], timeout: Duration::from_secs(10), ends, says }
}

impl Guest {
    /// Has time as its only bound.
    fn for_long(self, timeout_ms: u64) -> Self {
        Self { options: PLENTY, timeout: Duration::from_millis(timeout_ms), ..self }
    }
}

/// Lets guests loose one after the other.
async fn all(what: &str, guests: impl IntoIterator<Item = Guest>) {
    let turn = Arena::turn(what).await;
    for guest in guests {
        run(&turn, guest).await;
    }
    turn.end().await;
}

async fn run(turn: &Turn, guest: Guest) {
    let Guest { name, component, options, timeout, ends, says } = guest;
    turn.push(component, options).await;
    let began = Instant::now();
    let job = NewJob::new(name.parse().unwrap(), "").retries(0).timeout(timeout);
    let result = turn.jobs.run(job).await;
    let took = began.elapsed();
    assert_eq!(result.record.outcome, ends, "{name}: {:?}", result.error);
    assert!(took < TOLD_WITHIN, "{name} was told after {took:?}");
    let message = result.error.map(|error| error.message).unwrap_or_default();
    assert!(message.contains(says), "{name}: {message:?}");
    // What a deadline stops is stopped by it, and not by the end of the guest's own work.
    if ends == OutcomeKind::TimedOut {
        let late = Duration::from_micros(result.record.meter.wall_us).saturating_sub(timeout);
        assert!(late < Duration::from_secs(5), "{name} was stopped {late:?} after its deadline");
    }
}

#[tokio::test]
async fn loops_without_end_run_out_of_fuel_or_time() {
    use OutcomeKind::{OutOfFuel, TimedOut};
    let lean = |guest| Guest { options: &["--fuel", "50000000"], ..guest };
    let start = "(func $s (loop (br 0))) (start $s)";
    all(
        "loops without end",
        [
            lean(guest("loop", &NOTHING, "", "(loop (br 0))", OutOfFuel, "50000000 units of fuel")),
            lean(guest("loop-in-start", &NOTHING, start, "", OutOfFuel, "50000000 units of fuel")),
            guest("loop-in-time", &NOTHING, "", "(loop (br 0))", TimedOut, "longer than").for_long(300),
            guest("start-in-time", &NOTHING, start, "", TimedOut, "longer than").for_long(300),
            guest("tail-calls", &NOTHING, "(func $t (return_call $t))", "(call $t)", TimedOut, "longer than")
                .for_long(300),
        ],
    )
    .await;
}

#[tokio::test]
async fn sleep_and_poll_without_end_are_stopped_at_the_deadline() {
    use OutcomeKind::{TimedOut, Trapped};
    let forever = "(call $block (call $subscribe (i64.const -1)))";
    let zero = "(local $p i32) (loop (local.set $p (call $subscribe (i64.const 0)))
        (call $block (local.get $p)) (call $drop (local.get $p)) (br 0))";
    // The same pollable many times over in one list.
    let wide = |count| {
        format!(
            "(local $p i32) (local $n i32)
        (local.set $p (call $subscribe (i64.const -1)))
        (loop $fill
            (i32.store offset=8192 (i32.mul (local.get $n) (i32.const 4)) (local.get $p))
            (br_if $fill (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))))
        (call $poll (i32.const 8192) (i32.const {count}) (i32.const 0))"
        )
    };
    all(
        "sleep and poll",
        [
            guest("sleep", &CLOCK, "", forever, TimedOut, "longer than").for_long(300),
            guest("sleep-zero", &CLOCK, "", zero, TimedOut, "longer than").for_long(500),
            guest("poll-nothing", &CLOCK, "", "(call $poll (i32.const 0) (i32.const 0) (i32.const 0))", Trapped, ""),
            guest("poll-many", &CLOCK, "", &wide(900), TimedOut, "longer than").for_long(500),
            guest("poll-more", &CLOCK, "", &wide(10_000), Trapped, "handle limit"),
        ],
    )
    .await;
}

#[tokio::test]
async fn cheap_host_calls_without_end_are_stopped_at_the_deadline() {
    use OutcomeKind::TimedOut;
    let body = "(loop (drop (call $now)) (br 0))";
    let random = "(loop (call $random (i64.const 65536) (i32.const 0)) (br 0))";
    // The bytes go over the whole of memory, so that there is room for them.
    let memory = "(func (export \"unused\"))";
    all(
        "host calls without end",
        [
            guest("clock-storm", &CLOCK, "", body, TimedOut, "longer than").for_long(1_000),
            guest("random-storm", &RANDOM, memory, random, TimedOut, "longer than").for_long(1_000),
        ],
    )
    .await;
}

#[tokio::test]
async fn memory_without_end_is_refused() {
    use OutcomeKind::{OutOfMemory, TimedOut};
    let at_once = "(if (i32.eq (memory.grow (i32.const 65532)) (i32.const -1)) (then unreachable))";
    let bit_by_bit = "(loop
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 1)) (br 0))";
    let several = "(memory $a 1) (memory $b 1)";
    let grown = "(loop (if (i32.eq (memory.grow $a (i32.const 64)) (i32.const -1)) (then unreachable))
        (if (i32.eq (memory.grow $b (i32.const 64)) (i32.const -1)) (then unreachable)) (br 0))";
    // One instruction over all of it, again and again: nothing looks at the clock within it.
    let fill = "(drop (memory.grow (i32.const 1000)))
        (loop (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536))) (br 0))";
    all(
        "memory without end",
        [
            guest("grow-4gib", &NOTHING, "", at_once, OutOfMemory, "64MiB of memory"),
            guest("grow-pages", &NOTHING, "", bit_by_bit, OutOfMemory, "64MiB of memory"),
            guest("grow-several", &NOTHING, several, grown, OutOfMemory, "64MiB of memory"),
            guest("fill", &NOTHING, "", fill, TimedOut, "longer than").for_long(500),
        ],
    )
    .await;
}

#[tokio::test]
async fn tables_and_instances_without_end_are_refused() {
    use OutcomeKind::Trapped;
    let grow = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 20000)) (i32.const -1)) (then unreachable))";
    let million = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 1000000)) (i32.const -1)) (then unreachable))";
    let instances = "(core module $e)\n".to_owned() + &"(core instance (instantiate $e))\n".repeat(62);
    let with = |name, text: &str, ends, says| {
        let lift = format!(r#"(func (export "{name}") (canon lift (core func $i "f"))) {text}"#);
        let component = lifted(&NOTHING, "", r#"(func (export "f"))"#, &lift);
        Guest { name, component, options: &[], timeout: Duration::from_secs(10), ends, says }
    };
    all(
        "tables and instances",
        [
            guest("table", &NOTHING, "(table $t 1 funcref)", grow, Trapped, ""),
            guest("table-million", &NOTHING, "(table $t 0 funcref)", million, Trapped, ""),
            with("instances", &instances, OutcomeKind::Completed, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn resources_that_are_never_dropped_are_refused() {
    use OutcomeKind::Trapped;
    let body = "(loop (drop (call $subscribe (i64.const 1))) (br 0))";
    // Resources of the component's own live in the engine.
    let own = r#"
        (type $r (resource (rep i32)))
        (core func $new (canon resource.new $r))
        (core module $n (import "" "new" (func $new (param i32) (result i32)))
            (func (export "f") (loop (drop (call $new (i32.const 1))) (br 0))))
        (core instance $j (instantiate $n (with "" (instance (export "new" (func $new))))))
        (func (export "own-handles") (canon lift (core func $j "f")))"#;
    let own = lifted(&NOTHING, "", "", own);
    let timeout = Duration::from_secs(10);
    all(
        "resources without end",
        [
            guest("handles", &CLOCK, "", body, Trapped, ""),
            Guest { name: "own-handles", component: own, options: &[], timeout, ends: Trapped, says: "" },
        ],
    )
    .await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    use OutcomeKind::Trapped;
    // Name and value of 64 bytes of zeros and of letters each, in one object and in new ones.
    let letters = r#"(data (i32.const 64) "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")"#;
    let append =
        "(call $append (local.get $h) (i32.const 64) (i32.const 32) (i32.const 64) (i32.const 64) (i32.const 0))";
    let one = format!("(local $h i32) (local.set $h (call $new)) (loop {append} (br 0))");
    let many = format!("(local $h i32) (loop (local.set $h (call $new)) {append} {append} (br 0))");
    all(
        "header fields without end",
        [
            guest("fields", &FIELDS, letters, &one, Trapped, ""),
            guest("fields-many", &FIELDS, letters, &many, Trapped, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn texts_larger_than_memory_or_limit_do_not_reach_the_host() {
    use OutcomeKind::{OutputTooLarge, Trapped};
    let gib = "(call $write (call $stderr) (i32.const 0) (i32.const 1073741824) (i32.const 0))";
    // 60 MiB, all of which is there.
    let most = "(drop (memory.grow (i32.const 960)))
        (call $write (call $stderr) (i32.const 0) (i32.const 62914560) (i32.const 0))";
    let list = |name: &'static str, count: u32, length: u32, ends, says| {
        // Each item is the same text.
        let body = format!(
            r#"(func (export "f") (result i32) (local $n i32)
                (drop (memory.grow (i32.const 200)))
                (loop $fill
                    (i32.store offset=1048576 (i32.mul (local.get $n) (i32.const 8)) (i32.const 0))
                    (i32.store offset=1048580 (i32.mul (local.get $n) (i32.const 8)) (i32.const {length}))
                    (br_if $fill (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))))
                (i32.store (i32.const 16) (i32.const 1048576))
                (i32.store (i32.const 20) (i32.const {count}))
                (i32.const 16))"#
        );
        let lift = format!(
            r#"(func (export "{name}") (result (list string))
                (canon lift (core func $i "f") (memory (core memory $libc "memory"))))"#
        );
        let component = lifted(&NOTHING, "", &body, &lift);
        Guest { name, component, options: &[], timeout: Duration::from_secs(10), ends, says }
    };
    all(
        "texts too large for the host",
        [
            guest("write-1gib", &STREAM, "", gib, Trapped, ""),
            guest("write-60mib", &STREAM, "", most, Trapped, ""),
            list("aliases-1tib", 1_000_000, 1_048_576, OutputTooLarge, "larger than 1MiB"),
            list("aliases-2mib", 32, 65_536, OutputTooLarge, "larger than 1MiB"),
        ],
    )
    .await;
}

#[tokio::test]
async fn writes_of_nothing_without_end_are_stopped_at_the_deadline() {
    let body = "(local $s i32) (local.set $s (call $stderr))
        (loop (call $write (local.get $s) (i32.const 0) (i32.const 0) (i32.const 0)) (br 0))";
    let guest = guest("write-nothing", &STREAM, "", body, OutcomeKind::TimedOut, "longer than");
    all("writes of nothing", [guest.for_long(1_000)]).await;
}

#[tokio::test]
async fn output_without_end_is_cut_and_said_to_be() {
    let turn = Arena::turn("output without end").await;
    for to in ["stdout", "stderr", "log"] {
        let job = NewJob::json("flood".parse().unwrap(), &json!({ "to": to })).unwrap();
        let result = turn.jobs.run(job.retries(0).timeout(Duration::from_secs(2))).await;
        assert_eq!(result.record.outcome, OutcomeKind::TimedOut, "{to}: {:?}", result.error);
        let id = result.record.id;
        let cut = async || {
            let logs = turn.jobs.client.logs(&id, None).await.map_err(|error| error.to_string())?;
            match logs.as_slice() {
                [log] if log.end == Some(lovage_job::log::LogEnd::Truncated) => Ok(log.text.len()),
                other => Err(format!("{} attempts, ended {:?}", other.len(), other.first().map(|log| log.end))),
            }
        };
        let kept = lovage_tests::eventually("the log that was cut", TOLD_WITHIN, cut).await;
        assert!(kept <= 65 << 10, "{to}: {kept} bytes of log were kept");
    }
    turn.end().await;
}

#[tokio::test]
async fn traps_wherever_they_are_leave_a_clean_worker() {
    use OutcomeKind::{StackOverflow, Trapped};
    let destructor = r#"
        (core module $d (func (export "gone") (param i32) unreachable))
        (core instance $d (instantiate $d))
        (type $r (resource (rep i32) (dtor (core func $d "gone"))))
        (core func $new (canon resource.new $r))
        (core func $drop (canon resource.drop $r))
        (core module $n
            (import "" "new" (func $new (param i32) (result i32)))
            (import "" "drop" (func $drop (param i32)))
            (func (export "f") (call $drop (call $new (i32.const 1)))))
        (core instance $j (instantiate $n (with "" (instance (export "new" (func $new)) (export "drop" (func $drop))))))
        (func (export "trap-in-destructor") (canon lift (core func $j "f")))"#;
    let post_return = r#"
        (func (export "trap-in-post-return") (result u32) (canon lift (core func $i "f") (post-return (core func $i "p"))))"#;
    let post_core = r#"(func (export "f") (result i32) (i32.const 1)) (func (export "p") (param i32) unreachable)"#;
    let component = |name, core: &str, lift: &str| {
        let component = lifted(&NOTHING, "", core, lift);
        Guest { name, component, options: &[], timeout: Duration::from_secs(10), ends: Trapped, says: "" }
    };
    all(
        "traps",
        [
            guest("trap", &NOTHING, "", "unreachable", Trapped, "unreachable"),
            guest("trap-in-start", &NOTHING, "(func $s unreachable) (start $s)", "", Trapped, "unreachable"),
            component("trap-in-destructor", "", destructor),
            component("trap-in-post-return", post_core, post_return),
            guest("recursion", &NOTHING, "(func $r (call $r) (call $r))", "(call $r)", StackOverflow, "stack"),
        ],
    )
    .await;
}

#[tokio::test]
async fn results_that_are_none_are_told() {
    use OutcomeKind::{OutputTooLarge, Trapped};
    // What the core function says of its result: where it lies and how long it is, or the value itself.
    let listed = |name: &'static str, ty: &str, start: u32, length: u32, options, ends, says| {
        let core = format!(
            r#"(func (export "f") (result i32)
                (drop (memory.grow (i32.const 960)))
                (memory.fill (i32.const 1024) (i32.const 0xff) (i32.const 64))
                (i32.store (i32.const 16) (i32.const {start}))
                (i32.store (i32.const 20) (i32.const {length}))
                (i32.const 16))"#
        );
        let lift = format!(
            r#"(func (export "{name}") (result {ty})
                (canon lift (core func $i "f") (memory (core memory $libc "memory"))))"#
        );
        let component = lifted(&NOTHING, "", &core, &lift);
        Guest { name, component, options, timeout: Duration::from_secs(10), ends, says }
    };
    let simple = |name: &'static str, ty: &str, value: &str| {
        let core = format!(r#"(func (export "f") (result i32) (i32.const {value}))"#);
        let lift = format!(
            r#"{ty} (func (export "{name}") (result $t)
                (canon lift (core func $i "f") (memory (core memory $libc "memory"))))"#
        );
        let component = lifted(&NOTHING, "", &core, &lift);
        Guest { name, component, options: &[], timeout: Duration::from_secs(10), ends: Trapped, says: "" }
    };
    all(
        "results that are none",
        [
            listed("not-utf-8", "string", 1024, 64, &[], Trapped, "utf-8"),
            listed("list-beyond-memory", "(list u8)", 1024, 1 << 30, &[], Trapped, ""),
            listed("list-at-the-end", "(list u32)", u32::MAX - 3, 2, &[], Trapped, ""),
            listed("bytes-60mib", "(list u8)", 0, 60 << 20, &[], OutputTooLarge, "larger than 1MiB"),
            listed("bytes-2mib", "(list u8)", 0, 2 << 20, &[], OutputTooLarge, "larger than 1MiB"),
            simple("no-char", "(type $t char)", "0xd800"),
            simple("no-enum", "(type $e (enum \"a\" \"b\")) (export $t \"letter\" (type $e))", "7"),
            simple("misaligned", "(type $t string)", "17"),
        ],
    )
    .await;
}
