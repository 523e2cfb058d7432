//! Finds, in what a guest wrote to standard error, the sentence that explains its trap.

use crate::attempt::journal::clipped;

/// Bytes of the sentence that are kept.
const SENTENCE_MAX: usize = 2048;

/// The message of a Rust panic: the line after the last `… panicked at FILE:LINE:`, or what the host's standard
/// library of that version puts on the same line.
pub(crate) fn panic_sentence(log: &str) -> Option<String> {
    let at = log.rfind(" panicked at ")?;
    let rest = log.get(at + " panicked at ".len()..)?;
    let mut lines = rest.lines();
    let place = lines.next()?.trim();
    let message = lines.next().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note: "));
    let sentence = match message {
        Some(message) => format!("the task panicked at {}: {message}", place.trim_end_matches(':')),
        None => format!("the task panicked at {}", place.trim_end_matches(':')),
    };
    Some(clipped(&sentence, SENTENCE_MAX).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_panic_is_quoted() {
        let log = "\nthread '<unnamed>' panicked at src/lib.rs:7:9:\nfirst\nnote: run with\n\
                   \nthread 'main' (1) panicked at src/lib.rs:9:5:\nboom and more\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(panic_sentence(log).unwrap(), "the task panicked at src/lib.rs:9:5: boom and more");
    }

    #[test]
    fn logs_without_a_panic_say_nothing() {
        assert_eq!(panic_sentence("hello\n"), None);
        assert_eq!(panic_sentence(""), None);
    }

    #[test]
    fn endless_messages_are_cut() {
        let log = format!("thread 'x' panicked at a:1:1:\n{}", "é".repeat(10_000));
        assert!(panic_sentence(&log).unwrap().len() <= SENTENCE_MAX);
    }
}
