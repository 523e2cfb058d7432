//! A broker that cannot serve, or not any more: whoever asks is told what to do, and nothing is lost.

mod full;
mod unfit;
mod worker_start;
