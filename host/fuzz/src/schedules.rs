//! Times: cron expressions and manifests, which carry them.

use crate::{text, told};
use lovage_job::{manifest, schedule::TimingText, unit::UnixMs};

const NOW: UnixMs = UnixMs(1_795_000_000_000);

/// An expression on the first line, a zone on the second.
pub(crate) fn cron(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let (expression, zone) = match text.split_once('\n') {
        Some((expression, zone)) => (expression, Some(zone)),
        None => (text, None),
    };
    let read = match TimingText::parse(expression, zone, NOW) {
        Ok(read) => read,
        Err(error) => return told(&error),
    };
    let timing = read.ready().unwrap_or_else(|error| panic!("{read} was read and is not ready: {error}"));
    for from in [UnixMs(0), NOW, UnixMs(4_102_444_800_000), UnixMs(u64::MAX)] {
        let mut last = from;
        for tick in timing.next(from, 3) {
            assert!(tick > last, "{read}: {tick:?} is not after {last:?}");
            assert!(timing.ticks_at(tick), "{read} does not tick at {tick:?}");
            last = tick;
        }
        assert!(timing.until(from).is_none_or(|tick| tick <= from), "{read}");
    }
    let _shown = read.by_the_clock(NOW);
}

pub(crate) fn manifest(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match manifest::read(text, NOW) {
        Ok(manifest) => {
            assert!(manifest.schedules.len() <= 100);
            assert!(manifest.retries.is_none_or(|retries| retries < 100));
            manifest.schedules.iter().for_each(|schedule| assert!(schedule.timing.ready().is_ok()));
        }
        Err(faults) => assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.is_empty())),
    }
}
