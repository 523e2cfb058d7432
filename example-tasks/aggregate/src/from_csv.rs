//! Reads CSV with a header line.

use csv::{ReaderBuilder, StringRecord};
use lovage_task::{Bytes, Job, TaskError, task};

use crate::summary::{Aggregation, Field, Summary};

/// Summarises the columns of a CSV file with a header line; the header Group-By names a column to group by.
#[task(timeout = "60s")]
pub(crate) fn csv_summary(job: &Job, table: Bytes) -> Result<Summary, TaskError> {
    let mut aggregation = Aggregation::of(job);
    let mut reader = ReaderBuilder::new().from_reader(&*table);
    let header = reader.headers().map_err(faulty)?.clone();
    let group_index = group_index(&header, aggregation.group_by())?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(faulty)? {
        let group = group_index.and_then(|index| record.get(index)).map(str::to_owned);
        aggregation.add(group, header.iter().zip(record.iter().map(field)))?;
    }
    Ok(aggregation.finish())
}

fn group_index(header: &StringRecord, name: Option<&str>) -> Result<Option<usize>, TaskError> {
    let Some(name) = name else { return Ok(None) };
    let index = header.iter().position(|column| column == name);
    index.map(Some).ok_or_else(|| TaskError::bad_input(format!("there is no column `{name}` to group by")))
}

fn field(text: &str) -> Field {
    match text.trim() {
        "" => Field::Empty,
        text => match text.parse() {
            Ok(number) if f64::is_finite(number) => Field::Number(number),
            _ => Field::Other,
        },
    }
}

fn faulty(error: csv::Error) -> TaskError {
    TaskError::bad_input(error)
}
