//! A victim beside hostile inputs: what one tenant's jobs do to another's round trips, results and worker.
//!
//! The victim sends a trickle of jobs, one at a time, alone and then beside each input that the other tenant sends
//! without end. Each job has an input of its own, so that the result of another would be seen. The worker is a process
//! of its own.

use super::attack::{Attack, Outcomes};
use super::component;
use super::ground::Ground;
use super::health::Health;
use super::inputs::{Input, inputs};
use super::latency::{Latency, since_us};
use super::worker::{WorkerProcess, WorkerSetup};
use crate::config::Isolation;
use anyhow::Context as _;
use async_nats::{Client, HeaderMap, Subscriber};
use futures::StreamExt;
use lovage_job::header;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Before each round trip.
const PAUSE: Duration = Duration::from_millis(5);
/// A job that has not ended after so long counts as lost, with this as its time.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// How long the first job may take, which waits for the worker to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Round trips that are not counted.
const WARM_UP: usize = 50;
/// Jobs of the flood that wait at every moment.
const FLOOD: usize = 50_000;

const VICTIM: &str = "victim";
const ATTACKER: &str = "mallory";

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct HostileOptions {
    /// Round trips beside each input.
    pub samples: usize,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Hostile {
    /// Where jobs ran: all in the worker's process, or each tenant's in one of its own.
    pub isolated: bool,
    /// Attempts at once of the worker.
    pub concurrency: usize,
    /// First with nothing beside the victim, then beside each input, then with nothing again.
    pub rows: Vec<Beside>,
}

/// The victim beside one input.
#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    /// The input.
    pub input: &'static str,
    /// The victim's round trips.
    pub latency: Latency,
    /// The 99th of 100, to that of the first row.
    pub p99_ratio: f64,
    /// The victim's jobs that gave what they should.
    pub right: usize,
    /// Those that gave something else, or nothing in time.
    pub wrong: usize,
    /// Hostile jobs that wait or run at every moment.
    pub at_once: usize,
    /// How hostile jobs ended meanwhile.
    pub outcomes: Outcomes,
    /// The most that the worker and its children held meanwhile, in bytes; only Linux tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
}

impl Hostile {
    /// The victim's jobs that were not right.
    pub fn wrong(&self) -> usize {
        self.rows.iter().map(|row| row.wrong).sum()
    }
}

/// What it takes to measure.
pub(super) struct Bench<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) worker: WorkerSetup<'a>,
}

impl Bench<'_> {
    /// Measures on a server that no other worker serves.
    pub(super) async fn measure(&self, options: HostileOptions, tell: &impl Fn(&str)) -> anyhow::Result<Hostile> {
        let (ground, inputs) = (&self.ground, inputs()?);
        ground.tenant(VICTIM, 1, &component::add_in_memory()?).await?;
        ground.tenant(ATTACKER, 1, &component::burn()?).await?;
        for input in &inputs {
            ground.push(ATTACKER, &input.component, input.limits()).await.context(input.name)?;
        }
        let mut worker = WorkerProcess::start(&self.worker)?;
        let health = Health::of(worker.pid);
        let mut victim = Victim::new(ground.client).await?;
        victim.warm(&mut worker).await?;
        let mut rows = vec![self.beside(None, &mut victim, health, options).await?];
        for input in &inputs {
            tell(&format!("{} round trips beside {}", options.samples, input.name));
            let row = self.beside(Some(input), &mut victim, health, options).await;
            worker.lives().with_context(|| format!("beside {}", input.name))?;
            rows.push(row.with_context(|| format!("beside {}", input.name))?);
            ground.empty(ATTACKER).await?;
            ground.forget(ATTACKER).await?;
        }
        rows.push(self.beside(None, &mut victim, health, options).await?);
        worker.stop().await?;
        let alone_us = rows.first().map_or(1, |row| row.latency.p99_us.max(1));
        for row in &mut rows {
            #[allow(clippy::cast_precision_loss)]
            let ratio = row.latency.p99_us as f64 / alone_us as f64;
            row.p99_ratio = ratio;
        }
        let WorkerSetup { isolation, concurrency, .. } = self.worker;
        Ok(Hostile { isolated: isolation == Isolation::Process, concurrency, rows })
    }

    /// The victim's round trips beside an input, or beside nothing.
    async fn beside(
        &self,
        input: Option<&Input>,
        victim: &mut Victim<'_>,
        health: Health,
        options: HostileOptions,
    ) -> anyhow::Result<Beside> {
        let at_once = input.map_or(0, |input| if input.floods { FLOOD } else { 2 * self.worker.concurrency });
        // nothing can be said where the kernel does not tell
        let measured = health.reset_peak().is_ok();
        let attack = match input {
            Some(input) => Some(Attack::begin(self.ground.client, ATTACKER, input, at_once).await?),
            None => None,
        };
        let mut times = Vec::with_capacity(options.samples);
        let mut right = 0;
        for _ in 0..options.samples {
            let trip = victim.trip(LOST_AFTER).await?;
            right += usize::from(trip.right);
            times.push(trip.took_us);
        }
        let peak_bytes = health.peak_bytes().ok().filter(|_| measured);
        let outcomes = match attack {
            Some(attack) => attack.end().await?,
            None => Outcomes::new(),
        };
        Ok(Beside {
            input: input.map_or("nothing", |input| input.name),
            latency: Latency::of(times),
            p99_ratio: 1.0,
            right,
            wrong: options.samples - right,
            at_once,
            outcomes,
            peak_bytes,
        })
    }
}

/// A tenant that sends one job at a time.
struct Victim<'a> {
    client: &'a Client,
    inbox: String,
    ends: Subscriber,
    next: u64,
}

/// One round trip.
struct Trip {
    right: bool,
    took_us: u64,
}

impl<'a> Victim<'a> {
    async fn new(client: &'a Client) -> anyhow::Result<Self> {
        let inbox = client.new_inbox();
        let ends = client.subscribe(format!("{inbox}.*")).await?;
        Ok(Self { client, inbox, ends, next: 0 })
    }

    /// Waits for the worker to be ready, and makes round trips that nobody counts.
    async fn warm(&mut self, worker: &mut WorkerProcess) -> anyhow::Result<()> {
        for _ in 0..=WARM_UP {
            let trip = self.trip(READY_WITHIN).await?;
            worker.lives()?;
            anyhow::ensure!(trip.right, "a job of the victim went wrong with nothing beside it");
        }
        Ok(())
    }

    /// Sends a job and waits for its end.
    async fn trip(&mut self, within: Duration) -> anyhow::Result<Trip> {
        tokio::time::sleep(PAUSE).await;
        let (number, inbox) = (self.next, format!("{}.{}", self.inbox, self.next));
        self.next += 1;
        let mut headers = HeaderMap::new();
        headers.insert(header::REPLY, inbox.as_str());
        let input = format!(r#"{{"a":{number},"b":22}}"#);
        let began = Instant::now();
        self.client.publish_with_headers(format!("lovage.{VICTIM}.job.default.add"), headers, input.into()).await?;
        // the end of one that counted as lost may come late
        let end = async {
            loop {
                match self.ends.next().await {
                    Some(end) if end.subject.as_str() == inbox => break Some(end),
                    Some(_) => {}
                    None => break None,
                }
            }
        };
        let end = tokio::time::timeout(within, end).await;
        let took_us = since_us(began);
        let right = match end {
            Ok(end) => end.context("the subscription ended")?.payload == (number + 22).to_string(),
            Err(_) => false,
        };
        Ok(Trip { right, took_us })
    }
}
