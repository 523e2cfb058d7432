//! Counts the words and sentences of a text: JSON in, JSON out, in one pure function.
//!
//! `{"text": "The cat saw the dog."}` gives 5 words, 4 unique, 1 sentence and the most frequent words.

use std::collections::HashMap;

use lovage_task::{payload, task};

/// How fast people read, in words a minute: the mean for English prose.
const WORDS_PER_MINUTE: f64 = 238.0;
const TOP_WORDS_DEFAULT: usize = 10;

#[payload]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
    /// How many of the most frequent words to list; 10 where absent.
    top: Option<usize>,
}

#[payload]
#[derive(Debug, PartialEq)]
struct Stats {
    words: u64,
    /// Different words, whatever their case.
    unique: usize,
    sentences: usize,
    /// The most frequent words first; among equals, in alphabetical order.
    top: Vec<WordCount>,
    reading_minutes: f64,
}

#[payload]
#[derive(Debug, PartialEq)]
struct WordCount {
    word: String,
    count: u64,
}

/// Counts words, sentences and the most frequent words of a text.
#[task(timeout = "5s")]
fn word_stats(input: Text) -> Stats {
    let counts = count_words(&input.text);
    let words: u64 = counts.values().sum();
    Stats {
        words,
        unique: counts.len(),
        sentences: count_sentences(&input.text),
        top: most_frequent(counts, input.top.unwrap_or(TOP_WORDS_DEFAULT)),
        reading_minutes: minutes(words),
    }
}

/// A word is a run of letters, digits and apostrophes with at least one letter or digit.
fn count_words(text: &str) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for run in text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’')) {
        let word = run.trim_matches(['\'', '’']).to_lowercase();
        if !word.is_empty() {
            *counts.entry(word).or_default() += 1;
        }
    }
    counts
}

/// A sentence ends with a run of `.`, `!` or `?` before a space or the end; text after the last one counts too.
fn count_sentences(text: &str) -> usize {
    let mut sentences = 0;
    let mut has_words = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        has_words |= c.is_alphanumeric();
        let ends = matches!(c, '.' | '!' | '?' | '。')
            && characters.peek().is_none_or(|next| next.is_whitespace() || matches!(next, '"' | '\'' | ')' | '”'));
        if ends && has_words {
            sentences += 1;
            has_words = false;
        }
    }
    sentences + usize::from(has_words)
}

fn most_frequent(counts: HashMap<String, u64>, limit: usize) -> Vec<WordCount> {
    let mut top: Vec<_> = counts.into_iter().map(|(word, count)| WordCount { word, count }).collect();
    top.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.word.cmp(&b.word)));
    top.truncate(limit);
    top
}

/// Rounded to tenths, so that equal texts read alike everywhere.
fn minutes(words: u64) -> f64 {
    (words as f64 / WORDS_PER_MINUTE * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::{Text, WordCount, word_stats};

    fn text(text: &str) -> Text {
        Text { text: text.into(), top: Some(1) }
    }

    #[test]
    fn words_are_counted_whatever_their_case() {
        let stats = word_stats(text("The cat saw the dog. It didn't move!"));
        assert_eq!((stats.words, stats.unique, stats.sentences), (8, 7, 2));
        assert_eq!(stats.top, [WordCount { word: "the".into(), count: 2 }]);
    }

    #[test]
    fn empty_text_counts_nothing() {
        for empty in ["", "  \n", "... ' !"] {
            let stats = word_stats(text(empty));
            assert_eq!((stats.words, stats.unique, stats.sentences), (0, 0, 0), "{empty:?}");
        }
    }

    #[test]
    fn points_inside_numbers_end_no_sentence() {
        assert_eq!(word_stats(text("Pi is 3.14 or so. Yes")).sentences, 2);
    }

    #[test]
    fn reading_time_is_rounded_to_tenths() {
        assert_eq!(word_stats(text(&"word ".repeat(238))).reading_minutes, 1.0);
    }
}
