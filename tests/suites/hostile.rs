//! Hostile inputs, each against a worker that a victim shares with whoever sent them.
//!
//! The oracle is the same for all: the fault is told with its type within a deadline, the worker is still the same
//! process with no more files and children than before, its memory is back where it was, nothing waits any more, and
//! the jobs of which the victim has a thousand under way all the while are right ([`victim`]). [`arena`] has it, in
//! `Turn::end`. Which input has which test is in [`inputs`], and a test there holds that list to the names that exist.
//!
//! What a worker does for a guest and what it does in a process of its own differ, so this suite is run in both modes:
//! `LOVAGE_TEST_ISOLATION=process` starts its worker in the other one.

mod arena;
mod bench;
mod cache;
mod corpus;
mod guests;
mod inputs;
mod jobs;
mod residue;
mod terminal;
mod text;
mod uploads;
mod victim;
