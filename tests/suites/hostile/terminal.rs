//! Text that attacks whoever reads it on a terminal: H44, as far as there is no page yet that could show it.

use lovage_client::NewJob;
use lovage_job::outcome::OutcomeKind;
use lovage_tests::WITHIN;
use serde_json::json;

use super::arena::Arena;

/// Clears the screen, sets the title, asks the terminal to answer, colours by a single byte, and turns the line round.
const ATTACK: &str =
    "<script>\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[6n\u{9b}31m\u{202e}txt.exe\u{2066}\u{8}\u{7f}\rgone</script>";

/// Fails unless a terminal would show this and do nothing.
#[track_caller]
fn is_inert(shown: &str, what: &str) {
    // Our own bar of progress clears its line.
    let shown = &shown.replace("\r\u{1b}[2K", "");
    let bad = shown.chars().find(|c| {
        let line = matches!(c, '\n' | '\r' | '\t');
        let turns =
            matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() && !line) || turns
    });
    assert_eq!(bad, None, "{what}: {shown:?}");
    // A carriage return comes before a line feed only; the terminal's driver makes those.
    assert!(!shown.replace("\r\n", "\n").contains('\r'), "{what}: {shown:?}");
}

#[tokio::test]
async fn text_of_a_guest_does_nothing_to_a_terminal() {
    let turn = Arena::turn("text for a terminal").await;
    let task = |name: &str| NewJob::json(name.parse().unwrap(), &json!(ATTACK)).unwrap().retries(0);
    let tagged = NewJob { tags: vec![ATTACK.replace('\r', " ")], ..task("permanent") };
    let failed = turn.jobs.client.submit(tagged).await;
    // Where such a tag is refused, its message is as harmless.
    let failed = match failed {
        Ok(submitted) => submitted.id,
        Err(error) => {
            is_inert(&error.to_string(), "the refusal of a tag");
            turn.jobs.client.submit(task("permanent")).await.unwrap().id
        }
    };
    let spoke = turn.jobs.client.submit(task("speak").content_type("text/\u{202e}plain")).await.unwrap().id;
    let panicked = turn.jobs.client.submit(task("panics")).await.unwrap().id;
    assert_eq!(turn.jobs.result(&failed).await.record.outcome, OutcomeKind::Failed);
    assert_eq!(turn.jobs.result(&spoke).await.record.outcome, OutcomeKind::Completed);
    assert_eq!(turn.jobs.result(&panicked).await.record.outcome, OutcomeKind::Trapped);
    for id in [&failed, &panicked] {
        turn.jobs.letter(id).await;
    }
    let logged = async || match turn.jobs.client.logs(&spoke, None).await.unwrap().len() {
        0 => Err("no log"),
        _ => Ok(()),
    };
    lovage_tests::eventually("the log", WITHIN, logged).await;
    let cli = turn.arena.attacker();
    let shown = tokio::task::spawn_blocking(move || {
        let (failed, spoke, panicked) = (failed.as_str(), spoke.as_str(), panicked.as_str());
        for args in [
            ["job", "show", failed].as_slice(),
            &["job", "show", spoke],
            &["job", "show", panicked],
            &["job", "show", failed, "--json"],
            &["job", "logs", spoke],
            &["job", "logs", spoke, "--json"],
            &["job", "wait", spoke],
            &["job", "wait", failed],
            &["dead", "list"],
            &["dead", "list", "--json"],
            &["dead", "show", failed],
            &["dead", "show", panicked],
            &["job", "list"],
            &["submit", "permanent", &json!(ATTACK).to_string(), "--retries", "0", "--wait"],
            &["submit", "speak", &json!(ATTACK).to_string(), "--wait"],
            &["submit", "echo", ATTACK, "--wait"],
        ] {
            let shown = cli.on_terminal(args);
            assert!(shown.len() > 10, "{args:?} showed {shown:?}");
            is_inert(&shown, &args.join(" "));
        }
    });
    shown.await.unwrap();
    turn.end().await;
}

/// A file of lines is read by other programs, which get what is stored and no less.
#[tokio::test]
async fn program_that_reads_gets_the_text_as_it_is() {
    let turn = Arena::turn("text for a program").await;
    let job = NewJob::json("permanent".parse().unwrap(), &json!(ATTACK)).unwrap().retries(0);
    let id = turn.jobs.run(job).await.record.id;
    let cli = turn.arena.attacker();
    let told = tokio::task::spawn_blocking(move || cli.json(["job", "show", id.as_str()])).await.unwrap();
    assert_eq!(told["error"]["message"], json!(ATTACK), "{told}");
    turn.end().await;
}
