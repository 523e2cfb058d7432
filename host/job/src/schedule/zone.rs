//! Time zones by their IANA names, from a database within the program: every worker knows the same zones.

use super::{ScheduleError, shown};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// How similar a zone must be to be suggested.
const SIMILAR: f64 = 0.75;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of that name.
pub(super) fn find(name: &str) -> Result<TimeZone, ScheduleError> {
    // the database takes any case, and the name is shown again and again: it is kept as the zone itself is written
    match ZONES.get(name) {
        Ok(zone) if zone.iana_name() == Some(name) || name == "UTC" => Ok(zone),
        Ok(_) | Err(_) => Err(ScheduleError::Zone { zone: shown(name), hint: hint(name) }),
    }
}

fn hint(name: &str) -> String {
    let wanted = shown(name).to_lowercase();
    let last = |zone: &str| zone.rsplit('/').next().unwrap_or_default().to_owned();
    let score = |zone: &str| {
        let zone = zone.to_lowercase();
        strsim::jaro_winkler(&zone, &wanted).max(strsim::jaro_winkler(&last(&zone), &wanted))
    };
    let scored = ZONES.available().map(|zone| (score(zone.as_str()), zone.as_str().to_owned()));
    let nearest = scored
        .filter(|(score, _)| *score >= SIMILAR)
        .max_by(|(a, x), (b, y)| a.total_cmp(b).then(y.len().cmp(&x.len())));
    nearest.map(|(_, zone)| format!("; did you mean {zone}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_and_the_nearest_is_named() {
        for zone in ["Europe/Berlin", "America/New_York", "UTC", "Asia/Kathmandu"] {
            find(zone).unwrap();
        }
        for (wrong, near) in [("Europe/Berlni", "Europe/Berlin"), ("berlin", "Europe/Berlin"), ("utc", "UTC")] {
            let told = find(wrong).unwrap_err().to_string();
            assert!(told.contains(&format!("did you mean {near}?")), "{told}");
        }
        for junk in ["", "qqqqqqqqqqqq", "../../etc/passwd", "+02:00"] {
            assert!(find(junk).is_err(), "{junk}");
        }
    }
}
