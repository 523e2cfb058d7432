//! Runs one task of a component once and prints the report:
//! `cargo run -p lovage-sandbox --example try_component -- FILE.wasm [TASK [INPUT [HEADER=VALUE]…]] [--shape SHAPE]`.
//!
//! Also the shortest complete use of this crate.
#![allow(clippy::print_stdout)]

use lovage_job::catalog::Shape;
use lovage_job::limits::Limits;
use lovage_job::name::Digest;
use lovage_sandbox::{
    ArtifactCache, AttemptControl, AttemptEvent, AttemptRequest, CompileLimits, Compiler, EventSink, InspectOptions,
    JobInfo, Sandbox, SandboxConfig, inspect,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CHILD: &str = "--compile-child";

fn main() -> anyhow::Result<std::process::ExitCode> {
    if std::env::args().nth(1).as_deref() == Some(CHILD) {
        return Ok(lovage_sandbox::compile_child_main());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(try_component())?;
    Ok(std::process::ExitCode::SUCCESS)
}

async fn try_component() -> anyhow::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let shape = match arguments.iter().position(|argument| argument == "--shape") {
        Some(at) => arguments.drain(at..).nth(1).and_then(|name| Shape::parse(&name)),
        None => None,
    };
    let mut arguments = arguments.into_iter();
    let file = arguments.next().ok_or_else(|| anyhow::anyhow!("which component?"))?;
    let wanted = arguments.next();
    let input = arguments.next().unwrap_or_default();
    let headers =
        arguments.filter_map(|header| header.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
    let headers = headers.collect();

    let inspection = inspect(&std::fs::read(&file)?, &InspectOptions { shape, ..InspectOptions::default() })?;
    println!("shape {} adapted {} imports {:?}", inspection.shape, inspection.adapted, inspection.imports);
    let folder = std::env::temp_dir().join("lovage-try-component");
    let cache = ArtifactCache::open(folder)?;
    let compiler = Compiler::new((std::env::current_exe()?, vec![CHILD.into()]), CompileLimits::default(), None, cache);
    let started = Instant::now();
    let artifact = compiler.compile(&Digest::of(&inspection.component), &inspection.component).await?;
    println!("compiled in {:?}", started.elapsed());

    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let mut exports = inspection.exports;
    if inspection.shape == Shape::Handler {
        exports = sandbox.describe(&artifact, &Limits::default()).await?;
    }
    for export in &exports {
        println!(
            "task {} {:?} -> {:?}: {:?}",
            export.name, export.input.encoding, export.output.encoding, export.summary
        );
    }
    let export = exports.iter().find(|export| wanted.as_deref().is_none_or(|name| export.name.as_str() == name));
    let export = export.ok_or_else(|| anyhow::anyhow!("no such task"))?;
    let started = Instant::now();
    let task = sandbox.load(&artifact, &export.entry)?;
    println!("loaded in {:?}", started.elapsed());
    let limits = Limits { timeout: Duration::from_secs(5), ..Limits::default().with(&export.limits) };
    let request = AttemptRequest {
        job: JobInfo {
            id: "try-1".to_owned(),
            task: export.name.to_string(),
            attempt: 1,
            attempts_max: 1,
            headers,
            ..JobInfo::default()
        },
        input: input.into(),
        limits: Arc::new(limits),
        args: Arc::default(),
        env: Arc::default(),
        grants: Arc::default(),
    };
    let events = EventSink::new(|event: AttemptEvent| println!("event {event:?}"));
    let report = task.run(request, AttemptControl { events: Some(events), ..AttemptControl::default() }).await;
    println!("{:?}\nlog ({} bytes, truncated {})", report.meter, report.log.len(), report.log_truncated);
    match report.outcome {
        lovage_job::outcome::Outcome::Completed(output) => {
            println!("completed {}: {}", output.content_type, String::from_utf8_lossy(&output.body));
        }
        other => println!("{other:#?}"),
    }
    Ok(())
}
