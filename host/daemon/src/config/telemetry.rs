//! What a worker shows of itself: its health port, metrics and traces.

use serde::Deserialize;
use std::net::SocketAddr;

/// The most tenants that have numbers of their own.
const TENANTS_CEILING: usize = 10_000;

/// Which metrics there are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsFile {
    /// Where `/livez`, `/readyz` and `/metrics` are served; nowhere where none is given.
    pub health: Option<SocketAddr>,
    /// Whether tenants have numbers of their own.
    pub per_tenant: bool,
    /// How many of them do; the rest is counted together.
    pub tenants_max: usize,
}

/// Where traces go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesFile {
    /// Where OTLP over HTTP is taken, such as `http://127.0.0.1:4318`; the variables of OpenTelemetry go before it.
    pub endpoint: Option<String>,
}

impl Default for MetricsFile {
    fn default() -> Self {
        Self { health: None, per_tenant: false, tenants_max: 200 }
    }
}

impl MetricsFile {
    /// How many tenants have numbers of their own, where any do.
    pub fn tenants(&self) -> Option<usize> {
        self.per_tenant.then_some(self.tenants_max)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=TENANTS_CEILING).contains(&self.tenants_max) {
            return Err(format!("[metrics] tenants_max = {} is not from 1 to {TENANTS_CEILING}", self.tenants_max));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_are_counted_only_where_that_is_asked_for() {
        let file: MetricsFile = toml::from_str("").unwrap();
        assert_eq!(file.tenants(), None);
        let file: MetricsFile =
            toml::from_str("per_tenant = true\ntenants_max = 3\nhealth = '127.0.0.1:7711'").unwrap();
        assert_eq!((file.tenants(), file.health.map(|address| address.port())), (Some(3), Some(7711)));
    }

    #[test]
    fn the_number_of_tenants_is_bounded() {
        for (tenants_max, fits) in [(0, false), (1, true), (TENANTS_CEILING, true), (TENANTS_CEILING + 1, false)] {
            assert_eq!(MetricsFile { tenants_max, ..MetricsFile::default() }.check().is_ok(), fits, "{tenants_max}");
        }
    }
}
