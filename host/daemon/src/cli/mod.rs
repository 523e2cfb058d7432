//! The command line: a file for each command. Data goes to standard output, everything else to standard error.

mod audit;
mod bench;
mod bulk;
mod compile;
mod completions;
mod connection;
mod dead;
mod dev;
mod ended;
mod exit;
mod group;
mod history;
mod input;
mod job;
mod key;
mod limit;
mod live;
mod new;
mod operator;
mod output;
mod pause;
mod push;
mod registry;
mod run;
mod schedule;
mod secret;
mod serve;
mod sign;
mod submit;
mod task;
mod tenant;
mod test;
mod token;
mod top;
mod usage;
mod wait;
mod watch;
mod webhook;
mod worker;
mod workers;

use clap::{Args, Parser, Subcommand};
pub(crate) use compile::RUNNER;
use connection::ConnectionArgs;
pub use exit::{Exit, Failure};
pub use output::Output;
use std::process::ExitCode;
pub(crate) use worker::connections;

/// A task queue whose tasks are WebAssembly components.
///
/// Upload a component with `push`, publish jobs with any NATS client or with `submit`, and let `worker` run each in a
/// fresh sandbox. `dev` runs everything on this machine.
#[derive(Debug, Parser)]
#[command(name = "lovage", version, max_term_width = 100, after_help = exit::HELP)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Print data as JSON, one document or one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Worker(worker::WorkerArgs),
    Serve(Box<serve::ServeArgs>),
    #[command(subcommand)]
    Token(token::TokenCommand),
    Push(Box<push::PushArgs>),
    Run(run::RunArgs),
    Test(test::TestArgs),
    #[command(subcommand)]
    Task(task::TaskCommand),
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    Sign(sign::SignArgs),
    Submit(Box<submit::SubmitArgs>),
    #[command(subcommand)]
    Job(job::JobCommand),
    #[command(subcommand)]
    Group(group::GroupCommand),
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    #[command(subcommand)]
    Dead(dead::DeadCommand),
    #[command(subcommand)]
    Limit(limit::LimitCommand),
    #[command(subcommand)]
    Pause(pause::PauseCommand),
    #[command(subcommand)]
    Resume(pause::Target),
    Usage(usage::UsageArgs),
    Workers(workers::WorkersArgs),
    Watch(watch::WatchArgs),
    Top(top::TopArgs),
    Audit(audit::AuditArgs),
    #[command(subcommand)]
    History(history::HistoryCommand),
    New(new::NewArgs),
    Completions(completions::CompletionsArgs),
    Bench(bench::BenchArgs),
    /// Compiles one component from standard input to standard output, under limits. For workers.
    #[command(name = compile::NAME, hide = true)]
    CompileChild,
    /// Runs one tenant's jobs in a jail, told by a worker over standard input. For workers.
    #[command(name = compile::RUNNER, hide = true)]
    Runner,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _nobody_left_to_tell = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    // the compiler's process sets its limits before it does anything else
    if matches!(cli.command, Command::CompileChild) {
        return lovage_sandbox::compile_child_main();
    }
    if matches!(cli.command, Command::Runner) {
        return lovage_sandbox::runner_main();
    }
    let output = Output { json: cli.global.json };
    match run(cli, output) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print(output);
            failure.exit.into()
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<Exit, Failure> {
    // what goes to and from the broker; guests have threads of their own, one for each core
    let threads = crate::app::cores().div_ceil(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Host, format!("no runtime: {error}")))?;
    let ended = runtime.block_on(dispatch(cli, output));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    ended
}

async fn dispatch(cli: Cli, output: Output) -> Result<Exit, Failure> {
    let connection = &cli.global.connection;
    match cli.command {
        Command::Dev(args) => dev::main(args, output).await,
        Command::Bench(args) => bench::main(args, output).await,
        Command::Worker(args) => worker::main(args, connection).await,
        Command::Serve(args) => serve::main(*args, connection, output).await,
        Command::Token(command) => token::main(command, connection, output).await,
        Command::Push(args) => push::main(*args, connection, output).await,
        Command::Run(args) => run::main(args, output).await,
        Command::Test(args) => test::main(args, output).await,
        Command::Task(command) => task::main(command, connection, output).await,
        Command::Key(command) => key::main(&command, output),
        Command::Sign(args) => sign::main(&args, connection, output),
        Command::Submit(args) => submit::main(*args, connection, output).await,
        Command::Job(command) => job::main(command, connection, output).await,
        Command::Group(command) => group::main(command, connection, output).await,
        Command::Webhook(command) => webhook::main(&command, connection, output).await,
        Command::Secret(command) => secret::main(command, connection, output).await,
        Command::Dead(command) => dead::main(command, connection, output).await,
        Command::Limit(command) => limit::main(command, connection, output).await,
        Command::Pause(command) => pause::main(command, connection, output).await,
        Command::Resume(target) => pause::resume(&target, connection, output).await,
        Command::Usage(args) => usage::main(args, connection, output).await,
        Command::Operator(command) => operator::main(&command, output),
        Command::Tenant(command) => tenant::main(command, connection, output).await,
        Command::Workers(args) => workers::main(args, connection, output).await,
        Command::Schedule(command) => schedule::main(command, connection, output).await,
        Command::Audit(args) => audit::main(args, connection, output).await,
        Command::Top(args) => top::main(args, connection, output).await,
        Command::History(command) => history::main(command, connection, output).await,
        Command::Watch(args) => watch::main(args, connection, output).await,
        Command::New(args) => new::main(&args, output),
        Command::Completions(args) => completions::main(&args, output),
        // handled before anything else was started
        Command::CompileChild | Command::Runner => Ok(Exit::Usage),
    }
}
