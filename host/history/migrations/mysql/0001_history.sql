-- This engine does not undo what makes tables; so all of it can be repeated after an end in the middle.

-- What each job came to: one row a job, of its latest run.
CREATE TABLE IF NOT EXISTS lovage_jobs (
    tenant VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    task VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    queue VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    lane VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    class BIGINT NOT NULL,
    error_message TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    error_more TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    digest VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempts BIGINT NOT NULL,
    trail BIGINT NOT NULL,
    published BIGINT NOT NULL,
    started BIGINT NOT NULL,
    finished BIGINT NOT NULL,
    wall_us BIGINT NOT NULL,
    fuel_used BIGINT NOT NULL,
    memory_peak_bytes BIGINT NOT NULL,
    egress_bytes BIGINT NOT NULL,
    worker VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tags TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    trace_id VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    dead BIGINT NOT NULL,
    result_at BIGINT NOT NULL,
    letter_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id),
    -- The orders that listings follow. Each query names one of them and is bounded within it.
    INDEX lovage_jobs_finished (tenant, finished, id),
    INDEX lovage_jobs_all (finished, tenant, id),
    INDEX lovage_jobs_task (tenant, task, finished, id),
    INDEX lovage_jobs_class (tenant, class, finished, id)
) ENGINE = InnoDB;

-- Attempts of jobs that needed more than one, or failed.
CREATE TABLE IF NOT EXISTS lovage_attempts (
    tenant VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    position BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    started BIGINT NOT NULL,
    digest VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    worker VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    wall_us BIGINT NOT NULL,
    fuel_used BIGINT NOT NULL,
    memory_peak_bytes BIGINT NOT NULL,
    egress_bytes BIGINT NOT NULL,
    error_message TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    PRIMARY KEY (tenant, id, position)
) ENGINE = InnoDB;

-- Labels, in the order of a listing by label.
CREATE TABLE IF NOT EXISTS lovage_tags (
    tenant VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    tag VARBINARY(512) NOT NULL,
    finished BIGINT NOT NULL,
    id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (tenant, tag, finished, id)
) ENGINE = InnoDB;

-- What charts read: sums by minute, hour and day, kept together with the rows.
CREATE TABLE IF NOT EXISTS lovage_rollup (
    tenant VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    span_ms BIGINT NOT NULL,
    since BIGINT NOT NULL,
    task VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    queue VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
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
    PRIMARY KEY (tenant, span_ms, since, task, version, queue, outcome),
    INDEX lovage_rollup_since (span_ms, since)
) ENGINE = InnoDB;

-- The same by worker.
CREATE TABLE IF NOT EXISTS lovage_rollup_workers (
    tenant VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    span_ms BIGINT NOT NULL,
    since BIGINT NOT NULL,
    worker VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    jobs BIGINT NOT NULL,
    retried BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    wall_us BIGINT NOT NULL,
    PRIMARY KEY (tenant, span_ms, since, worker, outcome),
    INDEX lovage_rollup_workers_since (span_ms, since)
) ENGINE = InnoDB;

-- How far each stream has been read.
CREATE TABLE IF NOT EXISTS lovage_cursors (
    stream VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL,
    sequence BIGINT NOT NULL
) ENGINE = InnoDB;

-- One row, which whoever writes changes first, so that writers go one after the other.
CREATE TABLE IF NOT EXISTS lovage_turn (
    id BIGINT NOT NULL PRIMARY KEY,
    turn BIGINT NOT NULL
) ENGINE = InnoDB;
INSERT IGNORE INTO lovage_turn (id, turn) VALUES (1, 0);
