//! Every metric there is: its name, kind, labels and meaning. This list is a contract; `host/docs/METRICS.md` is made
//! from it, a snapshot keeps it, and dashboards and alerts may name nothing else.
//!
//! Base units alone (seconds, bytes). Labels are closed sets: outcomes, lanes, modes, the queues a worker serves. Never
//! ids. Tenants are a label only where the operator asks for it, and then of a bounded number.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Grows only, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size.
    Histogram,
}

impl Kind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Which process tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Every process with a `/metrics`.
    Every,
    /// A worker, of itself: `lovage worker --health`, `lovage dev`.
    Worker,
    /// A worker whose operator asks for numbers of tenants.
    WorkerPerTenant,
    /// `lovage serve` and `lovage dev`, of the broker and all workers.
    Cluster,
    /// The same, where the operator asks for numbers of tenants.
    ClusterPerTenant,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its whole name, unit and `_total` included.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, in their order.
    pub labels: &'static [&'static str],
    /// Which process tells it.
    pub from: From,
    /// What it means.
    pub help: &'static str,
}

/// Makes the constants and the list of all of them.
macro_rules! metrics {
    ($($constant:ident = $from:ident $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name, kind: Kind::$kind, labels: &[$($label),*], from: From::$from, help: $help,
            };
        )*
        /// Every metric, in the order in which they are written.
        pub const ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    BUILD_INFO = Every Gauge "lovage_build_info" ["version"] "Always 1; the label tells the version of Lovage.";

    JOBS = Worker Counter "lovage_jobs_total" ["queue", "outcome"]
        "Jobs that ended on this worker.";
    ATTEMPTS = Worker Counter "lovage_attempts_total" ["queue", "outcome"]
        "Attempts that ended on this worker.";
    ATTEMPT_SECONDS = Worker Histogram "lovage_attempt_duration_seconds" ["queue"]
        "How long attempts took.";
    WAIT_SECONDS = Worker Histogram "lovage_job_wait_seconds" ["queue", "lane"]
        "How long jobs were in their queue before an attempt began, from when the message was stored there.";
    PUT_BACK = Worker Counter "lovage_jobs_put_back_total" ["queue", "reason"]
        "Jobs that went back: for a retry, snoozed by their task, held by a limit or pause, or released to their queue.";
    DEAD_LETTERS = Worker Counter "lovage_dead_letters_total" ["queue"]
        "Jobs that became dead letters on this worker.";
    FUEL_USED = Worker Counter "lovage_fuel_used_total" []
        "Units of fuel that attempts used.";
    MEMORY_PEAK_BYTES = Worker Histogram "lovage_attempt_memory_peak_bytes" []
        "The most linear memory that each attempt held at once.";
    EGRESS_BYTES = Worker Counter "lovage_egress_bytes_total" []
        "Bytes that attempts sent to other hosts and received from them.";
    ATTEMPTS_RUNNING = Worker Gauge "lovage_attempts_running" []
        "Attempts that run now.";
    ATTEMPTS_MAX = Worker Gauge "lovage_attempts_max" []
        "Attempts that this worker runs at once.";
    MESSAGES_HELD = Worker Gauge "lovage_messages_held" []
        "Messages that this worker holds: jobs that wait here, run, or are being settled.";
    ENDINGS_PENDING = Worker Gauge "lovage_endings_pending" []
        "Ends of attempts that the broker has not confirmed yet.";
    WORKER_MODE = Worker Gauge "lovage_worker_mode" ["mode"]
        "1 for the mode that the worker is in: running, quiet or draining.";
    RUNTIME_BEAT_AGE = Worker Gauge "lovage_runtime_beat_age_seconds" []
        "Time since the runtime that talks to the broker was last seen alive.";
    BROKER_CONNECTED = Worker Gauge "lovage_broker_connected" []
        "1 while there is a connection to the broker.";
    BROKER_CONNECTS = Worker Counter "lovage_broker_connects_total" []
        "How often the connection to the broker was made.";
    BROKER_BYTES = Worker Counter "lovage_broker_bytes_total" ["direction"]
        "Bytes over the connection to the broker.";
    BROKER_MESSAGES = Worker Counter "lovage_broker_messages_total" ["direction"]
        "Messages over the connection to the broker.";
    BROKER_FAULTS = Worker Counter "lovage_broker_faults_total" ["fault"]
        "What the broker refused or did not confirm in time; each is tried again.";
    RUNNER_DEATHS = Worker Counter "lovage_runner_deaths_total" []
        "Processes of jobs that died while they ran some.";
    COMPILATIONS = Worker Counter "lovage_compilations_total" ["result"]
        "Components that were asked for: found compiled, compiled, or not to be compiled.";
    COMPILE_SECONDS = Worker Histogram "lovage_compile_duration_seconds" []
        "How long components took to compile that were not there compiled.";

    TENANT_JOBS = WorkerPerTenant Counter "lovage_tenant_jobs_total" ["tenant", "outcome"]
        "Jobs of a tenant that ended on this worker.";
    TENANT_FUEL = WorkerPerTenant Counter "lovage_tenant_fuel_used_total" ["tenant"]
        "Units of fuel that a tenant's attempts used on this worker.";
    TENANT_SECONDS = WorkerPerTenant Counter "lovage_tenant_attempt_seconds_total" ["tenant"]
        "Wall time of a tenant's attempts on this worker.";

    CLUSTER_UP = Cluster Gauge "lovage_cluster_up" []
        "1 where the last look at the broker was whole; the other numbers of the cluster are left out where it was not.";
    CLUSTER_LOOK_SECONDS = Cluster Gauge "lovage_cluster_look_duration_seconds" []
        "How long the last look at the broker took.";
    CLUSTER_LOOK_AGE = Cluster Gauge "lovage_cluster_look_age_seconds" []
        "How old the numbers of the cluster are.";
    TENANTS = Cluster Gauge "lovage_tenants" []
        "Tenants there are.";
    QUEUE_WAITING = Cluster Gauge "lovage_queue_jobs_waiting" ["queue", "lane"]
        "Jobs that wait in a queue for a worker, of all tenants.";
    QUEUE_UNSETTLED = Cluster Gauge "lovage_queue_jobs_unsettled" ["queue", "lane"]
        "Jobs of a queue that workers hold and have not settled, of all tenants.";
    QUEUE_OLDEST = Cluster Gauge "lovage_queue_oldest_age_seconds" ["queue", "lane"]
        "Age of the job that has waited longest in a queue, over all tenants; 0 where none waits.";
    JOBS_UNSERVED = Cluster Gauge "lovage_jobs_unserved" []
        "Jobs that wait in queues which no worker has ever served; the broker cannot tell which.";
    JOBS_SCHEDULED = Cluster Gauge "lovage_jobs_scheduled" []
        "Messages that the broker holds for later: delayed jobs, retries, held jobs, and the next ticks of schedules.";
    DEAD_LETTERS_STORED = Cluster Gauge "lovage_dead_letters_stored" []
        "Dead letters that are stored.";
    STORED_BYTES = Cluster Gauge "lovage_stored_bytes" ["asset"]
        "What streams and buckets take on the broker, by what they are for.";
    STORED_MESSAGES = Cluster Gauge "lovage_stored_messages" ["asset"]
        "Messages in streams and buckets, by what they are for.";
    STREAM_FILL = Cluster Gauge "lovage_jobs_stream_fill_ratio" []
        "How full the fullest stream of jobs is, of what it may have; at 1 its tenant's publishes are refused.";
    WORKERS = Cluster Gauge "lovage_workers" ["mode"]
        "Workers that answer, by mode.";
    WORKERS_ATTEMPTS_MAX = Cluster Gauge "lovage_workers_attempts_max" []
        "Attempts that all workers together run at once.";
    WORKERS_ATTEMPTS_RUNNING = Cluster Gauge "lovage_workers_attempts_running" []
        "Attempts that run now on all workers.";
    QUEUE_WORKERS = Cluster Gauge "lovage_queue_workers" ["queue"]
        "Workers in mode running that serve a queue.";
    HISTORY_LAG_SECONDS = Cluster Gauge "lovage_history_lag_seconds" []
        "Age of the oldest end of a job that is not in the history yet; 0 where all are. Only where there is a history.";

    TENANT_WAITING = ClusterPerTenant Gauge "lovage_tenant_jobs_waiting" ["tenant"]
        "Jobs of a tenant that wait in its queues.";
    TENANT_DEAD_LETTERS = ClusterPerTenant Gauge "lovage_tenant_dead_letters_stored" ["tenant"]
        "Dead letters of a tenant that are stored.";
    TENANT_STORED_BYTES = ClusterPerTenant Gauge "lovage_tenant_stored_bytes" ["tenant"]
        "What a tenant's streams and buckets take on the broker.";

    PROCESS_CPU = Every Counter "process_cpu_seconds_total" []
        "Processor time of this process, and of those it waited for. Linux only.";
    PROCESS_RESIDENT = Every Gauge "process_resident_memory_bytes" []
        "Memory of this process that is in RAM. Linux only.";
    PROCESS_VIRTUAL = Every Gauge "process_virtual_memory_bytes" []
        "Address space of this process; sandboxes reserve much that they never use. Linux only.";
    PROCESS_THREADS = Every Gauge "process_threads" []
        "Threads of this process. Linux only.";
    PROCESS_FDS = Every Gauge "process_open_fds" []
        "Open files and sockets of this process. Linux only.";
    PROCESS_FDS_MAX = Every Gauge "process_max_fds" []
        "Files and sockets that this process may open. Linux only.";
    PROCESS_STARTED = Every Gauge "process_start_time_seconds" []
        "When this process began, in Unix time.";
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
