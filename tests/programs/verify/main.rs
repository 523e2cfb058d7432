//! `cargo verify`: passes all tests on a machine that has rustup's toolchain, Python with pip, and git.
//!
//! It adds what is missing (the wasm target, nats-server), builds the guests and the workspace, and runs the native
//! guest tests and all suites; further arguments go to the last `cargo test`. Each step prints its own output
//! unchanged. The exit code is 0 when all passed, 1 when a step failed, 2 when something needed cannot be had,
//! and 130 when it was interrupted.

#![forbid(unsafe_code)]

mod steps;

use std::{env, ffi::OsString, process::ExitCode};

use anyhow::Context;
use lovage::server::NatsServer;
use lovage_tests::{
    beside_this_program, cargo, find_chromium, find_mariadbd, find_nats_server, find_postgres, find_promtool,
    find_registry, guests_build, guests_folder, guests_target, repository, wasm,
};
use steps::{Steps, Stop};

/// What is tested once more with jobs in processes of their own: where a worker gives them what it has, and where they
/// attack it.
const APART: [(&str, &[&str]); 2] = [
    ("hostile inputs", &["hostile::"]),
    ("capabilities", &["capabilities::", "capabilities_http::", "storage::", "secrets::", "scratch::"]),
];

fn main() -> ExitCode {
    let mut steps = Steps::new();
    let verified = verify(&mut steps, env::args_os().skip(1));
    let (passed, took) = (steps.passed(), steps.took());
    match verified {
        Ok(()) => {
            eprintln!("verify: all {passed} steps passed in {took}");
            ExitCode::SUCCESS
        }
        Err(Stop::Failed(step)) => {
            eprintln!("verify: could not {step}; {passed} steps passed before, {took} in all");
            ExitCode::FAILURE
        }
        Err(Stop::Interrupted(step)) => {
            eprintln!("verify: interrupted, after {took}, before it could {step}");
            ExitCode::from(130)
        }
        Err(Stop::Unavailable(error)) => {
            eprintln!("verify: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn verify(steps: &mut Steps, args: impl Iterator<Item = OsString>) -> Result<(), Stop> {
    // Asked first: a build may put a new file in the place of this program.
    let lovage = beside_this_program("lovage").context("cannot tell where this program lies")?;
    let root = repository();

    if let Some(add) = wasm::missing_target(&guests_folder())? {
        steps.run("add the wasm target", add)?;
    }
    let nats = nats_server(steps)?;

    steps.run("build the guests", guests_build())?;

    let mut build = cargo(root);
    build.args(["build", "--workspace"]);
    steps.run("build the workspace", build)?;

    let mut test = cargo(&guests_folder());
    test.args(["test", "--no-fail-fast", "--target-dir"]).arg(guests_target());
    steps.run("test the guests natively", test)?;

    let args: Vec<OsString> = args.collect();
    let without = without_what_is_missing(steps);
    note_promtool(steps);
    let tests = |args: &[OsString]| {
        let mut test = cargo(root);
        test.args(["test", "--workspace", "--no-fail-fast"]).args(args);
        test.env("LOVAGE_NATS_SERVER", &nats.path).env("LOVAGE_BIN", &lovage);
        test
    };
    if !args.is_empty() {
        return steps.run("test the workspace", tests(&args));
    }
    for (what, suites) in APART {
        let suites = ["--test", "suites", "--"].into_iter().chain(suites.iter().copied());
        let mut apart = tests(&suites.map(Into::into).collect::<Vec<_>>());
        apart.env("LOVAGE_TEST_ISOLATION", "process");
        steps.run(&format!("test {what} with jobs in processes of their own"), apart)?;
    }
    // The examples of the documentation first, so that the suites' own summary is the last thing that is printed.
    steps.run("test the documentation", tests(&["--doc".into()]))?;
    let all = ["--lib", "--bins", "--tests"].into_iter().chain(without);
    steps.run("test the workspace", tests(&all.map(Into::into).collect::<Vec<_>>()))
}

/// What leaves tests out whose programs are not there; `.ci/run` sees to it that they are.
fn without_what_is_missing(steps: &Steps) -> Vec<&'static str> {
    let needed = [
        (find_registry().is_some(), "docker-registry", "registries", "LOVAGE_DOCKER_REGISTRY", "registry_oci::"),
        (find_postgres().is_some(), "postgresql", "the history on PostgreSQL", "LOVAGE_POSTGRES", "on_postgres"),
        (find_mariadbd().is_some(), "mariadb-server", "the history on MariaDB", "LOVAGE_MARIADBD", "on_mariadb"),
        (find_chromium().is_some(), "chromium", "the console in a browser", "LOVAGE_CHROMIUM", "console_"),
    ];
    let mut without = Vec::new();
    for (_, program, what, variable, suites) in needed.into_iter().filter(|(there, ..)| !there) {
        steps.note(&format!("no {program} is installed, so the tests of {what} are LEFT OUT"));
        steps.note(&format!("`apt-get install {program}`, or {variable}=FILE, brings them in"));
        without.extend(["--skip", suites]);
    }
    if without.is_empty() { without } else { [vec!["--"], without].concat() }
}

/// Scrapes and alerts are compared with the contract in any case, and judged by promtool where there is one.
fn note_promtool(steps: &Steps) {
    if find_promtool().is_none() {
        steps.note("no promtool is installed, so scrapes, alerts and the dashboard are NOT CHECKED BY PROMTOOL");
        steps.note("`apt-get install prometheus`, or LOVAGE_PROMTOOL=FILE, brings that in");
    }
}

fn nats_server(steps: &Steps) -> Result<NatsServer, Stop> {
    steps.note("looking for nats-server; it is fetched once where none is installed");
    let nats = find_nats_server()?;
    steps.note(&format!("nats-server {} is {}", nats.version, nats.path.display()));
    Ok(nats)
}
