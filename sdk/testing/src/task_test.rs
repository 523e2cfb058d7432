//! A test of one task: what it is given, and how it is run.

use crate::component::{Component, TestError};
use crate::report::{Attempt, Report, WholeRun};
use bytes::Bytes;
use lovage_job::capability::{Capability, Grants};
use lovage_job::catalog::{Encoding, Export};
use lovage_job::child::FANOUT_DEFAULT;
use lovage_job::limits::{Limits, LimitsWish};
use lovage_job::name::JobId;
use lovage_job::outcome::{Meter, Outcome};
use lovage_job::retry::{ATTEMPTS_MAX, RetryPolicy};
use lovage_job::schema::InputCheck;
use lovage_job::unit::UnixMs;
use lovage_job::verdict::{Verdict, judge};
use lovage_sandbox::{
    AttemptControl, AttemptEvent, AttemptReport, AttemptRequest, CancelSignal, EventSink, JobInfo, Recorded,
    Simulation, Task,
};
use serde::Serialize;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// When a test begins where it does not say: 2026-01-01T00:00:00Z.
const START: UnixMs = UnixMs(1_767_225_600_000);
/// The middle of what chance makes of a back-off, so that delays are the same each time.
const ROLL: f64 = 0.5;
/// Attempts and snoozes of a whole run; a task that snoozes without end is stopped here.
const ROUNDS_MAX: usize = 1_000;

/// The reports of progress of an attempt, while it runs.
type Told = Arc<Mutex<Vec<(Option<f64>, String)>>>;

/// A test of a task. Build it up, then [`run`](Self::run) it; it can be run several times.
pub struct TaskTest {
    component: Rc<Component>,
    task: Option<String>,
    input: Bytes,
    content_type: Option<String>,
    headers: Vec<(String, String)>,
    id: String,
    start: Result<UnixMs, String>,
    attempt: u32,
    retry: Option<RetryPolicy>,
    limits: LimitsWish,
    seed: u64,
    cancelled: Option<String>,
    grants: bool,
    allowed: Vec<String>,
    fanout: u32,
    depth: u32,
    checkpoints: Vec<(String, Vec<u8>)>,
    secrets: Vec<(String, Vec<u8>)>,
    values: Vec<((String, String), Vec<u8>)>,
    blobs: Vec<((String, String), Vec<u8>)>,
}

impl TaskTest {
    /// Makes ready the component in a file, such as `target/wasm32-wasip2/release/order.wasm`.
    pub fn new(component: impl AsRef<Path>) -> Result<Self, TestError> {
        Component::read(component.as_ref()).map(Rc::new).map(Self::of)
    }

    /// Makes ready a component, such as one of `include_bytes!`.
    pub fn from_bytes(component: &[u8]) -> Result<Self, TestError> {
        Component::new(component).map(Rc::new).map(Self::of)
    }

    /// Another test of the same component, with nothing said yet; the component is not compiled again.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::of(self.component.clone())
    }

    fn of(component: Rc<Component>) -> Self {
        Self {
            component,
            task: None,
            input: Bytes::new(),
            content_type: None,
            headers: Vec::new(),
            id: "test".to_owned(),
            start: Ok(START),
            attempt: 1,
            retry: None,
            limits: LimitsWish::default(),
            seed: 0,
            cancelled: None,
            grants: true,
            allowed: Vec::new(),
            fanout: FANOUT_DEFAULT,
            depth: 0,
            checkpoints: Vec::new(),
            secrets: Vec::new(),
            values: Vec::new(),
            blobs: Vec::new(),
        }
    }

    /// Which task, where the component has several.
    #[must_use]
    pub fn task(mut self, name: &str) -> Self {
        self.task = Some(name.to_owned());
        self
    }

    /// The input as JSON. What cannot be written as JSON is no input.
    #[must_use]
    pub fn input(mut self, input: impl Serialize) -> Self {
        self.input = serde_json::to_vec(&input).unwrap_or_default().into();
        self.content_type = Some("application/json".to_owned());
        self
    }

    /// The input as bytes of a media type.
    #[must_use]
    pub fn bytes(mut self, input: impl Into<Bytes>, content_type: &str) -> Self {
        self.input = input.into();
        self.content_type = Some(content_type.to_owned());
        self
    }

    /// A header of the job.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The job's id; `test` where nothing is said.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    /// What the guest's clock says when the first attempt begins, such as `2026-03-29T00:30:00Z`.
    #[must_use]
    pub fn at(mut self, time: &str) -> Self {
        self.start = UnixMs::from_rfc3339(time).map_err(|error| error.to_string());
        self
    }

    /// The number of the attempt, from 1.
    #[must_use]
    pub fn attempt(mut self, number: u32) -> Self {
        self.attempt = number.max(1);
        self
    }

    /// When it is tried again; as the task says where nothing is said.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Limits over those of the task.
    #[must_use]
    pub fn limits(mut self, limits: LimitsWish) -> Self {
        self.limits = limits;
        self
    }

    /// Other random numbers than those of seed 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The job is cancelled when the attempt begins; the task hears of it where it asks.
    #[must_use]
    pub fn cancelled(mut self, reason: &str) -> Self {
        self.cancelled = Some(reason.to_owned());
        self
    }

    /// Grants the task something beyond its sandbox, written as for `lovage push --allow`, such as `scratch=8MiB`.
    #[must_use]
    pub fn allow(mut self, capability: &str) -> Self {
        self.allowed.push(capability.to_owned());
        self
    }

    /// The tenant has this secret; the task reads it where it is allowed `secret=NAME`.
    #[must_use]
    pub fn secret(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.secrets.push((name.to_owned(), value.into()));
        self
    }

    /// What lies under a key of a bucket; the task finds it where it is allowed `keyvalue=BUCKET`.
    #[must_use]
    pub fn value(mut self, bucket: &str, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.values.push(((bucket.to_owned(), key.to_owned()), value.into()));
        self
    }

    /// What lies in a container; the task finds it where it is allowed `blobstore=CONTAINER`.
    #[must_use]
    pub fn blob(mut self, container: &str, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.blobs.push(((container.to_owned(), name.to_owned()), bytes.into()));
        self
    }

    /// The component is not granted to submit jobs.
    #[must_use]
    pub fn without_grants(mut self) -> Self {
        self.grants = false;
        self
    }

    /// The operator's limit on children.
    #[must_use]
    pub fn fanout(mut self, fanout: u32) -> Self {
        self.fanout = fanout;
        self
    }

    /// How many jobs led to this one.
    #[must_use]
    pub fn depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// What an earlier attempt has kept, as JSON.
    #[must_use]
    pub fn checkpoint(mut self, key: &str, value: impl Serialize) -> Self {
        self.checkpoints.push((key.to_owned(), serde_json::to_vec(&value).unwrap_or_default()));
        self
    }

    /// Makes one attempt.
    pub fn run(&self) -> Result<Report, TestError> {
        let stage = self.stage()?;
        Ok(self.component.runtime.block_on(self.make(&stage, self.attempt)))
    }

    /// Makes attempts until the job has ended, as the rules say, with the waits in between. Where chance decides on a
    /// back-off, half of the longest is waited.
    pub fn run_to_end(&self) -> Result<WholeRun, TestError> {
        let stage = self.stage()?;
        self.component.runtime.block_on(async {
            let (mut attempts, mut number) = (Vec::new(), self.attempt);
            while attempts.len() < ROUNDS_MAX {
                stage.services.next_attempt();
                let started = stage.now();
                let report = self.make(&stage, number).await;
                let verdict = judge(&report.outcome, number, &stage.retry, ROLL);
                attempts.push(Attempt { number, started, report: report.clone(), verdict });
                match verdict {
                    Verdict::RetryAfter(delay) => {
                        number += 1;
                        tokio::time::sleep(delay).await;
                    }
                    Verdict::Snooze(delay) => tokio::time::sleep(delay).await,
                    Verdict::Finish | Verdict::Bury => {
                        let took = stage.simulation.since.elapsed();
                        return Ok(WholeRun { attempts, last: report, verdict, took });
                    }
                }
            }
            Err(TestError::Test(format!("the job did not end within {ROUNDS_MAX} attempts and snoozes")))
        })
    }

    /// What all attempts of one run share.
    fn stage(&self) -> Result<Stage, TestError> {
        let export = self.component.export(self.task.as_deref())?;
        let start = self.start.clone().map_err(TestError::Test)?;
        let id: JobId =
            self.id.parse().map_err(|error: lovage_job::name::NameError| TestError::Test(error.to_string()))?;
        let check = InputCheck::new(&export.input).map_err(|error| TestError::Test(error.to_string()))?;
        let mut services = Recorded::new(id).fanout(self.fanout).depth(self.depth);
        if !self.grants {
            services = services.without_grants();
        }
        for (key, value) in &self.checkpoints {
            services.keep(key, value.clone()).map_err(|refusal| TestError::Test(format!("{key}: {refusal:?}")))?;
        }
        self.secrets.iter().for_each(|(name, value)| services.put_secret(name, value.clone()));
        self.values.iter().for_each(|((bucket, key), value)| services.put_value(bucket, key, value.clone()));
        self.blobs.iter().for_each(|((container, name), bytes)| services.put_blob(container, name, bytes.clone()));
        let mut retry = self.retry.clone().unwrap_or_default();
        if let (None, Some(attempts)) = (&self.retry, export.attempts_max) {
            retry.attempts_max = attempts.clamp(1, ATTEMPTS_MAX);
        }
        let grants = self.allowed.iter().map(|text| text.parse::<Capability>());
        let grants: Grants = grants.collect::<Result<_, _>>().map_err(|error| TestError::Test(error.to_string()))?;
        let since = self.component.runtime.block_on(async { tokio::time::Instant::now() });
        Ok(Stage {
            task: self.component.sandbox.load(&self.component.artifact, &export.entry)?,
            limits: Limits::default().with(&export.limits).with(&self.limits).capped(&Limits::ceiling()),
            export: export.clone(),
            check,
            services: Arc::new(services),
            grants: Arc::new(grants),
            retry,
            simulation: Simulation { since, wall: Duration::from_millis(start.0), seed: self.seed },
        })
    }

    async fn make(&self, stage: &Stage, number: u32) -> Report {
        let began = tokio::time::Instant::now();
        let told = Told::default();
        let ended = match stage.check.check(&self.input) {
            Ok(()) => stage.task.run(self.request(stage, number), self.control(stage, number, &told)).await,
            // as on a worker, the guest never sees it
            Err(error) => AttemptReport {
                outcome: Outcome::BadInput { message: error.to_string() },
                meter: Meter::default(),
                log: Vec::new(),
                log_truncated: false,
            },
        };
        let output = match &ended.outcome {
            Outcome::Completed(output) => Some(output.body.clone()),
            _ => None,
        };
        Report {
            output,
            outcome: ended.outcome,
            progress: std::mem::take(&mut told.lock().unwrap_or_else(PoisonError::into_inner)),
            children: stage.services.children(),
            checkpoints: stage.services.checkpoints(),
            values: stage.services.values(),
            blobs: stage.services.blobs(),
            log: String::from_utf8_lossy(&ended.log).into_owned(),
            fuel_used: ended.meter.fuel_used,
            memory_peak_bytes: ended.meter.memory_peak_bytes,
            took: began.elapsed(),
        }
    }

    fn request(&self, stage: &Stage, number: u32) -> AttemptRequest {
        let json = stage.export.input.encoding == Encoding::Json;
        let content_type = self.content_type.clone().or_else(|| json.then(|| "application/json".to_owned()));
        AttemptRequest {
            job: JobInfo {
                id: self.id.clone(),
                tenant: "default".to_owned(),
                queue: "default".to_owned(),
                task: stage.export.name.to_string(),
                attempt: number,
                attempts_max: stage.retry.attempts_max,
                content_type,
                headers: self.headers.clone(),
                published_unix_ms: stage.now().0,
                deadline_unix_ms: stage.now().after(stage.limits.timeout).0,
            },
            input: self.input.clone(),
            limits: Arc::new(stage.limits.clone()),
            args: Arc::default(),
            env: Arc::default(),
            grants: stage.grants.clone(),
        }
    }

    fn control(&self, stage: &Stage, number: u32, told: &Told) -> AttemptControl {
        let told = told.clone();
        let hear = move |event| {
            if let AttemptEvent::Progress { fraction, message } = event {
                told.lock().unwrap_or_else(PoisonError::into_inner).push((fraction, message));
            }
        };
        let cancel = CancelSignal::new();
        if let Some(reason) = &self.cancelled {
            cancel.ask(reason.as_str());
        }
        let seed = stage.simulation.seed.wrapping_add(u64::from(number));
        AttemptControl {
            cancel: Some(cancel),
            events: Some(EventSink::new(hear)),
            services: Some(stage.services.clone()),
            simulation: Some(Simulation { seed, ..stage.simulation }),
        }
    }
}

/// What all attempts of one run share.
struct Stage {
    task: Task,
    export: Export,
    check: InputCheck,
    limits: Limits,
    services: Arc<Recorded>,
    grants: Arc<Grants>,
    retry: RetryPolicy,
    simulation: Simulation,
}

impl Stage {
    fn now(&self) -> UnixMs {
        UnixMs(u64::try_from(self.simulation.now().as_millis()).unwrap_or(u64::MAX))
    }
}
