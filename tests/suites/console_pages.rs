//! Every page, dark and light, on a desk and in a hand: nothing goes wrong in the browser, nothing is asked of anyone else,
//! and what tasks and jobs say is text.

use lovage_client::NewJob;
use lovage_tests::{Tab, WITHIN};
use serde_json::json;

use crate::console_ground::{DESK, Dev, PHONE, desk, ratio, slow};

const PAGES: [&str; 10] = [
    "/",
    "/jobs",
    "/tasks",
    "/tasks/default/ratio",
    "/queues",
    "/schedules",
    "/workers",
    "/dead",
    "/tenants",
    "/audit",
];

/// What would run where it is taken for markup.
const HTML: &str = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>";

async fn is_text(tab: &Tab, place: &str) {
    let ran: bool = tab.value("window.pwned === 1 || document.querySelector('main img, main script') !== null").await;
    assert!(!ran, "markup came through on {place}");
}

/// Whether something sticks out of the page to the side.
async fn fits(tab: &Tab, place: &str) {
    let (wide, screen): (i64, i64) =
        (tab.value("document.documentElement.scrollWidth").await, tab.value("window.innerWidth").await);
    assert!(wide <= screen, "{place} is {wide} wide on a screen of {screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_clean_and_shows_markup_as_text() {
    let dev = Dev::start().await;
    let (browser, tab) = desk().await;
    dev.upload(&tab, &dev.component("ratio.wasm", &ratio(true, HTML))).await;
    dev.upload(&tab, &dev.component("slow.wasm", &slow(60))).await;
    let job = |by: u32| NewJob::json("ratio".parse().unwrap(), &json!({ "by": by })).unwrap();
    let broken = dev.client.submit(job(0).tag(HTML)).await.unwrap().id;
    let good = dev.client.submit(job(5)).await.unwrap().id;
    let marked = NewJob::json("ratio".parse().unwrap(), &json!({ "by": HTML })).unwrap().unchecked();
    let refused = dev.client.submit(marked).await.unwrap().id;
    let runs = dev.client.submit(NewJob::new("slow".parse().unwrap(), "")).await.unwrap().id;
    for id in [&broken, &good, &refused] {
        dev.client.wait(id, Some(WITHIN)).await.unwrap();
    }
    let jobs = [&broken, &good, &refused, &runs].map(|id| format!("/jobs/default/{id}"));
    let all: Vec<&str> = PAGES.into_iter().chain(jobs.iter().map(String::as_str)).collect();
    for (look, dark, size) in [("light", false, DESK), ("dark", true, DESK), ("phone", false, PHONE)] {
        tab.size(size.0, size.1).await;
        tab.dark(dark).await;
        for place in &all {
            tab.open(&dev.page(place)).await;
            tab.until("document.querySelector('main h1')").await;
            is_text(&tab, place).await;
            fits(&tab, place).await;
            let name = place.trim_start_matches('/').replace('/', "-");
            let name = match place.strip_prefix("/jobs/default/") {
                Some(_) => format!("job-{}", jobs.iter().position(|job| job == place).unwrap()),
                None if name.is_empty() => "overview".to_owned(),
                None => name,
            };
            tab.picture(&format!("{look}-{name}")).await;
        }
    }
    tab.open(&dev.page(&jobs[0])).await;
    tab.shows("<img src=x").await;
    tab.rests().await;
    tab.is_clean(&dev.url);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_stays_up_to_date_by_itself() {
    let dev = Dev::start().await;
    let (browser, tab) = desk().await;
    dev.upload(&tab, &dev.component("slow.wasm", &slow(2))).await;
    tab.open(&dev.page("/jobs")).await;
    let id = dev.client.submit(NewJob::new("slow".parse().unwrap(), "")).await.unwrap().id;
    tab.shows(id.as_str()).await;
    tab.open(&dev.page(&format!("/jobs/default/{id}"))).await;
    tab.shows("completed").await;
    tab.until("document.querySelector('#live-state')?.dataset.state === 'live'").await;
    tab.is_clean(&dev.url);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyboard_leads_everywhere() {
    let dev = Dev::start().await;
    let (browser, tab) = desk().await;
    tab.open(&dev.page("/")).await;
    for (key, path) in
        [("j", "/jobs"), ("t", "/tasks"), ("q", "/queues"), ("w", "/workers"), ("d", "/dead"), ("o", "/")]
    {
        tab.press(&["g", key]).await;
        tab.until(&format!("location.pathname === '{path}' && document.readyState === 'complete'")).await;
    }
    tab.press(&["?"]).await;
    tab.until("document.querySelector('#help').open").await;
    tab.click("#help [data-close]").await;
    let before: String =
        tab.value("getComputedStyle(document.body).backgroundColor + document.documentElement.dataset.theme").await;
    tab.click("#theme").await;
    tab.until("document.documentElement.dataset.theme === 'dark'").await;
    tab.open(&dev.page("/jobs")).await;
    tab.until("document.documentElement.dataset.theme === 'dark'").await;
    let after: String =
        tab.value("getComputedStyle(document.body).backgroundColor + document.documentElement.dataset.theme").await;
    assert_ne!(before, after);
    tab.press(&["/"]).await;
    tab.until("document.activeElement.name === 'id'").await;
    tab.is_clean(&dev.url);
    browser.close().await;
}
