//! Which counts are shown, and how.

use crate::count::Counts;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Lines,
    Words,
    Chars,
    Bytes,
}

const ALL: [Figure; 4] = [Figure::Lines, Figure::Words, Figure::Chars, Figure::Bytes];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// What the arguments and the environment ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Empty means all.
    figures: Vec<Figure>,
    format: Format,
}

impl Options {
    /// Reads arguments without the program's name, and the value of `WC_FORMAT`.
    pub(crate) fn read(arguments: impl Iterator<Item = String>, format: Option<&str>) -> Result<Self, String> {
        let format = match format {
            None | Some("" | "text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => return Err(format!("WC_FORMAT is `{other}`; it takes text or json")),
        };
        let mut options = Self { figures: Vec::new(), format };
        for argument in arguments {
            match argument.as_str() {
                "--lines" | "-l" => options.figures.push(Figure::Lines),
                "--words" | "-w" => options.figures.push(Figure::Words),
                "--chars" | "-m" => options.figures.push(Figure::Chars),
                "--bytes" | "-c" => options.figures.push(Figure::Bytes),
                "--json" => options.format = Format::Json,
                other => {
                    return Err(format!(
                        "unknown argument `{other}`; there are --lines, --words, --chars, --bytes and --json"
                    ));
                }
            }
        }
        Ok(options)
    }

    /// Writes the chosen counts on one line: numbers with spaces between, or a JSON object.
    pub(crate) fn shown(&self, counts: &Counts) -> String {
        let chosen = ALL.iter().filter(|figure| self.figures.is_empty() || self.figures.contains(figure));
        let figures = chosen.map(|figure| match figure {
            Figure::Lines => ("lines", Some(counts.lines)),
            Figure::Words => ("words", Some(counts.words)),
            Figure::Chars => ("chars", counts.chars),
            Figure::Bytes => ("bytes", Some(counts.bytes)),
        });
        match self.format {
            Format::Text => {
                join(figures.map(|(_, count)| count.map_or_else(|| "-".into(), |count| count.to_string())), " ")
            }
            Format::Json => {
                let pairs = figures.map(|(name, count)| {
                    format!("\"{name}\":{}", count.map_or_else(|| "null".into(), |count| count.to_string()))
                });
                format!("{{{}}}", join(pairs, ","))
            }
        }
    }
}

fn join(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::Options;
    use crate::count::Counts;

    fn shown(arguments: &[&str], format: Option<&str>) -> Result<String, String> {
        let options = Options::read(arguments.iter().map(ToString::to_string), format)?;
        Ok(options.shown(&Counts { lines: 1, words: 2, chars: None, bytes: 4 }))
    }

    #[test]
    fn all_counts_are_shown_without_a_choice() {
        assert_eq!(shown(&[], None).as_deref(), Ok("1 2 - 4"));
    }

    #[test]
    fn chosen_counts_are_shown_in_their_own_order() {
        assert_eq!(shown(&["--bytes", "-l"], None).as_deref(), Ok("1 4"));
    }

    #[test]
    fn json_is_asked_for_by_argument_or_environment() {
        let json = r#"{"lines":1,"words":2,"chars":null,"bytes":4}"#;
        assert_eq!(shown(&["--json"], None).as_deref(), Ok(json));
        assert_eq!(shown(&[], Some("json")).as_deref(), Ok(json));
    }

    #[test]
    fn unknown_arguments_and_formats_are_refused_by_name() {
        assert!(shown(&["--pages"], None).unwrap_err().contains("`--pages`"));
        assert!(shown(&[], Some("xml")).unwrap_err().contains("`xml`"));
    }
}
