//! The secrets that the guest of one attempt was given, and the removal of them from what it says.
//!
//! Whole values are found, as they are and as JSON writes them; what a guest has transformed is not. Values of a few
//! bytes are left alone, since they are found everywhere by chance.

use lovage_job::outcome::{Failure, Outcome, RetryHint, Trap};
use lovage_job::secret::{REDACTED_BYTES_MIN, SecretBytes};
use memchr::memmem;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What stands in place of a value.
const REDACTED: &[u8] = b"[redacted]";
/// The shortest line of a value of several lines that is looked for on its own.
const LINE_BYTES_MIN: usize = 16;
/// The most values that are remembered: each costs a search of everything that is said.
const KNOWN_MAX: usize = 256;

/// The secrets of one attempt. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Given(Arc<Mutex<Vec<Known>>>);

struct Known {
    name: String,
    /// The value in each of the ways in which it is looked for.
    forms: Vec<SecretBytes>,
    /// Lines of it, where it has several.
    lines: Vec<SecretBytes>,
}

impl Given {
    /// Remembers a value that the guest is about to get. False where there are too many to look for.
    pub(crate) fn add(&self, name: &str, value: &SecretBytes) -> bool {
        let forms = forms(value.reveal());
        let mut known = self.known();
        if forms.is_empty() || known.iter().any(|known| known.forms == forms) {
            return true;
        }
        if known.len() >= KNOWN_MAX {
            return false;
        }
        let lines = value.reveal().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = lines.filter(|line| line.len() >= LINE_BYTES_MIN && line.len() < value.reveal().len());
        let lines = lines.map(|line| SecretBytes::new(line.to_vec())).collect();
        known.push(Known { name: name.to_owned(), forms, lines });
        true
    }

    /// The name of a secret whose value is in `bytes`.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<String> {
        let known = self.known();
        let within = |known: &&Known| known.forms.iter().any(|form| memmem::find(bytes, form.reveal()).is_some());
        known.iter().find(within).map(|known| known.name.clone())
    }

    /// Takes the values out of what a guest wrote. What was cut off may end within a value: that end goes, too.
    pub(crate) fn clean(&self, bytes: Vec<u8>) -> Vec<u8> {
        let known = self.known();
        let forms = known.iter().flat_map(|known| known.forms.iter().chain(&known.lines));
        let mut clean = forms.clone().fold(bytes, |bytes, form| replaced(bytes, form.reveal()));
        if let Some(begun) = forms.filter_map(|form| begun(&clean, form.reveal())).max() {
            clean.truncate(clean.len() - begun);
            clean.extend_from_slice(REDACTED);
        }
        clean
    }

    /// Takes the values out of a text.
    pub(crate) fn clean_text(&self, text: &str) -> String {
        if self.known().is_empty() {
            return text.to_owned();
        }
        // the values are UTF-8 where they are found in it, and what is put in their place is, too
        String::from_utf8_lossy(&self.clean(text.as_bytes().to_vec())).into_owned()
    }

    /// An outcome without the values. A result that contains one is refused: without the value it would be another.
    pub(crate) fn clean_outcome(&self, outcome: Outcome) -> Outcome {
        if self.known().is_empty() {
            return outcome;
        }
        match outcome {
            Outcome::Completed(output) => {
                match self.find(&output.body).or_else(|| self.find(output.content_type.as_bytes())) {
                    Some(name) => refused(&name),
                    None => Outcome::Completed(output),
                }
            }
            Outcome::Failed(failure) => Outcome::Failed(self.clean_failure(failure)),
            Outcome::Trapped(trap) => Outcome::Trapped(self.clean_trap(&trap)),
            Outcome::StackOverflow(trap) => Outcome::StackOverflow(self.clean_trap(&trap)),
            Outcome::Cancelled { reason } => Outcome::Cancelled { reason: self.clean_text(&reason) },
            Outcome::BadInput { message } => Outcome::BadInput { message: self.clean_text(&message) },
            Outcome::BadComponent { message } => Outcome::BadComponent { message: self.clean_text(&message) },
            Outcome::HostFault { message } => Outcome::HostFault { message: self.clean_text(&message) },
            Outcome::Snoozed { delay, message } => Outcome::Snoozed { delay, message: self.clean_text(&message) },
            plain @ (Outcome::OutOfFuel { .. }
            | Outcome::OutOfMemory { .. }
            | Outcome::TimedOut { .. }
            | Outcome::OutputTooLarge { .. }) => plain,
        }
    }

    fn clean_failure(&self, failure: Failure) -> Failure {
        let details = failure.details.map(|details| match self.find(details.to_string().as_bytes()) {
            // a value may lie across what the parts of a document are, so all of it goes
            Some(_) => serde_json::Value::String(String::from_utf8_lossy(REDACTED).into_owned()),
            None => details,
        });
        Failure { message: self.clean_text(&failure.message), details, retry: failure.retry }
    }

    fn clean_trap(&self, trap: &Trap) -> Trap {
        Trap {
            message: self.clean_text(&trap.message),
            backtrace: trap.backtrace.iter().map(|frame| self.clean_text(frame)).collect(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(name: &str) -> Outcome {
    let message = format!("the result contains the value of secret {name}; a task must not give a secret back");
    Outcome::Failed(Failure { message, details: None, retry: RetryHint::Never })
}

/// A value as it is, without white space around it, and both as JSON writes them.
fn forms(value: &[u8]) -> Vec<SecretBytes> {
    let trimmed = value.trim_ascii();
    let mut forms: Vec<Cow<'_, [u8]>> = vec![value.into(), trimmed.into()];
    for raw in [value, trimmed] {
        let json = std::str::from_utf8(raw).ok().and_then(|text| serde_json::to_string(text).ok());
        if let Some(inner) = json.as_deref().and_then(|json| json.strip_prefix('"')?.strip_suffix('"')) {
            forms.push(inner.as_bytes().to_vec().into());
        }
    }
    forms.retain(|form| form.len() >= REDACTED_BYTES_MIN);
    // the longest first, so that nothing of it is left standing
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms.into_iter().map(|form| SecretBytes::new(form.into_owned())).collect()
}

fn replaced(bytes: Vec<u8>, form: &[u8]) -> Vec<u8> {
    let finder = memmem::Finder::new(form);
    let mut clean = Vec::new();
    let mut from = 0;
    while let Some(at) = bytes.get(from..).and_then(|rest| finder.find(rest)) {
        clean.extend_from_slice(bytes.get(from..from + at).unwrap_or_default());
        clean.extend_from_slice(REDACTED);
        from += at + form.len();
    }
    if from == 0 {
        return bytes;
    }
    clean.extend_from_slice(bytes.get(from..).unwrap_or_default());
    clean
}

/// How many bytes at the end of `bytes` are the beginning of a value, where that is enough to be no accident.
fn begun(bytes: &[u8], form: &[u8]) -> Option<usize> {
    (REDACTED_BYTES_MIN..form.len()).rev().find(|length| form.get(..*length).is_some_and(|head| bytes.ends_with(head)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lovage_job::outcome::Output;

    const VALUE: &str = "s3cr\"et-value";

    fn given(value: &str) -> Given {
        let given = Given::default();
        assert!(given.add("api", &SecretBytes::new(value.as_bytes().to_vec())));
        given
    }

    #[test]
    fn a_value_is_taken_out_as_it_is_and_as_json() {
        let given = given(&format!("{VALUE}\n"));
        assert_eq!(given.clean_text(&format!("a {VALUE} b {VALUE}")), "a [redacted] b [redacted]");
        let json = serde_json::json!({ "key": VALUE }).to_string();
        assert_eq!(given.clean_text(&json), r#"{"key":"[redacted]"}"#);
        assert_eq!(given.clean_text("s3cr et-value"), "s3cr et-value");
        assert_eq!(given.clean_text(&format!("cut {}", &VALUE[..10])), "cut [redacted]");
        assert_eq!(given.clean_text(&format!("cut {}", &VALUE[..7])), "cut s3cr\"et");
    }

    #[test]
    fn a_value_below_eight_bytes_is_left_alone() {
        assert_eq!(given("1234567").clean_text("1234567"), "1234567");
        assert_eq!(given("12345678").clean_text("12345678"), "[redacted]");
    }

    #[test]
    fn a_line_of_a_value_is_taken_out_and_refuses_no_result() {
        let given = given("first line of a key\nsecond line of a key\n");
        assert_eq!(given.clean_text("x second line of a key"), "x [redacted]");
        assert_eq!(given.find(b"second line of a key"), None);
        assert_eq!(given.find(b"first line of a key\nsecond line of a key").as_deref(), Some("api"));
    }

    #[test]
    fn each_outcome_is_cleaned_and_a_result_is_refused() {
        let given = given(VALUE);
        let said = format!("said {VALUE}");
        let trap = Trap { message: said.clone(), backtrace: vec![said.clone()] };
        let details = Some(serde_json::json!({ "deep": [VALUE] }));
        let failure = Failure { message: said.clone(), details, retry: RetryHint::Retry };
        let output = |body: &str, media: &str| {
            Outcome::Completed(Output { body: body.as_bytes().to_vec(), content_type: media.to_owned() })
        };
        for outcome in [
            output(&said, "text/plain"),
            output("fine", &said),
            output(&serde_json::json!([VALUE]).to_string(), "application/json"),
            Outcome::Failed(failure),
            Outcome::Trapped(trap.clone()),
            Outcome::StackOverflow(trap),
            Outcome::BadInput { message: said.clone() },
            Outcome::BadComponent { message: said.clone() },
            Outcome::HostFault { message: said.clone() },
            Outcome::Cancelled { reason: said.clone() },
            Outcome::Snoozed { delay: std::time::Duration::ZERO, message: said.clone() },
        ] {
            let clean = format!("{:?}", given.clean_outcome(outcome));
            assert!(!clean.contains("et-value"), "{clean}");
        }
        let Outcome::Failed(refused) = given.clean_outcome(output(&said, "text/plain")) else { panic!("not refused") };
        assert!(refused.message.contains("secret api") && refused.retry == RetryHint::Never, "{refused:?}");
        assert_eq!(given.clean_outcome(output("fine", "text/plain")), output("fine", "text/plain"));
    }
}
