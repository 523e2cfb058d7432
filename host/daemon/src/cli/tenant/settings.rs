//! What an operator sets of a tenant: its weight, its quota and the ceiling of its tasks.

use super::super::{Exit, Failure};
use clap::Args;
use lovage_job::capability::{Ceiling, HostCeiling, HostError};
use lovage_job::name::TenantName;
use lovage_job::tenant::{TenantRecord, WEIGHT_MAX};
use lovage_job::unit::{ByteSize, UnitError, UnixMs, parse_span};
use std::str::FromStr;
use std::time::Duration;

/// What a tenant may use, and what its tasks may be granted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "What the tenant may use")]
pub struct Settings {
    /// Its share of a busy worker beside other tenants': 1 to 100.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(WEIGHT_MAX)))]
    weight: Option<u32>,
    /// Attempts at once, over all workers; `none` is without limit, here and below.
    #[arg(long, value_name = "N")]
    concurrency: Option<Bound<u32>>,
    /// Jobs that wait or run.
    #[arg(long, value_name = "N")]
    queued: Option<Bound<u64>>,
    /// Bytes of jobs that wait or run.
    #[arg(long, value_name = "SIZE")]
    queued_bytes: Option<Bound<ByteSize>>,
    /// Jobs that wait for their time: delayed ones, retries and those held back.
    #[arg(long, value_name = "N")]
    delayed: Option<Bound<u64>>,
    /// Bytes in all its streams and buckets but those of components.
    #[arg(long, value_name = "SIZE")]
    storage: Option<Bound<ByteSize>>,
    /// Bytes of the keys and values that its tasks keep, at least 1MiB; `none` is what workers give, as of the next.
    #[arg(long, value_name = "SIZE")]
    keyvalue: Option<Bound<ByteSize>>,
    /// Bytes of the blobs that its tasks keep, at least 1MiB.
    #[arg(long, value_name = "SIZE")]
    blobstore: Option<Bound<ByteSize>>,
    /// The largest message of a job, with its headers; at least 64KiB.
    #[arg(long, value_name = "SIZE")]
    payload: Option<Bound<ByteSize>>,
    /// Units of fuel in a day of UTC.
    #[arg(long, value_name = "N")]
    fuel_per_day: Option<Bound<u64>>,
    /// Components that are stored.
    #[arg(long, value_name = "N")]
    components: Option<Bound<u64>>,
    /// The largest component.
    #[arg(long, value_name = "SIZE")]
    component_size: Option<Bound<ByteSize>>,
    /// Bytes sent to and received from other hosts in a day of UTC.
    #[arg(long, value_name = "SIZE")]
    egress_per_day: Option<Bound<ByteSize>>,
    /// How long its jobs are kept in the history, such as 30d; `none` is what the history's writer gives.
    #[arg(long, value_name = "SPAN")]
    history: Option<Bound<Span>>,
    /// Raise the ceiling of what its tasks may be granted: submit, keyvalue, blobstore, secrets, http=HOST (`*` is every
    /// public host) or scratch=SIZE; may be repeated.
    #[arg(long, value_name = "PART")]
    allow: Vec<Part>,
    /// Lower the ceiling: submit, keyvalue, blobstore, secrets, scratch, http=HOST, or http for every host; may be
    /// repeated.
    #[arg(long, value_name = "PART")]
    deny: Vec<Part>,
}

/// A limit, or none.
#[derive(Debug, Clone, Copy)]
struct Bound<T>(Option<T>);

impl<T: FromStr> FromStr for Bound<T>
where
    T::Err: std::fmt::Display,
{
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            text => text.parse().map(|value| Self(Some(value))).map_err(|error: T::Err| format!("{error}, nor `none`")),
        }
    }
}

/// A span of time that is not nothing.
#[derive(Debug, Clone, Copy)]
struct Span(Duration);

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match parse_span(text).map_err(|error| error.to_string())? {
            Duration::ZERO => Err(format!("{text:?} keeps nothing; give at least 1s")),
            span => Ok(Self(span)),
        }
    }
}

/// A part of the ceiling.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Submit,
    KeyValue,
    Blobstore,
    Secrets,
    Http(Option<HostCeiling>),
    Scratch(Option<ByteSize>),
}

impl FromStr for Part {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = text.split_once('=').map_or((text, None), |(kind, value)| (kind, Some(value)));
        let plain = |part: Self| match value {
            None => Ok(part),
            Some(value) => Err(format!("{kind} takes no value, so not {value:?}")),
        };
        match kind {
            "submit" => plain(Self::Submit),
            "keyvalue" => plain(Self::KeyValue),
            "blobstore" => plain(Self::Blobstore),
            "secrets" => plain(Self::Secrets),
            "http" => value.map(str::parse).transpose().map(Self::Http).map_err(|error: HostError| error.to_string()),
            "scratch" => {
                value.map(str::parse).transpose().map(Self::Scratch).map_err(|error: UnitError| error.to_string())
            }
            _ => Err("parts are submit, keyvalue, blobstore, secrets, http=HOST and scratch=SIZE".to_owned()),
        }
    }
}

impl Settings {
    /// Refuses what says nothing or contradicts itself.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for part in &self.allow {
            let value = match part {
                Part::Http(None) => "http=HOST, or http=* for every public host",
                Part::Scratch(None) => "scratch=SIZE",
                _ => continue,
            };
            return Err(Failure::new(Exit::Usage, format!("--allow needs a value: {value}")));
        }
        let mut asked = TenantRecord::new(TenantName::default_tenant(), UnixMs(0));
        self.apply(&mut asked);
        asked.quota.check().map_err(|error| Failure::new(Exit::Usage, error))?;
        match self.allow.iter().find(|part| self.deny.contains(part)) {
            Some(part) => Err(Failure::new(Exit::Usage, format!("{part:?} is allowed and denied at once"))),
            None => Ok(()),
        }
    }

    /// Whether nothing is set.
    pub(super) fn is_empty(&self) -> bool {
        self.weight.is_none()
            && self.concurrency.is_none()
            && self.queued.is_none()
            && self.queued_bytes.is_none()
            && self.delayed.is_none()
            && self.storage.is_none()
            && self.keyvalue.is_none()
            && self.blobstore.is_none()
            && self.payload.is_none()
            && self.fuel_per_day.is_none()
            && self.components.is_none()
            && self.component_size.is_none()
            && self.egress_per_day.is_none()
            && self.history.is_none()
            && self.allow.is_empty()
            && self.deny.is_empty()
    }

    /// Puts what is set into a record.
    pub(super) fn apply(&self, record: &mut TenantRecord) {
        fn put<T: Copy>(bound: Option<Bound<T>>, into: &mut Option<T>) {
            if let Some(Bound(value)) = bound {
                *into = value;
            }
        }
        if let Some(weight) = self.weight {
            record.weight = weight;
        }
        if let Some(Bound(span)) = self.history {
            record.history = span.map(|Span(span)| span);
        }
        let quota = &mut record.quota;
        put(self.concurrency, &mut quota.concurrency);
        put(self.queued, &mut quota.queued);
        put(self.queued_bytes, &mut quota.queued_bytes);
        put(self.delayed, &mut quota.delayed);
        put(self.storage, &mut quota.storage);
        put(self.keyvalue, &mut quota.keyvalue);
        put(self.blobstore, &mut quota.blobstore);
        put(self.payload, &mut quota.payload);
        put(self.fuel_per_day, &mut quota.fuel_per_day);
        put(self.components, &mut quota.components);
        put(self.component_size, &mut quota.component_size);
        put(self.egress_per_day, &mut quota.egress_per_day);
        self.deny.iter().for_each(|part| deny(&mut record.ceiling, part));
        self.allow.iter().for_each(|part| allow(&mut record.ceiling, part));
    }
}

fn allow(ceiling: &mut Ceiling, part: &Part) {
    match part {
        Part::Submit => ceiling.submit = true,
        Part::KeyValue => ceiling.keyvalue = true,
        Part::Blobstore => ceiling.blobstore = true,
        Part::Secrets => ceiling.secrets = true,
        Part::Http(host) => ceiling.http.extend(host.clone()),
        Part::Scratch(size) => ceiling.scratch = size.or(ceiling.scratch),
    }
}

fn deny(ceiling: &mut Ceiling, part: &Part) {
    match part {
        Part::Submit => ceiling.submit = false,
        Part::KeyValue => ceiling.keyvalue = false,
        Part::Blobstore => ceiling.blobstore = false,
        Part::Secrets => ceiling.secrets = false,
        Part::Http(None) => ceiling.http.clear(),
        Part::Http(Some(host)) => {
            ceiling.http.remove(host);
        }
        Part::Scratch(_) => ceiling.scratch = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use lovage_job::unit::UnixMs;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn settings(args: &[&str]) -> Settings {
        Line::try_parse_from([&["line"], args].concat()).unwrap_or_else(|error| panic!("{error}")).settings
    }

    fn applied(args: &[&str]) -> TenantRecord {
        let mut record = TenantRecord::new("acme".parse().unwrap(), UnixMs(1));
        settings(args).apply(&mut record);
        record
    }

    #[test]
    fn each_option_reaches_its_field() {
        let record = applied(&[
            "--weight=3",
            "--concurrency=4",
            "--queued=5",
            "--queued-bytes=6MiB",
            "--payload=7KiB",
            "--fuel-per-day=8",
            "--components=9",
            "--component-size=10MiB",
            "--egress-per-day=none",
            "--keyvalue=2MiB",
            "--blobstore=3MiB",
            "--history=30d",
        ]);
        assert_eq!(record.history, Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(applied(&["--history=none"]).history, None);
        assert_eq!(record.weight, 3);
        let quota = &record.quota;
        assert_eq!((quota.concurrency, quota.queued, quota.queued_bytes), (Some(4), Some(5), Some(ByteSize::mib(6))));
        assert_eq!((quota.payload, quota.fuel_per_day, quota.components), (Some(ByteSize::kib(7)), Some(8), Some(9)));
        assert_eq!((quota.component_size, quota.egress_per_day), (Some(ByteSize::mib(10)), None));
        assert_eq!((quota.keyvalue, quota.blobstore), (Some(ByteSize::mib(2)), Some(ByteSize::mib(3))));
    }

    #[test]
    fn the_ceiling_is_raised_and_lowered_by_its_parts() {
        let record =
            applied(&["--deny=submit", "--deny=secrets", "--allow=http=api.example.com", "--allow=scratch=1GiB"]);
        let ceiling = &record.ceiling;
        assert!(!ceiling.submit && !ceiling.secrets && ceiling.keyvalue && ceiling.blobstore);
        assert_eq!((ceiling.http.len(), ceiling.scratch), (1, Some(ByteSize(1 << 30))));
        let mut record = record;
        settings(&["--deny=http", "--deny=scratch", "--allow=submit"]).apply(&mut record);
        assert!(record.ceiling.http.is_empty() && record.ceiling.scratch.is_none() && record.ceiling.submit);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (bad, told) in [
            ("--weight=0", "0"),
            ("--weight=101", "101"),
            ("--concurrency=-1", "-1"),
            ("--payload=lots", "lots"),
            ("--history=0s", "0s"),
            ("--history=30", "30"),
            ("--allow=network", "parts are"),
            ("--allow=submit=1", "no value"),
            ("--deny=deterministic", "parts are"),
            ("--allow=http=a b", "a b"),
        ] {
            let error = Line::try_parse_from(["line", bad]).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
        settings(&["--allow=http"]).check().unwrap_err();
        settings(&["--keyvalue=1MiB", "--blobstore=none"]).check().unwrap();
        settings(&["--blobstore=1023KiB"]).check().unwrap_err();
        settings(&["--allow=scratch"]).check().unwrap_err();
        settings(&["--allow=submit", "--deny=submit"]).check().unwrap_err();
        settings(&["--allow=submit", "--deny=secrets"]).check().unwrap();
        assert!(settings(&[]).is_empty() && !settings(&["--weight=1"]).is_empty());
    }
}
