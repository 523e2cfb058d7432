//! What the victim does while a hostile input is loose: a thousand of its jobs wait or run at every moment, and each
//! must give the hash of its own text.

use std::{collections::HashSet, panic::resume_unwind, time::Duration};

use async_nats::{Message, Subscriber};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lovage_client::{Client, NewJob, wire};
use lovage_job::{name::Digest, outcome::OutcomeKind, result::JobResult, subject::Lane};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

/// Jobs that wait or run at once; at least so many run beside each input.
pub const AT_ONCE: u32 = 1_000;
/// How long it may take until the next of them ends, whatever the attacker does.
const MOVES_WITHIN: Duration = Duration::from_secs(30);

/// The victim's jobs while they are submitted.
pub struct Load {
    stop: oneshot::Sender<()>,
    running: JoinHandle<u32>,
}

impl Load {
    /// Submits the first jobs, and returns once the broker holds all of them. Another follows each that ends.
    pub async fn begin(client: &Client, label: &str) -> Self {
        let inbox = client.nats().new_inbox();
        // One subscription hears of every end; the reply's last token is the number of its job.
        let replies = client.nats().subscribe(format!("{inbox}.*")).await.expect("a connection");
        let mut jobs =
            Submitter { client: client.clone(), label: label.to_owned(), inbox, next: 0, open: HashSet::new() };
        let mut sends: FuturesUnordered<_> = (0..AT_ONCE).map(|_| jobs.submit()).collect();
        while sends.next().await.is_some() {}
        let (stop, stopped) = oneshot::channel();
        Self { stop, running: tokio::spawn(jobs.run(replies, sends, stopped)) }
    }

    /// Submits no more, waits for the end of those that are left, and returns how many there were. Each was right.
    pub async fn end(self) -> u32 {
        // Where the jobs went wrong before, nobody hears this, and what went wrong is told below.
        let _ = self.stop.send(());
        self.running.await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }
}

/// Submits jobs by number, and knows which have not ended.
struct Submitter {
    client: Client,
    label: String,
    inbox: String,
    next: u32,
    open: HashSet<u32>,
}

impl Submitter {
    fn text(&self, number: u32) -> String {
        format!("{} {number}", self.label)
    }

    /// Submits the next job. The lane is low, so that single jobs of the victim's do not wait behind this load.
    fn submit(&mut self) -> BoxFuture<'static, ()> {
        let number = self.next;
        self.next += 1;
        self.open.insert(number);
        let job = NewJob::new("sha256-hex".parse().unwrap(), self.text(number)).lane(Lane::Low);
        let (client, job) = (self.client.clone(), job.reply(format!("{}.{number}", self.inbox)));
        async move { drop(client.submit(job).await.unwrap_or_else(|error| panic!("a job of the victim: {error}"))) }
            .boxed()
    }

    /// Keeps as many jobs under way until `stopped`, and returns how many there were once all have ended.
    async fn run(
        mut self,
        mut replies: Subscriber,
        mut sends: FuturesUnordered<BoxFuture<'static, ()>>,
        mut stopped: oneshot::Receiver<()>,
    ) -> u32 {
        let mut goes_on = true;
        while !self.open.is_empty() || !sends.is_empty() {
            tokio::select! {
                // Whoever began this may be gone without a word: its test has failed.
                _ = &mut stopped, if goes_on => goes_on = false,
                Some(()) = sends.next() => {}
                reply = timeout(MOVES_WITHIN, replies.next()) => {
                    let open = self.open.len();
                    let reply = reply.unwrap_or_else(|_| panic!("none of {open} jobs of the victim ended in {MOVES_WITHIN:?}"));
                    self.check(&reply.expect("a connection"));
                    if goes_on {
                        sends.push(self.submit());
                    }
                }
            }
        }
        self.next
    }

    /// Takes the end of a job, which must be right. A job that was told twice was right twice.
    fn check(&mut self, reply: &Message) {
        let number = reply.subject.rsplit('.').next().and_then(|token| token.parse().ok()).expect("a number");
        let text = self.text(number);
        let headers = reply.headers.as_ref().map(wire::from_nats).unwrap_or_default();
        let result =
            JobResult::from_message(&headers, reply.payload.to_vec()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(result.record.outcome, OutcomeKind::Completed, "{text}: {:?}", result.error);
        let right = format!("{:?}", Digest::of(text.as_bytes()).hex());
        assert_eq!(String::from_utf8_lossy(&result.body), right, "{text}");
        self.open.remove(&number);
    }
}
