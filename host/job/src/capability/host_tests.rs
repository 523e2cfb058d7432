//! What a pattern of hosts takes, and what it must not.

use super::*;

fn rule(text: &str) -> HostRule {
    text.parse().unwrap()
}

fn allows(text: &str, tls: bool, authority: &str) -> bool {
    Destination::new(tls, authority).is_ok_and(|to| rule(text).allows(&to))
}

#[test]
fn a_rule_allows_its_host_scheme_and_port_alone() {
    assert!(allows("api.example.com", true, "api.example.com"));
    assert!(allows("api.example.com", true, "API.Example.com:443"));
    for (tls, authority) in [
        (false, "api.example.com"),
        (false, "api.example.com:443"),
        (true, "api.example.com:8443"),
        (true, "example.com"),
        (true, "x.api.example.com"),
        (true, "api.example.com.evil.org"),
        (true, "api.example.com."),
        (true, "user@api.example.com"),
    ] {
        assert!(!allows("api.example.com", tls, authority), "{authority}");
    }
    assert!(allows("api.example.com:8443", true, "api.example.com:8443"));
    assert!(allows("http://10.0.0.1:8080", false, "10.0.0.1:8080"));
    assert!(!allows("http://10.0.0.1:8080", true, "10.0.0.1:8080"));
    assert!(allows("[2001:db8::1]:1", true, "[2001:DB8:0::1]:1"));
    assert!(!allows("http://127.0.0.1", false, "[::ffff:7f00:1]"), "another way to write it is another host");
}

#[test]
fn a_star_stands_for_subdomains_only() {
    for (authority, allowed) in [
        ("a.example.com", true),
        ("b.a.example.com", true),
        ("example.com", false),
        ("evilexample.com", false),
        (".example.com", false),
        ("a.example.com.evil.org", false),
    ] {
        assert_eq!(allows("*.example.com", true, authority), allowed, "{authority}");
    }
}

#[test]
fn bad_hosts_are_refused_by_name() {
    for bad in [
        "",
        "*",
        "http://",
        "http://*",
        "ftp://a.b",
        "a.b/",
        "a.b/c",
        "a.b?c",
        "u@a.b",
        "a b",
        "a..b",
        "-a.b",
        "a-.b",
        "a.b:",
        "a.b:0",
        "a.b:65536",
        "a.b:+1",
        "a.b:080",
        "a.b:1:2",
        "*.com",
        "*.10.0.0.1",
        "a.*.b",
        "*a.b",
        "**.a.b",
        "1",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "256.0.0.1",
        "a.0x7f",
        "::1",
        "[::1",
        "[::1]x",
        "[::g]",
        "[127.0.0.1]",
        "é.com",
        "a_b.com",
        "a.b\r\nHost: c",
        "a.b\0",
        "a.b#",
        "a\\b",
    ] {
        let fault = bad.parse::<HostRule>().unwrap_err();
        assert_eq!(fault.value, bad, "{fault}");
    }
    let long = format!("{}.com", "a".repeat(300));
    assert!(long.parse::<HostRule>().unwrap_err().to_string().len() < 300);
}

#[test]
fn rules_are_written_in_one_way() {
    for (text, written) in [
        ("Example.COM", "example.com"),
        ("https://example.com:443", "example.com"),
        ("http://example.com:80", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("*.Example.com:8443", "*.example.com:8443"),
        ("http://[0:0::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(rule(text).to_string(), written);
        assert_eq!(serde_json::to_value(rule(text)).unwrap(), written);
        assert_eq!(rule(written), rule(text));
    }
    assert_eq!(serde_json::from_str::<HostCeiling>("\"*\"").unwrap(), HostCeiling::Every);
    assert!(serde_json::from_str::<HostRule>("\"*\"").is_err());
}

#[test]
fn a_ceiling_covers_what_is_no_wider() {
    let covers = |ceiling: &str, text: &str| ceiling.parse::<HostCeiling>().unwrap().covers(&rule(text));
    for text in ["a.b", "http://10.0.0.1:8080", "*.a.b"] {
        assert!(covers("*", text));
    }
    assert!(covers("*.a.b", "x.a.b") && covers("*.a.b", "*.a.b") && covers("*.a.b", "*.x.a.b"));
    for text in ["a.b", "*.b.c", "x.a.b:444", "http://x.a.b", "xa.b"] {
        assert!(!covers("*.a.b", text), "{text}");
    }
    assert!(covers("a.b", "a.b") && !covers("x.a.b", "*.a.b") && !covers("a.b", "*.a.b"));
}
