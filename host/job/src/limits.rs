//! What one attempt may use: defaults, what a task asks for, and the operator's ceiling.

use crate::unit::{ByteSize, format_span, span, span_option};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The limits of one attempt, all of them in force at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// WebAssembly instructions, roughly; counts instantiation too.
    pub fuel: u64,
    /// Linear memory of the whole instance, over all its memories.
    pub memory: ByteSize,
    /// Wall time of the attempt, sleeping included.
    #[serde(with = "span")]
    pub timeout: Duration,
    /// Wall time after which the attempt is asked to stop; what it then gives stands. Without effect where it is not
    /// below the timeout.
    #[serde(with = "span_option", skip_serializing_if = "Option::is_none")]
    pub soft_timeout: Option<Duration>,
    /// The result's body.
    pub output: ByteSize,
    /// Captured log, over standard error and the `log` function together.
    pub log: ByteSize,
    /// Elements of each table.
    pub table_elements: u32,
    /// Core instances of the component.
    pub instances: u32,
    /// What one call from the guest may make the host copy out of it.
    pub hostcall: ByteSize,
    /// Handles to host resources that the guest holds at once.
    pub resources: u32,
    /// Random bytes of one call.
    pub random: ByteSize,
    /// The header fields of one HTTP message, names and values together.
    pub http_fields: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: 10_000_000_000,
            memory: ByteSize::mib(64),
            timeout: Duration::from_secs(30),
            soft_timeout: None,
            output: ByteSize::mib(1),
            log: ByteSize::kib(64),
            table_elements: 20_000,
            instances: 64,
            hostcall: ByteSize::mib(8),
            resources: 1_000,
            random: ByteSize::kib(64),
            http_fields: ByteSize::kib(128),
        }
    }
}

impl Limits {
    /// The ceiling of an operator who sets none.
    pub fn ceiling() -> Self {
        Self {
            fuel: 1_000_000_000_000,
            memory: ByteSize::mib(1024),
            timeout: Duration::from_secs(24 * 3600),
            soft_timeout: None,
            output: ByteSize::mib(64),
            log: ByteSize::mib(1),
            table_elements: 100_000,
            instances: 64,
            hostcall: ByteSize::mib(128),
            resources: 10_000,
            random: ByteSize::mib(1),
            http_fields: ByteSize::mib(1),
        }
    }

    /// Puts what `wish` names in place of what is here.
    pub fn with(mut self, wish: &LimitsWish) -> Self {
        let LimitsWish {
            fuel,
            memory,
            timeout,
            soft_timeout,
            output,
            log,
            table_elements,
            instances,
            hostcall,
            resources,
            random,
            http_fields,
        } = wish;
        set(&mut self.fuel, fuel);
        set(&mut self.memory, memory);
        set(&mut self.timeout, timeout);
        self.soft_timeout = soft_timeout.or(self.soft_timeout);
        set(&mut self.output, output);
        set(&mut self.log, log);
        set(&mut self.table_elements, table_elements);
        set(&mut self.instances, instances);
        set(&mut self.hostcall, hostcall);
        set(&mut self.resources, resources);
        set(&mut self.random, random);
        set(&mut self.http_fields, http_fields);
        self
    }

    /// Lowers each limit to the ceiling where it is above.
    pub fn capped(self, ceiling: &Limits) -> Self {
        Self {
            fuel: self.fuel.min(ceiling.fuel),
            memory: self.memory.min(ceiling.memory),
            timeout: self.timeout.min(ceiling.timeout),
            soft_timeout: earlier(self.soft_timeout, ceiling.soft_timeout),
            output: self.output.min(ceiling.output),
            log: self.log.min(ceiling.log),
            table_elements: self.table_elements.min(ceiling.table_elements),
            instances: self.instances.min(ceiling.instances),
            hostcall: self.hostcall.min(ceiling.hostcall),
            resources: self.resources.min(ceiling.resources),
            random: self.random.min(ceiling.random),
            http_fields: self.http_fields.min(ceiling.http_fields),
        }
    }
}

/// Checks a soft timeout against the timeout that was asked for with it.
pub fn soft_below(soft: Duration, hard: Duration) -> Result<(), String> {
    if soft < hard {
        return Ok(());
    }
    let (soft, hard) = (format_span(soft), format_span(hard));
    Err(format!("a soft timeout of {soft} is not below the timeout of {hard}, which would stop the attempt first"))
}

/// The earlier of two times, where there is one.
fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn set<T: Clone>(place: &mut T, wish: &Option<T>) {
    if let Some(value) = wish {
        *place = value.clone();
    }
}

/// Limits that someone asks for; what is not named keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsWish {
    /// See [`Limits::fuel`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// See [`Limits::memory`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// See [`Limits::timeout`].
    #[serde(with = "span_option", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// See [`Limits::soft_timeout`].
    #[serde(with = "span_option", skip_serializing_if = "Option::is_none")]
    pub soft_timeout: Option<Duration>,
    /// See [`Limits::output`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
    /// See [`Limits::log`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<ByteSize>,
    /// See [`Limits::table_elements`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_elements: Option<u32>,
    /// See [`Limits::instances`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
    /// See [`Limits::hostcall`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostcall: Option<ByteSize>,
    /// See [`Limits::resources`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<u32>,
    /// See [`Limits::random`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random: Option<ByteSize>,
    /// See [`Limits::http_fields`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_fields: Option<ByteSize>,
}

impl LimitsWish {
    /// This wish, with `over` winning where both name a limit.
    pub fn overlaid(&self, over: &LimitsWish) -> LimitsWish {
        LimitsWish {
            fuel: over.fuel.or(self.fuel),
            memory: over.memory.or(self.memory),
            timeout: over.timeout.or(self.timeout),
            soft_timeout: over.soft_timeout.or(self.soft_timeout),
            output: over.output.or(self.output),
            log: over.log.or(self.log),
            table_elements: over.table_elements.or(self.table_elements),
            instances: over.instances.or(self.instances),
            hostcall: over.hostcall.or(self.hostcall),
            resources: over.resources.or(self.resources),
            random: over.random.or(self.random),
            http_fields: over.http_fields.or(self.http_fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_replaces_only_what_it_names() {
        let wish = LimitsWish { fuel: Some(7), ..LimitsWish::default() };
        let limits = Limits::default().with(&wish);
        assert_eq!(limits, Limits { fuel: 7, ..Limits::default() });
    }

    #[test]
    fn nothing_passes_the_ceiling() {
        let huge = Limits {
            fuel: u64::MAX,
            memory: ByteSize(u64::MAX),
            timeout: Duration::MAX,
            soft_timeout: None,
            output: ByteSize(u64::MAX),
            log: ByteSize(u64::MAX),
            table_elements: u32::MAX,
            instances: u32::MAX,
            hostcall: ByteSize(u64::MAX),
            resources: u32::MAX,
            random: ByteSize(u64::MAX),
            http_fields: ByteSize(u64::MAX),
        };
        assert_eq!(huge.capped(&Limits::ceiling()), Limits::ceiling());
    }

    #[test]
    fn the_earlier_soft_timeout_counts() {
        let (early, late) = (Duration::from_secs(1), Duration::from_secs(2));
        let with = |soft_timeout| Limits { soft_timeout, ..Limits::ceiling() };
        for (asked, ceiling, counts) in [
            (Some(late), Some(early), Some(early)),
            (Some(early), Some(late), Some(early)),
            (Some(late), None, Some(late)),
            (None, Some(early), Some(early)),
            (None, None, None),
        ] {
            assert_eq!(with(asked).capped(&with(ceiling)).soft_timeout, counts);
        }
    }

    #[test]
    fn a_soft_timeout_is_below_its_timeout() {
        let second = Duration::from_secs(1);
        assert_eq!(soft_below(second, second + Duration::from_millis(1)), Ok(()));
        assert!(soft_below(second, second).unwrap_err().contains("1s"));
    }

    #[test]
    fn unknown_limits_are_refused_by_name() {
        let error = serde_json::from_str::<LimitsWish>(r#"{"feul":1}"#).unwrap_err();
        assert!(error.to_string().contains("feul"), "{error}");
    }

    #[test]
    fn every_default_is_within_the_ceiling() {
        assert_eq!(Limits::default().capped(&Limits::ceiling()), Limits::default());
    }
}
