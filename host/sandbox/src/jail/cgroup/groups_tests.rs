//! Groups of this machine's own kernel. What it does not let this process do is left out, and said to be.

use super::*;
use lovage_job::unit::ByteSize;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

const LIMITS: GroupLimits = GroupLimits { memory: ByteSize::mib(32), threads: 8, cores: None };

/// The groups of this process, where they can be limited in this.
fn here(needed: Controller, test: &str) -> Option<Arc<Groups>> {
    let why = match Groups::find() {
        Ok(groups) if groups.has(needed) => return Some(groups),
        Ok(_) => format!("no {needed} controller"),
        Err(error) => error.to_string(),
    };
    // Not captured: nobody should take a test for passed that did not run.
    writeln!(std::io::stderr().lock(), "cgroup: {test} is LEFT OUT: {why}").unwrap();
    None
}

/// A shell that waits to be told to go on; it ends with the test.
struct Shell(Child);

impl Shell {
    fn of(then: &str) -> Self {
        let script = format!("read go; {then}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().unwrap())
    }

    /// One that goes on in the group.
    fn going_on(group: &Group, then: &str) -> Self {
        let mut shell = Self::of(then);
        group.admit(shell.id()).unwrap();
        shell.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
        shell
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    fn end(&mut self) {
        self.0.kill().unwrap();
        self.wait();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.end();
    }
}

/// Has a shell go on in the group, to its end.
fn run_in(group: &Group, then: &str) -> ExitStatus {
    Shell::going_on(group, then).wait()
}

fn folders(groups: &Groups, name: &str) -> Vec<PathBuf> {
    groups.places.iter().map(|place| place.folder.join(name)).collect()
}

#[test]
fn a_child_above_its_memory_is_ended_by_the_kernel() {
    let Some(groups) = here(Controller::Memory, "the limit of memory") else { return };
    let group = groups.make(&LIMITS).unwrap();
    assert_eq!(group.memory(), Some(LIMITS.memory));
    assert!(run_in(&group, "true").success() && !group.ran_out_of_memory());
    let status = run_in(&group, r#"x=$(tr "\0" x < /dev/zero)"#);
    assert_eq!(status.signal(), Some(9), "{status}");
    assert!(group.ran_out_of_memory());
}

#[test]
fn a_child_starts_no_more_threads_than_it_may() {
    let Some(groups) = here(Controller::Pids, "the limit of threads") else { return };
    let forks = "true & wait $! && exit 7";
    let alone = groups.make(&GroupLimits { threads: 1, ..LIMITS }).unwrap();
    assert_ne!(run_in(&alone, forks).code(), Some(7));
    let two = groups.make(&GroupLimits { threads: 2, ..LIMITS }).unwrap();
    assert_eq!(run_in(&two, forks).code(), Some(7));
}

#[test]
fn a_child_waits_once_its_processor_time_is_used_up() {
    let Some(groups) = here(Controller::Cpu, "the limit of processor time") else { return };
    let group = groups.make(&GroupLimits { cores: Some(0.05), ..LIMITS }).unwrap();
    assert!(group.held().iter().any(|held| held.starts_with("cores: 0.05 (cgroup v")), "{:?}", group.held());
    let _busy = Shell::going_on(&group, "while :; do :; done");
    let place = groups.places.iter().find(|place| place.controllers.contains(&Controller::Cpu)).unwrap();
    let folder = group.folders().into_iter().find(|folder| folder.starts_with(&place.folder)).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let throttled = || {
        let stat = fs::read_to_string(folder.join("cpu.stat")).unwrap();
        stat.lines().any(|line| line.strip_prefix("nr_throttled ").is_some_and(|times| times != "0"))
    };
    while !throttled() {
        assert!(std::time::Instant::now() < deadline, "it never had to wait");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn groups_go_with_their_child_or_after_it() {
    let Some(groups) = here(Controller::Pids, "the removal of groups") else { return };
    let group = groups.make(&LIMITS).unwrap();
    let folders = group.folders();
    let mut child = Shell::of("true");
    group.admit(child.id()).unwrap();
    // It should have ended before.
    drop(group);
    assert!(folders.iter().all(|folder| folder.exists()));
    child.end();
    let next = groups.make(&LIMITS).unwrap();
    assert!(!folders.iter().any(|folder| folder.exists()));
    let folders = next.folders();
    drop(next);
    assert!(!folders.iter().any(|folder| folder.exists()));
}

#[test]
fn groups_of_dead_workers_go_with_what_runs_in_them() {
    let Some(groups) = here(Controller::Pids, "the removal of what killed workers left") else { return };
    // No process has so high an id.
    let (dead, alive) = (name(u32::MAX, 1), name(1, u64::MAX));
    let of = |name: &str| folders(&groups, name);
    [&dead, &alive].into_iter().flat_map(|name| of(name)).for_each(|folder| fs::create_dir(folder).unwrap());
    let mut child = Shell::of("true");
    let put = |folder: &PathBuf| crate::jail::cgroup::set(&folder.join("cgroup.procs"), &child.id().to_string());
    of(&dead).iter().for_each(|folder| put(folder).unwrap());
    let left = || -> Vec<PathBuf> {
        groups.places.iter().flat_map(|place| remove_leftovers(&place.folder, u32::MAX - 1)).collect()
    };
    left();
    assert_eq!(child.wait().signal(), Some(9));
    assert!(left().is_empty());
    assert!(!of(&dead).iter().any(|folder| folder.exists()));
    assert!(of(&alive).iter().all(|folder| folder.exists()), "process 1 lives");
    of(&alive).iter().for_each(|folder| fs::remove_dir(folder).unwrap());
}

/// Where the machine mounts v2 beside v1, it has none of the controllers, and members all the same.
#[test]
fn a_process_becomes_a_member_of_a_group_of_v2() {
    let own = own_groups(
        &fs::read_to_string("/proc/self/cgroup").unwrap(),
        &fs::read_to_string("/proc/self/mountinfo").unwrap(),
    );
    let place = own.into_iter().find(|own| own.version == Version::V2);
    let place = place.map(|own| Own { controllers: Vec::new(), ..own }).filter(|own| {
        let trial = own.folder.join("lovage-trial");
        fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)).is_ok()
    });
    let Some(place) = place else {
        writeln!(std::io::stderr().lock(), "cgroup: membership in v2 is LEFT OUT: no place for groups").unwrap();
        return;
    };
    let groups = Arc::new(Groups { places: vec![place], left: Mutex::default() });
    let group = groups.make(&LIMITS).unwrap();
    let mut child = Shell::of("true");
    group.admit(child.id()).unwrap();
    let of_child = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
    let folder = group.folders().remove(0);
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert!(of_child.lines().any(|line| line.starts_with("0::") && line.ends_with(name)), "{of_child}");
    child.end();
    drop(group);
    assert!(!folder.exists());
}
