//! What reads something. Each function checks the caller's role and gives a view that can be sent as JSON or shown.

pub mod audit;
pub mod control;
pub mod dead;
pub mod ended;
pub mod jobs;
pub mod logs;
pub mod payload;
pub mod queues;
pub mod schedules;
pub mod tasks;
pub mod tenants;
pub mod tokens;
pub mod workers;
