//! Task names: `[a-z0-9][a-z0-9_-]{0,31}`, the rule that every name on a Lovage subject follows.

const NAME_CHARS_MAX: usize = 32;

/// Checks a task name and says what is wrong with it.
pub(crate) fn check(name: &str) -> Result<(), String> {
    let Some(first) = name.chars().next() else {
        return Err("a task name cannot be empty".into());
    };
    if !(first.is_ascii_lowercase() || first.is_ascii_digit()) {
        return Err(format!("task name `{name}` must start with a lower case letter or a digit"));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
        return Err(format!("task name `{name}` contains `{bad}`; allowed are a-z, 0-9, `_` and `-`"));
    }
    if name.len() > NAME_CHARS_MAX {
        let length = name.len();
        return Err(format!("task name `{name}` has {length} characters; at most {NAME_CHARS_MAX} are allowed"));
    }
    Ok(())
}

/// Derives the task name from the name of a function: `word_stats` becomes `word-stats`.
pub(crate) fn from_function(ident: &str) -> String {
    ident.trim_start_matches("r#").replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::{check, from_function};

    #[test]
    fn names_of_the_contract_are_accepted() {
        for name in ["a", "0", "word-stats", "word_stats", "a-", &"x".repeat(32)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_outside_the_contract_are_refused_with_the_reason() {
        let too_long = "x".repeat(33);
        for (name, reason) in [
            ("", "cannot be empty"),
            ("-a", "must start with"),
            ("_a", "must start with"),
            ("Word", "must start with"),
            ("wOrd", "contains `O`"),
            ("a.b", "contains `.`"),
            ("é", "must start with"),
            ("aé", "contains `é`"),
            (too_long.as_str(), "has 33 characters"),
        ] {
            let error = check(name).unwrap_err();
            assert!(error.contains(reason), "{name}: {error}");
        }
    }

    #[test]
    fn function_names_become_task_names() {
        assert_eq!(from_function("word_stats"), "word-stats");
        assert_eq!(from_function("r#match"), "match");
    }
}
