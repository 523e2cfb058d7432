//! `lovage completions`: a script that completes commands and options in a shell.

use super::{Cli, Exit, Failure, Output};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a script that completes commands and options.
///
/// For bash: lovage completions bash > ~/.local/share/bash-completion/completions/lovage
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn main(args: &CompletionsArgs, output: Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lovage", &mut script);
    output.raw(&script).map(|()| Exit::Done)
}
