//! Figures for people: short, with a unit, and of one width as far as that goes.

use std::time::Duration;

use lovage_job::outcome::Meter;

/// Units of fuel, `1.2 M`.
pub(crate) fn fuel(units: u64) -> String {
    scaled(units, 1000, &["", "k", "M", "G", "T"])
}

/// `1.1 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "KiB", "MiB", "GiB"])
}

/// `0.8 ms`, `1.2 s`, `2 min 5 s`.
pub(crate) fn span(span: Duration) -> String {
    let (seconds, micros) = (span.as_secs(), span.as_micros());
    match micros {
        0..10_000 => format!("{:.1} ms", span.as_secs_f64() * 1e3),
        10_000..1_000_000 => format!("{} ms", micros / 1000),
        1_000_000..60_000_000 => format!("{:.1} s", span.as_secs_f64()),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A whole number with commas.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What an attempt used: fuel, memory, time in the sandbox.
pub(crate) fn used(meter: &Meter) -> [String; 3] {
    [fuel(meter.fuel_used), bytes(meter.memory_peak_bytes), span(Duration::from_micros(meter.wall_us))]
}

fn scaled(number: u64, step: u64, units: &[&str]) -> String {
    let mut scale = 1;
    for (at, unit) in units.iter().enumerate() {
        let last = at + 1 == units.len();
        if last || number < scale * step {
            let text = match (number / scale, at) {
                (whole, 0) => whole.to_string(),
                (0..100, _) => format!("{:.1}", number as f64 / scale as f64),
                (whole, _) => whole.to_string(),
            };
            return format!("{text} {unit}").trim_end().to_owned();
        }
        scale *= step;
    }
    number.to_string()
}
