//! The `lovage` command.

fn main() -> std::process::ExitCode {
    lovage::cli::main()
}
