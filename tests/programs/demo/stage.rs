//! What the story plays on: a nats-server, two workers, the pushed tasks, and a client.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail, ensure};
use lovage::server::{self, ProcessGroup, Running, StartOptions};
use lovage_client::{Client, ConnectOptions};
use lovage_job::catalog::VersionRecord;
use lovage_tests::{says_ready, without_settings};

use crate::{
    folder::Folder,
    measures::bytes,
    page::Page,
    prepare::Needs,
    started::{Printed, Started},
};

/// The workers' names.
pub(crate) const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
/// Attempts at once in each.
pub(crate) const CONCURRENCY: usize = 8;

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// The components, and what `push` is told besides the file.
const COMPONENTS: [(&str, &[&str]); 9] = [
    ("word_stats", &[]),
    ("markdown", &[]),
    ("thumbnail", &[]),
    ("aggregate", &[]),
    ("sha256", &[]),
    ("calculator", &[]),
    ("wc", &["--name", "wc", "--arg", "--json"]),
    ("http_echo", &["--name", "http-echo"]),
    ("hostile", &["--fuel", "2000000000"]),
];

/// Everything that runs. Dropping it ends all of it: first the workers, then their server.
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) workers: Vec<Worker>,
    pub(crate) server: Running,
    pub(crate) folder: Folder,
    pub(crate) lovage: PathBuf,
    pub(crate) components: PathBuf,
}

/// A `lovage worker` process.
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    process: Started,
    log: PathBuf,
}

impl Stage {
    /// Starts a server and two workers, and pushes the example tasks.
    pub(crate) async fn start(
        page: &mut Page,
        needs: &Needs,
        folder: Folder,
        port: Option<u16>,
    ) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut options = StartOptions::new(folder.store());
        options.port = port;
        options.process_group = ProcessGroup::Own;
        let server = server::start(&needs.nats, options)?;
        page.step("start nats-server", &server.url(), began.elapsed())?;
        let began = Instant::now();
        let options = ConnectOptions { servers: server.url(), name: "lovage-demo".into(), ..Default::default() };
        let client = Client::connect(&options, "default".parse()?).await?;
        let (lovage, components) = (needs.lovage.clone(), needs.components.clone());
        let mut stage = Self { client, workers: Vec::new(), server, folder, lovage, components };
        for name in WORKERS {
            stage.spawn_worker(name)?;
        }
        for worker in &mut stage.workers {
            worker.ready().await?;
        }
        let pids: Vec<_> = stage.workers.iter().map(|worker| worker.pid().to_string()).collect();
        let note = format!("{CONCURRENCY} jobs at once each, processes {}", pids.join(" and "));
        page.step("start two workers", &note, began.elapsed())?;
        stage.push_all(page).await?;
        Ok(stage)
    }

    async fn push_all(&self, page: &mut Page) -> anyhow::Result<()> {
        let began = Instant::now();
        let (mut rows, mut count) = (Vec::new(), 0);
        for (name, args) in COMPONENTS {
            page.passing(&format!("push {name}: inspect, compile in a child process, store"))?;
            let pushed = self.push(&self.components.join(format!("{name}.wasm")), args).await?;
            let Some(first) = pushed.first() else { bail!("{name}.wasm has no task") };
            let tasks: Vec<_> = pushed.iter().map(|pushed| pushed.task.as_str()).collect();
            rows.push(vec![
                format!("{}.wasm", name),
                bytes(first.size_bytes),
                first.export.entry.shape().to_string(),
                first.digest.short().to_owned(),
                match tasks.len() {
                    0..5 => tasks.join(" "),
                    many => format!("{many}: {}", tasks.join(" ")),
                },
            ]);
            count += tasks.len();
        }
        page.step("push the example tasks", &format!("{count} tasks in {} components", rows.len()), began.elapsed())?;
        page.blank()?;
        page.table(&["COMPONENT", "SIZE", "KIND", "SHA-256", "TASKS"], &rows)?;
        Ok(())
    }

    /// Runs `lovage push FILE ARGS`.
    pub(crate) async fn push(&self, file: &Path, args: &[&str]) -> anyhow::Result<Vec<VersionRecord>> {
        let mut command = self.command();
        command.arg("push").arg(file).args(args).arg("--json");
        let Printed { status, stdout, stderr } = Started::printed(command).await?;
        ensure!(status.success(), "`lovage push {}` failed ({status}): {}", file.display(), stderr.trim());
        serde_json::from_str(&stdout).with_context(|| format!("`lovage push --json` printed {stdout:?}"))
    }

    /// Returns a `lovage` command for this server, without the person's own settings.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.lovage);
        without_settings(&mut command);
        command.env("NATS_URL", self.server.url()).env("LOVAGE_CACHE", self.folder.cache());
        command
    }

    /// Starts a worker without waiting for it.
    pub(crate) fn spawn_worker(&mut self, name: &'static str) -> anyhow::Result<()> {
        let log = self.folder.logs().join(format!("{name}.log"));
        let file = File::create(&log)?;
        let mut command = self.command();
        command.args(["worker", "--name", name, "--drain", "2s", "--concurrency", &CONCURRENCY.to_string()]);
        command.stdout(file.try_clone()?).stderr(file);
        self.workers.push(Worker { name, process: Started::start(command)?, log });
        Ok(())
    }

    /// Takes the first worker off the stage.
    pub(crate) fn take_worker(&mut self) -> anyhow::Result<Worker> {
        ensure!(!self.workers.is_empty(), "there is no worker");
        Ok(self.workers.remove(0))
    }

    /// Returns the processes of the workers, to see that nobody was restarted.
    pub(crate) fn pids(&mut self) -> anyhow::Result<Vec<i32>> {
        self.workers.iter_mut().map(Worker::alive).collect()
    }

    /// Tells how to go on with what runs here.
    pub(crate) fn invite(&self, page: &mut Page, exits: bool) -> std::io::Result<()> {
        page.blank()?;
        page.line(&format!("What the tasks made lies in {}, logs in logs beside it.", self.folder.output().display()))?;
        page.blank()?;
        if exits {
            return page.line("Without --exit the server and the workers stay up for you to go on.");
        }
        page.line("Everything is up. In another terminal:")?;
        page.blank()?;
        page.command(&format!("export NATS_URL={}", self.server.url()))?;
        let lovage = self.lovage.display();
        page.command(&format!("{lovage} task list"))?;
        page.command(&format!(r#"{lovage} submit word-stats '{{"text": "to be or not to be"}}' --wait"#))?;
        page.command(&format!("{lovage} dead list"))?;
        page.command(&format!("{lovage} watch"))?;
        page.blank()?;
        page.line("Ctrl-C stops the server and the workers.")
    }

    /// Waits for something to end that should not.
    pub(crate) async fn watch(&mut self) -> anyhow::Error {
        loop {
            let server = match self.server.ended() {
                Ok(None) => Ok(()),
                Ok(Some(status)) => Err(anyhow!("nats-server ended by itself ({status})")),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = server.and(self.pids().map(|_| ())) {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Stops the workers and then the server, in order.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let stops = self.workers.iter_mut().map(|worker| worker.process.stop(STOP_WITHIN));
        futures::future::try_join_all(stops).await?;
        self.server.stop()?;
        Ok(())
    }
}

impl Worker {
    /// Returns the process id; 0 once its end has been waited for.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid().map_or(0, |pid| pid.as_raw_nonzero().get())
    }

    /// Waits until it says that it takes jobs.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            self.alive()?;
            let log = fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())?;
            if log.lines().any(says_ready) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{} is not ready after {READY_WITHIN:?}", self.name);
            tokio::time::sleep(POLL).await;
        }
    }

    /// Returns its process id, or fails where it has ended.
    fn alive(&mut self) -> anyhow::Result<i32> {
        match self.process.child().try_wait()? {
            None => Ok(self.pid()),
            Some(status) => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                Err(anyhow!("{} ended by itself ({status}): {last}", self.name))
            }
        }
    }

    /// Kills it as a crash would.
    pub(crate) async fn kill9(&mut self) -> anyhow::Result<()> {
        self.process.kill9().await
    }
}
