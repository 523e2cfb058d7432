//! `cargo demo`: runs the main job on real input, on a machine that has rustup's toolchain, Python with pip, and git.
//!
//! It adds what is missing (the wasm target, nats-server), builds, starts a nats-server and two workers of its own,
//! and tells in five short chapters what a task queue of sandboxed components does. Every chapter checks what it
//! claims, so that this is a test too. Everything that it starts ends with it, on Ctrl-C and on a panic as well.
//! The exit code is 0 when the story held, 1 when it did not, 2 for a wrong option or where something needed cannot
//! be had, and 130 when it was interrupted on the way.

#![forbid(unsafe_code)]

mod ending;
mod folder;
mod measures;
mod page;
mod prepare;
mod stage;
mod started;
mod story;

use std::{path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use clap::Parser;
use ending::{Ending, Signals};
use folder::Folder;
use page::Page;
use stage::Stage;

/// Run Lovage's main job on real input: everything is built, started, shown, checked and stopped again.
#[derive(Debug, Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo")]
struct Args {
    /// End when the story is told, instead of staying up until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// The port of the nats-server on 127.0.0.1 [default: any free one].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Where streams, logs and outputs go; a new or empty folder, or that of an earlier demo [default: target/demo].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: nothing but this future starts processes, and dropping it ends them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ending = match runtime {
        Ok(runtime) => runtime.block_on(run(&args)),
        Err(error) => Err(Ending::Unavailable(error.into())),
    };
    match ending {
        Ok(()) => ExitCode::SUCCESS,
        Err(ending) => {
            eprintln!("\ndemo: {ending}");
            ending.code()
        }
    }
}

async fn run(args: &Args) -> Result<(), Ending> {
    let mut signals = Signals::new().map_err(Ending::Unavailable)?;
    let mut page = Page::new();
    let mut stage = tokio::select! {
        told = tell(&mut page, args) => told?,
        () = signals.next() => return Err(Ending::Interrupted),
    };
    if !args.exit {
        tokio::select! {
            ended = stage.watch() => return Err(Ending::Failed(ended)),
            () = signals.next() => page.blank()?,
        }
    }
    // A second signal leaves the orderly way; what still runs is killed then.
    tokio::select! {
        stopped = stage.stop() => stopped.map_err(Ending::Failed)?,
        () = signals.next() => return Err(Ending::Interrupted),
    }
    page.line("Stopped. Nothing is left running.")?;
    Ok(())
}

/// Prepares, starts, tells and sums up; what it gives back still runs.
async fn tell(page: &mut Page, args: &Args) -> Result<Stage, Ending> {
    page.title("Lovage: a task queue whose tasks are WebAssembly components")?;
    let folder = Folder::open(args.dir.as_deref()).map_err(Ending::Unavailable)?;
    let needs = prepare::needs(page).await?;
    let mut stage = Stage::start(page, &needs, folder, args.port).await.map_err(Ending::Failed)?;
    let told = story::tell(page, &mut stage).await;
    if let Err(error) = told {
        return Err(Ending::Failed(anyhow!("{error:#}\nlogs are in {}", stage.folder.logs().display())));
    }
    stage.invite(page, args.exit)?;
    Ok(stage)
}
