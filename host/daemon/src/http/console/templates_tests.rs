//! What templates must not do, kept by reading them.

use std::path::Path;

fn templates() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = all.filter(|path| path.extension().is_some_and(|ending| ending == "html"));
    pages.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn templates_escape_and_bring_no_code_of_their_own() {
    let all = templates();
    assert!(all.len() > 15);
    for (path, text) in all {
        // the policy of the server would refuse the latter anyway; here it is told while it is written
        for refused in [
            "|safe",
            "|escape(",
            "style=",
            "<style",
            "onclick",
            "onload",
            "onerror",
            "javascript:",
            "http://",
            "https://",
        ] {
            assert!(!text.contains(refused), "{path} has {refused}");
        }
        for script in text.match_indices("<script").map(|(at, _)| &text[at..]) {
            assert!(script.starts_with("<script type=\"module\" src=\"{{"), "{path} has a script of its own");
        }
    }
}

#[test]
fn forms_that_change_something_are_posted() {
    for (path, text) in templates() {
        for form in text.match_indices("<form").map(|(at, _)| text[at..].split('>').next().unwrap()) {
            let read_only = form.contains("method=\"get\"") || form.contains("method=\"dialog\"");
            assert!(read_only || form.contains("method=\"post\" action=\""), "{path}: {form}");
        }
    }
}
