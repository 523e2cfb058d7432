use super::*;
use base64::Engine as _;
use serde_json::json;

fn statement(digest: &Digest) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "task.wasm", "digest": {"sha256": digest.hex()}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"resolvedDependencies": [
                {"uri": "pkg:x"},
                {"uri": "git+file:///src", "digest": {"gitCommit": "0123456789abcdef0123456789abcdef01234567"}}
            ]},
            "runDetails": {"builder": {"id": "local\u{1b}[31m"}}
        }
    })
}

fn read(value: &Value, digests: &[&Digest]) -> Result<Statement, StatementError> {
    Statement::read(value.to_string().as_bytes(), digests)
}

#[test]
fn a_statement_of_the_component_is_read() {
    let (digest, other) = (Digest::of(b"component"), Digest::of(b"other"));
    let found = read(&statement(&digest), &[&other, &digest]).unwrap();
    assert_eq!(found.predicate_type, "https://slsa.dev/provenance/v1");
    assert_eq!(found.commit.as_deref(), Some("0123456789abcdef0123456789abcdef01234567"));
    assert_eq!(found.builder.as_deref(), Some("local[31m"), "nothing of it moves a terminal's cursor");
    let payload = base64::engine::general_purpose::STANDARD.encode(statement(&digest).to_string());
    let envelope = json!({"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": []});
    let found = read(&envelope, &[&digest]).unwrap();
    assert_eq!(found.predicate_type, "https://slsa.dev/provenance/v1");
    assert_eq!(found.document, envelope);
    let old = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [{"digest": {"sha256": digest.hex()}}],
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {"builder": {"id": "b"}, "materials": [{"digest": {"sha1": "abc"}}]}
    });
    let found = read(&old, &[&digest]).unwrap();
    assert_eq!((found.builder.as_deref(), found.commit.as_deref()), (Some("b"), Some("abc")));
}

#[test]
fn what_is_no_statement_of_the_component_is_refused() {
    let digest = Digest::of(b"component");
    let wanted = [&digest];
    let told = read(&statement(&Digest::of(b"other")), &wanted).unwrap_err();
    assert!(matches!(told, StatementError::OtherSubject { .. }), "{told}");
    assert!(told.to_string().contains(digest.hex()), "{told}");
    let without = |name: &str| {
        let mut value = statement(&digest);
        value.as_object_mut().unwrap().remove(name);
        read(&value, &wanted)
    };
    for name in ["_type", "subject", "predicateType"] {
        assert!(matches!(without(name), Err(StatementError::NotAStatement(_))), "{name}");
    }
    assert!(without("predicate").is_ok());
    assert!(matches!(Statement::read(b"{", &wanted), Err(StatementError::NotJson(_))));
    let deep = "[".repeat(100_000);
    assert!(matches!(Statement::read(deep.as_bytes(), &wanted), Err(StatementError::NotJson(_))));
    assert!(matches!(read(&json!({"payload": "%%"}), &wanted), Err(StatementError::NotJson(_))));
    let large = vec![b' '; STATEMENT_BYTES_MAX + 1];
    assert_eq!(Statement::read(&large, &wanted), Err(StatementError::TooLarge(STATEMENT_BYTES_MAX + 1)));
}
