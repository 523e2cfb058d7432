//! Reading a table of a manifest key by key. What is wrong is noted and reading goes on, so that all faults are told at
//! once; what was never asked for is unknown.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use toml::{Table, Value};

/// How similar a known key must be to be suggested.
const SIMILAR: f64 = 0.7;

/// A table that is being read.
pub(super) struct Keys<'t, 'f> {
    place: String,
    table: &'t Table,
    faults: &'f mut Vec<String>,
    asked: Vec<&'static str>,
}

impl<'t, 'f> Keys<'t, 'f> {
    /// Reads `table`; its faults begin with `place`.
    pub(super) fn new(place: &str, table: &'t Table, faults: &'f mut Vec<String>) -> Self {
        Self { place: place.to_owned(), table, faults, asked: Vec::new() }
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, key: &str, told: &str) {
        self.faults.push(format!("{}{key}: {told}", self.place));
    }

    /// Whether there is such a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Value> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn of_type<T>(&mut self, key: &'static str, what: &str, read: impl Fn(&'t Value) -> Option<T>) -> Option<T> {
        let value = self.value(key)?;
        let read = read(value);
        if read.is_none() {
            self.fault(key, &format!("this is {}, and should be {what}", value.type_str()));
        }
        read
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.of_type(key, "text in quotes", |value| value.as_str().map(str::to_owned))
    }

    /// A text that `read` makes something of.
    pub(super) fn with<T>(&mut self, key: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        read(&text).map_err(|told| self.fault(key, &told)).ok()
    }

    /// A text that is something.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &'static str) -> Option<T>
    where
        T::Err: Display,
    {
        self.with(key, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.of_type(key, "true or false", Value::as_bool)
    }

    /// A whole number up to `most`.
    pub(super) fn number(&mut self, key: &'static str, most: u64) -> Option<u64> {
        let number = self.of_type(key, "a whole number", Value::as_integer)?;
        let found = u64::try_from(number).ok().filter(|number| *number <= most);
        if found.is_none() {
            self.fault(key, &format!("{number} is not between 0 and {most}"));
        }
        found
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let read = |value: &Value| value.as_array()?.iter().map(text).collect::<Option<Vec<String>>>();
        self.of_type(key, "a list of texts", read).unwrap_or_default()
    }

    /// Texts by name.
    pub(super) fn map(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        self.of_type(key, "a table of texts", |value| value.as_table()?.iter().map(pair).collect()).unwrap_or_default()
    }

    /// Any value, as JSON; nothing is no bytes.
    pub(super) fn json(&mut self, key: &'static str) -> Vec<u8> {
        match self.value(key).map(serde_json::to_vec) {
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => {
                self.fault(key, &error.to_string());
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// A table.
    pub(super) fn table(&mut self, key: &'static str) -> Option<&'t Table> {
        self.of_type(key, "a table", Value::as_table)
    }

    /// A list of tables.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<&'t Table> {
        let read = |value: &'t Value| value.as_array()?.iter().map(Value::as_table).collect::<Option<Vec<_>>>();
        self.of_type(key, &format!("a list of tables, written [[{key}]]"), read).unwrap_or_default()
    }

    /// Refuses the keys that nobody asked for.
    pub(super) fn refuse_others(mut self) {
        let table = self.table;
        for key in table.keys().filter(|key| !self.asked.contains(&key.as_str())).cloned().collect::<Vec<_>>() {
            let score = |known: &str| strsim::jaro_winkler(known, &key);
            let nearest = self.asked.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
            let near = nearest.filter(|known| score(known) >= SIMILAR);
            let near = near.map_or_else(|| ".".to_owned(), |known| format!("; did you mean {known}?"));
            let known = self.asked.join(", ");
            let key: String = key.chars().take(60).collect();
            self.fault(&key, &format!("unknown key{near} Known are {known}"));
        }
    }
}
