//! Grants, what they are written as, and what a ceiling leaves of them.

use super::*;
use crate::capability::{AboveCeiling, Ceiling};

fn one(text: &str) -> Capability {
    text.parse().unwrap()
}

fn grants(texts: &[&str]) -> Grants {
    texts.iter().map(|text| one(text)).collect()
}

const EACH: [&str; 8] = [
    "submit",
    "http=*.example.com:8443",
    "keyvalue=cache",
    "blobstore=images",
    "config=mode=a=b",
    "secret=api-key",
    "scratch=8MiB",
    "deterministic",
];

#[test]
fn capabilities_are_written_as_they_are_read() {
    for text in EACH {
        assert_eq!(one(text).to_string(), text);
    }
    let all = grants(&EACH);
    assert_eq!(all.list().iter().map(ToString::to_string).collect::<Vec<_>>(), EACH);
    assert_eq!(serde_json::from_value::<Grants>(serde_json::to_value(&all).unwrap()).unwrap(), all);
    assert_eq!(serde_json::to_string(&Grants::default()).unwrap(), "{}");
    assert!(all.told().contains(&"config=mode".to_owned()), "values are not for the audit trail");
}

#[test]
fn what_is_no_capability_is_refused_by_name() {
    for (bad, told) in [
        ("everything", "\"everything\" is no capability"),
        ("", "there are submit, http=HOST"),
        ("http", "http=HOST"),
        ("submit=yes", "submit takes nothing"),
        ("http=*", "ceiling"),
        ("http=a b", "\"a b\""),
        ("keyvalue=A", "bucket name \"A\""),
        ("blobstore=../x", "container name"),
        ("secret=", "secret name"),
        ("config=a", "config=KEY=VALUE"),
        ("config==a", "key \"\""),
        ("config=a\nb=c", "key"),
        ("scratch=0B", "0"),
        ("scratch=2000MiB", "scratch folder"),
        ("scratch=much", "much"),
    ] {
        let error = bad.parse::<Capability>().unwrap_err().to_string();
        assert!(error.contains(told), "{bad}: {error}");
    }
}

#[test]
fn a_component_needs_the_capability_of_what_it_imports() {
    let imports = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let none = Grants::default();
    let free = ["wasi:cli/exit@0.2.6", "wasi:http/outgoing-handler@0.2.6", "lovage:task/job-context@0.1.0"];
    assert_eq!(none.missing(&imports(&free)), None);
    for (interface, text) in [
        ("lovage:task/jobs", EACH[0]),
        ("lovage:task/jobs@0.1.0", EACH[0]),
        ("wasi:keyvalue/atomics@0.2.0-draft", EACH[2]),
        ("wasi:blobstore/blobstore@0.2.0-draft", EACH[3]),
        ("wasi:config/store@0.2.0-rc.1", EACH[4]),
        ("lovage:task/secrets@0.1.0", EACH[5]),
    ] {
        let missing = none.missing(&imports(&[free[0], interface])).unwrap();
        assert_eq!((missing.interface.as_str(), missing.kind), (interface, one(text).kind()));
        assert_eq!(grants(&[text]).missing(&imports(&[interface])), None);
        let others: Vec<_> = EACH.into_iter().filter(|other| *other != text).collect();
        assert_eq!(grants(&others).missing(&imports(&[interface])).unwrap().kind, missing.kind);
    }
}

#[test]
fn a_denial_takes_one_or_all_of_a_kind() {
    let mut all = grants(&["http=a.b", "http=c.d", "config=a=1", "config=b=2", "scratch=1MiB", "submit"]);
    assert!(all.deny(&"http=a.b".parse().unwrap()) && !all.deny(&"http=a.b".parse().unwrap()));
    assert!(all.deny(&"config=a".parse().unwrap()) && all.deny(&"scratch".parse().unwrap()));
    assert_eq!(all, grants(&["http=c.d", "config=b=2", "submit"]));
    for text in ["http", "config", "submit"] {
        assert!(all.deny(&text.parse().unwrap()));
    }
    assert!(all.is_empty() && !all.deny(&"http".parse().unwrap()));
}

#[test]
fn more_than_a_record_holds_is_refused() {
    let mut many: Grants = (0..GRANTS_EACH_MAX).map(|n| one(&format!("http=h{n}.example.com"))).collect();
    assert_eq!(many.check_size(), Ok(()));
    many.allow(one("http=one-more.example.com"));
    let count = GRANTS_EACH_MAX + 1;
    assert_eq!(many.check_size(), Err(TooManyGrants::Count { kind: CapabilityKind::Http, count }));
    let value = |bytes| "x".repeat(bytes);
    let mut config: Grants = (0..8).map(|n| Capability::Config(n.to_string(), value((16 << 10) - 1))).collect();
    assert_eq!(config.check_size(), Ok(()));
    config.allow(Capability::Config("k".to_owned(), String::new()));
    assert_eq!(config.check_size(), Err(TooManyGrants::ConfigBytes((128 << 10) + 1)));
}

#[test]
fn the_ceiling_of_a_new_tenant_lets_nothing_out() {
    let above = |text: &str| grants(&[text]).within(&Ceiling::default());
    for text in ["submit", "keyvalue=a", "blobstore=a", "config=a=b", "secret=a", "scratch=64MiB", "deterministic"] {
        assert_eq!(above(text), Ok(()));
    }
    let AboveCeiling { capability, ceiling } = above("http=example.com").unwrap_err();
    assert_eq!((capability, ceiling.as_str()), (one("http=example.com"), "no http"));
    assert_eq!(
        above("scratch=65MiB").unwrap_err().to_string(),
        "scratch=65MiB is above the ceiling of the tenant, which has scratch=64MiB"
    );
}

#[test]
fn a_lowered_ceiling_takes_away_what_is_above_it() {
    let lowest = Ceiling {
        submit: false,
        http: ["*.example.com".parse().unwrap()].into(),
        keyvalue: false,
        blobstore: false,
        secrets: false,
        scratch: None,
    };
    let all = grants(&["submit", "http=a.example.com", "http=b.org", "keyvalue=a", "blobstore=a", "config=a=b"]);
    let (left, above) = all.under(&lowest);
    assert_eq!(left, grants(&["http=a.example.com", "config=a=b"]));
    let above: Vec<_> = above.iter().map(ToString::to_string).collect();
    assert_eq!(above, ["submit", "http=b.org", "keyvalue=a", "blobstore=a"]);
    let (left, above) = grants(&["secret=a", "scratch=1B", "deterministic"]).under(&lowest);
    assert_eq!((left, above.len()), (grants(&["deterministic"]), 2));
}
