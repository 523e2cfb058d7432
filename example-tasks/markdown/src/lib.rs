//! Turns Markdown into HTML that is safe to show: `text/markdown` bytes in, `text/html` bytes out.
//!
//! CommonMark with tables, strikethrough, footnotes and task lists. Raw HTML in the source is shown as text,
//! and links with schemes that run code lose their target, so that a stranger's text cannot bring a script.

use lovage_task::{Bytes, TaskError, task};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, html};

/// Turns Markdown into HTML; raw HTML is shown as text.
#[task(name = "markdown", timeout = "10s", attempts = 2)]
fn to_html(source: Bytes) -> Result<Bytes, TaskError> {
    let source = std::str::from_utf8(&source)
        .map_err(|error| TaskError::bad_input(format!("the input is not UTF-8: {error}")))?;
    let mut page = String::with_capacity(source.len() * 3 / 2);
    html::push_html(&mut page, Parser::new_ext(source, extensions()).map(safe));
    Ok(Bytes::new(page).with_content_type("text/html; charset=utf-8"))
}

fn extensions() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES | Options::ENABLE_TASKLISTS
}

fn safe(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: safe_target(dest_url), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url: safe_target(dest_url), title, id })
        }
        other => other,
    }
}

/// Keeps relative targets and the schemes that only fetch; browsers ignore control characters in a scheme.
fn safe_target(target: CowStr<'_>) -> CowStr<'_> {
    let plain: String = target.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    let scheme = plain
        .split(['/', '?', '#'])
        .next()
        .and_then(|start| start.split_once(':'))
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        None | Some("http" | "https" | "mailto" | "tel") => target,
        Some(_) => CowStr::Borrowed("#"),
    }
}

#[cfg(test)]
mod tests {
    use lovage_task::{Bytes, ErrorKind};

    use super::to_html;

    fn html(source: &str) -> String {
        let page = to_html(Bytes::new(source)).unwrap();
        assert_eq!(page.content_type(), Some("text/html; charset=utf-8"));
        String::from_utf8(page.into_vec()).unwrap()
    }

    #[test]
    fn markdown_becomes_html() {
        assert_eq!(html("# Hi\n\nSome *text*."), "<h1>Hi</h1>\n<p>Some <em>text</em>.</p>\n");
        assert!(html("|a|b|\n|-|-|\n|1|2|").contains("<table>"));
    }

    #[test]
    fn raw_html_is_shown_as_text() {
        for source in ["<script>alert(1)</script>", "a <b onclick=x>b</b>"] {
            let page = html(source);
            assert!(!page.contains("<script") && !page.contains("<b "), "{page}");
        }
    }

    #[test]
    fn links_that_run_code_lose_their_target() {
        for target in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "&#106;avascript:alert(1)",
            "java&#10;script:alert(1)",
        ] {
            let page = html(&format!("[x](<{target}>) ![y](<{target}>)"));
            assert!(page.contains("href=\"#\"") && page.contains("src=\"#\""), "{page}");
        }
        for target in ["https://example.org/a:b", "/a:b", "page.html", "#part", "mailto:a@example.org"] {
            assert!(html(&format!("[x](<{target}>)")).contains(&format!("href=\"{target}\"")), "{target}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_bad_input() {
        assert_eq!(to_html(Bytes::new(vec![0xff])).unwrap_err().kind(), ErrorKind::BadInput);
    }
}
