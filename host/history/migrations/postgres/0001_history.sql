-- What each job came to: one row a job, of its latest run.
CREATE TABLE lovage_jobs (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    task TEXT COLLATE "C" NOT NULL,
    queue TEXT COLLATE "C" NOT NULL,
    lane TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    class BIGINT NOT NULL,
    error_message TEXT,
    error_more TEXT,
    digest TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    trail BIGINT NOT NULL,
    published BIGINT NOT NULL,
    started BIGINT NOT NULL,
    finished BIGINT NOT NULL,
    wall_us BIGINT NOT NULL,
    fuel_used BIGINT NOT NULL,
    memory_peak_bytes BIGINT NOT NULL,
    egress_bytes BIGINT NOT NULL,
    worker TEXT COLLATE "C" NOT NULL,
    tags TEXT,
    trace_id TEXT COLLATE "C" NOT NULL,
    dead BIGINT NOT NULL,
    result_at BIGINT NOT NULL,
    letter_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id)
);
-- The orders that listings follow. Each query names one of them and is bounded within it.
CREATE INDEX lovage_jobs_finished ON lovage_jobs (tenant, finished, id);
CREATE INDEX lovage_jobs_all ON lovage_jobs (finished, tenant, id);
CREATE INDEX lovage_jobs_task ON lovage_jobs (tenant, task, finished, id);
CREATE INDEX lovage_jobs_class ON lovage_jobs (tenant, class, finished, id);

-- Attempts of jobs that needed more than one, or failed.
CREATE TABLE lovage_attempts (
    tenant TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    started BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    worker TEXT COLLATE "C" NOT NULL,
    wall_us BIGINT NOT NULL,
    fuel_used BIGINT NOT NULL,
    memory_peak_bytes BIGINT NOT NULL,
    egress_bytes BIGINT NOT NULL,
    error_message TEXT,
    PRIMARY KEY (tenant, id, position)
);

-- Labels, in the order of a listing by label.
CREATE TABLE lovage_tags (
    tenant TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    finished BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, tag, finished, id)
);

-- What charts read: sums by minute, hour and day, kept together with the rows.
CREATE TABLE lovage_rollup (
    tenant TEXT COLLATE "C" NOT NULL,
    span_ms BIGINT NOT NULL,
    since BIGINT NOT NULL,
    task TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    queue TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    jobs BIGINT NOT NULL,
    retried BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    wall_us BIGINT NOT NULL,
    h00 BIGINT NOT NULL,
    h01 BIGINT NOT NULL,
    h02 BIGINT NOT NULL,
    h03 BIGINT NOT NULL,
    h04 BIGINT NOT NULL,
    h05 BIGINT NOT NULL,
    h06 BIGINT NOT NULL,
    h07 BIGINT NOT NULL,
    h08 BIGINT NOT NULL,
    h09 BIGINT NOT NULL,
    h10 BIGINT NOT NULL,
    h11 BIGINT NOT NULL,
    h12 BIGINT NOT NULL,
    h13 BIGINT NOT NULL,
    h14 BIGINT NOT NULL,
    h15 BIGINT NOT NULL,
    h16 BIGINT NOT NULL,
    PRIMARY KEY (tenant, span_ms, since, task, version, queue, outcome)
);
CREATE INDEX lovage_rollup_since ON lovage_rollup (span_ms, since);

-- The same by worker.
CREATE TABLE lovage_rollup_workers (
    tenant TEXT COLLATE "C" NOT NULL,
    span_ms BIGINT NOT NULL,
    since BIGINT NOT NULL,
    worker TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    jobs BIGINT NOT NULL,
    retried BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    wall_us BIGINT NOT NULL,
    PRIMARY KEY (tenant, span_ms, since, worker, outcome)
);
CREATE INDEX lovage_rollup_workers_since ON lovage_rollup_workers (span_ms, since);

-- How far each stream has been read.
CREATE TABLE lovage_cursors (
    stream TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    sequence BIGINT NOT NULL
);

-- One row, which whoever writes changes first, so that writers go one after the other.
CREATE TABLE lovage_turn (
    id BIGINT NOT NULL PRIMARY KEY,
    turn BIGINT NOT NULL
);
INSERT INTO lovage_turn (id, turn) VALUES (1, 0);
