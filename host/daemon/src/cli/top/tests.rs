//! What is known of what was heard, and how it looks on screens of every size.

use super::board::{Boards, Heard};
use super::draw::draw;
use super::feed::News;
use super::keys::{Part, Shown};
use super::told;
use super::view::View;
use crate::telemetry::cluster::{Asset, Picture, QueueState, TenantState};
use lovage_job::event::{Event, Happening, Past};
use lovage_job::outcome::OutcomeKind;
use lovage_job::subject::Lane;
use lovage_job::unit::UnixMs;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn event(tenant: &str, what: Happening) -> News {
    let event = Event {
        id: "j-1".parse().unwrap(),
        task: "resize".parse().unwrap(),
        queue: "mail".parse().unwrap(),
        attempt: 1,
        at: UnixMs(3_661_000),
        worker: "w".into(),
        what,
    };
    News::Event(Heard { tenant: tenant.parse().unwrap(), event })
}

fn finished(tenant: &str, outcome: OutcomeKind, wall_us: u64) -> News {
    let message = (outcome != OutcomeKind::Completed).then(|| "no \x1b[2Jsuch file".to_owned());
    event(tenant, Happening::Finished { outcome, message, wall_us, fuel_used: 1, past: Past::default() })
}

fn retrying(tenant: &str) -> News {
    let (outcome, message, due, past) = (OutcomeKind::TimedOut, "slow".to_owned(), UnixMs(9), Past::default());
    event(tenant, Happening::Retrying { outcome, message, due, past })
}

fn picture() -> Arc<Picture> {
    let mut picture = Picture::default();
    let state = QueueState { waiting: 120, unsettled: 3, oldest: Some(UnixMs(3_600_000)) };
    picture.queues.insert(("mail".parse().unwrap(), Lane::Normal), state);
    picture.queues.insert(("bulk".parse().unwrap(), Lane::Low), QueueState { waiting: 7, ..QueueState::default() });
    for (tenant, dead) in [("acme", 2), ("zeta", 5)] {
        let stored = [(Asset::Dead, (dead, 1))].into_iter().collect();
        picture.tenants.insert(tenant.parse().unwrap(), TenantState { stored, ..TenantState::default() });
    }
    let worker =
        r#"{"name":"host-1","mode":"quiet","running":3,"concurrency":16,"queues":["mail"],"started":1,"version":"1"}"#;
    picture.workers.push(serde_json::from_str(worker).unwrap());
    Arc::new(picture)
}

/// Ten seconds in which a job of each of two tenants completed, one failed, and one is tried again.
fn boards() -> (Boards, Instant) {
    let begun = Instant::now();
    let mut boards = Boards::new(begun, None);
    boards.hear(News::Picture(Ok(picture())), begun);
    for (second, news) in [
        (1, finished("acme", OutcomeKind::Completed, 2_000)),
        (2, finished("zeta", OutcomeKind::Completed, 2_000)),
        (2, retrying("zeta")),
        (9, finished("acme", OutcomeKind::Failed, 40_000)),
    ] {
        boards.hear(news, begun + Duration::from_secs(second));
    }
    (boards, begun + Duration::from_secs(10))
}

fn seen() -> View {
    let (boards, now) = boards();
    boards.view(now, UnixMs(3_660_000))
}

#[test]
fn rates_are_of_the_last_minute() {
    let view = seen();
    assert_eq!((view.seconds, view.jobs_per_second, view.failed_ratio), (10, 0.3, 0.5));
    assert_eq!(view.curve, [0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0]);
    let [half, most, _] = view.duration_seconds.unwrap();
    assert!((0.001..=0.0025).contains(&half) && (0.025..=0.05).contains(&most), "{half} {most}");
    assert_eq!(view.tasks[0].attempts, 4);
    let (boards, now) = boards();
    let later = boards.view(now + Duration::from_secs(120), UnixMs(0));
    assert_eq!((later.jobs_per_second, later.duration_seconds), (0.0, None));
    assert_eq!(later.failures.len(), 2, "what failed is told on");
}

#[test]
fn what_is_kept_is_bounded() {
    let (mut boards, now) = boards();
    for second in 0..1_000 {
        boards.hear(finished("acme", OutcomeKind::Failed, 1), now + Duration::from_secs(second));
    }
    let view = boards.view(now + Duration::from_secs(999), UnixMs(0));
    assert_eq!((view.failures.len(), view.curve.len(), view.jobs_per_second), (100, 60, 1.0));
}

#[test]
fn a_tenant_is_shown_alone_and_after_the_last_all_again() {
    let (mut boards, now) = boards();
    let mut shown = Vec::new();
    for _ in 0..4 {
        let view = boards.view(now, UnixMs(0));
        shown.push((told::of_whom(&view), view.failures.len(), view.dead_letters));
        boards.next_tenant();
    }
    let all = ("all tenants".to_owned(), 2, Some(7));
    let (acme, zeta) = (("tenant acme".to_owned(), 1, Some(2)), ("tenant zeta".to_owned(), 1, Some(5)));
    assert_eq!(shown, [all.clone(), acme, zeta, all]);
}

fn on_screen(width: u16, height: u16, view: &View, shown: &Shown) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, shown)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |row: u16| (0..width).map(|column| buffer[(column, row)].symbol().to_owned()).collect::<String>();
    (0..height).map(|row| line(row).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_large_screen_shows_every_part() {
    let text = on_screen(120, 30, &seen(), &Shown::default());
    for part in ["Queues (2)", "Workers (1)", "Tasks (1)", "Failures (2)"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(text.contains("0.3 jobs/s · 50.0 % failed"), "{text}");
    assert!(text.contains("120") && text.contains("1.0m") || text.contains("60.0s"), "{text}");
    assert!(text.contains("3/16") && text.contains("quiet") && text.contains("7 dead letters"), "{text}");
    assert!(!text.contains('\x1b') && text.contains("no \u{fffd}[2J"), "{text}");
}

#[test]
fn a_small_screen_shows_one_part_and_tab_the_next() {
    let (mut boards, _) = boards();
    let mut shown = Shown::default();
    let view = seen();
    for part in Part::ALL {
        let text = on_screen(60, 12, &view, &shown);
        assert_eq!(text.matches('┌').count(), 1, "{text}");
        assert!(text.contains(part.title()), "{part:?} in\n{text}");
        assert!(shown.press(key(KeyCode::Tab), &mut boards, |_| seen()).is_continue());
    }
    assert_eq!(shown.part, Part::Queues);
}

#[test]
fn no_screen_is_too_small() {
    for (width, height) in [(1, 1), (5, 3), (20, 5), (40, 8), (300, 100)] {
        on_screen(width, height, &seen(), &Shown::default());
    }
}

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

#[test]
fn keys_sort_scroll_pause_and_quit() {
    let (mut boards, _) = boards();
    let mut shown = Shown::default();
    let first = |shown: &Shown| told::rows(&seen(), shown.part, shown.sort)[0][0].clone();
    assert_eq!(first(&shown), "bulk", "by name");
    let mut press = |shown: &mut Shown, code| shown.press(key(code), &mut boards, |_| seen());
    for _ in 0..3 {
        assert!(press(&mut shown, KeyCode::Char('s')).is_continue());
    }
    assert_eq!(first(&shown), "mail", "the most waiting first");
    assert!(on_screen(80, 12, &seen(), &shown).contains("WAITING*"));
    assert!(press(&mut shown, KeyCode::Char('p')).is_continue());
    assert!(on_screen(80, 12, &seen(), &shown).contains("PAUSED"));
    for _ in 0..50 {
        assert!(press(&mut shown, KeyCode::Down).is_continue());
    }
    assert!(on_screen(80, 12, &seen(), &shown).contains("bulk"), "the last row stays in sight");
    assert!(press(&mut shown, KeyCode::Char('q')).is_break());
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert!(shown.press(interrupt, &mut boards, |_| seen()).is_break());
}

#[test]
fn who_may_not_see_the_cluster_sees_jobs_and_why() {
    let (mut boards, now) = boards();
    boards.hear(News::Picture(Err("only operators may ask".to_owned())), now);
    let text = on_screen(60, 12, &boards.view(now, UnixMs(0)), &Shown::default());
    assert!(text.contains("not seen: only operators") && text.contains("jobs/s"), "{text}");
}
