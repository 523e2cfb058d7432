//! Summarises the columns of a table: CSV or JSON lines in, one JSON summary out; two tasks in one component.
//!
//! The header `Group-By` of the job names a column; the summary then has one group for each of its values.
//! [`summary`] adds up and knows no format; [`from_csv`] and [`from_jsonl`] read theirs row by row.

mod from_csv;
mod from_jsonl;
mod summary;

#[cfg(test)]
mod tests;
