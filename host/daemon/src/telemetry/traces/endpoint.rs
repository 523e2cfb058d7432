//! Where spans go: by the variables that every program with OpenTelemetry reads, or by the worker's file.

/// What stands before all variables that name an endpoint.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Names the endpoint of spans alone, whole.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// What is added to an endpoint for all signals.
const TRACES_PATH: &str = "v1/traces";

/// Spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The endpoint is none.
    #[error("{url:?}, where traces should go, is no http URL: {reason}; give one such as http://127.0.0.1:4318")]
    Endpoint {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The exporter does not start.
    #[error("traces cannot be sent to {url}: {reason}")]
    Exporter {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
}

/// Where spans go; nowhere where nothing is given, or where they are switched off.
pub(super) fn find(
    file: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<String>, TracesError> {
    let given = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let off = given("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || given("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    if off {
        return Ok(None);
    }
    let base = |base: &str| format!("{}/{TRACES_PATH}", base.trim_end_matches('/'));
    let url = given(TRACES_ENDPOINT).or_else(|| given(ENDPOINT).map(|url| base(&url))).or_else(|| file.map(base));
    url.map(checked).transpose()
}

/// Refuses what the sender cannot speak, before the first span would be lost.
fn checked(url: String) -> Result<String, TracesError> {
    let refuse = |reason: String| TracesError::Endpoint { url: url.clone(), reason };
    let parsed = url::Url::parse(&url).map_err(|error| refuse(error.to_string()))?;
    match parsed.scheme() {
        "http" if parsed.has_host() => Ok(url),
        "https" => Err(refuse("TLS is not spoken here; put a collector on this machine".to_owned())),
        other => Err(refuse(format!("{other} is not http"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        find(file, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_go_before_the_file_and_the_narrow_one_before_the_wide_one() {
        let (narrow, wide) = ((TRACES_ENDPOINT, "http://a/x"), (ENDPOINT, "http://b:4318/"));
        let file = Some("http://c:4318");
        assert_eq!(found(file, &[wide, narrow]), Ok(Some("http://a/x".to_owned())));
        assert_eq!(found(file, &[wide]), Ok(Some("http://b:4318/v1/traces".to_owned())));
        assert_eq!(found(file, &[(ENDPOINT, " ")]), Ok(Some("http://c:4318/v1/traces".to_owned())));
        assert_eq!(found(None, &[]), Ok(None));
    }

    #[test]
    fn they_can_be_switched_off() {
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(found(Some("http://c:4318"), &[off, (ENDPOINT, "http://b")]), Ok(None));
        }
    }

    #[test]
    fn what_cannot_be_spoken_is_refused_by_name() {
        for (url, said) in
            [("https://b:4318", "TLS"), ("b:4318", "is not http"), ("grpc://b", "grpc"), ("::", "relative")]
        {
            let error = found(None, &[(ENDPOINT, url)]).unwrap_err();
            assert!(error.contains(said) && error.contains("such as http://"), "{error}");
        }
    }
}
