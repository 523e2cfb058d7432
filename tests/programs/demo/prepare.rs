//! Adds what is missing and builds, with one line a step.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};
use lovage::server::{NatsServer, Origin};
use lovage_tests::{
    beside_this_program, cargo, find_nats_server, guests_build, guests_folder, guests_target, repository, wasm,
};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{ending::Ending, page::Page, started::Started};

/// What the story needs.
#[derive(Debug)]
pub(crate) struct Needs {
    pub(crate) nats: NatsServer,
    /// The `lovage` program.
    pub(crate) lovage: PathBuf,
    /// The folder of the built components.
    pub(crate) components: PathBuf,
}

/// Provides everything, or says what cannot be had.
pub(crate) async fn needs(page: &mut Page) -> Result<Needs, Ending> {
    provide(page).await.map_err(Ending::Unavailable)
}

async fn provide(page: &mut Page) -> anyhow::Result<Needs> {
    // Asked first: a build may put a new file in the place of this program.
    let lovage = beside_this_program("lovage").context("cannot tell where this program lies")?;
    let began = Instant::now();
    match wasm::missing_target(&guests_folder())? {
        None => page.step("the wasm target", &format!("{} is installed", wasm::TARGET), began.elapsed())?,
        Some(add) => build(page, "add the wasm target", wasm::TARGET, add).await?,
    }
    let nats = nats_server(page).await?;
    build(page, "build the lovage program", "target/debug/lovage", program_build(&lovage)).await?;
    build(page, "build the example tasks", "example-tasks/", guests_build()).await?;
    let components = guests_target().join(wasm::TARGET).join("release");
    Ok(Needs { nats, lovage, components })
}

async fn nats_server(page: &mut Page) -> anyhow::Result<NatsServer> {
    let began = Instant::now();
    page.passing("looking for nats-server; it is fetched once where none is installed")?;
    let nats = tokio::task::spawn_blocking(find_nats_server).await??;
    let found = match nats.origin {
        Origin::Named => "as LOVAGE_NATS_SERVER says",
        Origin::Path => "found on PATH",
        Origin::Cache => "fetched earlier into the user's cache",
        Origin::Fetched => "fetched into the user's cache",
    };
    page.step("nats-server", &format!("{}, {found}", nats.version), began.elapsed())?;
    Ok(nats)
}

/// Builds into the folder and profile of this program.
fn program_build(lovage: &std::path::Path) -> Command {
    let mut command = cargo(repository());
    command.args(["build", "--package", "lovage", "--bin", "lovage"]);
    let profile = lovage.parent().and_then(|folder| Some((folder.file_name()?.to_str()?, folder.parent()?)));
    if let Some((profile, target)) = profile {
        let profile = if profile == "debug" { "dev" } else { profile };
        command.args(["--profile", profile, "--target-dir"]).arg(target);
    }
    command
}

/// Runs cargo or rustup; what it says is shown only as it passes, and whole where it fails.
async fn build(page: &mut Page, name: &str, note: &str, mut command: Command) -> anyhow::Result<()> {
    let began = Instant::now();
    page.passing(name)?;
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut started = Started::start(command)?;
    let Some(said) = started.child().stderr.take() else { bail!("a new process has no pipes") };
    let mut lines = BufReader::new(said).lines();
    let mut all = String::new();
    while let Some(line) = lines.next_line().await.with_context(|| format!("cannot {name}"))? {
        page.passing(&format!("{name}: {}", line.trim()))?;
        all.push_str(&line);
        all.push('\n');
    }
    let status = started.child().wait().await.with_context(|| format!("cannot {name}"))?;
    if !status.success() {
        bail!("could not {name} ({status}):\n{all}");
    }
    page.step(name, note, began.elapsed())?;
    Ok(())
}
