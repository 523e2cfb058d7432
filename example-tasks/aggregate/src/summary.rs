//! Adds up rows, whatever format they come in.

use std::collections::BTreeMap;

use lovage_task::{Job, TaskError, cancelled, payload, progress};

const GROUP_HEADER: &str = "Group-By";
const GROUPS_MAX: usize = 10_000;
const COLUMNS_MAX: usize = 1_000;
const ROWS_BETWEEN_REPORTS: u64 = 50_000;

/// The summary of a table.
#[payload]
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Summary {
    pub(crate) rows: u64,
    /// One for each value of the column to group by, in order; a single one without a value where there is none.
    pub(crate) groups: Vec<Group>,
}

#[payload]
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Group {
    pub(crate) value: Option<String>,
    pub(crate) rows: u64,
    pub(crate) columns: BTreeMap<String, Column>,
}

/// What one column holds; the figures are of its numbers and absent where it has none.
#[payload]
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Column {
    /// Fields that are there and not empty.
    pub(crate) count: u64,
    pub(crate) numbers: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) mean: Option<f64>,
}

/// One field of a row.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    Empty,
    Number(f64),
    /// There, and no number.
    Other,
}

/// Takes rows one by one and gives the summary at the end.
pub(crate) struct Aggregation {
    group_by: Option<String>,
    groups: BTreeMap<Option<String>, Group>,
    rows: u64,
}

impl Aggregation {
    /// Groups by the column that the job's header names, where it names one.
    pub(crate) fn of(job: &Job) -> Self {
        Self { group_by: job.header(GROUP_HEADER).map(str::to_owned), groups: BTreeMap::new(), rows: 0 }
    }

    /// Gives the column that every row must have.
    pub(crate) fn group_by(&self) -> Option<&str> {
        self.group_by.as_deref()
    }

    /// Adds a row whose value in the column to group by is `group`.
    pub(crate) fn add<'a>(
        &mut self,
        group: Option<String>,
        row: impl Iterator<Item = (&'a str, Field)>,
    ) -> Result<(), TaskError> {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_BETWEEN_REPORTS) {
            report(self.rows)?;
        }
        if self.groups.len() == GROUPS_MAX && !self.groups.contains_key(&group) {
            return Err(TaskError::bad_input(format!("the column to group by has more than {GROUPS_MAX} values")));
        }
        let into = self.groups.entry(group).or_default();
        into.rows += 1;
        for (name, field) in row {
            column(&mut into.columns, name)?.add(field);
        }
        Ok(())
    }

    /// Works out the means.
    pub(crate) fn finish(self) -> Summary {
        let groups = self.groups.into_iter().map(|(value, group)| Group { value, ..group });
        let mut summary = Summary { rows: self.rows, groups: groups.collect() };
        for column in summary.groups.iter_mut().flat_map(|group| group.columns.values_mut()) {
            column.mean = column.sum.map(|sum| sum / column.numbers as f64);
        }
        summary
    }
}

fn report(rows: u64) -> Result<(), TaskError> {
    if cancelled() {
        return Err(TaskError::permanent(format!("cancelled after {rows} rows")));
    }
    progress(None, format!("{rows} rows"));
    Ok(())
}

fn column<'a>(columns: &'a mut BTreeMap<String, Column>, name: &str) -> Result<&'a mut Column, TaskError> {
    if !columns.contains_key(name) {
        if columns.len() == COLUMNS_MAX {
            return Err(TaskError::bad_input(format!("the table has more than {COLUMNS_MAX} columns")));
        }
        columns.insert(name.to_owned(), Column::default());
    }
    columns.get_mut(name).ok_or_else(|| TaskError::permanent(format!("column `{name}` is gone")))
}

impl Column {
    fn add(&mut self, field: Field) {
        match field {
            Field::Empty => {}
            Field::Other => self.count += 1,
            Field::Number(number) => {
                self.count += 1;
                self.numbers += 1;
                self.sum = Some(self.sum.unwrap_or(0.0) + number);
                self.min = Some(self.min.map_or(number, |least| least.min(number)));
                self.max = Some(self.max.map_or(number, |most| most.max(number)));
            }
        }
    }
}
