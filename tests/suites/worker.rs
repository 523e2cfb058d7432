//! The life of a worker process: ready, drained, killed.

use lovage_tests::{Nats, WITHIN, Worker};

#[test]
fn worker_gets_ready_and_drains_on_sigterm() {
    let nats = Nats::start();
    let mut worker = Worker::of(&nats).name("a").concurrency(2).start();
    worker.sigterm();
    let status = worker.wait(WITHIN);
    assert!(status.success(), "{status}\n{}", worker.stderr());
}

#[test]
fn worker_killed_in_the_midst_leaves_the_server_to_the_next() {
    let nats = Nats::start();
    let mut first = Worker::of(&nats).name("a").start();
    first.kill9();
    let second = Worker::of(&nats).name("b").start();
    assert_ne!(first.pid(), second.pid());
}
