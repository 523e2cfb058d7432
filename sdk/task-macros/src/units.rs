//! Quantities as people write them: `"5s"`, `"128MiB"`, `"2G"`. Pure; errors name the text at fault.

const MILLIS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const BYTES: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

const COUNTS: [(&str, u64); 5] =
    [("", 1), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000)];

/// Reads a duration such as `500ms`, `5s` or `1m30s`, in milliseconds.
pub(crate) fn millis(text: &str) -> Result<u64, String> {
    let expected = || format!("`{text}` is not a duration; write it as `500ms`, `5s`, `1m30s` or `2h`");
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(expected());
    }
    while !rest.is_empty() {
        let (number, tail) = split_number(rest).ok_or_else(expected)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let part = scaled(number, unit, &MILLIS).ok_or_else(expected)?;
        total = total.checked_add(part).ok_or_else(expected)?;
        rest = next;
    }
    positive(total, text)
}

/// Reads a size such as `64KiB`, `128MiB` or `1GiB`, in bytes. `kB`, `MB` and `GB` are decimal.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let value = split_number(text.trim()).and_then(|(number, unit)| scaled(number, unit, &BYTES));
    value
        .ok_or_else(|| format!("`{text}` is not a size; write it as `64KiB`, `128MiB` or `1GiB`"))
        .and_then(|value| positive(value, text))
}

/// Reads a count such as `500_000`, `500M` or `2G`.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let value = split_number(text.trim()).and_then(|(number, unit)| scaled(number, unit, &COUNTS));
    value
        .ok_or_else(|| format!("`{text}` is not a count; write it as `500_000`, `500M` or `2G`"))
        .and_then(|value| positive(value, text))
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.replace('_', "").parse().ok()?, unit))
}

fn scaled(number: u64, unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    let unit = unit.trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

fn positive(value: u64, text: &str) -> Result<u64, String> {
    if value == 0 { Err(format!("`{text}` must be more than zero")) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, millis};

    #[test]
    fn durations_are_read_in_milliseconds() {
        for (text, expected) in [("1ms", 1), ("5s", 5_000), ("1m30s", 90_000), ("2h", 7_200_000), (" 10 s ", 10_000)] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_in_bytes() {
        for (text, expected) in
            [("1", 1), ("64KiB", 65_536), ("128 MiB", 134_217_728), ("1GiB", 1 << 30), ("1MB", 1_000_000)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn counts_are_read_with_suffix_or_underscores() {
        for (text, expected) in [("7", 7), ("500_000", 500_000), ("2G", 2_000_000_000), ("1T", 1_000_000_000_000)] {
            assert_eq!(count(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn faulty_quantities_are_refused_and_named() {
        for text in ["", "s", "5", "5 parsecs", "-5s", "1.5s", "99999999999999999999s", "5s!"] {
            assert!(millis(text).unwrap_err().contains(&format!("`{text}`")), "{text}");
        }
        for text in ["", "MiB", "1TiB", "12 mib", "18446744073709551615GiB"] {
            assert!(bytes(text).unwrap_err().contains(&format!("`{text}`")), "{text}");
        }
        for text in ["", "1X", "1.5G", "_"] {
            assert!(count(text).unwrap_err().contains(&format!("`{text}`")), "{text}");
        }
    }

    #[test]
    fn zero_is_refused() {
        assert_eq!(millis("0s"), Err("`0s` must be more than zero".into()));
        assert_eq!(bytes("0"), Err("`0` must be more than zero".into()));
        assert_eq!(count("0G"), Err("`0G` must be more than zero".into()));
    }
}
