//! The options of `lovage submit` that make a job one with others.

use clap::Args;
use lovage_client::Unique;
use lovage_job::unit::parse_span;
use std::time::Duration;

/// How long an idempotency key holds that names no window.
const WINDOW_DEFAULT: Duration = Duration::from_secs(86_400);

/// What makes a job one with others of its task. A submission that is one with another job prints that job's id.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "One job for each key")]
pub(super) struct UniqueArgs {
    /// Submit one job for each task and key within --window, whatever becomes of it.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["unique", "id"])]
    pub(super) idempotency_key: Option<String>,
    /// How long an idempotency key holds [default: 1d].
    #[arg(long, value_name = "SPAN", value_parser = parse_span, requires = "idempotency_key")]
    pub(super) window: Option<Duration>,
    /// Submit no job while another of the same task and key has not ended; --debounce and --throttle change that.
    #[arg(long, value_name = "KEY", conflicts_with = "id")]
    pub(super) unique: Option<String>,
    /// Start the job this long after the last submission of its key, with that one's input.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, requires = "unique",
        conflicts_with_all = ["throttle", "delay", "at"])]
    pub(super) debounce: Option<Duration>,
    /// Start a debounced job this long after the first submission of its key at the latest.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, requires = "debounce")]
    pub(super) debounce_max: Option<Duration>,
    /// Start at most one job of its key in each span of this length.
    #[arg(long, value_name = "SPAN", value_parser = parse_span, requires = "unique")]
    pub(super) throttle: Option<Duration>,
}

impl UniqueArgs {
    /// The key and rule that were asked for.
    pub(super) fn unique(&self) -> Option<Unique> {
        if let Some(key) = &self.idempotency_key {
            return Some(Unique::idempotent(key, self.window.unwrap_or(WINDOW_DEFAULT)));
        }
        let key = self.unique.as_ref()?;
        Some(match (self.debounce, self.debounce_max, self.throttle) {
            (Some(delay), None, _) => Unique::debounce(key, delay),
            (Some(delay), Some(most), _) => Unique::debounce(key, delay).at_most(most),
            (None, _, Some(window)) => Unique::throttle(key, window),
            (None, _, None) => Unique::active(key),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::unique::Rule;

    #[test]
    fn each_spelling_is_a_rule() {
        let minute = Some(Duration::from_secs(60));
        let (key, none) = (Some("k".to_owned()), UniqueArgs::default());
        let rule = |args: UniqueArgs| args.unique().map(|unique| unique.rule);
        assert_eq!(rule(none.clone()), None);
        let idempotent = UniqueArgs { idempotency_key: key.clone(), ..none.clone() };
        assert_eq!(rule(idempotent.clone()), Some(Rule::Window(WINDOW_DEFAULT)));
        assert_eq!(rule(UniqueArgs { window: minute, ..idempotent }), Some(Rule::Window(Duration::from_secs(60))));
        let unique = UniqueArgs { unique: key, ..none };
        assert_eq!(rule(unique.clone()), Some(Rule::Active));
        let throttle = UniqueArgs { throttle: minute, ..unique.clone() };
        assert_eq!(rule(throttle), Some(Rule::Throttle(Duration::from_secs(60))));
        let debounce = UniqueArgs { debounce: minute, debounce_max: minute, ..unique };
        assert!(matches!(rule(debounce), Some(Rule::Debounce { most: Some(_), .. })));
    }
}
