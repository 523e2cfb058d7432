//! The compiler's child as a program of its own: for tests, and for hosts that want it apart from the worker.

fn main() -> std::process::ExitCode {
    lovage_sandbox::compile_child_main()
}
