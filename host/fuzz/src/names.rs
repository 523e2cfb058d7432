//! Names and subjects: what is read is what was written, and holds nothing that a subject or a path could trip over.

use crate::{text, told};
use lovage_job::{
    catalog::{AliasTargets, VersionRef},
    name::{AliasName, Digest, GroupId, JobId, QueueName, ScheduleName, TaskName, TenantName, VersionName},
    subject::JobSubject,
};
use std::{fmt::Display, str::FromStr};

pub(crate) fn run(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    name::<TenantName>(text);
    name::<QueueName>(text);
    name::<TaskName>(text);
    name::<AliasName>(text);
    name::<ScheduleName>(text);
    name::<JobId>(text);
    name::<GroupId>(text);
    same::<VersionName>(text);
    same::<Digest>(text);
    again::<VersionRef>(text);
    again::<AliasTargets>(text);
    match JobSubject::parse(text) {
        Ok(subject) => {
            assert_eq!(subject.to_string(), text);
            assert_eq!(JobSubject::parse(&subject.to_string()).as_ref(), Ok(&subject));
        }
        Err(error) => told(&error),
    }
}

/// A name is one token of a subject and one part of a path.
fn name<T: FromStr<Err: Display> + Display>(text: &str) {
    if let Some(name) = same::<T>(text) {
        assert!(!name.is_empty() && name.len() <= 64, "{name:?}");
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{name:?}");
    }
}

fn same<T: FromStr<Err: Display> + Display>(text: &str) -> Option<String> {
    match text.parse::<T>() {
        Ok(name) => {
            assert_eq!(name.to_string(), text);
            Some(name.to_string())
        }
        Err(error) => {
            told(&error);
            None
        }
    }
}

/// What is shown of it reads as the same.
fn again<T: FromStr<Err: Display> + Display + PartialEq + std::fmt::Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(read) => assert_eq!(read.to_string().parse::<T>().ok(), Some(read)),
        Err(error) => told(&error),
    }
}
