//! Scrapes, read as Prometheus reads them, and `promtool`, where it is installed.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
};

use lovage::telemetry::names;
use lovage_tests::{WITHIN, Worker, eventually_blocking, find_promtool};

/// One scrape.
pub struct Scrape {
    pub text: String,
}

impl Scrape {
    pub async fn of(address: SocketAddr) -> Self {
        let (status, text) = get(address, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        Self { text }
    }

    /// The value of a series with exactly these labels, in any order.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut wanted: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        wanted.sort();
        self.text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, of) = series.split_once('{').unwrap_or((series, "}"));
            let mut of: Vec<&str> = of.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
            of.sort_unstable();
            (found == name && of == wanted).then(|| value.parse().ok())?
        })
    }

    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} {labels:?} in\n{}", self.text))
    }

    /// True where all that is told is in the contract, and all that the contract promises of such a process is told.
    #[track_caller]
    pub fn is_of_contract(&self, promised: impl Fn(names::From) -> bool) -> bool {
        let told: Vec<&str> =
            self.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        for name in &told {
            assert!(names::ALL.iter().any(|metric| metric.name == *name), "{name} is not in the contract");
        }
        for metric in names::ALL.iter().filter(|metric| promised(metric.from)) {
            assert!(told.contains(&metric.name), "{} is promised and not told", metric.name);
        }
        true
    }
}

/// Where a worker that was started with `--health 127.0.0.1:0` listens.
pub fn health_of(worker: &Worker) -> SocketAddr {
    eventually_blocking("the health port", WITHIN, || {
        let said = worker.stderr();
        let line = said.lines().find(|line| line.contains("health port")).ok_or("nothing of it is said")?;
        let address = line.split("address=").nth(1).and_then(|rest| rest.split(' ').next());
        address.and_then(|address| address.parse().ok()).ok_or("its address cannot be read")
    })
}

pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap_or_else(|error| panic!("{error}"));
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Has `promtool check WHAT` judge `input`; it must have nothing to say. Said loudly where there is none.
#[track_caller]
pub fn promtool(what: &str, input: &str) {
    let Some(program) = promtool_program() else { return };
    let mut command = Command::new(program);
    command.args(["check", what]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim().is_empty(), "promtool check {what}:\n{said}\n{input}");
}

/// Finds promtool, and says so loudly where there is none.
pub fn promtool_program() -> Option<PathBuf> {
    let found = find_promtool();
    if found.is_none() {
        eprintln!("=== NOT CHECKED with promtool: there is none on PATH, and LOVAGE_PROMTOOL names none ===");
    }
    found
}
