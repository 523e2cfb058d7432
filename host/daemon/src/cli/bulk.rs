//! What all commands have in common that change many things by a filter: they count first, and act only when that is
//! said.

use super::{Exit, Failure, Output};
use clap::Args;
use serde_json::json;

/// Things that are changed at the same time.
pub(super) const AT_ONCE: usize = 64;

/// Whether to do it.
#[derive(Debug, Args)]
pub struct BulkArgs {
    /// Say how many there are and what would happen, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do it without asking; needed where no ids are given.
    #[arg(long, short)]
    pub(super) yes: bool,
}

/// What a command acts on, and how that is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// One of them, such as `dead letter`.
    pub(super) one: &'static str,
    /// The command, such as `replay`.
    pub(super) verb: &'static str,
}

impl Words {
    /// So many of them.
    pub(super) fn count(&self, count: u64) -> String {
        if count == 1 { format!("1 {}", self.one) } else { format!("{count} {}s", self.one) }
    }
}

impl BulkArgs {
    /// Tells how many a filter takes; true where the command is to go on.
    pub(super) fn agree(&self, count: u64, words: Words, output: Output) -> Result<bool, Failure> {
        if self.dry_run || count == 0 {
            told_count(count, words, self.dry_run, output)?;
            return Ok(false);
        }
        let told = format!("{} to {}", words.count(count), words.verb);
        if !self.yes {
            let failure = Failure::new(Exit::Usage, format!("{told}; nothing was changed"));
            return Err(failure.hint(format!("--yes to {} them, --dry-run to count only", words.verb)));
        }
        output.note(&told);
        Ok(true)
    }
}

/// Says how many there are, where nothing is done.
pub(super) fn told_count(count: u64, words: Words, dry_run: bool, output: Output) -> Result<(), Failure> {
    match output.json {
        true => output.value(&json!({"count": count, "dry_run": dry_run})),
        false => output.line(&format!("{} to {}; nothing was changed", words.count(count), words.verb)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_unless_that_is_said() {
        let (words, output) = (Words { one: "job", verb: "cancel" }, Output { json: false });
        let agree = |dry_run, yes, count| BulkArgs { dry_run, yes }.agree(count, words, output);
        assert!(agree(false, true, 1).unwrap());
        assert!(!agree(true, true, 1).unwrap() && !agree(false, true, 0).unwrap() && !agree(false, false, 0).unwrap());
        assert_eq!(agree(false, false, 2).unwrap_err().message, "2 jobs to cancel; nothing was changed");
    }
}
