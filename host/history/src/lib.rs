//! The history of jobs in SQL.
