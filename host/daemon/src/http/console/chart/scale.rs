//! Figures and times for people: what stands at the axes of a chart.

use jiff::Timestamp;

/// What the figures of a chart are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How many in a second.
    PerSecond,
    /// A share, from 0 to 1.
    Share,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// A figure for people.
    pub fn text(self, figure: f64) -> String {
        match self {
            Self::Count => short(figure),
            Self::PerSecond => format!("{}/s", short(figure)),
            Self::Share => format!("{} %", short(figure * 100.0)),
            Self::Seconds => seconds(figure),
        }
    }

    /// The least that the top of the axis is.
    pub(super) fn top_min(self) -> f64 {
        match self {
            Self::Count => 5.0,
            Self::PerSecond => 1.0,
            Self::Share => 0.05,
            Self::Seconds => 0.001,
        }
    }

    /// The most that the top of the axis is.
    pub(super) fn top_max(self) -> f64 {
        match self {
            Self::Share => 1.0,
            Self::Count | Self::PerSecond | Self::Seconds => 1e15,
        }
    }
}

fn short(figure: f64) -> String {
    let size = figure.abs();
    match size {
        _ if size >= 1e9 => format!("{} G", trimmed(figure / 1e9)),
        _ if size >= 1e6 => format!("{} M", trimmed(figure / 1e6)),
        _ if size >= 1e4 => format!("{} k", trimmed(figure / 1e3)),
        _ => trimmed(figure),
    }
}

/// Three figures at most, no zeros at the end.
fn trimmed(figure: f64) -> String {
    let places = match figure.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{figure:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn seconds(figure: f64) -> String {
    match figure {
        _ if figure <= 0.0 => "0 s".to_owned(),
        _ if figure < 0.001 => format!("{} µs", trimmed(figure * 1e6)),
        _ if figure < 1.0 => format!("{} ms", trimmed(figure * 1e3)),
        _ if figure < 120.0 => format!("{} s", trimmed(figure)),
        _ if figure < 7_200.0 => format!("{} min", trimmed(figure / 60.0)),
        _ if figure < 172_800.0 => format!("{} h", trimmed(figure / 3_600.0)),
        _ => format!("{} d", trimmed(figure / 86_400.0)),
    }
}

/// The spans between two labels of a time axis, in seconds.
const STEPS: [i64; 17] =
    [1, 5, 10, 15, 30, 60, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000];

/// Round times between two times, at most six of them.
pub(super) fn round_times(from: i64, to: i64) -> (Vec<i64>, i64) {
    let span = to.saturating_sub(from).max(1);
    let step = STEPS.into_iter().map(|step| step * 1_000).find(|step| span / step <= 6).unwrap_or(span);
    let first = from.div_euclid(step).saturating_add(1).saturating_mul(step);
    let times = std::iter::successors(Some(first), |at| at.checked_add(step)).take_while(|at| *at <= to).take(8);
    (times.collect(), step)
}

/// A time of an axis, in UTC.
pub(super) fn clock(at: i64, step: i64) -> String {
    let format = match step {
        _ if step < 60_000 => "%H:%M:%S",
        _ if step < 86_400_000 => "%H:%M",
        _ => "%d %b",
    };
    Timestamp::from_millisecond(at).map(|time| time.strftime(format).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (figure, text) in [(0.0, "0"), (7.0, "7"), (9_999.0, "9999"), (12_345.0, "12.3 k"), (2.5e6, "2.5 M")] {
            assert_eq!(Unit::Count.text(figure), text);
        }
        for (figure, text) in
            [(0.0, "0 s"), (0.000_25, "250 µs"), (0.0421, "42.1 ms"), (90.0, "90 s"), (5_400.0, "90 min")]
        {
            assert_eq!(Unit::Seconds.text(figure), text);
        }
        assert_eq!(Unit::Share.text(0.035), "3.5 %");
        assert_eq!(Unit::PerSecond.text(0.25), "0.25/s");
    }

    #[test]
    fn times_of_an_axis_are_round() {
        let (times, step) = round_times(61_000, 3_661_000);
        assert_eq!(step, 600_000);
        assert_eq!(times.first(), Some(&600_000));
        assert!(times.len() <= 7, "{times:?}");
        assert_eq!(clock(600_000, step), "00:10");
        assert_eq!(round_times(0, 0).0, Vec::<i64>::new());
        assert!(round_times(i64::MIN, i64::MAX).0.len() <= 8);
    }
}
