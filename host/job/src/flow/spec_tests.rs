//! What may follow a job and what may not.

use super::*;
use proptest::prelude::*;

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn refused(text: &str) -> String {
    text.parse::<Target>().unwrap_err().to_string()
}

#[test]
fn a_target_is_a_task_a_job_or_a_url() {
    assert_eq!(target("word-stats"), Target::Job(Box::new(JobSpec::new("word-stats".parse().unwrap()))));
    assert!(matches!(target("https://example.com/hook"), Target::Webhook(_)));
    let Target::Job(spec) = target(
        r#"{"task":"b","queue":"q","lane":"high","version":"2","retries":3,"backoff":"fixed:1s","timeout":"5s",
            "tags":["x"],"headers":{"X-Own":"ö"},"on_failure":"https://example.com/","then":["c",{"task":"d"}]}"#,
    ) else {
        panic!("a job")
    };
    assert_eq!((spec.retries, spec.timeout, spec.lane), (Some(3), Some(Duration::from_secs(5)), Some(Lane::High)));
    assert_eq!(spec.then, [target("c"), target("d")]);
    let text = Target::Job(spec.clone()).to_string();
    assert!(text.is_ascii() && !text.contains('\n'));
    assert_eq!(target(&text), Target::Job(spec));
}

#[test]
fn other_targets_are_refused_with_what_is_wrong() {
    let nested = |levels: usize| {
        let open = r#"{"task":"a","on_success":"#.repeat(levels - 1);
        format!("{open}\"a\"{}", "}".repeat(levels - 1))
    };
    assert!(nested(NESTING_MAX).parse::<Target>().is_ok());
    assert!(refused(&nested(NESTING_MAX + 1)).contains("deep"));
    assert!(refused(&nested(300)).contains("deep") || refused(&nested(300)).contains("recursion"));
    assert!(refused(&format!("{{\"task\":\"a\",\"tags\":[\"{}\"]}}", "x".repeat(HEADER_BYTES_MAX))).contains("bytes"));
    for (bad, reason) in [
        ("", "task name"),
        ("A B", "task name"),
        ("ftp://a/", "http://"),
        ("{}", "task"),
        ("{\"task\":\"A\"}", "task name"),
        ("{\"task\":\"a\",\"retrys\":1}", "retrys"),
        ("{\"task\":\"a\",\"retries\":100}", "99"),
        ("{\"task\":\"a\",\"retries\":-1}", "JSON"),
        ("{\"task\":\"a\",\"timeout\":\"0s\"}", "timeout"),
        ("{\"task\":\"a\",\"tags\":[\"\"]}", "tag"),
        ("{\"task\":\"a\",\"headers\":{\"Lovage-Depth\":\"0\"}}", "Lovage-Depth"),
        ("{\"task\":\"a\",\"headers\":{\"Nats-TTL\":\"1s\"}}", "Nats-TTL"),
        ("{\"task\":\"a\",\"headers\":{\"X\":\"a\\r\\nb\"}}", "X"),
        ("{\"task\":\"a\",\"on_dead\":\"https://me@a/\"}", "user"),
    ] {
        let error = refused(bad);
        assert!(error.contains(reason), "{bad}: {error}");
    }
}

#[test]
fn a_chain_is_bounded() {
    let chain = |length: usize| format!("[{}]", vec!["\"a\""; length].join(","));
    assert_eq!(chain_from_text(&chain(CHAIN_MAX)).unwrap().len(), CHAIN_MAX);
    assert!(chain_from_text(&chain(CHAIN_MAX + 1)).unwrap_err().to_string().contains("31"));
    assert_eq!(chain_from_text("a").unwrap(), [target("a")]);
    assert_eq!(chain_from_text("[]").unwrap(), []);
    for bad in ["[", "[1]", "{\"a\":1}", "null"] {
        // a word such as null is the name of a task
        assert!(chain_from_text(bad).is_err() || bad == "null", "{bad}");
    }
}

fn any_spec() -> impl Strategy<Value = JobSpec> {
    let leaf = ("[a-z][a-z0-9-]{0,8}", proptest::option::of(0u32..100), proptest::collection::vec("[a-z]{1,5}", 0..3))
        .prop_map(|(task, retries, tags)| JobSpec { retries, tags, ..JobSpec::new(task.parse().unwrap()) });
    leaf.prop_recursive(4, 16, 3, |inner| {
        let inner = inner.prop_map(|spec| Target::Job(Box::new(spec)));
        (
            "[a-z][a-z0-9]{0,8}",
            proptest::option::of(inner.clone()),
            proptest::option::of(inner.clone()),
            proptest::collection::vec(inner, 0..3),
        )
            .prop_map(|(task, on_success, on_dead, then)| JobSpec {
                on_success,
                on_dead,
                then,
                ..JobSpec::new(task.parse().unwrap())
            })
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(spec in any_spec()) {
        let target = Target::Job(Box::new(spec));
        let text = target.to_string();
        prop_assert_eq!(&text.parse::<Target>().unwrap(), &target);
        let then = vec![target.clone(), target];
        prop_assert_eq!(chain_from_text(&chain_to_text(&then)).unwrap(), then);
    }

    #[test]
    fn no_text_panics(text: String) {
        let _ = text.parse::<Target>();
        let _ = chain_from_text(&text);
        let _ = format!("{{\"task\":{text}}}").parse::<Target>();
    }
}
