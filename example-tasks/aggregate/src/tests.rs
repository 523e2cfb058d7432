//! Both formats give the same summary.

use lovage_task::{Bytes, ErrorKind, Job};

use crate::from_csv::csv_summary;
use crate::from_jsonl::jsonl_summary;

const CSV: &str = "city,people,note\nOslo,700,\nRome,2800,old\nOslo,20,x\n";
const LINES: &str = r#"
{"city": "Oslo", "people": 700, "note": null}
{"city": "Rome", "people": 2800, "note": "old"}

{"city": "Oslo", "people": 20, "note": "x"}"#;

#[test]
fn both_formats_are_summarised_alike() {
    let job = Job::sample("summary");
    let summary = csv_summary(&job, Bytes::new(CSV)).unwrap();
    assert_eq!(summary, jsonl_summary(&job, Bytes::new(LINES)).unwrap());
    let people = &summary.groups[0].columns["people"];
    assert_eq!((summary.rows, people.count, people.numbers), (3, 3, 3));
    assert_eq!((people.sum, people.min, people.max), (Some(3520.0), Some(20.0), Some(2800.0)));
    assert_eq!(people.mean, Some(3520.0 / 3.0));
    assert_eq!(summary.groups[0].columns["note"].count, 2);
    assert_eq!(summary.groups[0].columns["note"].mean, None);
}

#[test]
fn rows_are_grouped_by_the_named_column() {
    let job = Job::sample("summary").with_header("group-by", "city");
    let summary = csv_summary(&job, Bytes::new(CSV)).unwrap();
    assert_eq!(summary, jsonl_summary(&job, Bytes::new(LINES)).unwrap());
    let groups: Vec<_> = summary.groups.iter().map(|group| (group.value.as_deref(), group.rows)).collect();
    assert_eq!(groups, [(Some("Oslo"), 2), (Some("Rome"), 1)]);
}

#[test]
fn empty_input_has_no_rows() {
    let job = Job::sample("summary");
    assert_eq!(csv_summary(&job, Bytes::default()).unwrap().rows, 0);
    assert_eq!(jsonl_summary(&job, Bytes::default()).unwrap().rows, 0);
}

#[test]
fn faulty_rows_are_bad_input_that_says_where() {
    let job = Job::sample("summary");
    let error = csv_summary(&job, Bytes::new("a,b\n1,2\n3\n")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadInput);
    assert!(error.message().contains("line: 3"), "{error}");
    let error = jsonl_summary(&job, Bytes::new("{}\n[]")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadInput);
    assert!(error.message().starts_with("line 2: "), "{error}");
}

#[test]
fn unknown_column_to_group_by_is_bad_input() {
    let job = Job::sample("summary").with_header("Group-By", "country");
    assert_eq!(csv_summary(&job, Bytes::new(CSV)).unwrap_err().message(), "there is no column `country` to group by");
}
