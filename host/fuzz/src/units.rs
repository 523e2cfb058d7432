//! Durations, sizes and times.

use crate::{text, told};
use lovage_job::{
    limit::{Rate, parse_concurrency},
    unit::{ByteSize, UnixMs, format_span, parse_span},
};

pub(crate) fn run(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    match parse_span(text) {
        Ok(span) => assert_eq!(parse_span(&format_span(span)).ok(), Some(span), "{text}"),
        Err(error) => told(&error),
    }
    match text.parse::<ByteSize>() {
        Ok(size) => assert_eq!(size.to_string().parse().ok(), Some(size), "{text}"),
        Err(error) => told(&error),
    }
    match UnixMs::from_rfc3339(text) {
        Ok(time) => assert_eq!(UnixMs::from_rfc3339(&time.to_rfc3339()).ok(), Some(time), "{text}"),
        Err(error) => told(&error),
    }
    match text.parse::<Rate>() {
        Ok(rate) => assert_eq!(rate.to_string().parse().ok(), Some(rate), "{text}"),
        Err(error) => told(&error),
    }
    parse_concurrency(text).map_or_else(|error| told(&error), |most| assert!(most > 0));
}
